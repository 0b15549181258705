"""How deep it can be: 10 to 100 hidden layers.

python tests/benchmarks/depth.py 50    (10 minutes on two cores)
"""

from table import main

DEPTHS = 10, 20, 50, 100
STACKS = {
    "plain tanh": ("plain", "--activation tanh"),
    "residual": ("residual", ""),
    "residual tanh": ("residual", "--activation tanh"),
}
CELLS = [(script, f"{n} {options}") for n in DEPTHS for script, options in STACKS.values()]
HEADS = ["hidden layers"]
HEADS += [head for name in STACKS for head in (f"{name}: solved", "after", "signal", "error")]


def table(rows):
    lines = []
    for n in DEPTHS:
        lines.append([f"{n}"])
        for script, options in STACKS.values():
            solved, after, _, signal, error = rows[script, f"{n} {options}"]
            lines[-1] += [solved, after, signal, error]
    return lines


if __name__ == "__main__":
    main(__doc__, CELLS, HEADS, table)

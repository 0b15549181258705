"""How deep it can be: the README's table of 10 to 100 hidden layers.

python tests/benchmarks/depth.py 4    (a quarter of an hour on two cores)
"""

from runs import measure, print_table

DEPTHS = 10, 20, 50, 100
STACKS = {
    "plain tanh": ("plain", "--activation tanh"),
    "residual": ("residual", ""),
    "residual tanh": ("residual", "--activation tanh"),
}

if __name__ == "__main__":
    cells = [(script, f"{n} {options}") for n in DEPTHS for script, options in STACKS.values()]
    rows = iter(measure(cells, __doc__))
    heads = [head for name in STACKS for head in (f"{name}: solved", "after", "signal", "error")]
    table = []
    for n in DEPTHS:
        table.append([f"{n}"])
        for _ in STACKS:
            solved, after, _, signal, error = next(rows)
            table[-1] += [solved, after, signal, error]
    print_table(["hidden layers", *heads], table)

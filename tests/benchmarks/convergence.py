"""How often, and how fast, the two scripts learn XOR at 1 to 10 hidden layers.

python tests/benchmarks/convergence.py 50    (3 minutes on two cores)
"""

from table import main
from XORgatemultihiddenlayers import MAX_LAYERS

DEPTHS = range(1, MAX_LAYERS + 1)
STACKS = {
    "plain": ("plain", ""),
    "residual": ("residual", ""),
    "plain relu, he": ("plain", " --activation relu --init he"),
}
CELLS = [(script, f"{n}{options}") for n in DEPTHS for script, options in STACKS.values()]
HEADS = ["hidden layers"]
HEADS += [head for name in STACKS for head in (f"{name}: solved", "after", "stops")]


def table(rows):
    lines = []
    for n in DEPTHS:
        lines.append([f"{n}"])
        for script, options in STACKS.values():
            lines[-1] += rows[script, f"{n}{options}"][:3]
    return lines


if __name__ == "__main__":
    main(__doc__, CELLS, HEADS, table)

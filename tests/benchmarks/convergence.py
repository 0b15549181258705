"""How often, and how fast, the two scripts learn XOR at 1 to 10 hidden layers.

python tests/benchmarks/convergence.py 50    (2 minutes on two cores)
"""

from table import main
from XORgatemultihiddenlayers import MAX_LAYERS

DEPTHS = range(1, MAX_LAYERS + 1)
CELLS = [(script, f"{n}") for n in DEPTHS for script in ("plain", "residual")]
HEADS = ["hidden layers", "plain: solved", "after", "stops", "residual: solved", "after", "stops"]


def table(rows):
    return [[f"{n}", *rows["plain", f"{n}"][:3], *rows["residual", f"{n}"][:3]] for n in DEPTHS]


if __name__ == "__main__":
    main(__doc__, CELLS, HEADS, table)

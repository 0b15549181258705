"""How often, and how fast, the two scripts learn XOR: the README's table.

python tests/benchmarks/convergence.py 50    (40 minutes on two cores; 2 seeds: two minutes)
"""

from runs import measure, print_table
from XORgatemultihiddenlayers import MAX_LAYERS

if __name__ == "__main__":
    depths = range(1, MAX_LAYERS + 1)
    cells = [(script, f"{n}") for n in depths for script in ("plain", "residual")]
    measured = [row[:3] for row in measure(cells, __doc__)]
    print_table(
        [
            "hidden layers",
            *("plain: solved", "after", "stops"),
            *("residual: solved", "after", "stops"),
        ],
        (
            [f"{n}", *plain, *resid]
            for n, plain, resid in zip(depths, measured[::2], measured[1::2])
        ),
    )

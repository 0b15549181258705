"""What each remedy buys at 10 hidden layers: the README's table.

python tests/benchmarks/remedies.py 16    (20 minutes on two cores; 2 seeds: three minutes)
"""

from runs import measure, print_table

RUNS = [
    ("plain", ""),
    ("plain", "--init he"),
    ("plain", "--init uniform"),
    ("plain", "--activation relu"),
    ("plain", "--activation relu --init he"),
    ("plain", "--activation tanh"),
    ("plain", "--batch-norm"),
    ("residual", ""),
    ("residual", "--max-norm inf"),
    ("residual", "--init uniform"),
    ("residual", "--skip 2"),
    ("residual", "--skip 2 --activation tanh --init he --max-norm inf"),
    ("residual", "--skip 2 --activation tanh --init he"),
]

if __name__ == "__main__":
    measured = measure([(script, f"10 {options}") for script, options in RUNS], __doc__)
    print_table(
        ["script", "options", "solved", "after", "stops", "signal", "error"],
        ([script, options or "none", *row] for (script, options), row in zip(RUNS, measured)),
    )

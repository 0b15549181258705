"""What each remedy, and each cause of vanishing or exploding, does at 10 hidden layers.

python tests/benchmarks/remedies.py 50    (8 minutes on two cores)
"""

from table import main

PLAIN = [
    *("", "--learning-rate 0.1", "--learning-rate 0.3", "--learning-rate 3"),
    *("--init he", "--init uniform", "--activation relu", "--activation relu --init he"),
    *(f"--gain {gain}" for gain in (2, 3, 4, 5, 6)),
    "--gain 4 --max-norm inf",
    *(
        f"--activation tanh{gain}{rate}{clipping}"
        for gain in ("", " --gain 2", " --gain 3")
        for rate in ("", " --learning-rate 0.1")
        for clipping in ("", " --max-norm inf")
    ),
    "--activation tanh --gain 3 --learning-rate 0.03 --max-norm inf",
    "--batch-norm",
]
RESIDUAL = [
    *("", "--learning-rate 0.1", "--learning-rate 0.3", "--learning-rate 3"),
    "--max-norm inf",
    *(f"--learning-rate {rate} --max-norm inf" for rate in (0.1, 0.3)),
    *("--init uniform", "--activation relu", "--skip 2"),
    "--skip 2 --activation tanh --init he",
    "--skip 2 --activation tanh --init he --max-norm inf",
]
RUNS = [("plain", options) for options in PLAIN] + [("residual", options) for options in RESIDUAL]
CELLS = [(script, f"10 {options}") for script, options in RUNS]
HEADS = ["script", "options", "solved", "after", "stops", "signal", "error"]


def table(rows):
    return [[script, options or "none", *rows[script, f"10 {options}"]] for script, options in RUNS]


if __name__ == "__main__":
    main(__doc__, CELLS, HEADS, table)

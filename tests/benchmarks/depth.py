"""How deep it can be: the README's table of 10 to 100 hidden layers.

python tests/benchmarks/depth.py 10    (three quarters of an hour on two cores; 2 seeds: 10 minutes)
"""

from runs import measure, print_table

RUNS = [
    (script, options, f"{n}")
    for n in (10, 20, 50, 100)
    for script, options in [
        ("plain", "--activation tanh"),
        ("residual", ""),
        ("residual", "--activation tanh"),
    ]
]

if __name__ == "__main__":
    measured = measure([(script, f"{n} {options}") for script, options, n in RUNS], __doc__)
    print_table(
        ["hidden layers", "script", "options", "solved", "after", "stops", "signal", "error"],
        ([n, script, options or "none", *row] for (script, options, n), row in zip(RUNS, measured)),
    )

"""Each reason of the project with its cause taken away: does what it explains go away with it?

python tests/benchmarks/causes.py causes
"""

import argparse
import functools

from convergence import cost, entries
from tables import measured, parse_seeds, print_table, run

COLUMNS = ["solved", "after", "signal", "error", "begins at", "fails at", "rises"]
STEEP, HALF = ("f", "4 sigmoid(h) - 2"), ("f", "2.4 sigmoid(h) - 0.7")
SHIFT = "shift", -0.5
COPY = "T", "x0"
BOTH_SIGNS = "X", "2 X - 1"
WIDE = "nodes", 64
XOR_ALONE = "dense_in gain", 4
ERROR_ALONE, SIGNAL_ALONE = ("forward", 0.0), ("backward", 0.0)
TANH = "10 --activation tanh --gain 3"
RELU = "10 --activation relu --init he"
UNCLIPPED = "--max-norm inf"
SHORT = f"{UNCLIPPED} --epochs 2000"  # 64 nodes take long

# What is changed, and the cell that does it.
CAUSES = [
    ("plain", ("plain", "10")),
    ("plain, f(h) = 4 sigmoid(h) - 2", ("plain", "10", STEEP)),
    *((f"plain, {n} layers", ("plain", f"{n}")) for n in (3, 4, 5)),
    *((f"plain, {n} layers, T = x0", ("plain", f"{n}", COPY)) for n in (5, 6, 7, 10)),
    ("residual", ("residual", "10")),
    (f"residual {UNCLIPPED}", ("residual", f"10 {UNCLIPPED}")),
    ("residual, y = x + F(x) - 0.5", ("residual", "10", SHIFT)),
    (f"residual {UNCLIPPED}, y = x + F(x) - 0.5", ("residual", f"10 {UNCLIPPED}", SHIFT)),
    ("residual, 100 layers", ("residual", "100")),
    ("residual, 100 layers, y = x + F(x) - 0.5", ("residual", "100", SHIFT)),
    ("residual, y = F(x), dx = dy + dF", ("residual", "10", ERROR_ALONE)),
    ("residual, y = x + F(x), dx = dF", ("residual", "10", SIGNAL_ALONE)),
    ("residual, y = x + F(x) - 0.5, dx = dF", ("residual", "10", SHIFT, SIGNAL_ALONE)),
    ("residual, the hidden layers frozen", ("residual", "10", ("frozen", "hidden"))),
    ("residual, y = x", ("residual", "10", ("hidden", "none"))),
    ("residual --max-norm 0.025", ("residual", "10 --max-norm 0.025")),
    ("residual --max-norm 0.0025", ("residual", "10 --max-norm 0.0025")),
    ("tanh, gain 3", ("plain", TANH)),
    (f"tanh, gain 3 {UNCLIPPED}", ("plain", f"{TANH} {UNCLIPPED}")),
    ("tanh, gain 3, the first step alone clipped", ("plain", TANH, ("clipped", "first step"))),
    ("tanh, gain 3, X = 2 X - 1", ("plain", TANH, BOTH_SIGNS)),
    (f"tanh, gain 3 {UNCLIPPED}, X = 2 X - 1", ("plain", f"{TANH} {UNCLIPPED}", BOTH_SIGNS)),
    ("tanh, gain 3, 64 nodes", ("plain", TANH, WIDE)),
    (f"tanh, gain 3 {SHORT}, 64 nodes", ("plain", f"{TANH} {SHORT}", WIDE)),
    ("tanh, gain 3, 64 nodes, X = 2 X - 1", ("plain", TANH, WIDE, BOTH_SIGNS)),
    (
        f"tanh, gain 3 {SHORT}, 64 nodes, X = 2 X - 1",
        ("plain", f"{TANH} {SHORT}", WIDE, BOTH_SIGNS),
    ),
    ("relu, he", ("plain", RELU)),
    ("relu, he, f(h) = max(h, 0.3 h)", ("plain", RELU, ("f", "max(h, 0.3 h)"))),
    ("relu, he, f(h) = max(h, 0.01 h)", ("plain", RELU, ("f", "max(h, 0.01 h)"))),
    ("batch norm", ("plain", "10 --batch-norm")),
    *(
        (f"batch norm, divides {way}", ("plain", "10 --batch-norm", ("divides", way)))
        for way in ("forward", "backward", "neither")
    ),
    ("gain 4", ("plain", "10 --gain 4")),
    ("gain 4 of dense_in alone", ("plain", "10", XOR_ALONE)),
    ("f(h) = 2.4 sigmoid(h) - 0.7", ("plain", "10", HALF)),
    ("f(h) = 2.4 sigmoid(h) - 0.7, gain 4 of dense_in", ("plain", "10", HALF, XOR_ALONE)),
    ("gain 1.41", ("plain", "10 --gain 1.41")),
    ("he", ("plain", "10 --init he")),
]


def causes(seeds):
    lines = [([what], [cell]) for what, cell in CAUSES]
    measure = functools.partial(entries, seeds=seeds, columns=COLUMNS)
    return ["changed", *COLUMNS], measured(measure, lines, cost)


TABLES = {"causes": causes}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", choices=TABLES)
    asked, seeds = parse_seeds(parser)
    print_table(*TABLES[asked.table](seeds))


if __name__ == "__main__":
    run(main)

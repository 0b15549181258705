"""How many epochs the plain stack needs at 1 to 8 hidden layers, given up to 10 million.

python tests/benchmarks/plateau.py    (8 minutes on two cores)
"""

import math

import numpy as np

from batch import train
from table import SOLVED, each, hidden_layers, print_table

EPOCHS = 10_000_000
SEEDS = {n: 21 for n in range(1, 7)} | {7: 9, 8: 5}  # odd, so that the median is one of the runs
HEADS = ["hidden layers", "seeds", "epochs, median", "times as many"]


def median_epochs(cell, seeds=None):
    """Return the epoch at which half of the seeds, and one more, have reached SOLVED, or inf."""
    seeds = range(SEEDS[hidden_layers(cell)]) if seeds is None else seeds
    for epoch, losses in train(cell, seeds, goal=SOLVED):
        if np.count_nonzero(losses <= SOLVED) > len(seeds) // 2:
            return epoch
    return math.inf


def table(medians):
    """Return the lines of the table for {hidden layers: median epochs}."""
    times = [""] + [f"{medians[n] / medians[n - 1]:.1f}" for n in list(medians)[1:]]
    return [
        [f"{n}", f"{SEEDS[n]}", f"{epochs}", ratio]
        for (n, epochs), ratio in zip(medians.items(), times)
    ]


if __name__ == "__main__":
    cells = [("plain", f"{n} --epochs {EPOCHS}") for n in SEEDS]
    found = each(median_epochs, cells)
    print(f"Epochs until Loss <= {SOLVED}; of a stack with one layer fewer, times as many\n")
    print_table(HEADS, table({hidden_layers(cell): found[cell] for cell in cells}))

"""The tables of the benchmarks: how many runs of a cell learn, how fast, and why."""

import argparse
import functools
import math
import multiprocessing
import statistics
import sys

import numpy as np

from batch import networks, train
from XORgatemultihiddenlayers import LOSS_GOAL, passed_on, signal_error_gradient

SOLVED = 0.01  # the loss at which a run counts: every result is within 0.15 of its target


def hidden_layers(cell):
    _, command_line = cell
    return int(command_line.split()[0])


def epochs_to_solve(cell, seeds):
    """Return for each seed the epoch at which it is SOLVED, inf for never, and where it stops."""
    solved, stops = np.full(len(seeds), math.inf), np.zeros(len(seeds))
    runs = np.full(len(seeds), True)
    for epoch, losses in train(cell, seeds):
        solved[(losses <= SOLVED) & (solved == math.inf)] = epoch
        stops[runs] = epoch
        runs = (losses > LOSS_GOAL) & (losses < math.inf)
    return solved, stops


def factors(cell, seeds):
    """Return what a hidden layer passes on of signal and error before training: (seeds, 2)."""
    passed = [
        passed_on(signal_error_gradient(network), hidden_layers(cell))
        for network in networks(cell, seeds)[0]
    ]
    return np.array([[factor for _, factor, _ in ways] for ways in passed])


def row(cell, seeds):
    """Return the entries solved, after, stops, signal, error; a run that fails is endless."""
    solved, stops = epochs_to_solve(cell, seeds)
    after = statistics.median_high(solved)
    return [
        f"{np.isfinite(solved).sum()}/{len(seeds)}",
        f"{after:.0f}" if after < math.inf else "-",
        f"{statistics.median_high(stops):.0f}",
        *(f"{factor:.2f}" for factor in np.median(factors(cell, seeds), axis=0)),
    ]


def each(function, cells):
    """Return {cell: function(cell)}, one process a core, the longest cells first."""
    cells = sorted(cells, key=lambda cell: (cell[0] != "plain", -hidden_layers(cell)))
    done = {}
    with multiprocessing.Pool() as pool:
        for cell, result in zip(cells, pool.imap(function, cells)):
            done[cell] = result
            print(f"\r{len(done)} of {len(cells)} cells", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return done


def main(description, cells, heads, table):
    """Print the table that table(rows) returns of {cell: row}, for the seeds that are asked for."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", type=int, help="how many seeds, from 0 on")
    seeds = parser.parse_args().seeds
    rows = each(functools.partial(row, seeds=range(seeds)), cells)
    print(f"Seeds 0 to {seeds - 1}; solved: Loss <= {SOLVED} within 100000 epochs; medians\n")
    print_table(heads, table(rows))


def print_table(heads, rows):
    print("| " + " | ".join(heads) + " |")
    print(len(heads) * "|---" + "|")
    for entries in rows:
        print("| " + " | ".join(entries) + " |")

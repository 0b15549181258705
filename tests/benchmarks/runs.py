"""Many runs of the experiment at once, for the benchmarks that count how many of them succeed."""

import argparse
import math
import multiprocessing
import statistics
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are run by their path

from XORgatemultihiddenlayers import argument_parser, build_network, gradient_descent

SOLVED = 0.01  # the loss at which a run counts: every result is within 0.15 of its target


def epochs_to_solve(job):
    """Return the epoch at which a run solves XOR, or inf; job is (hidden_layer, command line)."""
    hidden_layer, command_line = job
    args = argument_parser("").parse_args(command_line)
    network = build_network(hidden_layer, args)
    try:
        with np.errstate(over="ignore"):
            for epoch, loss in enumerate(gradient_descent(network, args.max_norm), start=1):
                if loss < SOLVED:
                    return epoch
                if epoch == args.epochs:
                    return math.inf
    except FloatingPointError:
        return math.inf


def measure(cells, description):
    """Run each cell, a job without its seed, over as many seeds as the command line says.

    Return for each cell (share of solved runs, median of epochs) as text, a run that fails
    counting as one that never ends. Progress goes to standard error.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", type=int, help="how many seeds, from 0 on")
    seeds = parser.parse_args().seeds
    jobs = [
        (hidden_layer, [*command_line, "--seed", str(seed)])
        for hidden_layer, command_line in cells
        for seed in range(seeds)
    ]
    epochs = []
    with multiprocessing.Pool() as pool:
        for result in pool.imap(epochs_to_solve, jobs):
            epochs.append(result)
            print(f"\r{len(epochs)} of {len(jobs)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"Seeds 0 to {seeds - 1}; solved: Loss < {SOLVED} within 100000 epochs; median epochs\n")
    return [as_text(epochs[i : i + seeds]) for i in range(0, len(jobs), seeds)]


def as_text(epochs):
    solved = [epoch for epoch in epochs if epoch < math.inf]
    median = statistics.median_high(epochs)
    return f"{100 * len(solved) / len(epochs):.0f} %", f"{median}" if median < math.inf else "-"

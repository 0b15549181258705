"""Many runs of the experiment at once, for the benchmarks that count how many of them succeed."""

import multiprocessing
import statistics
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the scripts are run from where they lie

from XORgatemultihiddenlayers import argument_parser, build_network, gradient_descent

SOLVED = 0.01  # the loss at which a run counts: every result is within 0.15 of its target


def epochs_to_solve(job):
    """Return the epoch at which a run solves XOR, or None; job is (hidden_layer, command line)."""
    hidden_layer, command_line = job
    args = argument_parser("").parse_args(command_line)
    network = build_network(hidden_layer, args)
    try:
        with np.errstate(over="ignore"):
            for epoch, loss in enumerate(gradient_descent(network, args.max_norm), start=1):
                if loss < SOLVED:
                    return epoch
                if epoch == args.epochs:
                    return None
    except FloatingPointError:
        return None


def measure(cells, seeds):
    """Run each cell, a job without its seed, with seeds 0 to seeds - 1, one process for each core.

    Return for each cell the list of epochs_to_solve. Progress goes to standard error.
    """
    jobs = [
        (hidden_layer, [*command_line, "--seed", str(seed)])
        for hidden_layer, command_line in cells
        for seed in range(seeds)
    ]
    results = []
    with multiprocessing.Pool() as pool:
        for result in pool.imap(epochs_to_solve, jobs):
            results.append(result)
            print(f"\r{len(results)} of {len(jobs)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return [results[i : i + seeds] for i in range(0, len(jobs), seeds)]


def solved(epochs):
    """Return the share of solved runs and their median of epochs, as the tables show them."""
    done = [epoch for epoch in epochs if epoch is not None]
    share = f"{100 * len(done) / len(epochs):.0f} %"
    return share, f"{statistics.median_high(done)}" if done else "-"

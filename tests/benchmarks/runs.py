"""Many runs of the experiment at once, for the benchmarks that count how many of them succeed."""

import argparse
import contextlib
import io
import math
import multiprocessing
import statistics
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are run by their path

from XORgatemultihiddenlayers import LOSS_GOAL, T, X, argument_parser, build_network, dense, train
from XORgateresidualconnectionlayers import residual, residual_parser

SOLVED = 0.01  # the loss at which a run counts: every result is within 0.15 of its target
SCRIPTS = {"plain": (dense, argument_parser("")), "residual": (residual, residual_parser())}


def prepare(script, command_line):
    """Return the network and the arguments of a run, as the script has them."""
    hidden_layer, parser = SCRIPTS[script]
    args = parser.parse_args(command_line.split())
    return build_network(hidden_layer, args), args


def quiet_train(network, args):
    """Train without a word; return the last loss, inf where the gradient stops being finite."""
    with contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        try:
            return train(network, args)
        except FloatingPointError:
            return math.inf


def epochs_to_solve(job):
    """Return the epochs until the loss is SOLVED, inf for never, and until the script stops."""
    network, args = prepare(*job)
    solved, passed = math.inf, 0
    for goal in (SOLVED, LOSS_GOAL):
        args.loss_goal = goal
        loss = quiet_train(network, args)
        passed += args.epoch
        args.epochs -= args.epoch
        if goal == SOLVED and loss <= goal:
            solved = passed
        if loss > goal or args.epochs == 0:
            break
    return solved, passed


def factors(job):
    """Return what a hidden layer passes on of the signal, and of the error, before training."""
    network, _ = prepare(*job)
    signals, errors, _ = network.signal_error_gradient(X, network.forward_prop(X) - T)
    return [network.factor(way) if all(way) else 0.0 for way in (signals[:-1], errors[-2::-1])]


def measure(cells, description):
    """Run each cell, (script, command line), over as many seeds as the command line says.

    Return for each cell the entries of its row: share of solved runs, median epochs until solved (a
    run that fails counts as endless) and until the script stops, median factors of signal and
    error. Progress goes to standard error.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", type=int, help="how many seeds, from 0 on")
    seeds = parser.parse_args().seeds
    jobs = [
        (script, f"{command_line} --seed {seed}")
        for script, command_line in cells
        for seed in range(seeds)
    ]
    marks = []
    with multiprocessing.Pool() as pool:
        for result in pool.imap(epochs_to_solve, jobs):
            marks.append(result)
            print(f"\r{len(marks)} of {len(jobs)} runs", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"Seeds 0 to {seeds - 1}; solved: Loss <= {SOLVED} within 100000 epochs; medians\n")
    return [
        entries(marks[i : i + seeds], [factors(job) for job in jobs[i : i + seeds]])
        for i in range(0, len(jobs), seeds)
    ]


def entries(marks, factors):
    solved, stopped = zip(*marks)
    share = sum(epoch < math.inf for epoch in solved) / len(solved)
    until = statistics.median_high(solved)
    return [
        f"{100 * share:.0f} %",
        f"{until}" if until < math.inf else "-",
        f"{statistics.median_high(stopped)}",
        *(f"{statistics.median(values):.2f}" for values in zip(*factors)),
    ]


def print_table(heads, rows):
    print("| " + " | ".join(heads) + " |")
    print(len(heads) * "|---" + "|")
    for row in rows:
        print("| " + " | ".join(row) + " |")

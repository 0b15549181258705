"""How often, and how fast, the two scripts learn XOR, and what a hidden layer passes on.

python tests/benchmarks/convergence.py depths    (or remedies, deep, plateau, identity)
"""

import argparse
import functools
import math
import statistics

import numpy as np

from batch import data, networks, parsed, train
from layers import Dense
from residual import ResidualConnection
from tables import measured, parse_seeds, print_table, run
from XORgatemultihiddenlayers import T, X, signal_error_gradient

SOLVED = 0.01  # the loss at which a run counts: every result is within 0.15 of its target
COLUMNS = ["solved", "after", "signal", "error", "slope", "begins at", "fails at", "rises"]
DEEP = ["solved", "after", "signal", "error"]
ONE_CHANGE = ["solved", "after", "signal", "error", "rises"]
RELU, TANH = "--activation relu --init he", "--activation tanh"
RATES = ["", *(f"--learning-rate {rate}" for rate in (0.1, 0.3, 3))]
PLAIN = [
    *(*RATES, "--init he", "--init uniform", "--activation relu", RELU),
    *(*(f"--gain {gain}" for gain in (2, 3, 4, 5, 6)), "--gain 4 --max-norm inf"),
    *(
        f"{TANH}{gain}{rate}{clipping}"
        for gain in ("", " --gain 2", " --gain 3")
        for rate in ("", " --learning-rate 0.1")
        for clipping in ("", " --max-norm inf")
    ),
    *(f"{TANH} --gain 3 --learning-rate 0.03 --max-norm inf", "--batch-norm"),
]
RESIDUAL = [
    *(*RATES, "--max-norm inf", *(f"{rate} --max-norm inf" for rate in RATES[1:3])),
    *("--init uniform", "--activation relu", "--skip 2", f"--skip 2 {TANH} --init he"),
    f"--skip 2 {TANH} --init he --max-norm inf",
]
RUNS = [("plain", options) for options in PLAIN] + [("residual", options) for options in RESIDUAL]


def by_depth(depths, columns, *stacks):
    """Return a table with stacks side by side."""
    heads = ["hidden layers"]
    for script, options in stacks:
        heads += [f"{script} {options}".strip() + f": {columns[0]}", *columns[1:]]
    cells = [[(script, f"{n} {options}") for script, options in stacks] for n in depths]
    return heads, columns, [([f"{n}"], line) for n, line in zip(depths, cells)]


REMEDIES = [([script, options or "none"], [(script, f"10 {options}")]) for script, options in RUNS]
IDENTITY = [  # sqrt(a^2 + 0.21^2): what a x and F(x) pass on together, at right angles
    ([f"y = {a} x + F(x)", f"{math.hypot(a, 0.21):.2f}"], [("residual", "10", ("a", a))])
    for a in (0, 0.25, 0.5, 0.75, 0.9, 1)
]
IDENTITY += [
    ([what, "-"], [("residual", *cell)])
    for what, *cell in [
        ("dense_out's gradient alone is clipped", "10", ("clipped", "dense_out")),
        ("nothing is clipped", "10 --max-norm inf"),
        ("dense_out's steps a hundredth as long", "10", ("dense_out", 0.01)),
        ("all other steps a tenth as long", "10", ("others", 0.1)),
    ]
]

# A table is its heads, the columns that show a cell, and its lines, each (labels, cells).
TABLES = {
    "depths": by_depth(range(1, 11), COLUMNS[:2], ("plain", ""), ("residual", ""), ("plain", RELU)),
    "remedies": (["script", "options", *COLUMNS], COLUMNS, REMEDIES),
    "deep": by_depth(
        (10, 20, 50, 100), DEEP, ("plain", TANH), ("residual", ""), ("residual", TANH)
    ),
    "plateau": by_depth(range(4, 9), ["after"], ("plain", "--epochs 10000000")),
    "identity": (["changed", "sqrt(a^2 + 0.21^2)", *ONE_CHANGE], ONE_CHANGE, IDENTITY),
}


def courses(cell, seeds, enough):
    """Return four arrays, a number a seed, of training that ends when enough seeds are SOLVED.

    The epoch at which it is solved, inf for never; the first and the last loss; and at what share
    of the epochs until then, or of all if it never is, the loss rises.
    """
    solved, rises = np.full(len(seeds), math.inf), np.zeros(len(seeds))
    first = before = math.inf
    for epoch, losses, _ in train(cell, seeds, SOLVED):
        first = losses if epoch == 1 else first
        rises += losses > before
        solved[(losses <= SOLVED) & (solved == math.inf)] = epoch
        if np.count_nonzero(solved < math.inf) >= enough:
            break
        before = losses
    epochs = parsed(*cell[:2])[2]["epochs"]  # a run that stops earlier rises no more
    return solved, first, losses, rises / np.minimum(solved, epochs)


def dense_layers(network):
    """Return all Dense layers of a network, those in residual connections, too."""
    found = []
    for layer in network.layers:
        if isinstance(layer, ResidualConnection):
            found += dense_layers(layer.F)
        elif isinstance(layer, Dense):
            found.append(layer)
    return found


def mean_factor(start, end, n):
    """Return the factor that leads from start to end in n steps: 0 where it ends on its way."""
    return (end / start) ** (1 / n) if end > 0 else 0.0


def factors(network, n, x=X, t=T):
    """Return what a hidden layer passes on of signal and error, and its mean slope f'(h)."""
    signals, errors, _ = signal_error_gradient(network, x=x, t=t)
    signal_factor = mean_factor(signals[0], signals[-2], n)
    error_factor = mean_factor(errors[-2], errors[0], n)
    slopes = [np.mean(layer.deriv_activate_func(layer.h)) for layer in dense_layers(network)[1:-1]]
    return signal_factor, error_factor, np.mean(slopes) if slopes else 0.0


def entries(cell, seeds, columns):
    """Return what these columns show of a cell."""
    enough = len(seeds) if "solved" in columns else len(seeds) // 2 + 1  # for the median
    solved, first, last, rises = courses(cell, seeds, enough)
    after = statistics.median_high(solved)  # a run that fails is endless
    failed = last[solved == math.inf]
    texts = [f"{len(seeds) - len(failed)}/{len(seeds)}"]
    texts += [f"{after:.0f}" if after < math.inf else "-"]
    n = parsed(*cell[:2])[1]
    x, t, _ = data(cell)
    found = [factors(network, n, x, t) for network in networks(cell, seeds)]
    texts += [f"{factor:.2f}" for factor in np.median(found, axis=0)]
    texts += [f"{np.median(first):.2f}", f"{np.median(failed):.2f}" if len(failed) else "-"]
    texts += [f"{np.median(rises):.0%}"]
    return [text for name, text in zip(COLUMNS, texts) if name in columns]


def cost(cell):
    """Return a number that is larger where a cell takes longer."""
    return parsed(*cell[:2])[1] * data(cell)[2]


def main():
    parser = argparse.ArgumentParser(description="How often, and how fast, the scripts learn XOR.")
    parser.add_argument("table", choices=TABLES)
    asked, seeds = parse_seeds(parser)
    heads, columns, lines = TABLES[asked.table]
    measure = functools.partial(entries, seeds=seeds, columns=columns)
    print_table(heads, measured(measure, lines, cost))


if __name__ == "__main__":
    run(main)

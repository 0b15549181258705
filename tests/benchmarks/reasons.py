"""The numbers behind three reasons: why a gradient of 1e-9, why --gain 4, and why clipping.

python tests/benchmarks/reasons.py    (a minute)
"""

import argparse

import numpy as np

from batch import networks, train, trained
from convergence import SOLVED
from tables import parse_seeds, print_table, run
from XORgatemultihiddenlayers import T, X, loss, signal_error_gradient

STALLED = "plain", "10 --epochs 3000"
CLIPPED = "residual", "10"
UNCLIPPED = "residual", "10 --max-norm inf"
XOR = np.array([1.0, -1.0, -1.0, 1.0]) / 2  # the signs of the four errors, of length 1

GRADIENT_HEADS = ["layer", "signal", "XOR in it", "error", "slope", "gradient", "share"]
XOR_HEADS = ["--gain", "XOR in the signal"]
CLIPPING_HEADS = ["residual", "seeds", "least", "lower quarter", "median", "upper quarter", "most"]


def factors_of_gradients(network):
    """Return the numbers below GRADIENT_HEADS for each layer."""
    signals, errors, gradients = signal_error_gradient(network)
    lines = []
    y = X
    for layer, error, gradient in zip(network.layers, errors, gradients):
        centred = y - y.mean(axis=0)  # the signal that arrives at the layer
        signal = np.linalg.norm(centred)
        xor = np.linalg.norm(XOR @ centred) / signal
        y = layer.forward_prop(y)
        slope = layer.deriv_activate_func(layer.h).mean()
        lines.append([signal, xor, error, slope, gradient, gradient / (signal * error * slope)])
    return lines


def gradient_table(seeds):
    """Return a line a layer: medians over the seeds, after training."""
    found = trained(STALLED, seeds)
    medians = np.median([factors_of_gradients(network) for network in found], axis=0)
    lines = []
    for name, median in zip(found[0].names(), medians):
        signal, xor, error, slope, gradient, share = median
        line = [f"{signal:.1e}", f"{xor:.3f}", f"{error:.1e}", f"{slope:.2f}", f"{gradient:.1e}"]
        lines.append([name, *line, f"{share:.3f}"])
    return lines


def xor_table(seeds):
    """Return a line a gain: how much of the signal that arrives at dense_out is XOR, at first."""
    lines = []
    for gain in range(1, 7):
        found = networks(("plain", f"10 --gain {gain}"), seeds)
        shares = [factors_of_gradients(network)[-1][1] for network in found]
        lines.append([f"{gain}", f"{np.median(shares):.2f}"])
    return lines


def last_epochs_below(limit, cell, seeds):
    """Return when each seed's loss was below a limit for the last time, and each last loss."""
    epochs = np.zeros(len(seeds))
    for epoch, losses, _ in train(cell, seeds, SOLVED):
        epochs[losses < limit] = epoch
    return epochs, losses


def line_of(what, numbers, form):
    quarters = np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1])
    return [what, f"{len(numbers)}", *(form.format(quarter) for quarter in quarters)]


def before_training(seeds):
    """Return the lines of what a seed begins with."""
    lengths = []
    losses = []
    for network in networks(CLIPPED, seeds):
        y = X
        for layer in network.layers[:-1]:
            y = layer.forward_prop(y)
        lengths.append(np.linalg.norm(y, axis=1).mean())
        losses.append(loss(network.forward_prop(X), T))
    return [
        line_of("length of x before dense_out", lengths, "{:.1f}"),
        line_of("loss", losses, "{:.2f}"),
    ]


def saturated_after(seeds):
    """Return the line of the runs that fail when nothing is clipped."""
    epochs, losses = last_epochs_below(0.9, UNCLIPPED, seeds)
    what = "last epoch with a loss below 0.9, --max-norm inf, where it fails"
    return line_of(what, epochs[losses > 0.9], "{:.0f}")


def clipping_table(seeds):
    """Yield the lines of both: the last one takes most of the time."""
    yield from before_training(seeds)
    yield saturated_after(seeds)


def main():
    _, seeds = parse_seeds(argparse.ArgumentParser(description=__doc__.splitlines()[0]))
    print_table(GRADIENT_HEADS, gradient_table(seeds))
    print()
    print_table(XOR_HEADS, xor_table(seeds))
    print()
    print_table(CLIPPING_HEADS, clipping_table(seeds))


if __name__ == "__main__":
    run(main)

"""Draw the README's picture, picture.svg beside this file: what happens, and why.

pip install ".[picture]" && python tests/benchmarks/picture.py    (a minute or two)
"""

import math
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import XORgatemultihiddenlayers as xor
from causes import errors_of_samples
from tables import run, workers
from XORgateresidualconnectionlayers import residual

N = xor.MAX_LAYERS
DEPTHS = range(1, N + 1)
TANH = {"activation": "tanh", "gain": 3.0}
CHECKPOINTS = {*np.geomspace(1, xor.EPOCHS, 50).round().astype(int)}
BLUE, ORANGE, GRAY = "#0072b2", "#c04a00", "#555555"  # the colour-blind can tell them apart


def losses(job):
    """Return the epochs of a run at which its loss is drawn, and these losses."""
    hidden_layer, n, options, max_norm = job
    network, curve = xor.build_network(hidden_layer, n, **options), []
    with np.errstate(all="ignore"):
        for epoch, loss in xor.train(network, max_norm=max_norm):
            if epoch in CHECKPOINTS or loss <= xor.LOSS_GOAL:
                curve.append((epoch, loss))
            if loss <= xor.LOSS_GOAL:
                break
    return np.transpose(curve)


def draw_depths(panel, kind, curves):
    """Draw the loss by epoch at each depth; if some stall, number the lines that fall."""
    for n, color in zip(DEPTHS, plt.get_cmap("plasma")(np.linspace(0, 0.8, N))):
        panel.plot(*curves[kind, n], color=color, label=n)
    stalled = [n for n in DEPTHS if curves[kind, n][1, -1] > xor.LOSS_GOAL]
    if not stalled:
        panel.text(1.6, 0.08, f"1 to {N}:\nall learn")
        return
    panel.text(1.6, 0.08, f"{stalled[0]} to {N}:\nstay at {curves[kind, N][1, -1]:.1f}")
    panel.legend(title="hidden layers", ncols=2, loc="lower left", handlelength=1.5)
    for n in range(1, stalled[0]):
        epochs, values = curves[kind, n]
        panel.text(0.82 * epochs[np.argmax(values < 0.1)], 0.02, n, ha="right")


def draw_layers(panel, hidden_layer, options, what, y_signal):
    """Draw what travels through the layers of an untrained network; return it."""
    network = xor.build_network(hidden_layer, N, **options)
    signals, errors, gradients = xor.signal_error_gradient(network)
    panel.semilogy(signals[:-1], ">-", color=BLUE)
    panel.semilogy(errors[:-1], "<--", color=ORANGE)
    panel.semilogy(gradients[:-1], ":", color=GRAY)
    panel.text(0, y_signal, "signal \u2192", color=BLUE)
    panel.set(title=f"why: {what}", xlabel=f"hidden layer, of {N}", ylim=(1e-8, 2e6))
    panel.set_xticks(range(N + 1), ["in", *range(N)])
    panel.grid(visible=False, axis="x")
    return network, signals, errors


def tell_what_passes(panel, signals, errors, y_error):
    """Write what a hidden layer passes on, of signal and error."""
    panel.text(N, y_error, "\u2190 error", color=ORANGE, ha="right")
    signal, error = xor.passed_on(signals, errors, N)
    passed = f"{signal:.2f} of the signal and\n{error:.2f} of the error."
    panel.text(0, 1e3, f"A hidden layer passes on\n{passed}", linespacing=1.3)


def draw_samples(panel, network):
    """Draw the error of the samples other than 0 XOR 0, which alone explodes."""
    errors = errors_of_samples(network, xor.X, xor.T)
    others = np.linalg.norm(errors[:, 1:], axis=1)
    panel.semilogy(others[:-1], "<--", color=ORANGE, alpha=0.5)
    panel.text(2.2, 2e4, "\u2190 error of 0 XOR 0", color=ORANGE)
    panel.text(0, 3e-5, "\u2190 error of the\nother three", color=ORANGE, alpha=0.8)


def draw(curves):
    plt.rc("svg", hashsalt="picture", fonttype="none")  # the same bytes each time; text is text
    plt.rc("font", **{"size": 10, "sans-serif": ["DejaVu Sans", "Verdana"]})
    plt.rc("figure", facecolor="white")  # opaque, as the page may be dark
    plt.rc("axes", grid=True, titlesize=10)
    plt.rc("grid", color="#dddddd")
    plt.rc("legend", fontsize=9)
    plt.rc("xtick", bottom=False, labelsize=9)
    plt.rc("ytick", left=False, labelsize=9)
    figure, panels = plt.subplots(2, 3, figsize=(10, 7), sharey="row", layout="constrained")
    (plain, skip, tanh), (plain_why, skip_why, tanh_why) = panels
    draw_depths(plain, "plain", curves)
    draw_depths(skip, "residual", curves)
    tanh.plot(*curves["clipped"], "k")
    tanh.plot(*curves["not clipped"], "k--")
    tanh.text(1.6, 1e-3, f"{N} hidden\nlayers, clipped\nto {xor.MAX_NORM}: learn")
    tanh.text(1e5, 0.08, f"not clipped:\nstay at {curves['not clipped'][1, -1]:.1f}", ha="right")
    _, *passing = draw_layers(plain_why, xor.dense, {}, "signal and error fade", 2)
    tell_what_passes(plain_why, *passing, 2)
    _, *passing = draw_layers(skip_why, residual, {}, "signal and error stay level", 2)
    tell_what_passes(skip_why, *passing, 5e-5)
    network, *_ = draw_layers(tanh_why, xor.dense, TANH, "one sample's error grows", 0.2)
    draw_samples(tanh_why, network)

    plain.set_title("Plain: the gradient vanishes", weight="bold", size=11)
    skip.set_title("Residual: it arrives", weight="bold", size=11)
    tanh.set_title(f"Plain tanh, gain {TANH['gain']:g}: it explodes", weight="bold", size=11)
    for panel in panels[0]:
        panel.set(xlabel="epoch", xscale="log", yscale="log", xlim=(1, 1.4 * xor.EPOCHS))
        panel.xaxis.set_major_formatter("{x:g}")
    for (panel, *_), label in zip(panels, ("loss", "size (norm) before training")):
        panel.set_ylabel(label)
        panel.yaxis.set_major_formatter("{x:g}")
    labels = (
        "signal: what tells the samples apart, on its way forward",
        "error: dL/dy, on its way back",
        "gradient: dL/dW and dL/db",
    )
    figure.legend(plain_why.lines, labels, loc="outside lower center", ncols=3)
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


def main():
    jobs = {"not clipped": (xor.dense, N, TANH, math.inf)}
    jobs["clipped"] = xor.dense, N, TANH, xor.MAX_NORM
    for n in reversed(DEPTHS):
        jobs["plain", n] = xor.dense, n, {}, xor.MAX_NORM
        jobs["residual", n] = residual, n, {}, xor.MAX_NORM
    with workers() as pool:
        draw(dict(zip(jobs, pool.map(losses, jobs.values(), chunksize=1))))


if __name__ == "__main__":
    run(main)

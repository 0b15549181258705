"""Draw the README's picture, picture.svg beside this file: what happens, and why.

pip install ".[picture]" && python tests/benchmarks/picture.py    (a minute)
"""

import multiprocessing
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from runs import SCRIPTS, factors, prepare, quiet_train
from XORgatemultihiddenlayers import EPOCHS, LOSS_GOAL, MAX_LAYERS, T, X

CHECKPOINTS = np.unique(np.geomspace(1, EPOCHS, 100).astype(int))


def losses(job):
    """Return (epoch, loss) of a run at the checkpoints, up to the one where the script stops."""
    network, args = prepare(*job)
    curve, passed = [], 0
    for checkpoint in CHECKPOINTS:
        args.epochs = int(checkpoint) - passed
        loss = quiet_train(network, args)
        passed += args.epoch
        curve.append((passed, loss))
        if loss <= LOSS_GOAL:
            break
    return curve


def draw(curves):
    plt.rcParams.update(
        {"svg.hashsalt": "picture", "svg.fonttype": "none", "font.size": 9, "axes.titlesize": 11}
    )
    figure, panels = plt.subplots(2, 2, figsize=(9, 6.4), sharey="row", layout="constrained")
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.92, MAX_LAYERS))
    for script, (above, below) in zip(SCRIPTS, panels.T):
        for n, color in enumerate(colors, start=1):
            epochs, values = zip(*curves[script, n])
            above.loglog(epochs, values, color=color, linewidth=1.6, label=n)
        above.set(title=f"{script} stack: the loss", xlabel="epoch", xlim=(1, 1.3 * EPOCHS))

        network, _ = prepare(script, f"{MAX_LAYERS}")
        signals, errors, _ = network.signal_error_gradient(X, network.forward_prop(X) - T)
        for way, style, what in [
            (signals[:-1], "o-", "signal on its way forward, left to right"),
            (errors[:-1], "s--", "error on its way back, right to left"),
        ]:
            below.semilogy(way, style, markersize=4, label=what)
        signal, error = factors((script, f"{MAX_LAYERS}"))
        words = (
            f"A hidden layer passes on\n{signal:.2f} of the signal and {error:.2f} of the error."
        )
        below.text(
            0.5, 0.86 - 0.2 * (script == "residual"), words, ha="center", transform=below.transAxes
        )
        below.set(title=f"{script} stack: why, at {MAX_LAYERS} hidden layers")
        below.set_xticks(range(MAX_LAYERS + 1), ["in", *range(MAX_LAYERS)])
        below.set_xlabel("hidden layer")
        for panel in above, below:
            panel.grid(alpha=0.3)
            panel.minorticks_off()
    panels[0, 1].legend(title="hidden layers", ncols=2, loc="upper right")
    panels[1, 1].legend(loc="lower center")
    figure.savefig(Path(__file__).with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    jobs = [(script, f"{n}") for n in range(MAX_LAYERS, 0, -1) for script in SCRIPTS]
    with multiprocessing.Pool() as pool:
        found = pool.map(losses, jobs, chunksize=1)
    draw({(script, int(n)): curve for (script, n), curve in zip(jobs, found)})

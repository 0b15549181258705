"""What an epoch of training costs, beside the least that NumPy allows.

python tests/benchmarks/speed.py    (ten seconds)

shipped: the scripts' training loop; for the wide networks, over other samples than XOR's
floor:   the same mathematics fused by hand, without an object or a check, into reused buffers

All take turns, and a figure is the least of many short rounds, which other programs disturb least.
The clock counts this thread alone: no other program, and no other thread of BLAS.
"""

import itertools
import math
import time

import numpy as np

import batch  # first, as it says where the scripts are
from activations import deriv_sigmoid, sigmoid
from layers import Dense, Sequential
from tables import print_table, run
from XORgatemultihiddenlayers import LEARNING_RATE, MAX_NORM, T, X, build_network, train

ROUNDS = 40
CELLS = [(script, n) for script in batch.SCRIPTS for n in (1, 10)]
WIDE = [(32, 64, 50), (256, 1024, 1)]  # nodes, samples, epochs a round
HEADS = ["network", "shipped", "floor", "shipped/floor"]


def stacked(network):
    """Return [[W; b], [W; b], ...]: with a column of ones, x W + b = [x 1] [W; b]."""
    params = network.get_params()
    return [np.vstack(pair) for pair in zip(params[::2], params[1::2])]


def floor(arrays, is_residual, samples=X, targets=T):
    """Yield the losses of training on [[W; b], [W; b], ...]."""
    one, half, quarter = np.array(1.0), np.array(0.5), np.array(0.25)
    params = np.concatenate(arrays, axis=None)
    grads, update = np.empty_like(params), np.empty_like(params)
    y, error = np.empty((2, *targets.shape))
    forward, backward = [], []
    last, end, out = len(arrays) - 1, params.size, y
    for i in range(last, -1, -1):
        rows, columns = arrays[i].shape
        start = end - rows * columns
        P = params[start:end].reshape(rows, columns)  # [W; b]
        G = grads[start:end].reshape(rows, columns)
        x1 = np.ones((len(samples), rows))
        x = x1[:, :-1]
        h, s = np.empty((2, len(samples), columns))
        dx = np.empty((len(samples), rows - 1))
        identity = is_residual and 0 < i < last
        forward.insert(0, (x1, P, h, s, x, out, identity))
        backward.append((h, s, x1.T, G, P[:-1].T, dx, identity))
        end, out = start, x
    out[:] = samples
    dot, multiply, divide, add, subtract = np.dot, np.multiply, np.divide, np.add, np.subtract
    negative, exp, cosh, square = np.negative, np.exp, np.cosh, np.square
    while True:
        for x1, P, h, s, x, out, identity in forward:
            dot(x1, P, h)
            negative(h, s)
            exp(s, s)
            add(s, one, s)
            divide(one, s, out)  # 1 / (1 + exp(-h))
            if identity:
                add(out, x, out)
        subtract(y, targets, error)
        loss = np.vdot(error, error) / 2
        dy = error
        for h, s, x1_T, G, W_T, dx, identity in backward:
            multiply(h, half, s)
            cosh(s, s)
            square(s, s)
            divide(quarter, s, s)  # 1 / (4 cosh(h / 2)^2)
            multiply(dy, s, s)
            dot(x1_T, s, G)
            dot(s, W_T, dx)
            if identity:
                add(dx, dy, dx)
            dy = dx
        norm = math.sqrt(dot(grads, grads))
        multiply(grads, LEARNING_RATE * min(1, MAX_NORM / norm), update)
        subtract(params, update, params)
        yield loss


def shipped(network, **data):
    """Yield the losses of the scripts' loop."""
    for _, loss in train(network, epochs=10**9, **data):
        yield loss


def script_losses(script, n):
    """Return the losses of shipped and floor, epoch by epoch, for n hidden layers of a script."""
    network = build_network(batch.SCRIPTS[script][0], n)
    return shipped(network), floor(stacked(network), script == "residual")


def wide_losses(nodes, samples):
    """Return the losses of both for four plain hidden layers of so many nodes."""
    rng = np.random.default_rng(0)
    sizes = [2, *5 * [nodes], 1]
    network = Sequential(
        [Dense(*size, sigmoid, deriv_sigmoid, rng=rng) for size in zip(sizes, sizes[1:])]
    )
    x, t = rng.random((samples, 2)), rng.random((samples, 1))
    return shipped(network, x=x, t=t), floor(stacked(network), False, x, t)


def microseconds(losses, epochs):
    """Return what an epoch costs, and the last loss."""
    start = time.thread_time()
    *_, loss = itertools.islice(losses, epochs)
    return 1e6 * (time.thread_time() - start) / epochs, loss


def measure(cells, least):
    """Keep in least, {name: [shipped, floor]}, the least of many rounds."""
    for _ in range(ROUNDS):
        for name, (epochs, both) in cells.items():
            costs, losses = zip(*(microseconds(way, epochs) for way in both))
            assert math.isclose(*losses, rel_tol=0.01)  # training magnifies roundings
            least[name] = np.minimum(least.get(name, math.inf), costs)


def main():
    cells = {f"{n} {script}": (200, script_losses(script, n)) for script, n in CELLS}
    for nodes, samples, epochs in WIDE:
        name = f"4 plain, {nodes} nodes, {samples} samples"
        cells[name] = epochs, wide_losses(nodes, samples)
    print("Microseconds an epoch, by hidden layers:\n", flush=True)
    least = {}
    try:
        measure(cells, least)
    finally:  # also at Ctrl-C
        lines = [[name, f"{a:.1f}", f"{b:.1f}", f"{a / b:.2f}"] for name, (a, b) in least.items()]
        print_table(HEADS, lines)


if __name__ == "__main__":
    run(main)

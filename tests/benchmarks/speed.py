"""What an epoch costs, beside the least that NumPy allows and beside the chapter's own scheme.

python tests/benchmarks/speed.py    (a minute and a half)

shipped: the scripts' training loop; for the wide networks, the same loop over other samples
floor:   the same mathematics fused by hand, without an object or a check, into reused buffers
peer:    the chapter's scheme, one Adam update for each of the four samples, as column vectors

All take turns, so that a busy moment of the machine falls on each of them; a figure is the median.
The clock counts this thread alone: no other program, and no other thread of BLAS.
"""

import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import batch  # first, as it says where the scripts are
from activations import deriv_sigmoid, sigmoid
from clipping import clip_gradient_norm
from layers import Dense, Sequential
from table import print_table
from XORgatemultihiddenlayers import LEARNING_RATE, MAX_NORM, T, X, build_network, train

ROOT = Path(__file__).parents[2]

CELLS = [(script, n) for script in batch.SCRIPTS for n in (1, 2, 5, 10)]
EPOCHS, PEER_EPOCHS = 1000, 50
WIDE = [(32, 64, 200), (256, 1024, 4)]  # nodes, samples, epochs
WIDE_HIDDEN = 4
ROUNDS = 15
HEADS = ["network", "shipped", "floor", "peer", "shipped/floor", "peer/shipped"]


def shipped(network, epochs):
    """Train for this many epochs with the script's loop; return the last one's loss."""
    for _, loss in train(network, epochs):
        pass
    return loss


def shipped_on(network, x, t, epochs):
    """Train with the script's loop, written again for samples other than XOR's."""
    for _ in range(epochs):
        error = network.forward_prop(x) - t
        loss = np.vdot(error, error) / 2
        network.back_prop(error)
        grads = clip_gradient_norm(network.get_grads(), MAX_NORM)
        for param, grad in zip(network.get_params(), grads):
            param -= LEARNING_RATE * grad
    return loss


def floor(arrays, is_residual, epochs, samples=X, targets=T):
    """Train on [[W; b], [W; b], ...] for this many epochs; return the last one's loss."""
    one, half, quarter = np.array(1.0), np.array(0.5), np.array(0.25)
    params = np.concatenate([array.ravel() for array in arrays])
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
    for epoch in range(epochs):
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
        if epoch == epochs - 1:
            return loss
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


def peer(arrays, is_residual, epochs):
    """Train on [[W; b], [W; b], ...] for this many epochs of four updates each."""
    learning_rate, beta1, beta2, epsilon = 0.001, 0.9, 0.999, 1e-7
    params = [part.T.copy() for array in arrays for part in (array[:-1], array[-1:])]
    m = [np.zeros_like(param) for param in params]
    v = [np.zeros_like(param) for param in params]
    last = len(params) // 2 - 1
    step = 0
    for _ in range(epochs):
        for sample, target in zip(X, T):
            y = sample.reshape(-1, 1)
            xs, fs = [], []
            for i in range(last + 1):
                W, b = params[2 * i], params[2 * i + 1]
                f = 1 / (1 + np.exp(-(W @ y + b)))
                xs.append(y)
                fs.append(f)
                y = y + f if is_residual and 0 < i < last else f
            dy = y - target.reshape(-1, 1)
            grads = [None] * len(params)
            for i in range(last, -1, -1):
                delta = dy * fs[i] * (1 - fs[i])
                grads[2 * i], grads[2 * i + 1] = delta @ xs[i].T, delta
                dx = params[2 * i].T @ delta
                dy = dx + dy if is_residual and 0 < i < last else dx
            norm = math.sqrt(sum((grad**2).sum() for grad in grads))
            if norm > MAX_NORM:
                grads = [grad * MAX_NORM / norm for grad in grads]
            step += 1
            for i, grad in enumerate(grads):
                m[i] = beta1 * m[i] + (1 - beta1) * grad
                v[i] = beta2 * v[i] + (1 - beta2) * grad**2
                m_hat = m[i] / (1 - beta1**step)
                v_hat = v[i] / (1 - beta2**step)
                params[i] -= learning_rate * m_hat / (np.sqrt(v_hat) + epsilon)


def microseconds(epochs, function, *args):
    """Return what each of the epochs takes that function(*args, epochs) runs."""
    start = time.thread_time()
    function(*args, epochs)
    return 1e6 * (time.thread_time() - start) / epochs


def script_network(script, n):
    """Return a script's network, and a copy of its arrays [W; b]."""
    network = build_network(batch.SCRIPTS[script][0], n)
    return network, [array.copy() for array in network.get_params()]


def epoch_costs(script, n, epochs=EPOCHS, peer_epochs=PEER_EPOCHS):
    """Return the costs of one epoch (shipped, floor, peer), in microseconds."""
    network, arrays = script_network(script, n)
    is_residual = script == "residual"
    return (
        microseconds(epochs, shipped, network),
        microseconds(epochs, floor, arrays, is_residual),
        microseconds(peer_epochs, peer, arrays, is_residual),
    )


def loss_difference(script, n, epochs=EPOCHS):
    """Return how far the losses of the shipped loop and the floor are apart after the epochs."""
    network, arrays = script_network(script, n)
    return abs(shipped(network, epochs) - floor(arrays, script == "residual", epochs))


def wide_network(nodes, samples):
    """Return a plain network of wide layers, a copy of its arrays, random x and random t."""
    rng = np.random.default_rng(0)
    sizes = [2, *(WIDE_HIDDEN + 1) * [nodes], 1]
    network = Sequential(
        [Dense(*size, sigmoid, deriv_sigmoid, rng=rng) for size in zip(sizes, sizes[1:])]
    )
    arrays = [array.copy() for array in network.get_params()]
    return network, arrays, rng.random((samples, 2)), rng.random((samples, 1))


def wide_costs(nodes, samples, epochs):
    """Return the costs of one epoch (shipped, floor), in microseconds."""
    network, arrays, x, t = wide_network(nodes, samples)
    return (
        microseconds(epochs, lambda epochs: shipped_on(network, x, t, epochs)),
        microseconds(epochs, lambda epochs: floor(arrays, False, epochs, x, t)),
    )


def wide_difference(nodes, samples, epochs):
    """Return the relative difference of the two losses after the epochs."""
    network, arrays, x, t = wide_network(nodes, samples)
    return abs(shipped_on(network, x, t, epochs) / floor(arrays, False, epochs, x, t) - 1)


def seconds_to_prompt(script):
    start = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, ROOT / script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        process.stdout.read(1)
        seconds = time.perf_counter() - start
        process.kill()
    return seconds


def seconds_to_import_numpy():
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import numpy"], check=True)
    return time.perf_counter() - start


def peak_megabytes(epochs):
    """Return the peak memory of the plain script at 10 hidden layers; not on Windows.

    A small process starts the script, as the peak of the one that starts it would count, too.
    """
    code = """if True:
        import resource, subprocess, sys
        subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
        unit = 1e6 if sys.platform == "darwin" else 1e3
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit)
        """
    script = [sys.executable, "XORgatemultihiddenlayers.py", "10", "--epochs", f"{epochs}"]
    command = [sys.executable, "-c", code, *script]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


if __name__ == "__main__":
    apart = max(loss_difference(*cell) for cell in CELLS)
    wide_apart = max(wide_difference(*size) for size in WIDE)
    print(f"Loss after {EPOCHS} epochs, shipped - floor: at most {apart:.0e}; wide networks,")
    print(f"relative: {wide_apart:.0e}\n")
    assert max(apart, wide_apart) < 1e-9

    rounds, wide_rounds = [], []
    for number in range(1, ROUNDS + 1):
        rounds.append([epoch_costs(*cell) for cell in CELLS])
        wide_rounds.append([wide_costs(*size) for size in WIDE])
        print(f"\r{number} of {ROUNDS} rounds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    costs = np.median(rounds, axis=0)
    lines = [
        [f"{n} {script}", f"{a:.1f}", f"{b:.1f}", f"{c:.0f}", f"{a / b:.2f}", f"{c / a:.1f}"]
        for (script, n), (a, b, c) in zip(CELLS, costs)
    ]
    for (nodes, samples, _), (a, b) in zip(WIDE, np.median(wide_rounds, axis=0)):
        name = f"{WIDE_HIDDEN} plain, {nodes} nodes, {samples} samples"
        lines.append([name, f"{a:.0f}", f"{b:.0f}", "", f"{a / b:.2f}", ""])
    print("Microseconds an epoch, by hidden layers:\n")
    print_table(HEADS, lines)
    print()
    for i, script in enumerate(batch.SCRIPTS):
        one, two, five, ten = costs[4 * i : 4 * i + 4, 0]
        print(
            f"One more {script} layer: {two - one:.2f} us from 1 to 2, "
            f"{(five - two) / 3:.2f} from 2 to 5, {(ten - five) / 5:.2f} from 5 to 10"
        )
    times = [
        (
            seconds_to_prompt("XORgatemultihiddenlayers.py"),
            seconds_to_prompt("XORgateresidualconnectionlayers.py"),
            seconds_to_import_numpy(),
        )
        for _ in range(ROUNDS)
    ]
    *prompts, numpy_alone = (statistics.median(column) for column in zip(*times))
    print(
        f"To the prompt {1000 * max(prompts):.0f} ms, to import NumPy {1000 * numpy_alone:.0f} ms: "
        f"{max(prompts) / numpy_alone:.2f}"
    )
    few, many = peak_megabytes(1000), peak_megabytes(100_000)
    print(f"Peak memory after 1000 epochs {few:.1f} MB, after 100000 {many:.1f} MB")

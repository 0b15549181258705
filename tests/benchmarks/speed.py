"""What an epoch costs, beside the least that NumPy allows and beside the chapter's own scheme.

python tests/benchmarks/speed.py    (a minute)

shipped: the scripts' training loop
floor:   the same mathematics fused by hand, without an object or a check, into reused buffers
peer:    the chapter's scheme, one Adam update for each of the four samples, as column vectors

All take turns, so that a busy moment of the machine falls on each of them; a figure is the median.
"""

import contextlib
import io
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from runs import prepare
from XORgatemultihiddenlayers import LEARNING_RATE, MAX_NORM, T, X, train

ROOT = Path(__file__).parents[2]

DEPTHS = (1, 2, 5, 10)
EPOCHS = 1000
PEER_EPOCHS = 50
ROUNDS = 25


def floor(arrays, is_residual, epochs):
    """Train on [[W; b], [W; b], ...] for this many epochs; return the last one's loss."""
    zero, one, minus_one = np.array(0.0), np.array(1.0), np.array(-1.0)
    params = np.concatenate([array.ravel() for array in arrays])
    grads, update = np.empty_like(params), np.empty_like(params)
    y, error = np.empty((2, 4, 1))
    forward, backward = [], []
    last, end, out = len(arrays) - 1, params.size, y
    for i in range(last, -1, -1):
        rows, columns = arrays[i].shape
        start = end - rows * columns
        P = params[start:end].reshape(rows, columns)  # [W; b]
        G = grads[start:end].reshape(rows, columns)
        x1 = np.ones((4, rows))
        x = x1[:, :-1]
        h, s, e = np.empty((3, 4, columns))
        dx = np.empty((4, rows - 1))
        identity = is_residual and 0 < i < last
        forward.insert(0, (x1, P, h, s, x, out, identity))
        backward.append((h, s, e, x1.T, G, P[:-1].T, dx, identity))
        end, out = start, x
    out[:] = X
    dot, multiply, divide, add, subtract = np.dot, np.multiply, np.divide, np.add, np.subtract
    exp, logaddexp, negative, copysign, square = (
        np.exp, np.logaddexp, np.negative, np.copysign, np.square
    )  # fmt: skip
    for epoch in range(epochs):
        for x1, P, h, s, x, out, identity in forward:
            dot(x1, P, h)
            negative(h, s)
            logaddexp(zero, s, s)
            negative(s, s)
            exp(s, out)
            if identity:
                add(out, x, out)
        subtract(y, T, error)
        loss = np.vdot(error, error) / 2
        if epoch == epochs - 1:
            return loss
        dy = error
        for h, s, e, x1_T, G, W_T, dx, identity in backward:
            copysign(h, minus_one, e)
            exp(e, e)
            add(e, one, s)
            square(s, s)
            divide(e, s, s)
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
    """Return what each of the epochs takes that function(*args) runs."""
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        function(*args)
    return 1e6 * (time.perf_counter() - start) / epochs


def epoch_costs(script, layers):
    """Return the costs of one epoch (shipped, floor, peer), in microseconds."""
    network, args = prepare(script, f"{layers} --epochs {EPOCHS}")
    arrays = [array.copy() for array in network.get_params()]
    is_residual = script == "residual"
    return (
        microseconds(EPOCHS, train, network, args),
        microseconds(EPOCHS, floor, arrays, is_residual, EPOCHS),
        microseconds(PEER_EPOCHS, peer, arrays, is_residual, PEER_EPOCHS),
    )


def loss_difference(script, layers):
    """Return how far the losses of the shipped loop and the floor are apart after 1000 epochs."""
    network, args = prepare(script, f"{layers} --epochs {EPOCHS}")
    arrays = [array.copy() for array in network.get_params()]
    with contextlib.redirect_stdout(io.StringIO()):
        return abs(train(network, args) - floor(arrays, script == "residual", EPOCHS))


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
    """Return the peak memory of the plain script at 10 hidden layers; not on Windows."""
    code = """if True:
        import resource, runpy, sys
        del sys.argv[0]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        finally:
            unit = 1e6 if sys.platform == "darwin" else 1e3
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, file=sys.stderr)
        """
    command = [
        sys.executable,
        "-c",
        code,
        "XORgatemultihiddenlayers.py",
        "10",
        "--epochs",
        str(epochs),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stderr)


if __name__ == "__main__":
    cells = [(script, n) for script in ("plain", "residual") for n in DEPTHS]
    apart = max(loss_difference(*cell) for cell in cells)
    print(f"Loss after {EPOCHS} epochs, shipped - floor: at most {apart:.0e}\n")
    assert apart < 1e-9

    rounds = []
    for number in range(1, ROUNDS + 1):
        rounds.append([epoch_costs(*cell) for cell in cells])
        print(f"\r{number} of {ROUNDS} rounds", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    costs = np.median(rounds, axis=0)
    print("Microseconds an epoch:\n")
    print("| hidden layers | shipped | floor | peer | shipped/floor | peer/shipped |")
    print("|---|---|---|---|---|---|")
    for (script, n), (a, b, c) in zip(cells, costs):
        print(f"| {n} {script} | {a:.1f} | {b:.1f} | {c:.0f} | {a / b:.2f} | {c / a:.1f} |")
    print()
    for i, script in enumerate(("plain", "residual")):
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

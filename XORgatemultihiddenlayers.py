"""Learn XOR with a stack of plain Dense layers, and watch the gradient vanish.

With seed 0 it stalls from 6 hidden layers on; XORgateresidualconnectionlayers.py mends that.
"""

import argparse
import atexit
import contextlib
import errno
import io
import os
import signal
import sys

import numpy as np

from activations import ACTIVATIONS, deriv_sigmoid, sigmoid
from clipping import clip_gradient_norm, global_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])  # the targets, x0 XOR x1

NODES = 4
ACTIVATION = "sigmoid"  # its slope, at most 1/4, makes the gradient vanish
INIT = "glorot"  # keeps the size of signal and error, where the slope is 1
GAIN = 1.0  # of the initial W: 4 mends the sigmoid, 3 makes tanh explode
LEARNING_RATE = 1.0  # of gradient descent, whose steps, unlike Adam's, are as small as the gradient
MAX_NORM = 0.25  # the chapter's; unclipped, most residual stacks of 10 layers fail at this rate
LOSS_GOAL = 1e-5  # then every result is within 0.005 of its target
EPOCHS = 100_000
SEED = 0
MAX_LAYERS = 10  # at the question, as in the chapter; as LAYERS, up to 100


def dense(i, f, deriv_f, *, batch_norm=False, **weights):
    """Return hidden layer i, f(x W + b): the one thing that the residual script replaces."""
    norm = [BatchNormalization(NODES, name=f"norm_{i}")] if batch_norm else []
    return [*norm, Dense(NODES, NODES, f, deriv_f, name=f"dense_{i}", **weights)]


def build_network(
    hidden_layer, n, *, activation=ACTIVATION, init=INIT, gain=GAIN, seed=SEED, **options
):
    """Return dense_in, n hidden layers and dense_out; options are those of hidden_layer."""
    f, deriv_f = ACTIVATIONS[activation]
    weights = {"initializer": init, "gain": gain, "rng": np.random.default_rng(seed)}
    layers = [Dense(2, NODES, f, deriv_f, name="dense_in", **weights)]
    for i in range(n):
        layers += hidden_layer(i, f, deriv_f, **options, **weights)
    layers.append(Dense(NODES, 1, sigmoid, deriv_sigmoid, name="dense_out", **weights))
    return Sequential(layers)


def train(network, epochs=EPOCHS, learning_rate=LEARNING_RATE, max_norm=MAX_NORM):
    """Train, and yield (epoch, the loss before its update) after each update."""
    params, rate = network.get_params(), np.array(learning_rate)  # faster than a number
    for epoch in range(1, epochs + 1):
        error = network.forward_prop(X) - T  # y - t
        loss = np.vdot(error, error) / 2  # L = sum (y - t)^2 / 2
        network.back_prop(error)  # dL/dy = y - t
        grads = clip_gradient_norm(network.get_grads(), max_norm)
        for param, grad in zip(params, grads):
            param -= rate * grad
        yield epoch, loss


def print_results(network):
    print("\nx0 XOR x1 => result", 24 * "=", sep="\n")
    for (x0, x1), (y,) in zip(X, network.forward_prop(X)):
        print(f"{x0:.0f} XOR {x1:.0f} => {y:.4f}")
    print(24 * "=")


def run(
    hidden_layer, n, *, epochs=EPOCHS, learning_rate=LEARNING_RATE, max_norm=MAX_NORM,
    gradients=False, interrupted=lambda: False, **options,
):  # fmt: skip
    """Print the whole experiment, until it has learned or cannot, or interrupted() says to stop."""
    network = build_network(hidden_layer, n, **options)
    print(network.summary())
    if gradients:
        print(chart(network, n, "Before training"))
    epoch = 0
    try:
        for epoch, loss in train(network, epochs, learning_rate, max_norm):
            last = loss <= LOSS_GOAL or epoch == epochs or interrupted()
            if last or epoch == 1 or epoch % 1000 == 0:
                print(f"epoch: {epoch} / {epochs} Loss = {loss:.6f}", flush=True)
                if not any(grad.any() for grad in network.get_grads()):
                    print("Every gradient is 0: nothing changes any more.")
                    break
            if last:
                break
    finally:
        if gradients:
            print(chart(network, n, f"After {epoch} epoch{'s' * (epoch != 1)}"))
        print_results(network)


# ---- Why: what each layer passes on, for --gradients ----


def signal_error_gradient(network):
    """Return three lists, one norm a layer, over all samples and units.

    signal    |y - mean of y over the batch|: what still tells the samples apart
    error     |dL/dy|: what comes back to the same place
    gradient  |dL/dparams|
    """
    y, signals, errors, gradients = X, [], [], []
    for layer in network.layers:
        y = np.asarray(layer.forward_prop(y))
        signals.append(global_norm([y - y.mean(axis=0)]))
    error = y - T
    for layer in reversed(network.layers):
        errors.insert(0, global_norm([error]))
        error = layer.back_prop(error)
        gradients.insert(0, global_norm(layer.get_grads()))
    return signals, errors, gradients


def passed_on(signals, errors, n):
    """Return what one of n hidden layers passes on of signal and error: 0 where one ends."""
    ways = signals[:-1], errors[-2::-1]  # from dense_in to the last hidden layer, and back
    return [0.0 if 0 in way else (way[-1] / way[0]) ** (1 / n) for way in ways]


def chart(network, n, heading):
    """Return the three norms of each layer, and what one of n hidden layers passes on."""
    names = [name if len(name) <= 11 else name[:10] + "~" for name in network.names()]
    signals, errors, gradients = signal_error_gradient(network)
    lines = [f"{heading} (one # a power of ten, 1e-09 to 1e+04)"]
    lines.append("layer       v signal, read down  ^ error dL/dy, read up  gradient")
    for name, s, e, g in zip(names, signals, errors, gradients):
        lines.append(f"{name:<11} {s:7.1e} {bar(s):<13} {e:8.1e} {bar(e):<13} {g:8.1e}")
    ends = [f"The signal ends at {names[signals.index(0)]}."] if 0 in signals[:-1] else []
    if 0 in errors[:-1]:
        ends.append(f"The error ends at {names[-2 - errors[-2::-1].index(0)]}.")
    factors = passed_on(signals, errors, n)
    signal, error = (f"{x:.2f}" if x < 9.995 else f"{x:.0e}".replace("e+", "e") for x in factors)
    passed = f"A hidden layer passes on {signal} of the signal and {error} of the error."
    return "\n".join([*lines, " ".join(ends) or passed])


def bar(value):
    """Return one # a power of ten, from 1e-09 to 1e+04; < and > are beyond, a zero has none."""
    value = float(f"{value:.1e}")  # as the chart shows it
    if value >= 1e4:
        return 12 * "#" + ">"
    if value >= 1e-9:
        return "#" * int(np.log10(value) + 10)
    return "<" if value > 0 else ""


# ---- The command line: options, question, Ctrl-C, pipes, exit status ----


def number(text, kind=float, low=5e-324, high=np.inf, what="a number above 0"):
    """Return the number of this kind, from low to high, that text is."""
    with contextlib.suppress(ValueError):
        value = kind(text)
        if low <= value <= high:
            return value
    raise argparse.ArgumentTypeError(f"{text!a} is not {what}")


def whole(low, high):
    return lambda text: number(text, int, low, high, f"a whole number from {low} to {high}")


def argument_parser(description):
    parser = argparse.ArgumentParser(description=description, argument_default=argparse.SUPPRESS)
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    add = parser.add_argument
    text = "hidden layers, 1 to 100; by default (%(default)s) the script asks"
    add("layers", metavar="LAYERS", nargs="?", type=whole(1, 100), default=None, help=text)
    add("--seed", type=whole(0, 2**32 - 1), default=SEED, help="seed of the initial weights")
    add("--epochs", type=whole(1, 10**9), default=EPOCHS, help="train for at most this many epochs")
    add("--activation", choices=ACTIVATIONS, default=ACTIVATION, help="of all but dense_out")
    add("--init", choices=INITIALIZERS, default=INIT, help="initial weights; he is meant for relu")
    add("--gain", type=number, default=GAIN, help="factor of each initial W: try 4, or tanh and 3")
    add("--batch-norm", action="store_true", help="normalize the input of each hidden layer")
    add("--learning-rate", "--lr", type=number, default=LEARNING_RATE, help="size of a step")
    add("--max-norm", type=number, default=MAX_NORM, help="clip longer gradients; inf: do not")
    add("--gradients", action="store_true", help="chart signal, error and gradient by layer")
    return parser


def ask_layer_count(kind):
    """Ask for the number of layers until the answer is one; EOFError if there is no answer."""
    while True:
        try:
            return whole(1, MAX_LAYERS)(input(f"Input the number of {kind} (1 to {MAX_LAYERS}): "))
        except (argparse.ArgumentTypeError, UnicodeDecodeError) as error:
            print(error, file=sys.stderr)


def main(hidden_layer, kind, parser):
    """Run the experiment as the command line says; return what sys.exit takes: status or error."""
    n, pressed = None, []

    def interrupt(signum, frame):
        pressed.append(signum)  # this epoch is the last
        os.write(2, b"\n")  # leave the line of the ^C
        if n is None:  # at the question
            sys.exit(130)

    before = signal.signal(signal.SIGINT, interrupt)
    sys.stdin, sys.stdout = sys.stdin or io.StringIO(), sys.stdout or io.StringIO()  # if closed
    try:
        try:
            options = vars(parser.parse_args())
            if [] in options.values():
                parser.error("-- is no value")  # of --seed=--, which Python before 3.12.2 lets pass
            n = options.pop("layers") or ask_layer_count(kind)
            with np.errstate(all="ignore"):
                run(hidden_layer, n, interrupted=lambda: bool(pressed), **options)
        finally:
            sys.stdout.flush()  # here, where a full disk can still be told
        return 130 if pressed else 0
    except EOFError:
        return "\nerror: the input ended before a number of hidden layers"
    except FloatingPointError as error:
        return f"error: {error}"
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again
        return 1 if error.errno in (errno.EPIPE, errno.EINVAL) else f"error: {error}"
    finally:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # while Python exits
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main(dense, "hidden layers", argument_parser(__doc__)))

"""Learn XOR with a stack of plain Dense layers; --gradients shows how the gradient vanishes.

From 6 hidden layers on it stalls (seed 0); XORgateresidualconnectionlayers.py fixes that.
"""

import argparse
import contextlib
import errno
import functools
import os
import signal
import sys

import numpy as np

from activations import ACTIVATIONS, deriv_sigmoid, sigmoid
from clipping import clip_gradient_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])  # the targets, x0 XOR x1

NODES = 4
ACTIVATION = "sigmoid"  # its slope, at most 1/4, makes the gradient vanish
INIT = "glorot"  # keeps the size of signal and error where the slope is 1; the chapter's: uniform
GAIN = 1.0  # factor of each initial W: with 4 the sigmoid learns, with 3 tanh's gradient explodes
SEED = 0
EPOCHS = 100_000
LEARNING_RATE = 1.0  # a step is this times the gradient, and vanishes with it
MAX_NORM = 0.25  # the chapter's; without it, a step can saturate dense_out of a residual stack
LOSS_GOAL = 1e-5  # then every result is within 0.005 of its target
MAX_LAYERS = 10  # at the question, as in the chapter; as LAYERS, up to 100


def dense(i, f, deriv_f, *, batch_norm=False, **weights):
    """Return [hidden layer i], f(x W + b): the one thing that the residual script replaces."""
    norm = [BatchNormalization(NODES, name=f"norm_{i}")] if batch_norm else []
    return [*norm, Dense(NODES, NODES, f, deriv_f, name=f"dense_{i}", **weights)]


def build_network(
    hidden_layer, n, *, activation=ACTIVATION, init=INIT, gain=GAIN, seed=SEED, **options
):
    """Return dense_in, n hidden layers and dense_out; options (batch_norm) are hidden_layer's."""
    f, deriv_f = ACTIVATIONS[activation]
    weights = {"initializer": init, "gain": gain, "rng": np.random.default_rng(seed)}
    layers = [Dense(2, NODES, f, deriv_f, name="dense_in", **weights)]
    for i in range(n):
        layers += hidden_layer(i, f, deriv_f, **options, **weights)
    layers.append(Dense(NODES, 1, sigmoid, deriv_sigmoid, name="dense_out", **weights))
    return Sequential(layers)


def train(network, *, epochs=EPOCHS, learning_rate=LEARNING_RATE, max_norm=MAX_NORM):
    """Train, and yield (epoch, the loss before its update) after each update."""
    params = network.get_params()
    for epoch in range(1, epochs + 1):
        error = network.forward_prop(X) - T  # y - t
        loss = np.vdot(error, error) / 2  # L = sum (y - t)^2 / 2
        network.back_prop(error)  # dL/dy = y - t
        grads = clip_gradient_norm(network.get_grads(), max_norm)
        for param, grad in zip(params, grads):
            param -= learning_rate * grad  # in place: the layers' own W and b
        yield epoch, loss


def print_results(network):
    print("\nx0 XOR x1 => result", 24 * "=", sep="\n")
    for (x0, x1), (y,) in zip(X, network.forward_prop(X)):
        print(f"{x0:.0f} XOR {x1:.0f} => {y:.4f}")
    print(24 * "=", flush=True)


def run(
    hidden_layer, n, *, epochs, learning_rate, max_norm, every, stopped, gradients=False, **options
):
    """Print the whole experiment, until it has learned, cannot any more, or stopped() is true."""
    network = build_network(hidden_layer, n, **options)
    print(network.summary())
    if gradients:
        print(chart(network, n, "Before training"))
    epoch = 0
    training = train(network, epochs=epochs, learning_rate=learning_rate, max_norm=max_norm)
    try:
        for epoch, loss in training:
            last = loss <= LOSS_GOAL or epoch == epochs or stopped()
            if last or epoch == 1 or epoch % every == 0:
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
    """Return three lists of norms over all samples and units, a norm a layer.

    signal    |y - mean of y over the batch|: what still tells the samples apart
    error     |dL/dy|: what comes back to the same place
    gradient  |dL/dparams|: where the samples are alike, their errors cancel in it
    """
    norm = np.hypot.reduce  # sqrt(sum(x * x)) would be 0 for numbers below 1e-162
    y, signals, errors, gradients = X, [], [], []
    for layer in network.layers:
        y = np.asarray(layer.forward_prop(y))
        signals.append(norm(y - y.mean(axis=0), axis=None))
    error = y - T
    for layer in reversed(network.layers):
        errors.insert(0, norm(error, axis=None))
        error = layer.back_prop(error)
        gradients.insert(0, norm([norm(grad, axis=None) for grad in layer.get_grads()]))
    return signals, errors, gradients


def passed_on(signals, errors, n):
    """Return the factors of signal and error in a hidden layer: geometric means over all n."""
    ways = (signals[0], signals[-2]), (errors[-2], errors[0])  # from dense_in on, and back to it
    return [(end / start) ** (1 / n) if end else 0.0 for start, end in ways]


def chart(network, n, heading):
    """Return the three norms of each layer, and what one of n hidden layers passes on."""
    names = [name if len(name) <= 11 else name[:10] + "~" for name in network.names]
    signals, errors, gradients = signal_error_gradient(network)
    lines = [f"{heading} (one # a power of ten, 1e-09 to 1e+04)"]
    lines.append("layer       v signal, read down  ^ error dL/dy, read up  gradient")
    for name, s, e, g in zip(names, signals, errors, gradients):
        lines.append(f"{name:<11} {s:7.1e} {bar(s):<13} {e:8.1e} {bar(e):<13} {g:8.1e}")
    ends = [f"The signal ends at {name}." for name, s in zip(names, signals[:-1]) if s == 0][:1]
    ends += [f"The error ends at {name}." for name, e in zip(names, errors[:-1]) if e == 0][-1:]
    factors = passed_on(signals, errors, n)
    forth, back = (f"{x:.2f}" if x < 9.995 else f"{x:.0e}".replace("e+", "e") for x in factors)
    passed = f"A hidden layer passes on {forth} of the signal and {back} of the error."
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


def number(text, kind=float, above=0, high=sys.float_info.max, what="a finite number above 0"):
    """Return the number that text is, above one limit and at most another."""
    with contextlib.suppress(ValueError):
        if above < (value := kind(text)) <= high:
            return value
    raise argparse.ArgumentTypeError(f"{text!a} is not {what}")


def whole(low, high):
    return lambda text: number(text, int, low - 1, high, f"a whole number from {low} to {high}")


def argument_parser(description):
    parser = argparse.ArgumentParser(description=description, argument_default=argparse.SUPPRESS)
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    limit = functools.partial(number, high=np.inf, what="a number above 0")
    add = parser.add_argument
    text = "hidden layers, 1 to 100; else the script asks%(default).0s"  # no "(default: None)"
    add("LAYERS", nargs="?", type=whole(1, 100), default=None, help=text)
    add("--seed", type=whole(0, 2**32 - 1), help="seed of the initial weights")
    add("--epochs", type=whole(1, 10**9), help="train for at most this many epochs")
    add("--every", type=whole(1, 10**9), default=1000, help="print the loss every so many epochs")
    add("--activation", choices=ACTIVATIONS, help="of all but dense_out")
    add("--init", choices=INITIALIZERS, help="initial weights; he is meant for relu")
    add("--gain", type=number, help="factor of each initial W: try 4; with tanh, 3 explodes")
    add("--batch-norm", action="store_true", help="normalize the input of each hidden layer")
    add("--learning-rate", "--lr", type=number, help="size of a step")
    add("--max-norm", type=limit, help="clip longer gradients; inf: do not")
    add("--gradients", action="store_true", help="chart signal, error and gradient by layer")
    parser.print_help = lambda: print(parser.format_help(), end="", flush=True)  # to main's except
    parser.set_defaults(**build_network.__kwdefaults__, **train.__kwdefaults__)
    return parser


def ask_layer_count(kind):
    while True:
        try:
            return whole(1, MAX_LAYERS)(input(f"Input the number of {kind} (1 to {MAX_LAYERS}): "))
        except (argparse.ArgumentTypeError, UnicodeDecodeError) as error:
            print(error, file=sys.stderr)
        except (EOFError, RuntimeError):  # it is closed
            sys.exit("\nerror: the input ended before a number of hidden layers")


def main(hidden_layer, kind, parser):
    """Run the experiment as the command line says; return what sys.exit takes: status or error."""
    n, pressed = None, []

    def interrupt(signum, frame):
        pressed.append(signum)  # this epoch is the last
        os.write(2, b"\n")  # leave the line of the ^C
        if n is None:  # at the question
            sys.exit(130)

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        options = vars(parser.parse_args())
        n = options.pop("LAYERS") or ask_layer_count(kind)
        with np.errstate(all="ignore"):
            run(hidden_layer, n, stopped=lambda: bool(pressed), **options)
        return 130 if pressed else 0
    except FloatingPointError as error:
        return f"error: {error}"
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries again
        return 1 if error.errno in (errno.EPIPE, errno.EINVAL) else f"error: {error}"
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main(dense, "hidden layers", argument_parser(__doc__)))

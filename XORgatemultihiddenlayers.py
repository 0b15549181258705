"""Learn XOR with a stack of plain Dense layers, and watch the gradient vanish.

With seed 0, up to 5 hidden layers learn, and from 6 on the loss stalls at 0.5: what tells the
samples apart gets lost on its way through them. XORgateresidualconnectionlayers.py mends that.
"""

import argparse
import atexit
import contextlib
import errno
import os
import signal
import sys

import numpy as np

from activations import ACTIVATIONS, deriv_sigmoid, sigmoid
from clipping import clip_gradient_norm, global_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential, cut

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])  # the targets, x0 XOR x1

NODES = 4
ACTIVATION = "sigmoid"  # the chapter's, whose slope, at most 1/4, makes the gradient vanish
INIT = "glorot"  # keeps the size of signal and error, where the slope is 1
GAIN = 1.0  # of the initial W: 4 mends the sigmoid, 3 makes tanh explode
LEARNING_RATE = 1.0  # of gradient descent, whose steps, unlike Adam's, are as small as the gradient
MAX_NORM = 0.25  # the chapter's; without clipping, most deep residual stacks fail at this rate
LOSS_GOAL = 1e-5  # then every result is within 0.005 of its target
EPOCHS = 100_000
SEED = 0
MAX_LAYERS = 10  # at the question, as in the chapter; the command line takes ten times as many


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
    for epoch in range(1, epochs + 1):
        y = network.forward_prop(X)
        error = y - T
        loss = np.vdot(error, error) / 2  # L = sum (y - t)^2 / 2
        network.back_prop(error)  # dL/dy = y - t
        grads = clip_gradient_norm(network.get_grads(), max_norm)
        for param, grad in zip(network.get_params(), grads):
            param -= learning_rate * grad
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
    """Print the whole experiment, until it has learned, or interrupted() says to stop."""
    network = build_network(hidden_layer, n, **options)
    print(network.summary())
    if gradients:
        print(chart(network, n, "Before training"))
    epoch = 0
    try:
        for epoch, loss in train(network, epochs, learning_rate, max_norm):
            last = loss <= LOSS_GOAL or epoch == epochs or interrupted()
            if last or epoch == 1 or epoch % 1000 == 0:
                print(f"epoch: {epoch} / {epochs} Loss = {loss:.6f}")
            if last:
                break
    except FloatingPointError as error:
        raise FloatingPointError(f"epoch {epoch + 1}: {error}") from None
    finally:
        if gradients:
            print(chart(network, n, f"After {epoch} epoch{'s' * (epoch != 1)}"))
        print_results(network)


# ---- Why: what each layer passes on, for --gradients ----


def signal_error_gradient(network):
    """Return (name, signal, error, gradient) of each layer: norms over all samples and units.

    signal    |y - mean of y over the batch|: what still tells the samples apart
    error     |dL/dy|: what comes back to the same place
    gradient  |dL/dparams|
    """
    y, rows = X, []
    for name, layer in zip(network.names(), network.layers):
        y = np.asarray(layer.forward_prop(y))
        d = y - y[0]  # exactly 0 where the samples are equal, however their mean is rounded
        rows.append([name, global_norm([d - d.mean(axis=0)])])
    error = y - T
    for row, layer in zip(reversed(rows), reversed(network.layers)):
        row.append(global_norm([error]))
        error = layer.back_prop(error)
        row.append(global_norm(layer.get_grads()))
    return rows


def passed_on(rows, n):
    """Return (what, factor, end) for signal and error: one of n hidden layers passes on factor, a
    geometric mean; 0 where an exact zero stops what travels, first at the layer named end.
    """
    names, signals, errors, _ = zip(*rows[:-1])  # dense_in's output to the last hidden layer's
    ways = []
    for what, values, way in ("signal", signals, names), ("error", errors[::-1], names[::-1]):
        end = way[values.index(0)] if 0 in values else ""
        ways.append((what, 0.0 if end else (values[-1] / values[0]) ** (1 / n), end))
    return ways


def chart(network, n, heading):
    """Return the three norms of each layer, and what one of n hidden layers passes on."""
    rows = signal_error_gradient(network)
    lines = [f"{heading} (one # a power of ten, 1e-09 to 1e+04)"]
    lines.append("layer       v signal, read down  ^ error dL/dy, read up  gradient")
    for name, s, e, g in rows:
        lines.append(f"{cut(name, 11):<11} {s:7.1e} {bar(s):<13} {e:8.1e} {bar(e):<13} {g:8.1e}")
    ways = passed_on(rows, n)
    ends = " ".join(f"The {what} ends at {cut(end, 11)}." for what, _, end in ways if end)
    passed = " and ".join(f"{x:{'.2f' if x < 9.995 else '.0e'}} of the {way}" for way, x, _ in ways)
    return "\n".join([*lines, ends or f"A hidden layer passes on {passed.replace('e+', 'e')}."])


def bar(value):
    """Return one # a power of ten, from 1e-09 to 1e+04; < and > are beyond, a zero has none."""
    value = float(f"{value:.1e}")  # as the chart shows it
    if value >= 1e4:
        return 12 * "#" + ">"
    if value >= 1e-9:
        return "#" * int(np.log10(value) + 10)
    return "<" if value > 0 else ""


# ---- The command line: options, question, Ctrl-C, pipes, exit status ----


def number(convert, characters, low, high, what):
    """Return a function from text of these characters to a number from low to high, or "inf"."""

    def converted(text):
        plain = text.strip(" \t\r\n\ufeff").lower()
        with contextlib.suppress(ValueError):
            value = convert(plain)
            if set(plain) <= set(characters) and (low <= value <= high or plain == "inf"):
                return value
        shown = text if len(text) <= 20 else text[:20] + "..."
        raise argparse.ArgumentTypeError(f"{shown!a} is not {what}")

    return converted


def whole(low, high):
    return number(int, "0123456789", low, high, f"a whole number from {low} to {high}")


def argument_parser(description):
    """Return a parser; a switch that is not given leaves the default to who takes it."""
    parser = argparse.ArgumentParser(description=description, argument_default=argparse.SUPPRESS)
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    add, count = parser.add_argument, whole(1, 10 * MAX_LAYERS)
    above_0 = number(float, "0123456789.e+-inf", 5e-324, sys.float_info.max, "a number above 0")
    text = f"hidden layers, 1 to {10 * MAX_LAYERS}; if %(default)s, the script asks"
    add("layers", metavar="LAYERS", nargs="?", type=count, default=None, help=text)
    add("--seed", type=whole(0, 2**32 - 1), default=SEED, help="seed of the initial weights")
    add("--epochs", type=whole(1, 10**9), default=EPOCHS, help="train for at most this many epochs")
    add("--activation", choices=ACTIVATIONS, default=ACTIVATION, help="of all but dense_out")
    add("--init", choices=INITIALIZERS, default=INIT, help="initial weights; he is meant for relu")
    add("--gain", type=above_0, default=GAIN, help="factor of each initial W: try 4, or tanh and 3")
    add("--batch-norm", action="store_true", help="normalize the input of each hidden layer")
    add("--learning-rate", "--lr", type=above_0, default=LEARNING_RATE, help="size of a step")
    add("--max-norm", type=above_0, default=MAX_NORM, help="clip longer gradients; inf: do not")
    add("--gradients", action="store_true", help="chart signal, error and gradient by layer")
    return parser


def ask_layer_count(kind):
    """Ask for the number of layers until the answer is one; EOFError if there is no answer."""
    while True:
        print(f"Input the number of {kind} (1 to {MAX_LAYERS}): ", end="", flush=True)
        try:
            return whole(1, MAX_LAYERS)(input())
        except argparse.ArgumentTypeError as error:
            print(error, file=sys.stderr)


def main(hidden_layer, kind, parser):
    """Run the experiment as the command line says; return the exit status."""
    status, failure, n, interrupted = 1, "", None, False

    def interrupt(signum, frame):
        nonlocal interrupted
        again, interrupted = interrupted, True  # this epoch is the last
        with contextlib.suppress(OSError):
            os.write(2, b"\n")  # leave the line of the ^C
        if n is None and not again:
            raise KeyboardInterrupt

    try:
        for name, mode in ("stdin", "r"), ("stdout", "w"), ("stderr", "w"):
            if getattr(sys, name) is None:  # closed
                setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, closefd=False))
        with contextlib.suppress(AttributeError, ValueError):  # IDLE's; what was read from before
            sys.stdout.reconfigure(line_buffering=True)  # each line reaches a pipe as it is printed
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background
            with contextlib.suppress(ValueError):  # not in a thread
                signal.signal(signal.SIGINT, interrupt)
        options = vars(parser.parse_args())
        if [] in options.values():
            parser.error("-- is no value")  # of --seed=--, which Python before 3.12.2 lets pass
        n = options.pop("layers") or ask_layer_count(kind)
        with np.errstate(all="ignore"):
            run(hidden_layer, n, interrupted=lambda: interrupted, **options)
        status = 130 if interrupted else 0
    except KeyboardInterrupt:
        status = 130
    except EOFError:
        failure = "\nerror: the input ended before a number of hidden layers"
    except (FloatingPointError, OSError) as error:
        if getattr(error, "errno", 0) not in (errno.EPIPE, errno.EINVAL):  # | head; on Windows
            failure = f"error: {error}"
    finally:
        for stream, text in (sys.stdout, ""), (sys.stderr, failure and f"{failure}\n"):
            try:
                stream.write(text)
                stream.flush()
            except OSError:  # Python shall not try again at its exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if signal.getsignal(signal.SIGINT) is interrupt:
            atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # where the key is held
            signal.signal(signal.SIGINT, signal.default_int_handler)
    return status


if __name__ == "__main__":
    sys.exit(main(dense, "hidden layers", argument_parser(__doc__)))

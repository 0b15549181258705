"""Learn XOR with a stack of plain Dense layers; --gradients shows how the gradient vanishes.

From 6 hidden layers on it stalls (seed 0); XORgateresidualconnectionlayers.py fixes that.
"""

import argparse
import errno
import os
import signal
import sys

import numpy as np

from activations import ACTIVATIONS, deriv_sigmoid, sigmoid
from clipping import clip_gradient_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential

# Two-dimensional arrays: a sample in each row of X, and its target, x0 XOR x1, in that row of T.
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])
GATE = "XOR"  # what the results call it

NODES = 4
ACTIVATION = "sigmoid"  # its slope, at most 1/4, makes the gradient vanish
INIT = "glorot"  # keeps the size of what passes where the slope is 1; the chapter's: uniform
GAIN = 1.0  # factor of each initial W: with 4 the sigmoid learns, with 3 tanh's gradient explodes
SEED = 0
EPOCHS = 100_000
LEARNING_RATE = 1.0  # a step is this times the gradient, and vanishes with it
MAX_NORM = 0.25  # the default of the chapter's function; unclipped, a step can saturate dense_out
LOSS_GOAL = 1e-5  # then every result is within 0.005 of its target
EVERY = 1000  # epochs from one printed loss to the next
MAX_LAYERS = 10  # at the question, as in the chapter; as LAYERS, up to 100


def loss(y, t):
    """L = sum (y - t)^2 / 2, over the batch."""
    return ((y - t) ** 2).sum() / 2


def deriv_loss(y, t):
    """dL/dy = y - t."""
    return y - t


def dense(i, f, deriv_f, *, batch_norm=False, **options):
    """Return hidden layer i, f(x W + b), in a list: all that the residual script replaces."""
    layers = []
    if batch_norm:
        layers.append(BatchNormalization(NODES, name=f"norm_{i}"))
    layers.append(Dense(NODES, NODES, f, deriv_f, name=f"dense_{i}", **options))
    return layers


def build_network(
    hidden_layer, n, *, activation=ACTIVATION, init=INIT, gain=GAIN, seed=SEED, **options
):
    """Return dense_in, n hidden layers and dense_out, for samples like X and T.

    hidden_layer is dense or the residual script's, and the options are its: batch_norm and skip.
    All layers draw their weights from one Generator, one after the other, so that they differ.
    """
    f, deriv_f = ACTIVATIONS[activation]
    rng = np.random.default_rng(seed)
    weights = {"initializer": INITIALIZERS[init], "gain": gain, "rng": rng}
    layers = [Dense(X.shape[1], NODES, f, deriv_f, name="dense_in", **weights)]
    for i in range(n):
        layers += hidden_layer(i, f, deriv_f, **options, **weights)
    layers.append(Dense(NODES, T.shape[1], sigmoid, deriv_sigmoid, name="dense_out", **weights))
    return Sequential(layers)


def train(network, *, x=X, t=T, epochs=EPOCHS, learning_rate=LEARNING_RATE, max_norm=MAX_NORM):
    """Train, and yield (epoch, L) after each update; L is the loss before it."""
    for epoch in range(1, epochs + 1):
        y = network.forward_prop(x)
        L = loss(y, t)
        network.back_prop(deriv_loss(y, t))
        grads = clip_gradient_norm(network.get_grads(), max_norm)
        for param, grad in zip(network.get_params(), grads, strict=True):
            param -= learning_rate * grad  # in place: the layers' own W and b
        yield epoch, L


def print_results(network):
    """Print what the network answers to each sample of X."""
    gate = f" {GATE} "
    names = [f"x{i}" for i in range(X.shape[1])]
    print()
    print(gate.join(names), "=> result")
    print(24 * "=")
    for x, y in zip(X, network.forward_prop(X)):
        inputs = [f"{number:.0f}" for number in x]
        outputs = [f"{number:.4f}" for number in y]
        print(gate.join(inputs), "=>", *outputs)
    print(24 * "=", flush=True)


def run(hidden_layer, n, *, epochs, learning_rate, max_norm, every, gradients, stopped, **options):
    """Print the whole experiment; options are build_network's.

    It ends after so many epochs, or when it has learned, cannot any more, or stopped() is true.
    """
    network = build_network(hidden_layer, n, **options)
    print(network.summary())
    if gradients:
        print(chart(network, n, "Before training"))
    epoch = 0
    training = train(network, epochs=epochs, learning_rate=learning_rate, max_norm=max_norm)
    try:
        for epoch, L in training:
            # any() looks no further than the first gradient that is not 0
            stuck = not any(grad.any() for layer in network.layers for grad in layer.get_grads())
            last = L <= LOSS_GOAL or stuck or epoch == epochs or stopped()
            if last or epoch == 1 or epoch % every == 0:
                print(f"epoch: {epoch} / {epochs} Loss = {L:.6f}", flush=True)
            if stuck:
                print("Every gradient is 0: nothing changes any more.")
            if last:
                break
    finally:  # also when the gradient is not finite
        if gradients:
            print(chart(network, n, "After 1 epoch" if epoch == 1 else f"After {epoch} epochs"))
        print_results(network)


# ---- Why: what each layer passes on, for --gradients ----


def signal_error_gradient(network, *, x=X, t=T):
    """Return three lists of norms over all samples and units, a norm a layer.

    The network's gradients are then those of these samples, and not clipped.

    signal    |y - mean of y over the batch|: what still tells the samples apart
    error     |dL/dy|: what comes back to the same place
    gradient  |dL/dparams|: where the samples are alike, their errors cancel in it
    """
    norm = np.hypot.reduce  # sqrt(a^2 + b^2 + ...), but not 0 where the squares are, below 1e-162
    signals = []
    y = x
    for layer in network.layers:
        y = np.asarray(layer.forward_prop(y))
        signals.append(norm(y - y.mean(axis=0), axis=None))
    errors = []
    gradients = []
    dy = deriv_loss(y, t)
    for layer in reversed(network.layers):
        errors.insert(0, norm(dy, axis=None))
        dy = layer.back_prop(dy)
        gradients.insert(0, norm([norm(grad, axis=None) for grad in layer.get_grads()]))
    return signals, errors, gradients


def passed_on(signals, errors, n):
    """Return the factors of signal and error in a hidden layer: geometric means over all n.

    0 is dense_in, -2 the last hidden layer, and n layers lead from the one to the other.
    """
    signal_factor = (signals[-2] / signals[0]) ** (1 / n)
    error_factor = (errors[0] / errors[-2]) ** (1 / n)
    return signal_factor, error_factor


def chart(network, n, heading, *, x=X, t=T):
    """Return the chart: three norms of each layer, and what one of n hidden layers passes on."""
    signals, errors, gradients = signal_error_gradient(network, x=x, t=t)
    names = [name if len(name) <= 11 else name[:10] + "~" for name in network.names()]
    lines = [
        f"{heading} (one # a power of ten, 1e-09 to 1e+04)",
        "layer       v signal, read down  ^ error dL/dy, read up  gradient",
    ]
    for name, s, e, g in zip(names, signals, errors, gradients):
        lines.append(f"{name:<11} {s:7.1e} {bar(s):<13} {e:8.1e} {bar(e):<13} {g:8.1e}")
    lines.append(conclusion(names, signals, errors, n))
    return "\n".join(lines)


def bar(value):
    """Return one # a power of ten, from 1e-09 to 1e+04; < and > are beyond, a zero has none."""
    value = float(f"{value:.1e}")  # as the chart shows it
    if value >= 1e4:
        return 12 * "#" + ">"  # as wide as the longest bar on the scale
    if value >= 1e-9:
        return "#" * int(np.log10(value) + 10)  # 1e-9 has one
    return "<" if value > 0 else ""


def conclusion(names, signals, errors, n):
    """Return what one of n hidden layers passes on, or at which layers an exact 0 ends it."""
    before_out = names[:-1]
    signal_ends = [name for name, s in zip(before_out, signals) if s == 0]
    error_ends = [name for name, e in zip(before_out, errors) if e == 0]
    sentences = []
    if signal_ends:
        sentences.append(f"The signal ends at {signal_ends[0]}.")
    if error_ends:
        sentences.append(f"The error ends at {error_ends[-1]}.")  # on its way back, it is the first
    if not sentences:
        signal_factor, error_factor = passed_on(signals, errors, n)
        passed = f"{short(signal_factor)} of the signal and {short(error_factor)} of the error"
        sentences.append(f"A hidden layer passes on {passed}.")
    return " ".join(sentences)


def short(factor):
    """Return a factor as 0.23, or as 7e01 for 70 and 2e-3 for 0.002.

    That is four characters, with which the chart keeps its width, between 1e-9 and 1e99.
    """
    text = f"{factor:.2f}"
    if len(text) > 4 or text == "0.00":
        text = f"{factor:.0e}".replace("e+", "e").replace("e-0", "e-")
    return text


# ---- The command line: options, question, Ctrl-C, pipes, exit status ----


def whole(low, high):
    """Return a type for argparse: a function from a text to the whole number that it is."""

    def read(text):
        try:
            number = int(text)
            if low <= number <= high:
                return number
        except ValueError:
            pass
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {low} to {high}")

    return read


def positive(text):
    """Return the number above 0 that a text is, for argparse; inf is one."""
    try:
        number = float(text)
        if number > 0:
            return number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")


def finite(text):
    """Return the finite number above 0 that a text is, for argparse."""
    number = positive(text)
    if number == np.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a finite number")
    return number


def argument_parser(description):
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    count = whole(1, 10**9)
    shown = " (default: %(default)s)"  # argparse fills it in
    add(
        "LAYERS",
        nargs="?",
        type=whole(1, 100),
        help="hidden layers, 1 to 100; else the script asks",
    )
    add(
        "--seed",
        type=whole(0, 2**32 - 1),
        default=SEED,
        help="seed of the initial weights" + shown,
    )
    add("--epochs", type=count, default=EPOCHS, help="train for at most this many epochs" + shown)
    add("--every", type=count, default=EVERY, help="print the loss every so many epochs" + shown)
    add(
        "--activation", choices=ACTIVATIONS, default=ACTIVATION, help="of all but dense_out" + shown
    )
    add(
        "--init",
        choices=INITIALIZERS,
        default=INIT,
        help="initial weights; 'he' is for relu" + shown,
    )
    add(
        "--gain",
        type=finite,
        default=GAIN,
        help="factor of each initial W: try 4; with tanh, 3 explodes" + shown,
    )
    add("--batch-norm", action="store_true", help="normalize the input of each hidden layer")
    add(
        "--learning-rate",
        "--lr",
        type=finite,
        default=LEARNING_RATE,
        help="a step is this times the gradient" + shown,
    )
    add(
        "--max-norm",
        type=positive,
        default=MAX_NORM,
        help="clip longer gradients; inf: do not" + shown,
    )
    add("--gradients", action="store_true", help="chart signal, error and gradient by layer")
    return parser


def ask_layer_count(kind):
    read = whole(1, MAX_LAYERS)
    while True:
        try:
            return read(input(f"Input the number of {kind} (1 to {MAX_LAYERS}): "))
        except (argparse.ArgumentTypeError, UnicodeDecodeError) as error:
            print(error, file=sys.stderr)
        except (EOFError, RuntimeError):  # the input ended, or it or the output is closed
            sys.exit("\nerror: no number of hidden layers was given")


def main(hidden_layer, kind, parser):
    """Run the experiment as the command line says; return what sys.exit takes: status or error."""
    training = False
    pressed = []

    def interrupt(signum, frame):
        os.write(2, b"\n")  # leave the line of the ^C; no print, as one may be under way
        if not training:  # at the question
            sys.exit(130)
        pressed.append(signum)  # this epoch is the last

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        options = vars(parser.parse_args())
        n = options.pop("LAYERS")
        if n is None:
            n = ask_layer_count(kind)
        training = True
        with np.errstate(all="ignore"):  # an overflow is seen in what is printed
            run(hidden_layer, n, stopped=lambda: bool(pressed), **options)
        return 130 if pressed else 0
    except FloatingPointError as error:
        return f"error: {error}"
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's last flush
        reader_left = error.errno in (errno.EPIPE, errno.EINVAL)  # EINVAL: on Windows
        return 1 if reader_left else f"error: {error}"
    finally:
        signal.signal(signal.SIGINT, before)


if __name__ == "__main__":
    sys.exit(main(dense, "hidden layers", argument_parser(__doc__)))

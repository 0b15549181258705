"""Learn XOR with a stack of plain Dense layers, and watch the gradient vanish.

Up to 4 hidden layers, the loss falls to 0.00001, and the run ends. At 5, that takes nearly all of
the epochs, and from 6 on the loss stalls at 0.5: next to nothing of the gradient reaches the first
layers. XORgateresidualconnectionlayers.py mends that.
"""

import argparse
import functools
import math
import os
import re
import sys

import numpy as np

from activations import ACTIVATIONS, deriv_sigmoid, sigmoid
from clipping import clip_gradient_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential

X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
T = np.array([[0.0], [1.0], [1.0], [0.0]])  # the targets, x0 XOR x1

NODES = 4
LEARNING_RATE = 1.0  # of plain gradient descent: Adam would rescale, and hide, a vanishing gradient
MAX_NORM = 0.25  # the chapter's; without clipping, most deep residual stacks fail at this rate
LOSS_GOAL = 1e-5  # then every result is within 0.005 of its target
EPOCHS = 100_000
SEED = 0
MAX_LAYERS = 10

print = functools.partial(print, flush=True)  # every line reaches a pipe as it is printed


def dense(i, activate_func, deriv_activate_func, **options):
    """Return hidden layer i: the one thing that the residual script exchanges."""
    return Dense(NODES, NODES, activate_func, deriv_activate_func, name=f"dense_{i}", **options)


def build_network(hidden_layer, args):
    f, deriv_f = ACTIVATIONS[args.activation]
    options = {"initializer": INITIALIZERS[args.init], "rng": np.random.default_rng(args.seed)}
    layers = [Dense(2, NODES, f, deriv_f, name="dense_in", **options)]
    for i in range(args.layers):
        if args.batch_norm:
            layers.append(BatchNormalization(NODES, name=f"norm_{i}"))
        layers.append(hidden_layer(i, f, deriv_f, **options))
    layers.append(Dense(NODES, 1, sigmoid, deriv_sigmoid, name="dense_out", **options))
    return Sequential(layers)


def gradient_descent(network, max_norm):
    """Yield each epoch's loss, L = sum (y - t)^2 / 2, and update when asked for the next one."""
    while True:
        error = network.forward_prop(X) - T
        yield np.vdot(error, error) / 2
        network.back_prop(error)  # dL/dy = y - t
        clip_gradient_norm([network.grads], max_norm)
        network.params -= LEARNING_RATE * network.grads


def train(network, args):
    """Train until solved, the last epoch, Ctrl-C or overflow; return the epoch and exit status."""
    epoch = printed = status = 0
    try:
        for epoch, loss in enumerate(gradient_descent(network, args.max_norm), start=1):
            if not math.isfinite(loss):
                raise FloatingPointError(f"the loss is {loss}")
            if loss <= LOSS_GOAL or epoch == args.epochs:
                break
            if epoch == 1 or epoch % 1000 == 0:
                printed = epoch
                print_loss(epoch, args.epochs, loss)
    except KeyboardInterrupt:
        status = 130
        print(file=sys.stderr)  # leave the line of the ^C
    except FloatingPointError as error:
        status = 1
        print(f"error: epoch {epoch}: {error}", file=sys.stderr)
    if epoch > printed:
        print_loss(epoch, args.epochs, loss)
    return epoch, status


def print_loss(epoch, epochs, loss):
    print(f"epoch: {epoch} / {epochs} Loss = {loss:.6f}")


def print_gradients(network, epoch):
    network.back_prop(network.forward_prop(X) - T)
    print(network.gradient_summary(epoch))


def print_results(network):
    print("\nx0 XOR x1 => result")
    print(24 * "=")
    for (x0, x1), (y,) in zip(X, network.forward_prop(X, training=False)):
        print(f"{x0:.0f} XOR {x1:.0f} => {y:.4f}")
    print(24 * "=")


def run(hidden_layer, args):
    network = build_network(hidden_layer, args)
    print(network.summary())
    if args.gradients:
        print_gradients(network, 1)
    epoch, status = train(network, args)
    if args.gradients:
        print_gradients(network, epoch)
    print_results(network)
    return status


def whole_number(low, high):
    """Return a function that converts text to an int from low to high."""

    def convert(text):
        if re.fullmatch(r"\s*[0-9]{1,10}\s*", text) and low <= int(text) <= high:
            return int(text)
        shown = text if len(text) <= 20 else text[:20] + "..."
        raise argparse.ArgumentTypeError(f"{shown!a} is not a whole number from {low} to {high}")

    return convert


def positive_number(text):
    """Convert text to a float above 0, inf included."""
    try:
        if float(text) > 0:
            return float(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!a} is not a number above 0")


layer_count = whole_number(1, MAX_LAYERS)


def ask_layer_count(kind):
    """Ask for the number of layers until the answer is one; EOFError if there is no answer."""
    if sys.stdin is None:  # closed
        raise EOFError
    if hasattr(sys.stdin, "reconfigure"):  # not in IDLE
        sys.stdin.reconfigure(errors="replace")
    while True:
        print(f"Input the number of {kind} (1 to {MAX_LAYERS}): ", end="")
        try:
            return layer_count(input())
        except argparse.ArgumentTypeError as error:
            print(error, file=sys.stderr)


def argument_parser(description):
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add(
        "layers",
        metavar="LAYERS",
        nargs="?",
        type=layer_count,
        help=f"number of hidden layers, 1 to {MAX_LAYERS} (default: ask)",
    )
    add(
        "--seed",
        metavar="N",
        type=whole_number(0, 2**32 - 1),
        default=SEED,
        help="seed of the initial weights (default: %(default)s)",
    )
    add(
        "--epochs",
        metavar="N",
        type=whole_number(1, 10**9),
        default=EPOCHS,
        help="train for at most this many epochs (default: %(default)s)",
    )
    add(
        "--activation",
        choices=ACTIVATIONS,
        default="sigmoid",
        help="of all layers but dense_out: tanh trains 10 plain layers, relu may die "
        "(default: %(default)s)",
    )
    add(
        "--init",
        choices=INITIALIZERS,
        default="glorot",
        help="initial weights: he is meant for relu, uniform is U[0, 1) and often fails "
        "(default: %(default)s)",
    )
    add(
        "--batch-norm",
        action="store_true",
        help="normalize the input of each hidden layer: trains 10 plain layers",
    )
    add(
        "--max-norm",
        metavar="X",
        type=positive_number,
        default=MAX_NORM,
        help="clip the gradient to this norm; inf does not clip, so that it may explode "
        "(default: %(default)s)",
    )
    add("--gradients", action="store_true", help="show the gradient of each layer, first and last")
    return parser


def main(hidden_layer, kind, args):
    """Run the experiment; return the exit status."""
    try:
        if args.layers is None:
            args.layers = ask_layer_count(kind)
        with np.errstate(over="ignore"):
            return run(hidden_layer, args)
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except EOFError:
        print("\nerror: the input ended before a number of hidden layers", file=sys.stderr)
        return 1
    except OSError as error:
        # Nobody reads on, as after | head, or the disk is full: Python shall not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(dense, "hidden layers", argument_parser(__doc__).parse_args()))

"""Learn XOR with a stack of plain Dense layers, and watch the gradient vanish.

With seed 0, up to 5 hidden layers learn, each more slowly than the last, and from 6 on the loss
stalls at 0.5: what tells the samples apart gets lost on its way through the layers.
XORgateresidualconnectionlayers.py mends that.
"""

import argparse
import contextlib
import errno
import math
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
LEARNING_RATE = 1.0  # of plain gradient descent: Adam would rescale, and hide, a vanishing gradient
MAX_NORM = 0.25  # the chapter's; without clipping, most deep residual stacks fail at this rate
LOSS_GOAL = 1e-5  # then every result is within 0.005 of its target
EPOCHS = 100_000
SEED = 0
MAX_LAYERS = 10  # at the question, as in the chapter; the command line takes ten times as many


def dense(i, f, deriv_f, args, **options):
    """Return hidden layer i, f(x W + b): the one thing that the residual script replaces."""
    norm = [BatchNormalization(NODES, name=f"norm_{i}")] if args.batch_norm else []
    return [*norm, Dense(NODES, NODES, f, deriv_f, name=f"dense_{i}", **options)]


def build_network(hidden_layer, args):
    f, deriv_f = ACTIVATIONS[args.activation]
    options = {"initializer": args.init, "rng": np.random.default_rng(args.seed)}
    layers = [Dense(2, NODES, f, deriv_f, name="dense_in", **options)]
    for i in range(args.layers):
        layers += hidden_layer(i, f, deriv_f, args, **options)
    layers.append(Dense(NODES, 1, sigmoid, deriv_sigmoid, name="dense_out", **options))
    return Sequential(layers)


def train(network, args):
    """Train for args.epochs, or until the loss is args.loss_goal; args.epoch counts those done."""
    for epoch in range(1, args.epochs + 1):
        y = network.forward_prop(X)
        error = y - T
        loss = np.vdot(error, error) / 2  # L = sum (y - t)^2 / 2
        network.back_prop(error)  # dL/dy = y - t
        grads = clip_gradient_norm(network.get_grads(), args.max_norm)
        for param, grad in zip(network.get_params(), grads):
            param -= LEARNING_RATE * grad
        args.epoch = epoch
        last = loss <= args.loss_goal or epoch == args.epochs
        if last or epoch == 1 or epoch % 1000 == 0:
            print(f"epoch: {epoch} / {args.epochs} Loss = {loss:.6f}")
        if last:
            return loss


def print_results(network):
    print("\nx0 XOR x1 => result")
    print(24 * "=")
    for (x0, x1), (y,) in zip(X, network.forward_prop(X)):
        print(f"{x0:.0f} XOR {x1:.0f} => {y:.4f}")
    print(24 * "=")


def print_chart(network, heading):
    print(network.chart(X, network.forward_prop(X) - T, heading))


def run(hidden_layer, args):
    network = build_network(hidden_layer, args)
    print(network.summary())
    if args.gradients:
        print_chart(network, "Before training")
    try:
        train(network, args)
    finally:  # also where the gradient stops being finite
        if args.gradients:
            print_chart(network, f"After {args.epoch} epoch{'s' * (args.epoch != 1)}")
        print_results(network)


# ---- The command line: options, question, Ctrl-C, pipes, exit status ----


def number(convert, characters, low, high, what):
    """Return a function that converts text to a number from low to high, or text "inf" to inf."""

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
    show_defaults = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(description=description, formatter_class=show_defaults)
    parser.set_defaults(epoch=0, loss_goal=LOSS_GOAL)
    add = parser.add_argument
    count = whole(1, 10 * MAX_LAYERS)
    limit = number(float, "0123456789.e+-inf", math.ulp(0), sys.float_info.max, "a number above 0")
    text = f"hidden layers, 1 to {10 * MAX_LAYERS}; the script asks if there is none"
    add("layers", metavar="LAYERS", nargs="?", type=count, help=text)
    add("--seed", type=whole(0, 2**32 - 1), default=SEED, help="seed of the initial weights")
    add("--epochs", type=whole(1, 10**9), default=EPOCHS, help="train for at most this many epochs")
    text = "of all layers but dense_out: tanh trains 10 plain layers, relu may die"
    add("--activation", choices=ACTIVATIONS, default="sigmoid", help=text)
    text = "initial weights: he is meant for relu, uniform is U[0, 1) and often fails"
    add("--init", choices=INITIALIZERS, default="glorot", help=text)
    text = "normalize the input of each hidden layer: trains 10 plain layers"
    add("--batch-norm", action="store_true", help=text)
    text = "clip the gradient to this norm; inf does not clip, so that it may explode"
    add("--max-norm", type=limit, default=MAX_NORM, help=text)
    text = "show signal, error and gradient of each layer, before and after training"
    add("--gradients", action="store_true", help=text)
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
    args = argparse.Namespace(layers=None)

    def interrupt(signum, frame):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # whatever else is pressed, the results come
        with contextlib.suppress(OSError):
            os.write(2, b"\n")  # leave the line of the ^C
        if args.layers is None:
            raise KeyboardInterrupt
        args.loss_goal = math.inf  # this epoch is the last

    status, failure = 1, ""
    try:
        for name, mode in ("stdin", "r"), ("stdout", "w"), ("stderr", "w"):
            if getattr(sys, name) is None:  # closed
                setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode, closefd=False))
        with contextlib.suppress(AttributeError):  # IDLE's streams cannot, and need not
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
            sys.stdout.reconfigure(line_buffering=True)  # each line reaches a pipe as it is printed
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in the background
            signal.signal(signal.SIGINT, interrupt)
        parser.parse_args(namespace=args)
        if [] in vars(args).values():
            parser.error("-- is no value")  # of --seed=--, which Python before 3.12.2 lets pass
        args.layers = args.layers or ask_layer_count(kind)
        with np.errstate(all="ignore"):
            run(hidden_layer, args)
        status = 130 if args.loss_goal == math.inf else 0
    except KeyboardInterrupt:
        status = 130
    except EOFError:
        failure = "\nerror: the input ended before a number of hidden layers"
    except FloatingPointError as error:
        failure = f"error: epoch {args.epoch + 1}: {error}"
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EINVAL):  # as after | head; EINVAL on Windows
            failure = f"error: {error}"
    finally:
        for stream, text in (sys.stdout, ""), (sys.stderr, failure and f"{failure}\n"):
            try:
                stream.write(text)
                stream.flush()
            except OSError:  # Python shall not try again at its exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


if __name__ == "__main__":
    sys.exit(main(dense, "hidden layers", argument_parser(__doc__)))

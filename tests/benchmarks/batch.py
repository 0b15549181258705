"""All seeds of a cell trained at once: an epoch of 50 seeds costs about as much as two of one.

A cell is (script, command line): ("plain", "10 --gain 4") is XORgatemultihiddenlayers.py run so.
A third entry changes one thing: ("a", 0.5) makes a residual connection y = 0.5 x + F(x),
("clipped", "dense_out") clips the gradient of dense_out alone, by its own norm, and
("dense_out", 0.01) makes its steps a hundredth as long, ("others", 0.1) all others' a tenth.
Only the initial weights are the scripts' own. The rest is written anew from the formulas, on arrays
with one more axis in front, the seed, and so is a check of the scripts: the losses agree.
"""

import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are run by their path

from residual import ResidualConnection
from XORgatemultihiddenlayers import LOSS_GOAL, NODES, T, X, argument_parser, build_network, dense
from XORgateresidualconnectionlayers import PARSER, residual

SCRIPTS = {"plain": (dense, argument_parser("")), "residual": (residual, PARSER)}


def parsed(script, command_line):
    """Return hidden_layer, n, and the options of train and of build_network, a dict each."""
    hidden_layer, parser = SCRIPTS[script]
    options = vars(parser.parse_args(command_line.split()))
    options = {name: options[name] for name in options if name not in ("every", "gradients")}
    training = {name: options.pop(name) for name in ("epochs", "learning_rate", "max_norm")}
    return hidden_layer, options.pop("LAYERS"), training, options


def sigmoid(h):
    e = np.exp(np.minimum(-h, 700.0))  # no overflow
    y = 1.0 / (1.0 + e)
    return y, e * y * y  # f' = y (1 - y), and 1 - y = e y without its rounding


def tanh(h):
    return np.tanh(h), np.cosh(h) ** -2.0


def relu(h):
    return np.maximum(h, 0.0), h > 0.0


class Dense:
    """y = f(h), h = [x 1] P, with x (seeds, batch, in) and P = [W; b] (seeds, in + 1, out)."""

    def __init__(self, P, G, f):
        self.P, self.G, self.f = P, G, f  # G = dL/dP
        self.x1 = np.ones((len(P), len(X), P.shape[1]))
        self.x, self.x1_T = self.x1[:, :, :-1], self.x1.swapaxes(1, 2)  # views
        self.W_T = P[:, :-1].swapaxes(1, 2)

    def forward(self, x):
        self.x[...] = x
        y, self.slope = self.f(self.x1 @ self.P)
        return y

    def backward(self, dy):
        dh = dy * self.slope
        np.matmul(self.x1_T, dh, out=self.G)
        return dh @ self.W_T


class Norm:
    """y = gamma n + beta, n = (x - mean) / std over the batch, with P = [gamma; beta]."""

    def __init__(self, P, G, f):
        (self.gamma, self.beta), self.G = np.split(P, 2, axis=1), G

    def forward(self, x):
        d = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((d * d).mean(axis=1, keepdims=True) + 1e-5)
        self.n = d / self.std
        return self.gamma * self.n + self.beta

    def backward(self, dy):
        self.G[:, 0], self.G[:, 1] = (dy * self.n).sum(axis=1), dy.sum(axis=1)
        dn = dy * self.gamma
        through_std = self.n * (dn * self.n).mean(axis=1, keepdims=True)
        return (dn - dn.mean(axis=1, keepdims=True) - through_std) / self.std


class Network:
    """Blocks of layers, y = a x + F(x), or y = F(x) where a is 0, on all parameters (seeds, size).

    plan is [(a, [(Dense or Norm, shape of its P, f), ...]), ...]; each P is a view of params.
    """

    def __init__(self, params, plan):
        self.params, self.grads = params, np.empty_like(params)
        self.blocks, end = [], 0
        for a, layers in plan:
            self.blocks.append((a, []))
            for kind, shape, f in layers:
                start, end = end, end + math.prod(shape)
                P, G = (flat[:, start:end].reshape(-1, *shape) for flat in (params, self.grads))
                self.blocks[-1][1].append(kind(P, G, f))

    @np.errstate(all="ignore")
    def step(self, rates, max_norm, first):
        """Clip the columns from first on, and update; return the losses and norms before that.

        rates is the learning rate, or one for each parameter, (size,).
        """
        y = X
        for a, layers in self.blocks:
            x = y
            for layer in layers:
                y = layer.forward(y)
            y = a * x + y if a else y
        dy = y - T
        losses = np.square(dy).sum(axis=(1, 2)) / 2
        for a, layers in reversed(self.blocks):
            dx = dy
            for layer in reversed(layers):
                dx = layer.backward(dx)
            dy = dx + a * dy if a else dx
        clipped = self.grads[:, first:]
        norms = np.sqrt(np.einsum("sp,sp->s", clipped, clipped))
        clipped *= np.minimum(1.0, max_norm / norms)[:, None]
        self.params -= rates * self.grads
        return losses, norms


class ScaledConnection(ResidualConnection):
    """y = a x + F(x)."""

    a = 1.0

    def forward_prop(self, x):
        return self.a * x + self.F.forward_prop(x)

    def back_prop(self, grads):
        return self.a * grads + self.F.back_prop(grads)


def scaled(a):
    """Return a function that makes hidden layers like the residual script's, but a x + F(x)."""

    def hidden_layer(i, f, deriv_f, **options):
        layer = ScaledConnection(NODES, f, deriv_f, name=f"residual_{i}", **options)
        layer.a = a
        return [layer]

    return hidden_layer


def networks(cell, seeds):
    """Return the script's network for each seed, with a x + F(x) where the cell says so."""
    hidden_layer, n, _, options = parsed(*cell[:2])
    changed = dict(cell[2:])
    if "a" in changed:
        hidden_layer = scaled(changed["a"])
    return [build_network(hidden_layer, n, **options | {"seed": seed}) for seed in seeds]


def network_plan(n, options, a):
    f = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}[options["activation"]]
    F = [(Norm, (2, NODES), None)] if options["batch_norm"] else []
    F = (F + [(Dense, (NODES + 1, NODES), f)]) * options.get("skip", 1)
    dense_in, dense_out = [(Dense, (3, NODES), f)], [(Dense, (NODES + 1, 1), sigmoid)]
    return [(0.0, dense_in), *n * [(a, F)], (0.0, dense_out)]


def flat_params(networks):
    """Return the parameters of networks of one shape, (networks, size)."""
    return np.array([np.concatenate(network.get_params(), axis=None) for network in networks])


def trained(cell, seeds):
    """Return the script's network for each seed after the cell's epochs, whatever the loss."""
    _, n, training, options = parsed(*cell)
    found = networks(cell, seeds)
    plan = network_plan(n, options, float(cell[0] == "residual"))
    network = Network(flat_params(found), plan)
    for _ in range(training["epochs"]):
        network.step(training["learning_rate"], training["max_norm"], 0)
    for single, values in zip(found, network.params):
        for param in single.get_params():
            param.flat, values = values[: param.size], values[param.size :]
    return found


def train(cell, seeds, goal=LOSS_GOAL):
    """Yield (epoch, losses) after each update; losses (seeds,) are those before it.

    A seed stops at the goal, and keeps its loss from then on, or at the epoch where its gradient is
    not finite, and then its loss is inf. The last epoch is that at which the last seed stops.
    """
    _, n, training, options = parsed(*cell[:2])
    changed = dict(cell[2:])
    plan = network_plan(n, options, changed.get("a", float(cell[0] == "residual")))
    first = -NODES - 1 if changed.get("clipped") == "dense_out" else 0
    params = flat_params(networks(cell, seeds))
    network = Network(params, plan)
    rates = np.full(params[0].size, training["learning_rate"])
    rates[-NODES - 1 :] *= changed.get("dense_out", 1)
    rates[: -NODES - 1] *= changed.get("others", 1)
    losses, running = np.empty(len(params)), np.arange(len(params))
    for epoch in range(1, training["epochs"] + 1):
        found, norms = network.step(rates, training["max_norm"], first)
        losses[running] = np.where(norms < math.inf, found, math.inf)
        yield epoch, losses.copy()
        goes_on = (found > goal) & (norms < math.inf)
        if not goes_on.all():
            running = running[goes_on]
            if not running.size:
                return
            network = Network(network.params[goes_on], plan)

"""All seeds of a cell trained at once: an epoch of 50 seeds costs about as much as two of one.

A cell is (script, command line): ("plain", "10 --gain 4") is XORgatemultihiddenlayers.py run so.
Only the initial weights are the scripts' own. The rest is written anew from the formulas, on arrays
with one more axis in front, the seed, and so is a check of the scripts: the losses agree.
"""

import math
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are run by their path

from XORgatemultihiddenlayers import LOSS_GOAL, NODES, T, X, argument_parser, build_network, dense
from XORgateresidualconnectionlayers import residual, residual_parser

SCRIPTS = {"plain": (dense, argument_parser("")), "residual": (residual, residual_parser())}


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
    """Blocks of layers, y = F(x), or x + F(x) where a block adds, on all parameters (seeds, size).

    plan is [(adds, [(Dense or Norm, shape of its P, f), ...]), ...]; each P is a view of params.
    """

    def __init__(self, params, plan):
        self.params, self.grads = params, np.empty_like(params)
        self.blocks, end = [], 0
        for adds, layers in plan:
            self.blocks.append((adds, []))
            for kind, shape, f in layers:
                start, end = end, end + math.prod(shape)
                P, G = (a[:, start:end].reshape(-1, *shape) for a in (self.params, self.grads))
                self.blocks[-1][1].append(kind(P, G, f))

    @np.errstate(all="ignore")
    def step(self, learning_rate, max_norm):
        """Update once; return the losses before it, and the norms of the gradient, per seed."""
        y = X
        for adds, layers in self.blocks:
            x = y
            for layer in layers:
                y = layer.forward(y)
            y = x + y if adds else y
        dy = y - T
        losses = np.square(dy).sum(axis=(1, 2)) / 2
        for adds, layers in reversed(self.blocks):
            dx = dy
            for layer in reversed(layers):
                dx = layer.backward(dx)
            dy = dx + dy if adds else dx
        norms = np.sqrt(np.einsum("sp,sp->s", self.grads, self.grads))
        if not norms.max() < math.inf:  # perhaps only its square is too large
            largest = np.maximum(np.abs(self.grads).max(axis=1), 1.0)
            norms = largest * np.linalg.norm(self.grads / largest[:, None], axis=1)
        self.grads *= (learning_rate * np.minimum(1.0, max_norm / norms))[:, None]
        self.params -= self.grads
        return losses, norms


def networks(cell, seeds):
    """Return the script's network for each seed, their plan, and (epochs, rate, max_norm)."""
    script, command_line = cell
    hidden_layer, parser = SCRIPTS[script]
    options = vars(parser.parse_args(command_line.split()))
    training = [options.pop(name) for name in ("epochs", "learning_rate", "max_norm")]
    n = options.pop("layers")
    built = [build_network(hidden_layer, n, **options | {"seed": seed}) for seed in seeds]
    f = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}[options["activation"]]
    hidden = [(Norm, (2, NODES), None)] * options.get("batch_norm", False)
    hidden = (hidden + [(Dense, (NODES + 1, NODES), f)]) * options.get("skip", 1)
    plan = [(False, [(Dense, (3, NODES), f)]), *n * [(script == "residual", hidden)]]
    return built, [*plan, (False, [(Dense, (NODES + 1, 1), sigmoid)])], training


def train(cell, seeds, goal=LOSS_GOAL):
    """Yield (epoch, losses) after each update; losses (seeds,) are those before it.

    A seed stops at the goal, and keeps its loss from then on, or at the epoch where its gradient is
    not finite, and then its loss is inf. The last epoch is that at which the last seed stops.
    """
    built, plan, (epochs, *options) = networks(cell, seeds)
    params = [np.concatenate([p.ravel() for p in network.get_params()]) for network in built]
    network = Network(np.array(params), plan)
    losses, running = np.empty(len(params)), np.arange(len(params))
    for epoch in range(1, epochs + 1):
        found, norms = network.step(*options)
        losses[running] = np.where(norms < math.inf, found, math.inf)
        yield epoch, losses.copy()
        goes_on = (found > goal) & (norms < math.inf)
        if not goes_on.all():
            running = running[goes_on]
            if not running.size:
                return
            network = Network(network.params[goes_on], plan)

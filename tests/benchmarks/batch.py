"""All seeds of a cell trained at once: an epoch of 50 seeds costs about as much as two of one.

A cell is (script, command line): ("plain", "10 --gain 4") is XORgatemultihiddenlayers.py run so.
Further entries change something, as an edit of the sources would, each a pair (name, value):

    a                  y = a x + F(x) in a residual connection, and dx = a dy + (what F passes back)
    forward, backward  the same, on one of the two ways only
    shift              y = x + F(x) + shift
    hidden "none"      no hidden layer, but dense_in and dense_out with the weights that they had
    f                  the activation of all but dense_out: one of ACTIVATIONS, below
    X, T, nodes        other data, of SAMPLES and TARGETS, and another NODES
    divides            the way on which a norm divides: "forward", "backward" or "neither"
    dense_in gain      multiplies the initial W of dense_in alone
    frozen "hidden"    the hidden layers do not learn
    clipped            "dense_out": its gradient alone, by its own norm; "first step": no other step
    dense_out, others  multiply the learning rate of dense_out, and that of all other layers

Only the initial weights are the scripts' own. The rest is written anew from the formulas, on arrays
with one more axis in front, the seed, and so is a check of the scripts: the losses agree.
"""

import math
import sys
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks are run by their path

import activations
import XORgatemultihiddenlayers as plain_script
import XORgateresidualconnectionlayers as residual_script
from layers import BatchNormalization
from residual import ResidualConnection
from XORgatemultihiddenlayers import LOSS_GOAL, NODES, T, X

SCRIPTS = {
    "plain": (plain_script.dense, plain_script.argument_parser("")),
    "residual": (residual_script.residual, residual_script.PARSER),
}
SAMPLES = {"X": X, "2 X - 1": 2 * X - 1}
TARGETS = {"T": T, "x0": X[:, :1]}
STEEP = {  # f(h) = c sigmoid(h) + shift: c, shift
    "sigmoid(h) - 0.5": (1.0, -0.5),
    "4 sigmoid(h) - 1.5": (4.0, -1.5),
    "4 sigmoid(h) - 2": (4.0, -2.0),
    "2.4 sigmoid(h) - 0.7": (2.4, -0.7),
}
LEAKS = {"max(h, 0.3 h)": 0.3, "max(h, 0.01 h)": 0.01}
ALL, NONE = slice(None), slice(0)  # of the parameters


def parsed(script, command_line):
    """Return hidden_layer, n, and the options of train and of build_network, a dict each."""
    hidden_layer, parser = SCRIPTS[script]
    options = vars(parser.parse_args(command_line.split()))
    options = {name: options[name] for name in options if name not in ("every", "gradients")}
    training = {name: options.pop(name) for name in ("epochs", "learning_rate", "max_norm")}
    return hidden_layer, options.pop("LAYERS"), training, options


def changes(cell):
    """Return what a cell changes, {name: value}."""
    return dict(cell[2:])


def data(cell):
    """Return the X and T of a cell, and its number of nodes."""
    changed = changes(cell)
    x = SAMPLES[changed.get("X", "X")]
    t = TARGETS[changed.get("T", "T")]
    return x, t, changed.get("nodes", NODES)


def connection(cell):
    """Return the factors of x and of dy beside F, and the shift; both are 0 in a plain layer."""
    changed = changes(cell)
    a = changed.get("a", float(cell[0] == "residual"))
    return changed.get("forward", a), changed.get("backward", a), changed.get("shift", 0.0)


# ---- The batched network ----


def sigmoid(h):
    e = np.exp(np.minimum(-h, 700.0))  # no overflow
    y = 1.0 / (1.0 + e)
    return y, e * y * y  # f' = y (1 - y), and 1 - y = e y without its rounding


def tanh(h):
    return np.tanh(h), np.cosh(h) ** -2.0


def relu(h):
    return np.maximum(h, 0.0), h > 0.0


def steep(c, shift):
    """Return f = c sigmoid(h) + shift, with f'."""

    def f(h):
        y, slope = sigmoid(h)
        return c * y + shift, c * slope

    return f


def leaky(leak):
    """Return f = max(h, leak h), with f'."""

    def f(h):
        return np.maximum(h, leak * h), np.where(h > 0.0, 1.0, leak)

    return f


ACTIVATIONS = {
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    **{name: steep(c, shift) for name, (c, shift) in STEEP.items()},
    **{name: leaky(leak) for name, leak in LEAKS.items()},
}


class Dense:
    """y = f(h), h = [x 1] P, with x (seeds, batch, in) and P = [W; b] (seeds, in + 1, out)."""

    def __init__(self, P, G, f, batch):
        self.P, self.G, self.f = P, G, f  # G = dL/dP
        self.x1 = np.ones((len(P), batch, P.shape[1]))
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
    """y = gamma n + beta, n = (x - mean) / std over the batch, with P = [gamma; beta].

    ways says on which way it divides; on the other it is y = gamma (x - mean) + beta.
    """

    def __init__(self, P, G, ways, batch):
        (self.gamma, self.beta), self.G, self.ways = np.split(P, 2, axis=1), G, ways

    def forward(self, x):
        d = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((d * d).mean(axis=1, keepdims=True) + 1e-5)
        self.divided = d / self.std
        self.n = self.divided if self.ways in ("both", "forward") else d
        return self.gamma * self.n + self.beta

    def backward(self, dy):
        self.G[:, 0], self.G[:, 1] = (dy * self.n).sum(axis=1), dy.sum(axis=1)
        dn = dy * self.gamma
        dx = dn - dn.mean(axis=1, keepdims=True)
        if self.ways in ("both", "backward"):
            through_std = self.divided * (dn * self.divided).mean(axis=1, keepdims=True)
            dx = (dx - through_std) / self.std
        return dx


class Network:
    """Blocks of layers, y = forward x + F(x) + shift, on all parameters (seeds, size).

    plan is [((forward, backward, shift), [(Dense or Norm, shape of its P, its option), ...]), ...];
    each P is a view of params.
    """

    def __init__(self, params, plan, x, t):
        self.params, self.grads = params, np.empty_like(params)
        self.x, self.t = x, t
        self.blocks, end = [], 0
        for beside, layers in plan:
            self.blocks.append((*beside, []))
            for kind, shape, option in layers:
                start, end = end, end + math.prod(shape)
                P, G = (flat[:, start:end].reshape(-1, *shape) for flat in (params, self.grads))
                self.blocks[-1][-1].append(kind(P, G, option, len(x)))

    @np.errstate(all="ignore")
    def step(self, rates, max_norm, clipped, frozen):
        """Clip and update; return the losses and norms before that, and where it moved something.

        rates is the learning rate of each parameter, (size,); clipped and frozen are slices of the
        parameters. The norm is that of the clipped ones.
        """
        y = self.x
        for forward, _, shift, layers in self.blocks:
            x = y
            for layer in layers:
                y = layer.forward(y)
            if forward:
                y = forward * x + y
            if shift:
                y = y + shift
        dy = y - self.t
        losses = np.square(dy).sum(axis=(1, 2)) / 2
        for _, backward, _, layers in reversed(self.blocks):
            dx = dy
            for layer in reversed(layers):
                dx = layer.backward(dx)
            dy = dx + backward * dy if backward else dx
        self.grads[:, frozen] = 0.0
        grads = self.grads[:, clipped]
        norms = np.sqrt(np.einsum("sp,sp->s", grads, grads))
        grads *= np.minimum(1.0, max_norm / norms)[:, None]
        params = self.params - rates * self.grads
        moved = (params != self.params).any(axis=1)
        self.params[...] = params
        return losses, norms, moved


def network_plan(cell):
    """Return the plan of a cell's Network."""
    _, n, _, options = parsed(*cell[:2])
    changed = changes(cell)
    f = ACTIVATIONS[changed.get("f", options["activation"])]
    x, t, nodes = data(cell)
    F = []
    for _ in range(options.get("skip", 1)):
        if options["batch_norm"]:
            F.append((Norm, (2, nodes), changed.get("divides", "both")))
        F.append((Dense, (nodes + 1, nodes), f))
    if changed.get("hidden") == "none":
        n = 0
    none = (0.0, 0.0, 0.0)
    dense_in = (none, [(Dense, (x.shape[1] + 1, nodes), f)])
    dense_out = (none, [(Dense, (nodes + 1, t.shape[1]), sigmoid)])
    return [dense_in, *n * [(connection(cell), F)], dense_out]


def step_options(cell, size):
    """Return the options of Network.step, but max_norm, for so many parameters."""
    changed = changes(cell)
    x, t, nodes = data(cell)
    end_of_in = (x.shape[1] + 1) * nodes
    start_of_out = size - (nodes + 1) * t.shape[1]
    rates = np.full(size, parsed(*cell[:2])[2]["learning_rate"])
    rates[:start_of_out] *= changed.get("others", 1)
    rates[start_of_out:] *= changed.get("dense_out", 1)
    clipped = slice(start_of_out, size) if changed.get("clipped") == "dense_out" else ALL
    frozen = slice(end_of_in, start_of_out) if changed.get("frozen") == "hidden" else NONE
    return {"rates": rates, "clipped": clipped, "frozen": frozen}


def max_norms(cell):
    """Return to which norm the first gradient is clipped, and to which all later ones."""
    max_norm = parsed(*cell[:2])[2]["max_norm"]
    if changes(cell).get("clipped") == "first step":
        return max_norm, math.inf
    return max_norm, max_norm


# ---- The scripts' own networks, changed likewise ----


class Connection(ResidualConnection):
    """y = forward x + F(x) + shift, and dL/dx = backward dL/dy + what F passes back."""

    forward, backward, shift = 1.0, 1.0, 0.0

    def forward_prop(self, x):
        return self.forward * x + self.F.forward_prop(x) + self.shift

    def back_prop(self, grads):
        return self.backward * grads + self.F.back_prop(grads)


class OneWayNorm(BatchNormalization):
    """Divides on some ways only; on the others it is y = gamma (x - mean) + beta."""

    ways = "both"

    def forward_prop(self, x):
        y = super().forward_prop(x)
        self.divided = self.n
        if self.ways in ("backward", "neither"):
            self.n = x - x.mean(axis=0)
            y = self.gamma * self.n + self.beta
        return y

    def back_prop(self, dy):
        (dy * self.n).sum(axis=0, out=self.dgamma)
        dy.sum(axis=0, out=self.dbeta)
        dx = dy - dy.mean(axis=0)
        if self.ways in ("both", "backward"):
            dx = (dx - self.divided * (dy * self.divided).mean(axis=0)) / self.std
        return self.gamma * dx


def script_steep(c, shift):
    """Return f = c sigmoid(h) + shift, and f'."""
    return (
        lambda h: c * activations.sigmoid(h) + shift,
        lambda h: c * activations.deriv_sigmoid(h),
    )


def script_leaky(leak):
    """Return f = max(h, leak h), and f'."""
    return lambda h: np.maximum(h, leak * h), lambda h: np.where(h > 0, 1.0, leak)


SCRIPT_ACTIVATIONS = {
    **{name: script_steep(c, shift) for name, (c, shift) in STEEP.items()},
    **{name: script_leaky(leak) for name, leak in LEAKS.items()},
}


def connections(cell):
    """Return a function that makes hidden layers like the residual script's, but as cell says."""

    def hidden_layer(i, f, deriv_f, **options):
        layer = Connection(data(cell)[2], f, deriv_f, name=f"residual_{i}", **options)
        layer.forward, layer.backward, layer.shift = connection(cell)
        return [layer]

    return hidden_layer


def without(hidden_layer):
    """Return a function that draws a hidden layer's weights, but makes no layer."""

    def no_layer(i, f, deriv_f, **options):
        hidden_layer(i, f, deriv_f, **options)
        return []

    return no_layer


def one_way_norm(cell):
    """Return a function that makes a BatchNormalization as cell says."""

    def norm(size, *, name):
        layer = OneWayNorm(size, name=name)
        layer.ways = changes(cell).get("divides", "both")
        return layer

    return norm


def networks(cell, seeds):
    """Return the script's network for each seed, changed as the cell says."""
    hidden_layer, n, _, options = parsed(*cell[:2])
    changed = changes(cell)
    if changed.keys() & {"a", "forward", "backward", "shift"}:
        hidden_layer = connections(cell)
    if changed.get("hidden") == "none":
        hidden_layer = without(hidden_layer)
    options["activation"] = changed.get("f", options["activation"])
    x, t, nodes = data(cell)
    edits = {"X": x, "T": t, "NODES": nodes}
    if "divides" in changed:
        edits["BatchNormalization"] = one_way_norm(cell)
    with (
        mock.patch.multiple(plain_script, **edits),
        mock.patch.object(residual_script, "NODES", nodes),
        mock.patch.dict(activations.ACTIVATIONS, SCRIPT_ACTIVATIONS),
    ):
        found = [
            plain_script.build_network(hidden_layer, n, **options | {"seed": seed})
            for seed in seeds
        ]
    for network in found:
        network.layers[0].W *= changed.get("dense_in gain", 1)
    return found


# ---- Training ----


def flat_params(networks):
    """Return the parameters of networks of one shape, (networks, size)."""
    return np.array([np.concatenate(network.get_params(), axis=None) for network in networks])


def batched(cell, params):
    """Return the Network of a cell with these parameters."""
    x, t, _ = data(cell)
    return Network(params, network_plan(cell), x, t)


def trained(cell, seeds):
    """Return the script's network for each seed after the cell's epochs, whatever the loss."""
    found = networks(cell, seeds)
    params = flat_params(found)
    network = batched(cell, params)
    options = step_options(cell, params.shape[1])
    max_norm, later = max_norms(cell)
    for _ in range(parsed(*cell[:2])[2]["epochs"]):
        network.step(max_norm=max_norm, **options)
        max_norm = later
    for single, values in zip(found, network.params):
        for param in single.get_params():
            param.flat, values = values[: param.size], values[param.size :]
    return found


def train(cell, seeds, goal=LOSS_GOAL):
    """Yield (epoch, losses, norms) after each update; both (seeds,) are those before it.

    A seed stops at the goal, or where an update changes nothing, and keeps its loss and norm from
    then on; or where its gradient is not finite, and then its loss is inf. The last epoch is that
    at which the last seed stops.
    """
    params = flat_params(networks(cell, seeds))
    network = batched(cell, params)
    options = step_options(cell, params.shape[1])
    max_norm, later = max_norms(cell)
    all_losses, all_norms = np.empty((2, len(params)))
    running = np.arange(len(params))
    for epoch in range(1, parsed(*cell[:2])[2]["epochs"] + 1):
        losses, norms, moved = network.step(max_norm=max_norm, **options)
        max_norm = later
        finite = norms < math.inf
        all_losses[running] = np.where(finite, losses, math.inf)
        all_norms[running] = norms
        yield epoch, all_losses.copy(), all_norms.copy()
        goes_on = (losses > goal) & finite & moved
        if not goes_on.all():
            running = running[goes_on]
            if not running.size:
                return
            network = batched(cell, network.params[goes_on])

"""Dense, BatchNormalization, and Sequential, which stacks layers into one network.

A layer is whatever has the chapter's four methods. Arrays are batch first:

    y = forward_prop(x)          x (batch, input_size) -> y (batch, output_size)
    dL/dx = back_prop(dL/dy)     for the last forward_prop; stores dL/dparams, summed over the batch
    get_params(), get_grads()    the layer's own arrays, always the same: update them in place
"""

import math

import numpy as np


def glorot_uniform(input_size, output_size, rng):
    """W from U(-a, a), a = sqrt(6 / (input_size + output_size)); b = 0 (Glorot & Bengio 2010)."""
    a = math.sqrt(6 / (input_size + output_size))
    return rng.uniform(-a, a, (input_size, output_size)), np.zeros(output_size)


def he_normal(input_size, output_size, rng):
    """W from N(0, 2 / input_size); b = 0 (He et al. 2015)."""
    weights = rng.normal(0.0, math.sqrt(2 / input_size), (input_size, output_size))
    return weights, np.zeros(output_size)


def uniform(input_size, output_size, rng):
    """W and b from U[0, 1): no remedy, but what one tries first."""
    return rng.random((input_size, output_size)), rng.random(output_size)


INITIALIZERS = {"glorot": glorot_uniform, "he": he_normal, "uniform": uniform}


def as_floats(array, layer):
    """Return an array-like as a float64 ndarray; TypeError if that would lose a mask or i."""
    if type(array) is np.ndarray and array.dtype == float:
        return array
    if np.ma.is_masked(np.ma.array(array)) or np.iscomplexobj(array):
        raise TypeError(f"{layer}: a masked or complex array is refused: mask or i would be lost")
    return np.asarray(array, dtype=float)


def cut(text, width):
    """Return text in at most width characters; a ~ marks where some are missing."""
    return text if len(text) <= width else text[: width - 1] + "~"


class Layer:
    """What the layers here share: num_params; for those with one array, access to it and checks."""

    def get_params(self):
        return [self.params]

    def get_grads(self):
        return [self.grads]

    def num_params(self):
        return sum(param.size for param in self.get_params())

    def _checked_x(self, x):
        x = as_floats(x, self)
        if x.shape[1:] != (self.input_size,):
            raise ValueError(f"{self}: x is {x.shape}, not (batch, {self.input_size})")
        return x

    def _checked_grads(self, grads, y):
        grads = as_floats(grads, self)
        if y is None or grads.shape != y.shape:
            was = "there was no forward_prop" if y is None else f"y was {y.shape}"
            raise ValueError(f"{self}: back_prop of dL/dy {grads.shape}, but {was}")
        return grads


class Dense(Layer):
    """y = f(h), h = x W + b, with W (input_size, output_size) and b (output_size,).

    activate_func is f and deriv_activate_func f', both of h, the value before activation: one that
    is written for y, like y (1 - y), would be wrong. b is the weight of one more input, always 1:
    h = [x 1] [W; b], and the array [W; b], whose last row is b, is the only parameter. initializer
    is a name in INITIALIZERS, or a function like those; gain multiplies the W that it returns.
    """

    def __init__(
        self, input_size, output_size, activate_func, deriv_activate_func, *,
        name="dense", initializer="glorot", gain=1.0, rng=None,
    ):  # fmt: skip
        rng = np.random.default_rng() if rng is None else rng
        if not hasattr(rng, "uniform"):
            raise TypeError(f"{name}: rng is {rng!r}, but must be a numpy.random.Generator")
        initializer = INITIALIZERS.get(initializer, initializer)
        if not callable(initializer):
            raise ValueError(f"{name}: initializer is {initializer!r}, not in {[*INITIALIZERS]}")
        self.name, self.input_size, self.output_size = name, input_size, output_size
        self.activate_func, self.deriv_activate_func = activate_func, deriv_activate_func
        self.params = np.empty((input_size + 1, output_size))  # [W; b]
        self.params[:-1], self.params[-1] = initializer(input_size, output_size, rng)
        self.params[:-1] *= gain
        self.grads = np.zeros_like(self.params)
        self.x1, self.h = np.ones((0, input_size + 1)), None  # of the last forward_prop

    def __repr__(self):
        f = getattr(self.activate_func, "__name__", self.activate_func)
        return f"Dense({self.input_size}, {self.output_size}, {f}, name={self.name!r})"

    def forward_prop(self, x):
        x = self._checked_x(x)
        if len(x) != len(self.x1):
            self.x1 = np.ones((len(x), self.input_size + 1))
        self.x1[:, :-1] = x
        self.h = self.x1.dot(self.params)  # h = [x 1] [W; b]
        return as_floats(self.activate_func(self.h.copy()), self)  # y = f(h); f may change its copy

    def back_prop(self, grads):
        grads = self._checked_grads(grads, self.h)
        slope = as_floats(self.deriv_activate_func(self.h.copy()), self)
        delta = grads * slope  # dL/dh = dL/dy f'(h): f' shrinks it
        self.x1.T.dot(delta, out=self.grads)  # [dL/dW; dL/db] = [x 1]^T dL/dh
        return delta.dot(self.params[:-1].T)  # dL/dx = dL/dh W^T: W shrinks or grows it


class BatchNormalization(Layer):
    """y = gamma n + beta, n = (x - mean) / sqrt(var + 1e-5) (Ioffe & Szegedy 2015).

    mean and var are each unit's own over the batch at hand, always: there are no running averages
    for later predictions. So a batch of one sample, which would become a constant, is a ValueError.
    gamma and beta are learned, the two rows of one array (2, size).
    """

    def __init__(self, size, *, name="norm"):
        self.name, self.input_size, self.output_size = name, size, size
        self.params = np.vstack([np.ones(size), np.zeros(size)])  # [gamma; beta]
        self.grads = np.zeros_like(self.params)
        self.n = None

    def __repr__(self):
        return f"BatchNormalization({self.input_size}, name={self.name!r})"

    def forward_prop(self, x):
        x = self._checked_x(x)
        if len(x) < 2:
            raise ValueError(f"{self}: x is {x.shape}, but a batch has two samples or more")
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.n = (x - x.mean(axis=0)) / self.std
        gamma, beta = self.params
        return gamma * self.n + beta

    def back_prop(self, grads):
        grads = self._checked_grads(grads, self.n)
        self.grads[:] = (grads * self.n).sum(axis=0), grads.sum(axis=0)  # dL/dgamma, dL/dbeta
        through_var, through_mean = self.grads / len(grads)  # which depend on x, too
        return self.params[0] / self.std * (grads - through_mean - self.n * through_var)


class Sequential(Layer):
    """Layers one after the other, together a layer: any objects with the four methods."""

    def __init__(self, layers, *, name="sequential"):
        self.name = name
        self.layers = list(layers)
        if not self.layers:
            raise ValueError(f"{name}: there are no layers")
        for layer in self.layers:
            if layer.get_params() is None:
                raise TypeError(f"{name}: {layer}.get_params() returns None, not a list of arrays")
        for what, parts in ("layer", self.layers), ("parameter array", self.get_params()):
            if len({id(part) for part in parts}) < len(parts):  # a layer has only one gradient
                raise ValueError(f"{name}: a {what} appears twice")
        self.output_size = getattr(self.layers[-1], "output_size", "?")

    def __repr__(self):
        return f"{type(self).__name__}({self.layers})"

    def get_params(self):
        return [param for layer in self.layers for param in layer.get_params()]

    def get_grads(self):
        return [grad for layer in self.layers for grad in layer.get_grads()]

    def forward_prop(self, x):
        for layer in self.layers:
            x = layer.forward_prop(x)
        return x

    def back_prop(self, grads):
        for layer in reversed(self.layers):
            grads = layer.back_prop(grads)
        return grads

    def names(self):
        return [getattr(layer, "name", type(layer).__name__) for layer in self.layers]

    def summary(self):
        """Return the table of the layers, 65 columns wide, as Keras prints it."""
        row = "{:<28} {:<25} {}".format
        lines = [65 * "_", row("Layer (type)", "Output Shape", "Param #"), 65 * "="]
        for name, layer in zip(self.names(), self.layers):
            kind = getattr(layer, "type_name", type(layer).__name__)
            shape = f"(None, {getattr(layer, 'output_size', '?')})"
            lines.append(row(cut(f"{name} ({kind})", 28), shape, Layer.num_params(layer)))
        return "\n".join([*lines, 65 * "=", f"Total params: {self.num_params()}"])

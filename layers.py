"""Dense, BatchNormalization, and Sequential, which stacks layers into one network.

A layer is whatever has the chapter's four methods. Arrays are batch first:

    y = forward_prop(x)          x (batch, input_size) -> y (batch, output_size)
    dL/dx = back_prop(dL/dy)     for the last forward_prop; stores dL/dparams, summed over the batch
    get_params(), get_grads()    the layer's own arrays, always the same: update them in place
"""

import math

import numpy as np

from clipping import global_norm


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


class Layer:
    """What the layers here share: an array of parameters and its gradient, a size, and checks."""

    x_shape = y_shape = None  # of the last forward_prop

    def get_params(self):
        return [self.params]

    def get_grads(self):
        return [self.grads]

    def num_params(self):
        return sum(param.size for param in self.get_params())

    def checked_x(self, x):
        x = np.asarray(x, dtype=float)
        if x.shape != self.x_shape:
            if x.ndim != 2 or x.shape[1] != self.input_size:
                raise ValueError(f"{self.name}: x is {x.shape}, not (batch, {self.input_size})")
            self.x_shape, self.y_shape = x.shape, (len(x), self.output_size)
        return x

    def checked_grads(self, grads):
        grads = np.asarray(grads, dtype=float)
        if grads.shape != self.y_shape:
            y = f"y was {self.y_shape}" if self.y_shape else "there was no forward_prop"
            raise ValueError(f"{self.name}: back_prop of dL/dy {grads.shape}, but {y}")
        return grads


class Dense(Layer):
    """y = f(h), h = x W + b, with W (input_size, output_size) and b (output_size,).

    b is the weight of one more input, always 1: h = [x 1] [W; b]. The array [W; b], whose last row
    is b, is the only parameter. initializer is a name in INITIALIZERS, or a function like those.
    """

    def __init__(
        self,
        input_size,
        output_size,
        activate_func,
        deriv_activate_func,
        *,
        name="dense",
        initializer="glorot",
        rng=None,
    ):
        rng = np.random.default_rng() if rng is None else rng
        if not hasattr(rng, "uniform"):
            raise TypeError(f"{name}: rng is {rng!r}, but must be a numpy.random.Generator")
        initializer = INITIALIZERS.get(initializer, initializer)
        if not callable(initializer):
            raise ValueError(f"{name}: initializer is {initializer!r}, not in {[*INITIALIZERS]}")
        self.name = name
        self.input_size, self.output_size = input_size, output_size
        self.activate_func, self.deriv_activate_func = activate_func, deriv_activate_func
        self.params = np.vstack(initializer(input_size, output_size, rng), dtype=float)  # [W; b]
        self.grads = np.zeros_like(self.params)
        self.h = np.empty(())

    def __repr__(self):
        f = getattr(self.activate_func, "__name__", self.activate_func)
        return f"Dense({self.input_size}, {self.output_size}, {f}, name={self.name!r})"

    def forward_prop(self, x):
        x = self.checked_x(x)
        if self.h.shape != self.y_shape:
            self.x1, self.h = np.ones((len(x), self.input_size + 1)), np.empty(self.y_shape)
        self.x1[:, :-1] = x
        self.x1.dot(self.params, self.h)  # h = [x 1] [W; b]
        y = self.activate_func(self.h)  # y = f(h)
        return y.copy() if y is self.h or y.base is self.h else y  # h is remembered, y the caller's

    def back_prop(self, grads):
        grads = self.checked_grads(grads)
        delta = grads * self.deriv_activate_func(self.h)  # dL/dh = dL/dy f'(h): f' shrinks it
        self.x1.T.dot(delta, self.grads)  # [dL/dW; dL/db] = [x 1]^T dL/dh
        return delta.dot(self.params[:-1].T)  # dL/dx = dL/dh W^T: W shrinks or grows it


class BatchNormalization(Layer):
    """y = gamma n + beta, n = (x - mean) / sqrt(var + epsilon) (Ioffe & Szegedy 2015).

    mean and var are each unit's own over the batch; gamma and beta are learned, the two rows of one
    array (2, size). Where training is False, mean and var stay those of the last training batch.
    """

    EPSILON = 1e-5

    def __init__(self, size, *, name="norm"):
        self.name = name
        self.input_size = self.output_size = size
        self.params = np.vstack([np.ones(size), np.zeros(size)])  # [gamma; beta]
        self.grads = np.zeros_like(self.params)
        self.training = True
        self.mean, self.std = 0.0, 1.0

    def __repr__(self):
        return f"BatchNormalization({self.input_size}, name={self.name!r})"

    def forward_prop(self, x):
        x = self.checked_x(x)
        if self.training:
            self.mean, self.std = x.mean(axis=0), np.sqrt(x.var(axis=0) + self.EPSILON)
        self.n = (x - self.mean) / self.std
        gamma, beta = self.params
        return gamma * self.n + beta

    def back_prop(self, grads):
        grads = self.checked_grads(grads)
        self.grads[:] = (grads * self.n).sum(axis=0), grads.sum(axis=0)  # dL/dgamma, dL/dbeta
        if self.training:  # mean and var depend on x, too
            d_gamma, d_beta = self.grads / len(grads)
            grads = grads - d_beta - self.n * d_gamma
        return self.params[0] / self.std * grads


class Sequential(Layer):
    """Layers one after the other, together a layer.

    layers are any objects with the four methods. ValueError if there are none, or if one appears
    twice: it would overwrite its own gradient.
    """

    def __init__(self, layers, *, name="sequential"):
        self.name = name
        self.layers = list(layers)
        if not self.layers:
            raise ValueError(f"{name}: there are no layers")
        parts = [*self.layers, *self.get_params()]
        if len({id(part) for part in parts}) < len(parts):
            raise ValueError(f"{name}: a layer appears twice")
        self.output_size = getattr(self.layers[-1], "output_size", "?")

    def __repr__(self):
        return f"Sequential({self.layers})"

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
        row = "{:<28.28} {:<25} {}".format
        lines = [65 * "_", row("Layer (type)", "Output Shape", "Param #"), 65 * "="]
        for name, layer in zip(self.names(), self.layers):
            kind = getattr(layer, "type_name", type(layer).__name__)
            shape = f"(None, {getattr(layer, 'output_size', '?')})"
            lines.append(row(f"{name} ({kind})", shape, Layer.num_params(layer)))
        return "\n".join([*lines, 65 * "=", f"Total params: {self.num_params()}"])

    def signal_error_gradient(self, x, grads):
        """Return three lists of norms over all samples and units, one norm for each layer.

        signal    |y - mean of y over the batch|: what still tells the samples apart
        error     |dL/dy|: what comes back to the same place
        gradient  |dL/dparams|

        x (batch, input_size) is the network's input, grads (batch, output_size) its dL/dy.
        """
        signals, errors, gradients = [], [], []
        for layer in self.layers:
            x = layer.forward_prop(x)
            d = x - x[0]  # exactly 0 where the samples are equal, however their mean is rounded
            signals.append(global_norm([d - d.mean(axis=0)]))
        for layer in reversed(self.layers):
            errors.insert(0, global_norm([grads]))
            grads = layer.back_prop(grads)
            gradients.insert(0, global_norm(layer.get_grads()))
        return signals, errors, gradients

    def chart(self, x, grads, heading):
        """Return signal, error and gradient by layer as a chart, 65 columns wide.

        Below it stands the geometric mean over the hidden layers, all but the first and the last.
        """
        names = self.names()
        signals, errors, gradients = self.signal_error_gradient(x, grads)
        lines = [f"{heading} (one # a power of ten, 1e-10 to 1e+03)"]
        lines.append("layer       v signal runs down     ^ error runs up       gradient")
        for name, s, e, g in zip(names, signals, errors, gradients):
            lines.append(f"{name:<11.11}{s:8.1e} {bar(s):<13}{e:9.1e} {bar(e):<13}{g:9.1e}")
        ways = ("signal", signals[:-1], names[:-1]), ("error", errors[-2::-1], names[-2::-1])
        ends = [f"The {what} ends at {to[way.index(0)]}." for what, way, to in ways if 0 in way]
        if ends:
            return "\n".join([*lines, " ".join(ends)])
        passed = [f"{self.factor(way):.2f} of the {what}" for what, way, _ in ways]
        return "\n".join([*lines, f"A hidden layer passes on {' and '.join(passed)}."])

    def factor(self, values):
        hidden = [layer for layer in self.layers[1:-1] if not isinstance(layer, BatchNormalization)]
        return (values[-1] / values[0]) ** (1 / max(1, len(hidden)))


def bar(value):
    """Return one # a power of ten, from 1e-10 to 1e+03; < and > are beyond, a zero has none."""
    value = float(f"{value:.1e}")  # as the chart shows it
    if value >= 1e3:
        return 12 * "#" + ">"
    if value >= 1e-10:
        return "#" * int(math.log10(value) + 11)
    return "<" if value > 0 else ""

"""Dense, BatchNormalization, and Sequential, which stacks layers into one network.

A layer is whatever has the chapter's four methods. Arrays are batch first:

    y = forward_prop(x)          x (batch, input_size) -> y (batch, output_size)
    dL/dx = back_prop(dL/dy)     for the last forward_prop; stores dL/dparams, summed over the batch
    get_params(), get_grads()    the layer's own arrays, always the same: update them in place
"""

import numpy as np


def glorot_uniform(input_size, output_size, rng):
    """W from U(-a, a), a = sqrt(6 / (input_size + output_size)); b = 0 (Glorot & Bengio 2010)."""
    a = np.sqrt(6 / (input_size + output_size))
    return rng.uniform(-a, a, (input_size, output_size)), np.zeros(output_size)


def he_normal(input_size, output_size, rng):
    """W from N(0, 2 / input_size); b = 0 (He et al. 2015)."""
    return rng.normal(0, np.sqrt(2 / input_size), (input_size, output_size)), np.zeros(output_size)


def uniform(input_size, output_size, rng):
    """W and b from U[0, 1): no remedy, but what the chapter's own runs begin with."""
    return rng.random((input_size, output_size)), rng.random(output_size)


INITIALIZERS = {"glorot": glorot_uniform, "he": he_normal, "uniform": uniform}


def check(layer, what, shape, expected):
    """Raise ValueError if the shape of x or dL/dy is not the expected (batch, size)."""
    if expected is None:  # y_shape, as it begins
        raise ValueError(f"{layer.name}: back_prop came before any forward_prop")
    if shape != expected:
        raise ValueError(f"{layer.name}: {what} has shape {shape}, not (batch, size) = {expected}")


class Dense:
    """y = f(h), h = x W + b, with W (input_size, output_size) and b (output_size,).

    activate_func is f, deriv_activate_func f'. They are given h, the value before activation (not
    y: lambda y: y * (1 - y) would be wrong for the sigmoid), must not write into it, and may return
    whatever broadcasts to its shape. initializer is a key of INITIALIZERS or a function like those,
    gain multiplies its W. rng is what numpy.random.default_rng takes: a shared Generator goes on.
    """

    def __init__(
        self, input_size, output_size, activate_func, deriv_activate_func, *,
        name="dense", initializer="glorot", gain=1.0, rng=None,
    ):  # fmt: skip
        self.name, self.input_size, self.output_size = name, input_size, output_size
        self.activate_func, self.deriv_activate_func = activate_func, deriv_activate_func
        initialize = initializer if callable(initializer) else INITIALIZERS[initializer]
        W, b = initialize(input_size, output_size, np.random.default_rng(rng))
        self.W, self.b = np.array(gain * W, dtype=float), np.array(b, dtype=float)
        self.dW, self.db = np.zeros(self.W.shape), np.zeros(self.b.shape)
        self.y_shape = None  # no forward_prop yet

    def get_params(self):
        return [self.W, self.b]

    def get_grads(self):
        return [self.dW, self.db]

    def forward_prop(self, x):
        x = np.array(x, dtype=float, ndmin=1)  # a copy: back_prop needs x as it is now
        check(self, "x", x.shape, (len(x), self.input_size))
        h = x.dot(self.W) + self.b  # h = x W + b
        h.setflags(write=False)  # back_prop needs h, too: an f that writes into it is an error
        y = self.activate_func(h)  # y = f(h)
        self.x, self.h, self.y_shape = x, h, h.shape
        return y if getattr(y, "shape", None) == h.shape else np.broadcast_to(y, h.shape)

    def back_prop(self, dy):
        dy = np.asarray(dy, dtype=float)
        check(self, "dL/dy", dy.shape, self.y_shape)
        dh = dy * self.deriv_activate_func(self.h)  # dh = dy f'(h): a small f' shrinks it
        self.x.T.dot(dh, out=self.dW)  # dW = x^T dh
        dh.sum(axis=0, out=self.db)  # db = sum of dh over the batch
        return dh.dot(self.W.T)  # dx = dh W^T: W shrinks or grows it


class BatchNormalization:
    """y = gamma n + beta, n = (x - mean) / sqrt(var + 1e-5) (Ioffe & Szegedy 2015).

    mean and var are each unit's own over the batch at hand: there are no running averages for later
    predictions, and a batch of one sample is refused. gamma and beta (size,) are learned.
    """

    def __init__(self, size, *, name="norm"):
        self.name, self.input_size, self.output_size = name, size, size
        self.gamma, self.beta = np.ones(size), np.zeros(size)
        self.dgamma, self.dbeta = np.zeros(size), np.zeros(size)
        self.y_shape = None  # no forward_prop yet

    def get_params(self):
        return [self.gamma, self.beta]

    def get_grads(self):
        return [self.dgamma, self.dbeta]

    def forward_prop(self, x):
        x = np.array(x, dtype=float, ndmin=1)
        check(self, "x", x.shape, (len(x) if len(x) > 1 else "2 or more", self.input_size))
        std = np.sqrt(x.var(axis=0) + 1e-5)
        n = (x - x.mean(axis=0)) / std
        self.n, self.std, self.y_shape = n, std, n.shape
        return self.gamma * n + self.beta

    def back_prop(self, dy):
        dy = np.asarray(dy, dtype=float)
        check(self, "dL/dy", dy.shape, self.y_shape)
        (dy * self.n).sum(axis=0, out=self.dgamma)  # dgamma = sum of dy n over the batch
        dy.sum(axis=0, out=self.dbeta)  # dbeta = sum of dy over the batch
        # The mean moves with x, so dy loses its mean; std does, too, so dy loses its part along n.
        return self.gamma / self.std * (dy - dy.mean(axis=0) - self.n * (dy * self.n).mean(axis=0))


class Sequential:
    """Layers one after the other, together a layer: any objects with the four methods."""

    def __init__(self, layers, *, name="sequential"):
        self.name, self.layers = name, tuple(layers)
        self.names = [getattr(layer, "name", type(layer).__name__) for layer in self.layers]
        parts = [*self.layers, *self.get_params()]
        if len({id(part) for part in parts}) < len(parts):  # one gradient would overwrite the other
            raise ValueError(f"{name}: a layer appears twice in {self.names}")

    def get_params(self):
        return [param for layer in self.layers for param in layer.get_params()]

    def get_grads(self):
        return [grad for layer in self.layers for grad in layer.get_grads()]

    def forward_prop(self, x):
        for layer in self.layers:
            x = layer.forward_prop(x)
        return x

    def back_prop(self, dy):
        for layer in reversed(self.layers):
            dy = layer.back_prop(dy)
        return dy

    def summary(self):
        """Return the table of the layers, 65 columns wide, as Keras prints it."""
        row = "{:<28.28} {:<25} {}".format
        lines = [65 * "_", row("Layer (type)", "Output Shape", "Param #"), 65 * "="]
        for name, layer in zip(self.names, self.layers):
            kind = getattr(layer, "type_name", type(layer).__name__)
            shape = f"(None, {getattr(layer, 'output_size', '?')})"
            lines.append(row(f"{name} ({kind})", shape, sum(map(np.size, layer.get_params()))))
        total = sum(map(np.size, self.get_params()))
        return "\n".join([*lines, 65 * "=", f"Total params: {total}"])

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
    W = rng.normal(0.0, np.sqrt(2 / input_size), (input_size, output_size))
    return W, np.zeros(output_size)


def uniform(input_size, output_size, rng):
    """W and b from U[0, 1): no remedy, but what one tries first."""
    return rng.random((input_size, output_size)), rng.random(output_size)


INITIALIZERS = {"glorot": glorot_uniform, "he": he_normal, "uniform": uniform}


class Layer:
    """What the layers here share; Dense and BatchNormalization have one array of parameters."""

    y_shape = "that of y: there was no forward_prop"

    def __repr__(self):
        return f"{type(self).__name__}(name={self.name!r})"

    def get_params(self):
        return [self.params]

    def get_grads(self):
        return [self.grads]

    def num_params(self):
        return sum(param.size for param in self.get_params())

    def misfit(self, what, array, expected):
        what = f"what {getattr(what, '__name__', what)} returns" if callable(what) else what
        shape = getattr(array, "shape", type(array).__name__)
        return ValueError(f"{self}: {what} is {shape}, not {expected}")


class Dense(Layer):
    """y = f(h), h = x W + b, with W (input_size, output_size) and b (output_size,).

    activate_func is f and deriv_activate_func f', both of the array h, the value before activation:
    y (1 - y), say, would be wrong. b is the weight of one more input, always 1: h = [x 1] [W; b],
    and the array [W; b] is the only parameter. initializer is a name in INITIALIZERS, or a function
    like those; gain multiplies its W. A network serves one thread at a time.
    """

    def __init__(
        self, input_size, output_size, activate_func, deriv_activate_func, *,
        name="dense", initializer="glorot", gain=1.0, rng=None,
    ):  # fmt: skip
        for size in input_size, output_size:
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise ValueError(f"{name}: a size is {size!r}, not a whole number above 0")
        rng = np.random.default_rng() if rng is None else rng
        if not isinstance(rng, np.random.Generator):
            raise ValueError(f"{name}: rng is {rng!r}, not a numpy.random.Generator")
        self.name, self.input_size, self.output_size = name, input_size, output_size
        self.activate_func, self.deriv_activate_func = activate_func, deriv_activate_func
        W, b = INITIALIZERS.get(initializer, initializer)(input_size, output_size, rng)
        self.params = np.vstack([gain * W, b], dtype=float)  # [W; b]
        self.grads = np.zeros_like(self.params)
        self.x_shape = None

    def forward_prop(self, x):
        x = np.asarray(x, dtype=float)
        if x.shape != self.x_shape:
            if x.ndim != 2 or x.shape[1] != self.input_size:
                raise self.misfit("x", x, f"(batch, {self.input_size})")
            self.x_shape, self.x1 = x.shape, np.ones((len(x), self.input_size + 1))
        self.x1[:, :-1] = x
        h = self.x1.dot(self.params)  # h = [x 1] [W; b]
        h.setflags(write=False)
        self.h, self.y_shape = h, h.shape
        y = self.activate_func(h)  # y = f(h)
        if getattr(y, "shape", None) != h.shape:
            raise self.misfit(self.activate_func, y, h.shape)
        return y

    def back_prop(self, grads):
        grads = np.asarray(grads, dtype=float)
        if grads.shape != self.y_shape:
            raise self.misfit("dL/dy", grads, self.y_shape)
        slope = self.deriv_activate_func(self.h)
        if getattr(slope, "shape", None) != self.y_shape:
            raise self.misfit(self.deriv_activate_func, slope, self.y_shape)
        delta = grads * slope  # dL/dh = dL/dy f'(h): f' shrinks it
        self.x1.T.dot(delta, out=self.grads)  # [dL/dW; dL/db] = [x 1]^T dL/dh
        return delta.dot(self.params[:-1].T)  # dL/dx = dL/dh W^T: W shrinks or grows it


class BatchNormalization(Layer):
    """y = gamma n + beta, n = (x - mean) / sqrt(var + 1e-5) (Ioffe & Szegedy 2015).

    mean and var are each unit's own over the batch at hand: there are no running averages for later
    predictions, and a batch of one sample is refused. The learned array is [gamma; beta] (2, size).
    """

    def __init__(self, size, *, name="norm"):
        self.name, self.input_size, self.output_size = name, size, size
        self.params = np.vstack([np.ones(size), np.zeros(size)])  # [gamma; beta]
        self.grads = np.zeros_like(self.params)

    def forward_prop(self, x):
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.input_size or len(x) < 2:
            raise self.misfit("x", x, f"(batch of two samples or more, {self.input_size})")
        self.std = np.sqrt(x.var(axis=0) + 1e-5)
        self.n = (x - x.mean(axis=0)) / self.std
        self.y_shape = x.shape
        gamma, beta = self.params
        return gamma * self.n + beta

    def back_prop(self, grads):
        grads = np.asarray(grads, dtype=float)
        if grads.shape != self.y_shape:
            raise self.misfit("dL/dy", grads, self.y_shape)
        self.grads[:] = (grads * self.n).sum(axis=0), grads.sum(axis=0)  # dL/dgamma, dL/dbeta
        mean_of_dy_n, mean_of_dy = self.grads / len(grads)
        return self.params[0] / self.std * (grads - mean_of_dy - self.n * mean_of_dy_n)


class Sequential(Layer):
    """Layers one after the other, together a layer: any objects with the four methods."""

    def __init__(self, layers, *, name="sequential"):
        self.name, self.layers = name, tuple(layers)
        parts = [*self.layers, *self.get_params()]
        if len({id(part) for part in parts}) < len(parts):  # it would overwrite its own gradient
            raise ValueError(f"{name}: a layer appears twice in {self.names()}")

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

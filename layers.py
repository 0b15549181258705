"""Dense, BatchNormalization, and Sequential, which stacks layers into one network.

Arrays are batch first. Every layer has the same interface, and a Sequential is a layer, too:

    y = forward_prop(x)          x (batch, input_size) -> y (batch, output_size)
    dL/dx = back_prop(dL/dy)     for the last forward_prop; stores dL/dparams, summed over the batch
    get_params(), get_grads()    lists in the same order; changing these arrays in place trains
"""

import itertools
import math

import numpy as np

from clipping import gradient_norm


def glorot_uniform(input_size, output_size, rng):
    """W from U(-a, a), a = sqrt(6 / (input_size + output_size)); b = 0 (Glorot & Bengio 2010)."""
    a = math.sqrt(6 / (input_size + output_size))
    return rng.uniform(-a, a, (input_size, output_size)), np.zeros(output_size)


def he_normal(input_size, output_size, rng):
    """W from N(0, 2 / input_size); b = 0 (He et al. 2015)."""
    std = math.sqrt(2 / input_size)
    return rng.normal(0.0, std, (input_size, output_size)), np.zeros(output_size)


def uniform(input_size, output_size, rng):
    """W and b from U[0, 1): no remedy, but what one tries first."""
    return rng.random((input_size, output_size)), rng.random(output_size)


INITIALIZERS = {"glorot": glorot_uniform, "he": he_normal, "uniform": uniform}


class Layer:
    """What every layer shares: a name, parameters that can move into a network, and the door.

    forward_prop and back_prop are the door: they check what comes from outside, once, and call
    forward and backward, the bare formulas. Layers inside a network call the formulas directly.
    """

    def __init__(self, name, input_size, output_size, params):
        self.name = name
        self.type_name = type(self).__name__
        self.input_size = input_size
        self.output_size = output_size
        self.params = params  # all of the layer's parameters in one array
        self.grads = np.zeros_like(params)
        self.y_shape = None  # of the last forward_prop, which back_prop belongs to

    def num_params(self):
        return self.params.size

    def move_params(self, params, grads):
        """Keep the parameters and gradients in these two vectors (num_params(),) from now on."""
        params[:] = self.params.ravel()
        self.params = params.reshape(self.params.shape)
        self.grads = grads.reshape(self.params.shape)

    @np.errstate(over="ignore", invalid="ignore")
    def forward_prop(self, x, training=True):
        """Return y (batch, output_size) for x (batch, input_size); ValueError on another shape.

        training=False predicts: each sample by itself, and no back_prop follows.
        """
        x = np.asarray(x, dtype=float)
        if x.ndim != 2 or x.shape[1] != self.input_size:
            raise ValueError(f"{self.name}: x is {x.shape}, but must be (batch, {self.input_size})")
        y = self.forward(x, training)
        self.y_shape = y.shape if training else None
        return y

    @np.errstate(over="ignore", invalid="ignore")
    def back_prop(self, grads):
        """Return dL/dx for grads = dL/dy, and store dL/dparams; ValueError on another shape."""
        grads = np.asarray(grads, dtype=float)
        if grads.shape != self.y_shape:
            raise ValueError(f"{self.name}: dL/dy is {grads.shape}, but y was {self.y_shape}")
        return self.backward(grads)


class Dense(Layer):
    """y = f(h), h = x W + b, with W (input_size, output_size) and b (output_size,).

    b is the weight of one more input, always 1: h = [x 1] [W; b].
    """

    def __init__(
        self,
        input_size,
        output_size,
        activate_func,
        deriv_activate_func,
        *,
        name="dense",
        initializer=glorot_uniform,
        rng=None,
    ):
        rng = rng or np.random.default_rng()
        params = np.vstack(initializer(input_size, output_size, rng))
        super().__init__(name, input_size, output_size, params)
        self.activate_func = activate_func
        self.deriv_activate_func = deriv_activate_func
        self.x1 = np.ones((0, input_size + 1))
        self.W_T = self.params[:-1].T

    def move_params(self, params, grads):
        super().move_params(params, grads)
        self.W_T = self.params[:-1].T

    def get_params(self):
        return [self.params[:-1], self.params[-1]]

    def get_grads(self):
        return [self.grads[:-1], self.grads[-1]]

    def forward(self, x, training):
        if len(x) != len(self.x1):
            self.x1 = np.ones((len(x), self.input_size + 1))
        self.x1[:, :-1] = x
        self.h = self.x1.dot(self.params)
        return self.activate_func(self.h)

    def backward(self, grads):
        delta = grads * self.deriv_activate_func(self.h)  # dL/dh = dL/dy f'(h)
        self.x1.T.dot(delta, self.grads)  # [dL/dW; dL/db] = [x 1]^T dL/dh
        return delta.dot(self.W_T)  # dL/dx = dL/dh W^T


class BatchNormalization(Layer):
    """y = gamma n + beta, n = (x - mean) / sqrt(var + epsilon) (Ioffe & Szegedy 2015).

    mean and var are each feature's own over the batch, gamma and beta (size,) are learned.
    Prediction takes mean and var from the last training batch: here, that is all of the data.
    """

    EPSILON = 1e-5

    def __init__(self, size, *, name="norm"):
        super().__init__(name, size, size, np.vstack([np.ones(size), np.zeros(size)]))
        self.mean = np.zeros(size)
        self.std = np.ones(size)

    def get_params(self):
        return list(self.params)

    def get_grads(self):
        return list(self.grads)

    def forward(self, x, training):
        if training:
            self.mean = x.mean(axis=0)
            self.std = np.sqrt(x.var(axis=0) + self.EPSILON)
        self.n = (x - self.mean) / self.std
        gamma, beta = self.params
        return gamma * self.n + beta

    def backward(self, grads):
        self.grads[:] = (grads * self.n).sum(axis=0), grads.sum(axis=0)  # dL/dgamma, dL/dbeta
        # mean and var depend on x, too: their share is what the two subtracted terms are.
        gamma, _ = self.params
        d_gamma, d_beta = self.grads / len(grads)
        return gamma / self.std * (grads - d_beta - self.n * d_gamma)


class Sequential(Layer):
    """Layers one after the other; params and grads are one vector each for the whole network."""

    def __init__(self, layers):
        for a, b in itertools.pairwise(layers):
            if a.output_size != b.input_size:
                raise ValueError(
                    f"{a.name} returns (batch, {a.output_size}), "
                    f"but {b.name} takes (batch, {b.input_size})"
                )
        self.layers = layers
        params = np.concatenate([layer.params.ravel() for layer in layers])
        super().__init__("network", layers[0].input_size, layers[-1].output_size, params)
        self.move_params(self.params, self.grads)

    def move_params(self, params, grads):
        super().move_params(params, grads)
        ends = np.cumsum([layer.num_params() for layer in self.layers])[:-1]
        for layer, p, g in zip(self.layers, np.split(params, ends), np.split(grads, ends)):
            layer.move_params(p, g)

    def get_params(self):
        return [array for layer in self.layers for array in layer.get_params()]

    def get_grads(self):
        return [array for layer in self.layers for array in layer.get_grads()]

    def forward(self, x, training):
        for layer in self.layers:
            x = layer.forward(x, training)
        return x

    def backward(self, grads):
        for layer in reversed(self.layers):
            grads = layer.backward(grads)
        return grads

    def summary(self):
        """Return the table of the layers, 65 columns wide, as Keras prints it."""
        row = "{:<28} {:<25} {}".format
        head = row("Layer (type)", "Output Shape", "Param #")
        body = [
            row(f"{a.name} ({a.type_name})", f"(None, {a.output_size})", a.num_params())
            for a in self.layers
        ]
        total = f"Total params: {self.num_params()}"
        return "\n".join([65 * "_", head, 65 * "=", *body, 65 * "=", total])

    def gradient_summary(self, epoch):
        """Return a chart of each layer's gradient norm, as the last back_prop left it.

        The scale is fixed, 1e-12 to 1e+08 in 40 steps: < and > mark a norm below and above it, and
        an exact zero has no bar.
        """
        lines = [f"Gradient norm by layer, epoch {epoch} (one # = half a power of ten)"]
        for layer in self.layers:
            norm = gradient_norm([layer.grads])
            if norm > 1e8:
                bar = 40 * "#" + ">"
            elif norm >= 1e-12:
                bar = "#" * max(1, round(2 * math.log10(norm / 1e-12)))
            else:
                bar = "<" if norm > 0 else ""
            lines.append(f"{layer.name:<10} {norm:8.1e} {bar}".rstrip())
        return "\n".join(lines)

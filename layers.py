"""Dense, BatchNormalization, and Sequential, which stacks layers into one network.

A layer is whatever has the chapter's four methods. Arrays are batch first:

    y = forward_prop(x)          x (batch, input_size) -> y (batch, output_size)
    dL/dx = back_prop(dL/dy)     for the last forward_prop; stores dL/dparams, summed over the batch
    get_params()                 its parameters: arrays, the same ones for ever, as training changes
                                 them in place
    get_grads()                  dL/dparams: as many arrays, in the same order, each of the shape of
                                 its parameter; they may be new ones after each back_prop

The last two answer from the start, before any back_prop, and [] is the answer of a layer that has
nothing to learn or is frozen. Its name, output_size and type_name, if any, show in the summary.
"""

import numpy as np


def glorot_uniform(input_size, output_size, rng):
    """W from U(-a, a), a = sqrt(6 / (input_size + output_size)); b = 0 (Glorot & Bengio 2010)."""
    a = np.sqrt(6 / (input_size + output_size))
    W = rng.uniform(-a, a, (input_size, output_size))
    b = np.zeros(output_size)
    return W, b


def he_normal(input_size, output_size, rng):
    """W from N(0, 2 / input_size); b = 0 (He et al. 2015)."""
    W = rng.normal(0, np.sqrt(2 / input_size), (input_size, output_size))
    b = np.zeros(output_size)
    return W, b


def uniform(input_size, output_size, rng):
    """W and b from U[0, 1): no remedy, but what the chapter's own runs begin with."""
    W = rng.random((input_size, output_size))
    b = rng.random(output_size)
    return W, b


INITIALIZERS = {"glorot": glorot_uniform, "he": he_normal, "uniform": uniform}


def name_of(layer):
    """Return a layer's name, that of its class where it has none."""
    return getattr(layer, "name", type(layer).__name__)


def check_x(layer, x):
    """Raise ValueError unless x is (batch, input_size)."""
    if x.ndim != 2 or x.shape[1] != layer.input_size:
        raise ValueError(f"{layer.name}: x has shape {x.shape}, not (batch, {layer.input_size})")


def check_dy(layer, dy, like_y):
    """Raise ValueError unless forward_prop has kept an array like y, and dL/dy has its shape."""
    if like_y is None:
        raise ValueError(f"{layer.name}: back_prop came before any forward_prop")
    if dy.shape != like_y.shape:
        raise ValueError(f"{layer.name}: dL/dy has shape {dy.shape}, but y has {like_y.shape}")


def check_grads(layer):
    """Raise ValueError unless a layer's gradients fit its parameters."""
    name = name_of(layer)
    params = list(layer.get_params())
    grads = list(layer.get_grads())
    if len(grads) != len(params):
        raise ValueError(f"{name}: {len(params)} parameters, {len(grads)} gradients")
    for what, arrays in ("parameter", params), ("gradient", grads):
        for array in arrays:
            if not isinstance(array, np.ndarray):  # -= and *= would leave a plain number as it is
                kind = type(array).__name__
                raise ValueError(f"{name}: a {what} is of type {kind}, not an array")
    for param, grad in zip(params, grads):
        if grad.shape != param.shape:
            told = f"a parameter has shape {param.shape}, its gradient {grad.shape}"
            raise ValueError(f"{name}: {told}")


class Dense:
    """y = f(h), h = x W + b, with W (input_size, output_size) and b (output_size,).

    activate_func is f, deriv_activate_func f'. They are given h, the value before activation (not
    y: lambda y: y * (1 - y) would be wrong for the sigmoid), and must not write into it. f returns
    an array of its shape, f' whatever broadcasts to it: lambda h: 1.0 will do for f(h) = h.

    initializer is a function like glorot_uniform, and gain multiplies its W. rng is what
    numpy.random.default_rng takes: from one Generator, several layers draw one after the other.
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
        gain=1.0,
        rng=None,
    ):
        self.name = name
        self.input_size = input_size
        self.output_size = output_size
        self.activate_func = activate_func
        self.deriv_activate_func = deriv_activate_func
        W, b = initializer(input_size, output_size, np.random.default_rng(rng))
        self.W = np.array(gain * W, dtype=float)
        self.b = np.array(b, dtype=float)
        self.dW = np.zeros(self.W.shape)
        self.db = np.zeros(self.b.shape)
        self.h = None  # no forward_prop yet

    def get_params(self):
        return [self.W, self.b]

    def get_grads(self):
        return [self.dW, self.db]

    def forward_prop(self, x):
        x = np.array(x, dtype=float)  # a copy: back_prop needs x as it is now
        check_x(self, x)
        h = x.dot(self.W) + self.b  # h = x W + b
        h.setflags(write=False)  # back_prop needs h, too: an f that writes into it is an error
        y = self.activate_func(h)  # y = f(h)
        self.x = x
        self.h = h
        return y

    def back_prop(self, dy):
        dy = np.asarray(dy, dtype=float)
        check_dy(self, dy, self.h)
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
        self.name = name
        self.input_size = size
        self.output_size = size
        self.gamma = np.ones(size)
        self.beta = np.zeros(size)
        self.dgamma = np.zeros(size)
        self.dbeta = np.zeros(size)
        self.n = None  # no forward_prop yet

    def get_params(self):
        return [self.gamma, self.beta]

    def get_grads(self):
        return [self.dgamma, self.dbeta]

    def forward_prop(self, x):
        x = np.asarray(x, dtype=float)
        check_x(self, x)
        if len(x) < 2:  # its only sample would be the mean
            raise ValueError(f"{self.name}: to normalize takes 2 samples or more, x has {len(x)}")
        std = np.sqrt(x.var(axis=0) + 1e-5)
        n = (x - x.mean(axis=0)) / std
        self.std = std
        self.n = n
        return self.gamma * n + self.beta

    def back_prop(self, dy):
        dy = np.asarray(dy, dtype=float)
        check_dy(self, dy, self.n)
        (dy * self.n).sum(axis=0, out=self.dgamma)  # dgamma = sum of dy n over the batch
        dy.sum(axis=0, out=self.dbeta)  # dbeta = sum of dy over the batch
        through_mean = dy.mean(axis=0)  # d mean / dx = 1 / batch
        through_std = self.n * (dy * self.n).mean(axis=0)  # d std / dx = n / batch
        return self.gamma / self.std * (dy - through_mean - through_std)


def nested(layer):
    """Return a layer and, if it is a Sequential, all those in it."""
    found = [layer]
    if isinstance(layer, Sequential):
        for inner in layer.layers:
            found += nested(inner)
    return found


class Sequential:
    """Layers one after the other, together a layer: any objects with the four methods.

    When it is built, and once more after the first back_prop, ValueError names a layer whose
    gradients do not fit its parameters. A layer that is there twice is a ValueError, too: its
    second back_prop would overwrite the gradient of the first.
    """

    def __init__(self, layers, *, name="sequential"):
        self.name = name
        self.layers = tuple(layers)
        for layer in self.layers:
            check_grads(layer)
        self.fits = False  # until the first back_prop, which may make other gradients
        parts = nested(self) + self.get_grads()  # two layers of a reader's may hold the same one
        if len({id(part) for part in parts}) < len(parts):
            raise ValueError(f"{name}: a layer appears twice in {self.names()}")

    def names(self):
        return [name_of(layer) for layer in self.layers]

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
        if not self.fits:
            for layer in self.layers:
                check_grads(layer)
            self.fits = True
        return dy

    def summary(self):
        """Return the table of the layers, 65 columns wide, as Keras prints it."""
        lines = [65 * "_", f"{'Layer (type)':<28} {'Output Shape':<25} Param #", 65 * "="]
        total = 0
        for name, layer in zip(self.names(), self.layers):
            title = f"{name} ({getattr(layer, 'type_name', type(layer).__name__)})"
            shape = f"(None, {getattr(layer, 'output_size', '?')})"
            count = sum(np.size(param) for param in layer.get_params())
            lines.append(f"{title:<28.28} {shape:<25} {count}")
            total += count
        lines += [65 * "=", f"Total params: {total}"]
        return "\n".join(lines)

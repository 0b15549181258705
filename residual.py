"""The residual connection, y = x + F(x): the identity path carries dL/dy back undiminished.

dL/dx = dL/dy + dL/dy F'(x), so that however little comes through F, the first term is left.
"""

from layers import Dense, Layer, Sequential


class ResidualConnection(Layer):
    """y = x + F(x), F being `skip` Dense layers of node_size units (He et al. 2016).

    options go to Dense: initializer and rng. ValueError if F does not keep the shape of x.
    """

    def __init__(
        self,
        node_size,
        activate_func,
        deriv_activate_func,
        *,
        skip=1,
        name="residual",
        **options,
    ):
        if skip < 1:
            raise ValueError(f"{name}: skip is {skip}, but must be 1 or more")
        layers = [
            Dense(node_size, node_size, activate_func, deriv_activate_func, **options)
            for _ in range(skip)
        ]
        self.dense = layers[0] if skip == 1 else Sequential(layers)
        super().__init__(name, node_size, node_size, self.dense.params)
        self.grads = self.dense.grads
        self.type_name = "Dense"  # as the chapter's summary has it: the identity has no parameters

    def move_params(self, params, grads):
        super().move_params(params, grads)
        self.dense.move_params(params, grads)

    def get_params(self):
        return self.dense.get_params()

    def get_grads(self):
        return self.dense.get_grads()

    def forward(self, x, training):
        y = self.dense.forward(x, training)
        if y.shape != x.shape:
            raise ValueError(f"{self.name}: x is {x.shape}, but F(x) is {y.shape}")
        return x + y

    def backward(self, grads):
        return grads + self.dense.backward(grads)

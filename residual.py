"""The residual connection, y = x + F(x): dL/dy also flows back along a path that cannot shrink it.

He et al. 2016, "Identity Mappings in Deep Residual Networks".
"""

import numpy as np

from layers import BatchNormalization, Dense, Layer, Sequential


class ResidualConnection(Layer):
    """y = x + F(x), where F is `skip` Dense layers of node_size units.

    Forward, skip=1:                             skip=2:
        x --+---- Dense ----(+)--> y             x --+-- Dense -- Dense --(+)--> y
            |                |                       |                     |
            +----------------+                       +---------------------+

    Backward, dL/dx = dL/dy + dL/dy F'(x):
        dL/dx <--(+)-- W f' --+-- dL/dy          dL/dx <--(+)-- W f' W f' --+-- dL/dy
                  |           |                            |                |
                  +---- 1 ----+                            +------- 1 ------+
    With batch_norm, F has a BatchNormalization before each Dense: the path of the 1 stays bare.
    weights are Dense's initializer, gain and rng.
    """

    type_name = "Dense"  # what the chapter's summary prints for it

    def __init__(
        self, node_size, activate_func, deriv_activate_func, *,
        skip=1, batch_norm=False, name="residual", **weights,
    ):  # fmt: skip
        F, functions = [], (activate_func, deriv_activate_func)
        for _ in range(skip):
            if batch_norm:
                F.append(BatchNormalization(node_size, name=name))
            F.append(Dense(node_size, node_size, *functions, name=name, **weights))
        self.F = F[0] if len(F) == 1 else Sequential(F, name=name)
        self.name, self.output_size = name, node_size

    def get_params(self):
        return self.F.get_params()

    def get_grads(self):
        return self.F.get_grads()

    def forward_prop(self, x):
        x = np.asarray(x, dtype=float)
        return x + self.F.forward_prop(x)

    def back_prop(self, grads):
        grads = np.asarray(grads, dtype=float)
        return grads + self.F.back_prop(grads)  # grads: the path of the 1

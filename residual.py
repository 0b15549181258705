"""The residual connection, y = x + F(x): dL/dy also flows back along a path that cannot shrink it.

He et al. 2016, "Identity Mappings in Deep Residual Networks".
"""

from layers import BatchNormalization, Dense, Sequential, as_floats


class ResidualConnection(Sequential):
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
            F += [BatchNormalization(node_size, name=name)] if batch_norm else []
            F += [Dense(node_size, node_size, *functions, name=name, **weights)]
        super().__init__(F, name=name)
        self.F = F[0] if len(F) == 1 else Sequential(F, name=name)

    def forward_prop(self, x):
        x = as_floats(x, self)
        return x + self.F.forward_prop(x)

    def back_prop(self, grads):
        grads = as_floats(grads, self)
        return grads + self.F.back_prop(grads)  # grads: the path of the 1

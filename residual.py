"""The residual connection, y = x + F(x): dL/dy also flows back along a path that cannot shrink it.

He et al. 2016, "Identity Mappings in Deep Residual Networks".
"""

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
    options go to Dense: name, initializer and rng.
    """

    type_name = "Dense"  # as in the chapter's summary: the identity has no parameters

    def __init__(
        self, node_size, activate_func, deriv_activate_func, *, skip=1, batch_norm=False, **options
    ):
        self.name = options.setdefault("name", "residual")
        self.output_size = node_size
        F = []
        for _ in range(skip):
            if batch_norm:
                F.append(BatchNormalization(node_size, name=self.name))
            F.append(Dense(node_size, node_size, activate_func, deriv_activate_func, **options))
        self.F = F[0] if len(F) == 1 else Sequential(F, name=self.name)

    def __repr__(self):
        return f"ResidualConnection({self.F})"

    def get_params(self):
        return self.F.get_params()

    def get_grads(self):
        return self.F.get_grads()

    def forward_prop(self, x):
        return x + self.F.forward_prop(x)

    def back_prop(self, grads):
        return grads + self.F.back_prop(grads)  # grads: the path of the 1

"""The residual connection, y = x + F(x): a second path for dL/dy, whose factor is 1."""

import numpy as np

from layers import BatchNormalization, Dense, Sequential


class ResidualConnection:
    """y = x + F(x), where F is `skip` Dense layers of node_size units (He et al. 2016).

    Forward, skip=1:                             skip=2:
        x --+---- Dense ----(+)--> y             x --+-- Dense -- Dense --(+)--> y
            |                |                       |                     |
            +----------------+                       +---------------------+

    Backward, dL/dx = dL/dy + dL/dy F'(x):
        dL/dx <--(+)-- W f' --+-- dL/dy          dL/dx <--(+)-- W f' W f' --+-- dL/dy
                  |           |                            |                |
                  +---- 1 ----+                            +------- 1 ------+

    With batch_norm, F has a BatchNormalization before each Dense: the path of the 1 stays bare.
    rng is as for Dense, and so are the options: initializer and gain.
    """

    type_name = "Dense"  # what the chapter's summary prints for it

    def __init__(
        self,
        node_size,
        activate_func,
        deriv_activate_func,
        *,
        skip=1,
        batch_norm=False,
        name="residual",
        rng=None,
        **options,
    ):
        if skip < 1:
            raise ValueError(f"{name}: skip is {skip}, not 1 or more")
        rng = np.random.default_rng(rng)  # one for all of F: from a seed each, all would be equal
        F = []
        for _ in range(skip):
            if batch_norm:
                F.append(BatchNormalization(node_size, name=name))
            F.append(
                Dense(
                    node_size,
                    node_size,
                    activate_func,
                    deriv_activate_func,
                    name=name,
                    rng=rng,
                    **options,
                )
            )
        self.name = name
        self.output_size = node_size
        self.F = Sequential(F, name=name)

    def get_params(self):
        return self.F.get_params()

    def get_grads(self):
        return self.F.get_grads()

    def forward_prop(self, x):
        return x + self.F.forward_prop(x)

    def back_prop(self, grads):  # dL/dy, as in the chapter
        return grads + self.F.back_prop(grads)

"""A network as another machine would have it: a rounding away from this one's.

Another processor's matrix product differs in the last place, and training makes more of it. So what
a test says of a trained network holds for other roundings of it, too, and under every kernel:

ROUNDINGS=1-50 python -m pytest -m trained
OPENBLAS_CORETYPE=Haswell python -m pytest -m trained
"""

import numpy as np


def moved(network, rounding):
    """Move each weight to a neighbouring float, up or down by the seed rounding; 0 moves none.

    A bias of 0 stays: it is 0 on every machine, and where a ReLU's input is exactly 0, no rounding.
    """
    if rounding:
        rng = np.random.default_rng(rounding)
        for param in network.get_params():
            neighbours = np.nextafter(param, rng.choice([-np.inf, np.inf], param.shape))
            param[:] = np.where(param == 0, 0, neighbours)
    return network

"""Gradient clipping, the remedy for exploding gradients: if |g| > max_norm, g <- g max_norm / |g|.

|g| is the global norm: over all elements of all arrays together (Pascanu et al. 2013).
"""

import math

import numpy as np


def global_norm(arrays):
    """Return the L2 norm over a list of arrays, also where its square over- or underflows."""
    flat = np.concatenate(arrays or [[]], axis=None)
    square = np.vdot(flat, flat)
    return math.sqrt(square) if 1e-200 < square < 1e200 else math.hypot(*flat)


def clip_gradient_norm(grads, max_norm=0.25):
    """Scale grads in place, all by one factor, to a global norm of at most max_norm; return them.

    grads is a float64 array or any iterable of such arrays. Below max_norm no bit changes. Before
    anything does, other grads are a TypeError, a norm that is not finite is a FloatingPointError.
    """
    max_norm = float(max_norm)
    arrays = [grads] if isinstance(grads, np.ndarray) else list(grads)
    if any(type(a) is not np.ndarray or a.dtype != float or not a.flags.writeable for a in arrays):
        raise TypeError("only float64 arrays, not read-only, can be scaled in place")
    total_norm = global_norm(arrays)
    if not math.isfinite(total_norm):
        raise FloatingPointError(f"the norm of the gradient is {total_norm}")
    if total_norm > max_norm:
        factor = np.array(max_norm / total_norm)  # on small arrays faster than a number
        for array in arrays:
            array *= factor
    return grads if isinstance(grads, np.ndarray) else arrays

"""Gradient clipping, the remedy for exploding gradients: if |g| > max_norm, g <- g max_norm / |g|.

|g| is the global norm: over all elements of all arrays together (Pascanu et al. 2013).
"""

import math

import numpy as np


def global_norm(arrays):
    """Return the L2 norm over a list of arrays, also where its square over- or underflows."""
    flat = np.concatenate([np.asarray(array).ravel() for array in arrays] or [[]], dtype=float)
    square = np.vdot(flat, flat)
    if 1e-200 < square < 1e200:
        return math.sqrt(square)
    return math.hypot(*flat)


def clip_gradient_norm(grads, max_norm=0.25):
    """Scale grads in place, all by one factor, to a global norm of at most max_norm; return them.

    grads is an array of floats or any iterable of such arrays. Below max_norm no bit changes, and
    math.inf never clips. TypeError for what cannot be scaled in place, ValueError for a max_norm
    below 0, FloatingPointError for a norm that is not finite: then nothing has changed.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is {max_norm}, but must be 0 or more")
    arrays = [grads] if isinstance(grads, np.ndarray) else list(grads)
    for array in arrays:
        is_array = isinstance(array, np.ndarray) and not isinstance(array, np.ma.MaskedArray)
        if not (is_array and array.dtype.kind == "f" and array.flags.writeable):
            shown = " ".join(repr(array).split())[:40]
            raise TypeError(f"{shown} is no array of floats that can be scaled in place")
    total_norm = global_norm(arrays)
    if not math.isfinite(total_norm):
        raise FloatingPointError(f"the norm of the gradient is {total_norm}")
    if total_norm > max_norm:
        scaled = [np.multiply(array, max_norm / total_norm, dtype=float) for array in arrays]
        for array, values in zip(arrays, scaled):  # all at last: two may share their memory
            array[...] = values
    return grads if isinstance(grads, (list, np.ndarray)) else arrays

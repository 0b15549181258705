"""Gradient clipping, the remedy for exploding gradients: if |g| > max_norm, g <- g max_norm / |g|.

|g| is the global norm: over all elements of all gradients together (Pascanu et al. 2013).
"""

import math

import numpy as np


def clip_gradient_norm(grads, max_norm=0.25):
    """Scale grads in place, all by one factor, to a global norm of at most max_norm; return them.

    grads is one float64 array or any iterable of such arrays, and the return value a list of them.
    Numbers below 1e-162 count as 0, as their squares do in floats. No array at all, or a max_norm
    not above 0, is a ValueError, a norm whose square is not finite a FloatingPointError.
    """
    grads = [grads] if isinstance(grads, np.ndarray) else list(grads)
    max_norm = float(max_norm)
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm}, not a number above 0")
    g = np.concatenate(grads, axis=None)  # all of them as one vector
    square = g.dot(g)
    if not math.isfinite(square):  # it overflows where the norm is above 1e154
        raise FloatingPointError(f"the square of the gradient's norm is {square}")
    total_norm = math.sqrt(square)
    if total_norm > max_norm:  # above 0, so the chapter's + 1e-6 is not needed
        factor = max_norm / total_norm
        for grad in grads:
            grad *= factor
    return grads

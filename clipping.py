"""Gradient clipping, the remedy for exploding gradients: if |g| > max_norm, g <- g max_norm / |g|.

|g| is the global norm: over all elements of all arrays together (Pascanu et al. 2013).
"""

import math

import numpy as np


def gradient_norm(grads):
    """Return the global L2 norm of a list of arrays, also where its square over- or underflows."""
    square = sum(np.vdot(grad, grad) for grad in grads)
    if 1e-200 < square < 1e200:
        return math.sqrt(square)
    return math.hypot(*(value for grad in grads for value in grad.flat))


def clip_gradient_norm(grads, max_norm=0.25):
    """Scale the arrays of grads in place, all by one factor, to a norm of at most max_norm.

    grads is a list of float arrays of any shapes, and is returned. Below max_norm no bit changes;
    math.inf never clips. A norm that is not finite raises FloatingPointError: no factor mends that.
    """
    if not max_norm >= 0:
        raise ValueError(f"max_norm is {max_norm}, but must be 0 or more")
    total_norm = gradient_norm(grads)
    if not math.isfinite(total_norm):
        raise FloatingPointError(f"the norm of the gradient is {total_norm}")
    if total_norm > max_norm:
        for grad in grads:
            grad *= max_norm / total_norm
    return grads

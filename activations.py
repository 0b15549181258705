"""Activation functions f, each beside its derivative f'.

Both take h, a Dense layer's value before activation: a number or an array of floats. They are right
to 1e-12 relative up to |h| = 700 (deriv_tanh 350); soon after, exp and cosh^2 overflow. Two of the
derivatives use cosh: sigmoid(40) is 1.0 in floats, so that f (1 - f) would be 0, not 4e-18.
"""

import numpy as np


def sigmoid(h):
    """f(h) = 1 / (1 + exp(-h))."""
    return 1.0 / (1.0 + np.exp(-h))


def deriv_sigmoid(h):
    """f'(h) = f(h) (1 - f(h)) = 1 / (4 cosh(h / 2)^2), at most 1/4."""
    return 0.25 / np.cosh(0.5 * h) ** 2


def tanh(h):
    """f(h) = tanh(h)."""
    return np.tanh(h)


def deriv_tanh(h):
    """f'(h) = 1 - tanh(h)^2 = 1 / cosh(h)^2, at most 1."""
    return 1.0 / np.cosh(h) ** 2


def relu(h):
    """f(h) = max(h, 0), the rectified linear unit (Nair & Hinton 2010)."""
    return np.maximum(h, 0.0)


def deriv_relu(h):
    """f'(h) = 1 where h > 0, else 0: a unit whose h is never positive learns no more."""
    return np.heaviside(h, 0.0)  # 0.0 is the value at h = 0


ACTIVATIONS = {  # the tests check each f' against differences of f
    "sigmoid": (sigmoid, deriv_sigmoid),
    "tanh": (tanh, deriv_tanh),
    "relu": (relu, deriv_relu),
}

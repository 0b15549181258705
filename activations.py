"""Activation functions f, each beside its derivative f'.

Both take x, a number or an array of floats: Dense's h, the value before activation. They are right
to 1e-12 relative up to |x| = 700 (deriv_tanh 350), where exp and cosh begin to overflow. cosh is
there as sigmoid(40) is 1.0 in floats, and f (1 - f) would be 0, not 4e-18.
"""

import numpy as np


def sigmoid(x):
    """f(x) = 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(-x))


def deriv_sigmoid(x):
    """f'(x) = f(x) (1 - f(x)) = 1 / (4 cosh(x / 2)^2), at most 1/4."""
    return 0.25 / np.cosh(0.5 * x) ** 2


def tanh(x):
    """f(x) = tanh(x)."""
    return np.tanh(x)


def deriv_tanh(x):
    """f'(x) = 1 - tanh(x)^2 = 1 / cosh(x)^2, at most 1."""
    return 1.0 / np.cosh(x) ** 2


def relu(x):
    """f(x) = max(x, 0), the rectified linear unit (Nair & Hinton 2010)."""
    return np.maximum(x, 0.0)


def deriv_relu(x):
    """f'(x) = 1 where x > 0, else 0: a unit whose x is never positive learns no more."""
    return np.heaviside(x, 0.0)


ACTIVATIONS = {
    "sigmoid": (sigmoid, deriv_sigmoid),
    "tanh": (tanh, deriv_tanh),
    "relu": (relu, deriv_relu),
}

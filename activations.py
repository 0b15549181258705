"""Activation functions f, each beside its derivative f'.

Both take x, the value before activation, any array-like, and return float64, right to 1e-12
relative up to |x| = 700 (deriv_tanh 350); beyond, it is the limit, and NumPy may warn of overflow.
"""

import numpy as np


def sigmoid(x):
    """f(x) = 1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(np.negative(x, dtype=float)))


def deriv_sigmoid(x):
    """f'(x) = f(x) (1 - f(x)) = 1 / (4 cosh(x / 2)^2): at most 1/4."""
    return 0.25 / np.square(np.cosh(np.multiply(x, 0.5, dtype=float)))


def tanh(x):
    """f(x) = tanh(x)."""
    return np.tanh(x, dtype=float)


def deriv_tanh(x):
    """f'(x) = 1 - tanh(x)^2 = 1 / cosh(x)^2: at most 1."""
    return 1.0 / np.square(np.cosh(x, dtype=float))


def relu(x):
    """f(x) = max(x, 0), the rectified linear unit (Nair & Hinton 2010)."""
    return np.maximum(x, 0.0, dtype=float)


def deriv_relu(x):
    """f'(x) = 1 where x > 0, else 0: a unit whose x is never positive learns no more."""
    return np.heaviside(x, 0.0, dtype=float)


ACTIVATIONS = {
    "sigmoid": (sigmoid, deriv_sigmoid),
    "tanh": (tanh, deriv_tanh),
    "relu": (relu, deriv_relu),
}

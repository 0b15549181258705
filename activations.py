"""Activation functions f, each beside its derivative f'.

Both take x, the value before activation, any array-like, and return float64, right to 1e-12
relative up to |x| = 700 (deriv_tanh 350); beyond, it is the limit, and NumPy may warn of overflow.
"""

import numpy as np

# Arrays without a dimension: with Python's numbers, an epoch of the scripts takes a tenth longer.
ONE, HALF, QUARTER = np.array(1.0), np.array(0.5), np.array(0.25)


def sigmoid(x):
    """f(x) = 1 / (1 + exp(-x))."""
    return ONE / (ONE + np.exp(np.negative(x, dtype=float)))


def deriv_sigmoid(x):
    """f'(x) = f(x) (1 - f(x)) = 1 / (4 cosh(x / 2)^2): at most 1/4."""
    return QUARTER / np.square(np.cosh(np.multiply(HALF, x, dtype=float)))


def tanh(x):
    """f(x) = tanh(x)."""
    return np.tanh(x, dtype=float)


def deriv_tanh(x):
    """f'(x) = 1 - tanh(x)^2 = 1 / cosh(x)^2: at most 1."""
    return ONE / np.square(np.cosh(x, dtype=float))


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

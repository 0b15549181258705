"""The activation functions and their derivatives, against many-digit arithmetic."""

from decimal import Decimal, localcontext

import numpy as np
import pytest

from activations import ACTIVATIONS, deriv_relu, deriv_sigmoid, deriv_tanh, relu, sigmoid, tanh


def exact(name, x):
    """Return f(x) or f'(x) by its textbook formula, in enough digits."""
    with localcontext() as context:
        context.prec = 1000  # 1 - tanh(745)^2 begins with 646 nines
        e = Decimal(-x).exp()
        s = 1 / (1 + e)
        t = (1 - e * e) / (1 + e * e)
        return float(
            {"sigmoid": s, "deriv_sigmoid": s * (1 - s), "tanh": t, "deriv_tanh": 1 - t * t}[name]
        )


@pytest.mark.parametrize("function", [sigmoid, deriv_sigmoid, tanh, deriv_tanh])
def test_both_tails_are_right_to_12_digits_without_a_warning(function):
    end = 350 if function is deriv_tanh else 700
    xs = [*np.linspace(-40, 40, 17), *np.linspace(-end, end, 16), -1e-9, 1e-9]
    with np.errstate(all="raise", under="ignore"):
        for x, y in zip(xs, function(np.array(xs))):
            assert y == pytest.approx(exact(function.__name__, x), rel=1e-12, abs=0), x


def test_at_zero_and_beyond_the_range_of_exp():
    assert sigmoid(0.0) == 0.5
    assert (deriv_sigmoid(0.0), tanh(0.0), deriv_tanh(0.0)) == (0.25, 0.0, 1.0)
    x = np.array([-np.inf, -1500, 0, 1500, np.inf])
    assert relu(x).tolist() == [0, 0, 0, 1500, np.inf] and deriv_relu(x).tolist() == [0, 0, 0, 1, 1]
    with np.errstate(over="ignore", divide="raise", invalid="raise"):
        assert sigmoid(x).tolist() == [0, 0, 0.5, 1, 1] and tanh(x).tolist() == [-1, -1, 0, 1, 1]
        assert deriv_sigmoid(x).tolist() == [0, 0, 0.25, 0, 0]
        assert deriv_tanh(x).tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_number_is_taken_like_an_array_which_is_left_alone(name):
    x = np.array([[-2.0, 0.0], [0.5, 3.0]])
    for function in ACTIVATIONS[name]:
        y = function(x)
        assert (y.shape, y.dtype, x.tolist()) == (x.shape, np.float64, [[-2, 0], [0.5, 3]])
        assert [function(float(number)) for number in x.flat] == pytest.approx([*y.flat], rel=1e-15)

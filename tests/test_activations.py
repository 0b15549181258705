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
def test_both_tails_are_right_to_12_digits(function):
    end = 350 if function is deriv_tanh else 700
    xs = [*np.linspace(-40, 40, 37), *np.linspace(-end, end, 30), -1e-9, 1e-9]
    for x, y in zip(xs, function(np.array(xs))):
        assert y == pytest.approx(exact(function.__name__, x), rel=1e-12, abs=0), x
        assert function(x) == y


def test_at_zero():
    assert sigmoid(0.0) == pytest.approx(0.5, rel=1e-15, abs=0)
    assert (deriv_sigmoid(0.0), tanh(0.0), deriv_tanh(0.0)) == (0.25, 0.0, 1.0)


def test_beyond_the_range_of_exp_the_limit_is_taken():
    x = np.array([-np.inf, -1.7e308, -1500, 1500, 1.7e308, np.inf])
    with np.errstate(over="ignore", divide="raise", invalid="raise"):
        assert sigmoid(x).tolist() == [0, 0, 0, 1, 1, 1]
        assert tanh(x).tolist() == [-1, -1, -1, 1, 1, 1]
        assert deriv_sigmoid(x).tolist() == deriv_tanh(x).tolist() == 6 * [0]


def test_up_to_the_range_of_exp_there_is_no_warning():
    with np.errstate(all="raise", under="ignore"):
        for function in (sigmoid, deriv_sigmoid, tanh):
            function(np.linspace(-700, 700, 99))
        deriv_tanh(np.linspace(-350, 350, 99))


def test_relu_at_zero_has_the_left_slope():
    x = np.array([-2.0, 0.0, 3.0])
    assert relu(x).tolist() == [0, 0, 3]
    assert deriv_relu(x).tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_lists_and_integers_are_welcome(name):
    for function in ACTIVATIONS[name]:
        assert function([-2, 0, 3]).tolist() == function(np.array([-2.0, 0.0, 3.0])).tolist()
        for dtype in (np.int64, np.int16, np.int8, np.float32):
            y = function(np.array([-2, 0, 3], dtype=dtype))
            assert y.dtype == np.float64
            assert y.tolist() == function([-2.0, 0.0, 3.0]).tolist()
        x = np.array([[-2.0, 0.0], [1.0, 3.0]])
        assert function(x.view(np.matrix)).tolist() == function(x).tolist()
        assert function(np.array([False, True])).tolist() == function([0.0, 1.0]).tolist()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_agrees_with_the_function_and_leaves_x_alone(name):
    f, deriv_f = ACTIVATIONS[name]
    x = np.random.default_rng(1).normal(0, 2, (50, 3))
    before = x.copy()
    step = 1e-5
    numeric = (f(x + step) - f(x - step)) / (2 * step)
    np.testing.assert_allclose(deriv_f(x), numeric, rtol=1e-6, atol=1e-10)
    assert np.array_equal(x, before)

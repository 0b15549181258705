import numpy as np
import pytest

from activations import ACTIVATIONS, deriv_relu, deriv_sigmoid, relu, sigmoid


def test_sigmoid_at_zero_is_exact():
    assert sigmoid(0.0) == 0.5
    assert deriv_sigmoid(0.0) == 0.25


def test_sigmoid_is_its_textbook_formula():
    x = np.linspace(-30, 30, 601)
    np.testing.assert_allclose(sigmoid(x), 1 / (1 + np.exp(-x)), rtol=0, atol=4e-16)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_large_input_is_finite_without_a_warning(name):
    x = np.array([-1e308, -1e4, -710.0, 710.0, 1e4, 1e308])
    with np.errstate(all="raise"):
        for function in ACTIVATIONS[name]:
            assert np.isfinite(function(x)).all()


def test_sigmoid_saturates():
    assert sigmoid(np.array([-1e4, 1e4])).tolist() == [0, 1]
    assert deriv_sigmoid(np.array([-1e4, 1e4])).tolist() == [0, 0]


def test_relu_at_zero_has_the_left_slope():
    x = np.array([-2.0, 0.0, 3.0])
    assert relu(x).tolist() == [0, 0, 3]
    assert deriv_relu(x).tolist() == [0, 0, 1]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivative_agrees_with_the_function_and_leaves_x_alone(name):
    f, deriv_f = ACTIVATIONS[name]
    x = np.random.default_rng(1).normal(0, 2, (50, 3))
    before = x.copy()
    step = 1e-5
    numeric = (f(x + step) - f(x - step)) / (2 * step)
    np.testing.assert_allclose(deriv_f(x), numeric, rtol=1e-6, atol=1e-10)
    assert np.array_equal(x, before)

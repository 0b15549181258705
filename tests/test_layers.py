import math

import numpy as np
import pytest

from activations import deriv_sigmoid, deriv_tanh, sigmoid, tanh
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential
from residual import ResidualConnection


def make_layers():
    rng = np.random.default_rng(4)
    return [
        Dense(3, 3, sigmoid, deriv_sigmoid, rng=rng),
        ResidualConnection(3, sigmoid, deriv_sigmoid, rng=rng),
        ResidualConnection(3, sigmoid, deriv_sigmoid, skip=2, rng=rng),
        BatchNormalization(3),
        Sequential(
            [Dense(3, 4, tanh, deriv_tanh, rng=rng), Dense(4, 3, tanh, deriv_tanh, rng=rng)]
        ),
    ]


each_layer = pytest.mark.parametrize(
    "layer", make_layers(), ids=["Dense", "Residual", "Residual skip 2", "norm", "Sequential"]
)


@each_layer
@pytest.mark.parametrize("shape", [(3,), (), (2, 2), (2, 4), (2, 3, 3)])
def test_x_of_another_shape_is_refused(layer, shape):
    with pytest.raises(ValueError) as error:
        layer.forward_prop(np.zeros(shape))
    assert str(shape) in str(error.value) and "(batch, 3)" in str(error.value)


@each_layer
@pytest.mark.parametrize("shape", [(3,), (), (2, 2), (1, 3), (2, 1)])
def test_a_gradient_of_another_shape_is_refused(layer, shape):
    layer.forward_prop(np.zeros((2, 3)))
    with pytest.raises(ValueError) as error:
        layer.back_prop(np.zeros(shape))
    assert str(shape) in str(error.value) and "(2, 3)" in str(error.value)


@each_layer
def test_no_back_prop_after_a_prediction(layer):
    layer.forward_prop(np.zeros((2, 3)))
    layer.forward_prop(np.zeros((2, 3)), training=False)
    with pytest.raises(ValueError):
        layer.back_prop(np.zeros((2, 3)))


def test_a_residual_connection_around_another_shape_is_refused():
    layer = ResidualConnection(3, sigmoid, deriv_sigmoid)
    for wrong in (1, 4):
        layer.dense = Dense(3, wrong, sigmoid, deriv_sigmoid)
        with pytest.raises(ValueError) as error:
            layer.forward_prop(np.zeros((2, 3)))
        assert "(2, 3)" in str(error.value) and f"(2, {wrong})" in str(error.value)


def test_a_residual_connection_around_nothing_is_refused():
    with pytest.raises(ValueError, match="skip is 0"):
        ResidualConnection(3, sigmoid, deriv_sigmoid, skip=0)


def test_layers_that_do_not_fit_are_refused():
    first = Dense(2, 3, sigmoid, deriv_sigmoid)
    with pytest.raises(ValueError, match=r"\(batch, 3\).*\(batch, 4\)"):
        Sequential([first, Dense(4, 1, sigmoid, deriv_sigmoid)])


@each_layer
def test_integers_and_lists_are_computed_in_float64(layer):
    x = [[1, 0, 2], [3, 1, 1]]
    y = layer.forward_prop(x)
    dx = layer.back_prop([[1, 2, 3], [0, 1, 0]])
    assert y.dtype == dx.dtype == np.float64
    assert np.array_equal(layer.forward_prop(np.array(x, dtype=float)), y)


@each_layer
def test_arrays_handed_in_are_never_changed(layer):
    rng = np.random.default_rng(5)
    x, dy = rng.normal(size=(2, 4, 3))
    x_before, dy_before = x.copy(), dy.copy()
    layer.forward_prop(x)
    layer.back_prop(dy)
    assert np.array_equal(x, x_before) and np.array_equal(dy, dy_before)


@each_layer
def test_a_second_back_prop_replaces_the_first(layer):
    layer.forward_prop(np.eye(3))
    dx = layer.back_prop(np.eye(3))
    grads = [grad.copy() for grad in layer.get_grads()]
    assert np.array_equal(layer.back_prop(np.eye(3)), dx)
    for grad, before in zip(layer.get_grads(), grads):
        assert np.array_equal(grad, before)


@each_layer
def test_params_and_grads_match_and_train_in_place(layer):
    params, grads = layer.get_params(), layer.get_grads()
    assert [param.shape for param in params] == [grad.shape for grad in grads]
    assert layer.num_params() == sum(param.size for param in params)
    y = layer.forward_prop(np.eye(3))
    for param in params:
        param += 0.5
    assert not np.array_equal(layer.forward_prop(np.eye(3)), y)


@each_layer
def test_huge_input_makes_no_warning(layer):
    layer.forward_prop(np.array([[1e308, -1e308, 1e308], [1e308, 1e308, 1e308]]))
    layer.back_prop(np.full((2, 3), 1e308))


def test_dense_is_its_formula():
    layer = Dense(2, 3, sigmoid, deriv_sigmoid)
    W, b = layer.get_params()
    b[:] = [0.1, -0.2, 0.3]
    x = np.array([[1.0, 2.0], [0.5, -1.0]])
    np.testing.assert_allclose(layer.forward_prop(x), sigmoid(x @ W + b), rtol=1e-14)


def test_a_residual_connection_is_its_formula():
    layer = ResidualConnection(3, tanh, deriv_tanh)
    W, b = layer.get_params()
    np.testing.assert_allclose(
        layer.forward_prop(np.eye(3)), np.eye(3) + np.tanh(W + b), rtol=1e-14
    )


def test_the_same_generator_draws_the_same_weights():
    def weights(seed):
        layer = Dense(4, 4, sigmoid, deriv_sigmoid, rng=np.random.default_rng(seed))
        return layer.get_params()[0]

    assert np.array_equal(weights(7), weights(7))
    assert not np.array_equal(weights(7), weights(8))


@pytest.mark.parametrize(
    ("name", "low", "high", "variance"),
    [
        ("glorot", -math.sqrt(6 / 500), math.sqrt(6 / 500), 2 / 500),
        ("he", -math.inf, math.inf, 2 / 200),
        ("uniform", 0, 1, 1 / 12),
    ],
)
def test_initial_weights_have_the_range_and_variance_of_their_source(name, low, high, variance):
    W, b = INITIALIZERS[name](200, 300, np.random.default_rng(6))
    assert W.shape == (200, 300) and b.shape == (300,)
    assert low <= W.min() and W.max() <= high
    assert W.var() == pytest.approx(variance, rel=0.03)
    assert b.any() == (name == "uniform")


def test_batch_normalization_gives_mean_0_and_variance_1():
    y = BatchNormalization(3).forward_prop(np.random.default_rng(7).normal(5, 9, (50, 3)))
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=0), 1, rtol=1e-5)


def test_batch_normalization_predicts_one_sample_as_among_all():
    layer = BatchNormalization(3)
    x = np.random.default_rng(8).normal(5, 9, (4, 3))
    trained = layer.forward_prop(x)
    together = layer.forward_prop(x, training=False)
    assert np.array_equal(trained, together)
    for i in range(4):
        assert np.array_equal(layer.forward_prop(x[i : i + 1], training=False)[0], together[i])


@pytest.mark.parametrize("x", [np.full((4, 3), 7.0), np.array([[1.0, -2.0, 3.0]])])
def test_batch_normalization_of_constant_features_and_of_one_sample_is_finite(x):
    layer = BatchNormalization(3)
    with np.errstate(all="raise"):
        assert np.array_equal(layer.forward_prop(x), np.zeros(x.shape))
        assert np.isfinite(layer.back_prop(np.ones(x.shape))).all()


def gradient_rows(norms):
    layers = [BatchNormalization(1, name=f"norm_{i}") for i in range(len(norms))]
    network = Sequential(layers)
    for layer, norm in zip(layers, norms):
        layer.grads[0] = norm
    heading, *rows = network.gradient_summary(5).splitlines()
    assert "epoch 5" in heading
    return rows


def test_gradient_bars_are_logarithmic_and_honest_at_both_ends():
    assert gradient_rows([0, 1e-13, 1e-12, 1e-11, 1.0, 1e8, 1.1e8, 1e300, math.nan]) == [
        "norm_0      0.0e+00",
        "norm_1      1.0e-13 <",
        "norm_2      1.0e-12 #",
        "norm_3      1.0e-11 ##",
        "norm_4      1.0e+00 " + 24 * "#",
        "norm_5      1.0e+08 " + 40 * "#",
        "norm_6      1.1e+08 " + 40 * "#" + ">",
        "norm_7     1.0e+300 " + 40 * "#" + ">",
        "norm_8          nan",
    ]

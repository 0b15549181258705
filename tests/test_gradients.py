"""Back propagation against derivatives taken from the forward pass alone."""

import numpy as np
import pytest

from activations import ACTIVATIONS
from clipping import global_norm
from layers import BatchNormalization, Dense, Sequential
from residual import ResidualConnection
from ulp import moved
from XORgatemultihiddenlayers import (
    T,
    X,
    build_network,
    dense,
    passed_on,
    signal_error_gradient,
    train,
)
from XORgateresidualconnectionlayers import residual

KINDS = {
    "dense": lambda f, rng: Dense(3, 3, *f, rng=rng),
    "residual": lambda f, rng: ResidualConnection(3, *f, rng=rng),
    "residual, skip 2": lambda f, rng: ResidualConnection(3, *f, skip=2, rng=rng),
    "residual, norm": lambda f, rng: ResidualConnection(3, *f, batch_norm=True, rng=rng),
    "residual, skip 2, norm": lambda f, rng: ResidualConnection(
        3, *f, skip=2, batch_norm=True, rng=rng
    ),
    "norm": lambda f, rng: BatchNormalization(3),
}


def make_layer(kind, activation, rng):
    """Return a layer without a zero among its parameters, where ReLU would have its kink."""
    layer = KINDS[kind](ACTIVATIONS[activation], rng)
    layer.input_size = layer.output_size
    for param in layer.get_params():
        param += 0.5 * rng.normal(size=param.shape)
    return layer


def make_stack(kinds, activation, rng):
    """Return the layers with a Dense before and after them."""
    hidden = [make_layer(kind, activation, rng) for kind in kinds]
    before = Dense(2, 3, *ACTIVATIONS["tanh"], rng=rng)
    stack = Sequential([before, *hidden, Dense(3, 1, *ACTIVATIONS["sigmoid"], rng=rng)])
    stack.input_size = 2
    return stack


def relative_error(a, b):
    return np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b))


def central_difference(function, array, step=1e-5):
    """Return d function() / d array, by changing array element by element, in place."""
    numeric = np.empty_like(array)
    for index in np.ndindex(array.shape):
        value = array[index]
        array[index] = value + step
        above = function()
        array[index] = value - step
        numeric[index] = (above - function()) / (2 * step)
        array[index] = value
    return numeric


def check_back_prop(layer, rng):
    x = rng.normal(size=(5, layer.input_size))
    upstream = rng.normal(size=(5, layer.output_size))

    def loss():
        return np.vdot(layer.forward_prop(x), upstream)

    loss()
    dx = layer.back_prop(upstream)
    grads = [grad.copy() for grad in layer.get_grads()]
    assert relative_error(dx, central_difference(loss, x)) < 1e-6
    for i, (param, grad) in enumerate(zip(layer.get_params(), grads, strict=True)):
        assert relative_error(grad, central_difference(loss, param)) < 1e-6, f"array {i}"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_back_prop_of_a_layer(kind, activation):
    rng = np.random.default_rng(3)
    check_back_prop(make_layer(kind, activation, rng), rng)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_back_prop_of_a_layer_among_others(kind, activation):
    rng = np.random.default_rng(3)
    check_back_prop(make_stack([kind, "dense", kind], activation, rng), rng)


@pytest.mark.parametrize("kind", KINDS)
def test_back_prop_of_a_deep_stack(kind):
    rng = np.random.default_rng(3)
    check_back_prop(make_stack(5 * [kind, "residual"], "sigmoid", rng), rng)
    check_back_prop(make_stack(5 * [kind, "dense"], "tanh", rng), rng)


def forward(hidden_layer, y, arrays):
    """Return the outputs of the layers with the parameters arrays, y being the first one's input.

    The textbook formulas, and nothing of the project's, so that complex numbers go through.
    """
    outputs = []
    for Wb in arrays:
        F = 1 / (1 + np.exp(-(y @ Wb[:-1] + Wb[-1])))
        y = y + F if hidden_layer is residual and Wb.shape == (5, 4) else F
        outputs.append(y)
    return outputs


def complex_step(function, array):
    """Return d function(array) / d array: it vanishes without drowning in a rounding error."""
    stepped, numeric = array.astype(complex), np.empty_like(array)
    for index in np.ndindex(array.shape):
        stepped[index] += 1e-30j
        numeric[index] = function(stepped).imag / 1e-30
        stepped[index] = array[index]
    return numeric


@pytest.mark.parametrize("hidden_layer", [dense, residual])
def test_back_prop_of_the_experiment(hidden_layer):
    network = build_network(hidden_layer, 10)
    params = network.get_params()
    y = network.forward_prop(X)
    dx = network.back_prop(y - T)
    np.testing.assert_allclose(forward(hidden_layer, X, params)[-1], y, rtol=1e-13)

    def loss(x, arrays):
        return np.vdot(y - T, forward(hidden_layer, x, arrays)[-1])

    assert relative_error(dx, complex_step(lambda x: loss(x, params), X)) < 1e-9
    for i, grad in enumerate(network.get_grads()):
        numeric = complex_step(lambda p: loss(X, [*params[:i], p, *params[i + 1 :]]), params[i])
        assert relative_error(grad, numeric) < 1e-9, f"array {i}"


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("hidden_layer", [dense, residual])
def test_signal_and_error_shrink_in_the_plain_stack_alone(hidden_layer, seed):
    network = build_network(hidden_layer, 10, seed=seed)
    rows = signal_error_gradient(network)
    names, signals, errors, gradients = zip(*rows)
    assert list(names) == network.names()

    y = network.forward_prop(X)
    params = network.get_params()
    for i, output in enumerate(forward(hidden_layer, X, params)):
        signal = np.linalg.norm(output - output.mean(axis=0))
        assert signals[i] == pytest.approx(signal, rel=1e-6, abs=0)

        def loss(output, rest=params[i + 1 :]):
            return np.vdot(y - T, [output, *forward(hidden_layer, output, rest)][-1])

        error = np.linalg.norm(complex_step(loss, output))
        assert errors[i] == pytest.approx(error, rel=1e-9, abs=0)

    network.back_prop(y - T)
    assert gradients == tuple(global_norm(layer.get_grads()) for layer in network.layers)

    (_, forth, _), (_, back, _) = passed_on(rows, 10)
    assert forth == pytest.approx((signals[-2] / signals[0]) ** 0.1, rel=1e-12)
    assert back == pytest.approx((errors[0] / errors[-2]) ** 0.1, rel=1e-12)
    if hidden_layer is dense:
        assert 0.15 < forth < 0.3 and 0.15 < back < 0.3
        assert gradients[0] / gradients[-1] < 1e-5
    else:
        assert 0.9 < forth < 1.2 and 0.9 < back < 1.2
        assert 1e-3 < gradients[0] / gradients[-1] < 1e3


@pytest.mark.parametrize("seed", range(4))
def test_at_the_stall_signal_and_error_keep_their_slopes_and_the_gradient_is_flat(seed, copy):
    network = moved(build_network(dense, 10, seed=seed), copy)
    *_, (_, loss) = train(network, epochs=2500)
    assert loss == pytest.approx(0.5, abs=1e-6)
    _, *columns = zip(*signal_error_gradient(network))
    signal, error, gradient = (max(column) / min(column) for column in columns)
    assert signal > 1e5 and error > 1e5
    assert gradient < 100

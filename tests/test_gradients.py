"""Back propagation against derivatives taken from the forward pass alone."""

import numpy as np
import pytest

from activations import ACTIVATIONS
from clipping import gradient_norm
from layers import BatchNormalization, Dense, Sequential
from residual import ResidualConnection
from XORgatemultihiddenlayers import T, X, argument_parser, build_network, dense
from XORgateresidualconnectionlayers import residual

KINDS = ["dense", "residual", "residual, skip 2", "norm"]


def make_layer(kind, activation, rng):
    """Return a layer without a zero among its parameters, where ReLU would have its kink."""
    f = ACTIVATIONS[activation]
    layer = {
        "dense": lambda: Dense(3, 3, *f, rng=rng),
        "residual": lambda: ResidualConnection(3, *f, rng=rng),
        "residual, skip 2": lambda: ResidualConnection(3, *f, skip=2, rng=rng),
        "norm": lambda: BatchNormalization(3),
    }[kind]()
    for param in layer.get_params():
        param += 0.5 * rng.normal(size=param.shape)
    return layer


def make_stack(kinds, activation, rng):
    """Return the layers with a Dense before and after them."""
    hidden = [make_layer(kind, activation, rng) for kind in kinds]
    before = Dense(2, 3, *ACTIVATIONS["tanh"], rng=rng)
    return Sequential([before, *hidden, Dense(3, 1, *ACTIVATIONS["sigmoid"], rng=rng)])


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


@pytest.mark.parametrize("hidden_layer", [dense, residual])
def test_back_prop_of_the_experiment(hidden_layer):
    """What has vanished would drown in the rounding of a difference, but not of a complex step."""
    network = build_network(hidden_layer, argument_parser("").parse_args(["10"]))
    y = network.forward_prop(X)
    dx = network.back_prop(y - T)

    def forward(x, params):
        weights, biases = params[::2], params[1::2]
        for i, (W, b) in enumerate(zip(weights, biases)):
            F = 1 / (1 + np.exp(-(x @ W + b)))
            x = x + F if hidden_layer is residual and W.shape == (4, 4) else F
        return x

    arrays = [X, *network.get_params()]
    np.testing.assert_allclose(forward(X, arrays[1:]), y, rtol=1e-13)
    for i, exact in enumerate([dx, *network.get_grads()]):
        stepped = [array.astype(complex) for array in arrays]
        numeric = np.empty_like(exact)
        for index in np.ndindex(exact.shape):
            stepped[i][index] += 1e-30j
            numeric[index] = np.vdot(y - T, forward(stepped[0], stepped[1:])).imag / 1e-30
            stepped[i][index] = arrays[i][index]
        assert relative_error(exact, numeric) < 1e-9, f"array {i}"


@pytest.mark.parametrize("seed", range(10))
def test_the_gradient_vanishes_in_the_plain_stack_alone(seed):
    def first_to_last(hidden_layer):
        args = argument_parser("").parse_args(["10", "--seed", str(seed)])
        network = build_network(hidden_layer, args)
        network.back_prop(network.forward_prop(X) - T)
        first, last = (gradient_norm(network.layers[i].get_grads()) for i in (0, -1))
        return first / last

    assert 0 < first_to_last(dense) < 1e-5
    assert 1e-3 < first_to_last(residual) < 1e3

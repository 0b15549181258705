"""Back propagation, and what a chart shows, against derivatives of the forward pass alone."""

import numpy as np
import pytest

from activations import ACTIVATIONS
from helpers import central_difference, forward
from layers import BatchNormalization, Dense, Sequential
from residual import ResidualConnection
from XORgatemultihiddenlayers import T, X, build_network, dense, passed_on, train
from XORgatemultihiddenlayers import signal_error_gradient as norms
from XORgateresidualconnectionlayers import residual

KINDS = {
    "dense": lambda *f, rng: Dense(3, 3, *f, rng=rng),
    "residual": lambda *f, rng: ResidualConnection(3, *f, rng=rng),
    "skip 2": lambda *f, rng: ResidualConnection(3, *f, skip=2, rng=rng),
    "skip 2, norm": lambda *f, rng: ResidualConnection(3, *f, skip=2, batch_norm=True, rng=rng),
    "norm": lambda *f, rng: BatchNormalization(3),
}


def stack(kind, activation, rng):
    """Return a layer of a kind among others, without a 0 among the parameters: ReLU's kink."""
    f = ACTIVATIONS[activation]
    head = Dense(2, 3, *ACTIVATIONS["tanh"], rng=rng)
    layers = [KINDS[name](*f, rng=rng) for name in ("dense", kind)]
    network = Sequential([head, *layers, Dense(3, 1, *ACTIVATIONS["sigmoid"], rng=rng)])
    for param in network.get_params():
        param += 0.5 * rng.normal(size=param.shape)
    return network


def relative_error(a, b):
    return np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_back_prop_of_a_layer_among_others(kind, activation):
    rng = np.random.default_rng(3)
    network = stack(kind, activation, rng)
    x, upstream = rng.normal(size=(5, 2)), rng.normal(size=(5, 1))

    def loss():
        return np.vdot(network.forward_prop(x), upstream)

    loss()
    dx = network.back_prop(upstream)
    grads = [grad.copy() for grad in network.get_grads()]
    assert relative_error(dx, central_difference(loss, x)) < 1e-6
    for i, (param, grad) in enumerate(zip(network.get_params(), grads, strict=True)):
        assert relative_error(grad, central_difference(loss, param)) < 1e-6, f"array {i}"


def complex_step(function, array):
    """Return d function(array) / d array: it vanishes without drowning in a rounding error."""
    stepped, numeric = array.astype(complex), np.empty_like(array)
    for index in np.ndindex(array.shape):
        stepped[index] += 1e-30j
        numeric[index] = function(stepped).imag / 1e-30
        stepped[index] = array[index]
    return numeric


@pytest.mark.parametrize("hidden_layer", [dense, residual])
def test_an_epoch_is_gradient_descent_on_clipped_gradients(hidden_layer):
    network, params = build_network(hidden_layer, 10), build_network(hidden_layer, 10).get_params()

    def loss(i, array):
        error = forward(hidden_layer, X, [*params[:i], array, *params[i + 1 :]])[-1] - T
        return (error * error).sum() / 2

    for epoch, found in train(network, epochs=3, learning_rate=2.0, max_norm=0.2):
        assert found == pytest.approx(loss(0, params[0]), rel=1e-9)
        grads = [complex_step(lambda p: loss(i, p), params[i]) for i in range(len(params))]
        norm = np.sqrt(sum(np.sum(grad**2) for grad in grads))
        grads = [grad * min(1, 0.2 / norm) for grad in grads]
        params = [param - 2.0 * grad for param, grad in zip(params, grads)]
        assert max(map(relative_error, network.get_grads(), grads)) < 1e-9
        assert max(map(relative_error, network.get_params(), params)) < 1e-12
    assert epoch == 3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("hidden_layer", [dense, residual])
def test_signal_and_error_shrink_in_the_plain_stack_alone(hidden_layer, seed):
    network = build_network(hidden_layer, 10, seed=seed)
    signals, errors, gradients = norms(network)
    y = network.forward_prop(X)
    params = network.get_params()
    for i, output in enumerate(forward(hidden_layer, X, params)):
        signal = np.linalg.norm(output - output.mean(axis=0))
        assert signals[i] == pytest.approx(signal, rel=1e-6, abs=0)

        def loss(output, rest=params[2 * i + 2 :]):
            return np.vdot(y - T, [output, *forward(hidden_layer, output, rest)][-1])

        error = np.linalg.norm(complex_step(loss, output))
        assert errors[i] == pytest.approx(error, rel=1e-9, abs=0)
    network.back_prop(y - T)
    found = [np.hypot(*map(np.linalg.norm, layer.get_grads())) for layer in network.layers]
    assert gradients == pytest.approx(found, rel=1e-12, abs=0)
    forth, back = passed_on(signals, errors, 10)
    if hidden_layer is dense:
        assert 0.15 < forth < 0.3 and 0.15 < back < 0.3 and gradients[0] / gradients[-1] < 1e-5
    else:
        assert 0.9 < forth < 1.2 and 0.9 < back < 1.2 and gradients[0] / gradients[-1] > 1e-3

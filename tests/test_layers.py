import copy
import pickle
import random

import numpy as np
import pytest

from activations import deriv_sigmoid, deriv_tanh, sigmoid, tanh
from clipping import clip_gradient_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential, he_normal
from residual import ResidualConnection


def rng():
    return np.random.default_rng(4)


def dense(input_size=3, output_size=3, f=tanh, deriv_f=deriv_tanh, **options):
    return Dense(input_size, output_size, f, deriv_f, **{"rng": rng(), **options})


def residual(f=sigmoid, deriv_f=deriv_sigmoid, **options):
    return ResidualConnection(3, f, deriv_f, **{"rng": rng(), **options})


MAKE = {
    "Dense": dense,
    "Residual": residual,
    "Residual skip 2": lambda: residual(skip=2),
    "Residual norm": lambda: residual(batch_norm=True),
    "norm": lambda: BatchNormalization(3),
    "Sequential": lambda: Sequential([dense(3, 4), dense(4, 3)]),
}
each_layer = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)

INPUT = np.random.default_rng(5).normal(size=(4, 3))
TARGETS = np.random.default_rng(6).normal(size=(4, 3))


def train(layer, steps=5):
    """Train as the scripts do; return the losses."""
    losses = []
    for _ in range(steps):
        error = layer.forward_prop(INPUT) - TARGETS
        losses.append(np.vdot(error, error) / 2)
        layer.back_prop(error)
        grads = clip_gradient_norm(layer.get_grads())
        for param, grad in zip(layer.get_params(), grads, strict=True):
            param -= 0.5 * grad
    return losses


@each_layer
def test_a_shape_that_does_not_fit_is_refused_by_a_layer_with_its_name(make):
    layer = make()
    with pytest.raises(ValueError, match="name=.* dL/dy is .* there was no forward_prop"):
        layer.back_prop(np.zeros((2, 3)))
    layer.forward_prop(np.zeros((2, 3)))
    for shape in (3,), (), (2, 2), (2, 4), (1, 1), (2, 3, 3):
        with pytest.raises(ValueError) as error:
            layer.forward_prop(np.zeros(shape))
        assert "name=" in str(error.value) and f": x is {shape}, not (batch" in str(error.value)
        assert str(error.value).endswith(", 3)")
    layer.forward_prop(np.zeros((2, 3)))
    for shape in (3,), (), (2, 2), (1, 3), (2, 1), (3, 3):
        with pytest.raises(ValueError) as error:
            layer.back_prop(np.zeros(shape))
        assert "name=" in str(error.value) and f"dL/dy is {shape}, not (2, 3)" in str(error.value)


@pytest.mark.parametrize("make", [dense, residual])
def test_a_function_that_returns_another_shape_is_refused_with_its_name(make):
    def wrong(h):
        return result(h)

    for result in lambda h: h[:, 0], lambda h: h.mean(axis=1, keepdims=True), lambda h: h[None]:
        with pytest.raises(ValueError, match=r"name=.*: what wrong returns is \(.*, not \(3, 3\)"):
            make(f=wrong).forward_prop(INPUT[:3])
        layer = make(deriv_f=wrong)
        layer.forward_prop(INPUT[:3])
        with pytest.raises(ValueError, match=r"name=.*: what wrong returns is \(.*, not \(3, 3\)"):
            layer.back_prop(TARGETS[:3])
    with pytest.raises(ValueError, match=r"what <lambda> returns is float, not \(4, 3\)"):
        make(f=lambda h: 1.0).forward_prop(INPUT)


def test_batches_of_any_size_may_follow_each_other():
    layer = residual(skip=2)
    for size in (4, 1, 0, 3, 4):
        fresh = residual(skip=2)
        y = layer.forward_prop(INPUT[:size])
        assert np.array_equal(y, fresh.forward_prop(INPUT[:size]))
        assert np.array_equal(layer.back_prop(y), fresh.back_prop(y))


@each_layer
def test_integers_and_lists_are_computed_in_float64(make):
    x, dy = [[1, 0, 2], [3, 1, 1]], [[1, 2, 3], [0, 1, 0]]
    layer = make()
    y, dx = layer.forward_prop(np.array(x, float)), layer.back_prop(np.array(dy, float))
    for kind in list, np.array, np.float32:
        for method, array, before in ("forward_prop", x, y), ("back_prop", dy, dx):
            result = getattr(layer, method)(kind(array))
            assert result.dtype == np.float64 and np.array_equal(result, before)


@each_layer
def test_arrays_handed_in_are_never_changed_nor_remembered(make):
    layer = make()
    x, dy = INPUT.copy(), TARGETS.copy()
    layer.forward_prop(x)
    expected = layer.back_prop(dy)
    assert np.array_equal(x, INPUT) and np.array_equal(dy, TARGETS)
    y = layer.forward_prop(x)
    x[:], y[:] = 7, 7
    assert np.array_equal(layer.back_prop(dy), expected)


@each_layer
def test_the_arrays_are_the_layers_own_for_its_whole_life(make):
    layer = make()
    params, grads = layer.get_params(), layer.get_grads()
    assert [param.shape for param in params] == [grad.shape for grad in grads]
    assert all(param.dtype == grad.dtype == np.float64 for param, grad in zip(params, grads))
    assert layer.num_params() == sum(param.size for param in params)
    losses = train(Sequential([layer]), steps=20)
    assert losses[-1] < losses[0] and all(grad.any() for grad in grads)
    for held, now in (params, layer.get_params()), (grads, layer.get_grads()):
        assert all(a is b for a, b in zip(held, now, strict=True))
    y = layer.forward_prop(INPUT)
    params[0] += 0.5
    assert not np.array_equal(layer.forward_prop(INPUT), y)


@each_layer
@pytest.mark.parametrize("before", [0, 2])
def test_a_copy_trains_like_the_original_and_apart_from_it(make, before):
    layer = make()
    train(layer, before)
    twins = [copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))]
    if before:  # what belongs to the last forward_prop is copied, too
        assert np.array_equal(twins[0].back_prop(TARGETS), layer.back_prop(TARGETS))
    losses = train(layer)
    assert [train(twin) for twin in twins] == [losses, losses]
    assert losses[0] != losses[-1]


def test_shared_layers_stay_shared():
    first, second = dense(), residual()
    whole, part = Sequential([first, second]), Sequential([second])
    train(whole)
    assert np.array_equal(part.forward_prop(first.forward_prop(INPUT)), whole.forward_prop(INPUT))


def test_a_layer_twice_is_refused():
    layer, twin = residual(name="r"), dense()
    twin.params = layer.F.params
    for layers in [layer, layer], [Sequential([layer.F]), layer], [layer, twin]:
        with pytest.raises(ValueError, match="^net: a layer appears twice in .*"):
            Sequential(layers, name="net")
    with pytest.raises(ValueError, match=r"\['r', 'dense', 'r'\]"):
        Sequential([layer, dense(), layer])


class ResidualOfTheChapter:
    """The four methods and nothing else, and new arrays for gradients."""

    def __init__(self, node_size, activate_func, deriv_activate_func, **options):
        self.dense = Dense(node_size, node_size, activate_func, deriv_activate_func, **options)

    def get_params(self):
        return [param[:] for param in self.dense.get_params()]

    def get_grads(self):
        return [grad.copy() for grad in self.dense.get_grads()]

    def forward_prop(self, x):
        return x + self.dense.forward_prop(x)

    def back_prop(self, grads):
        return grads + self.dense.back_prop(grads)


def test_a_class_with_just_the_four_methods_is_a_layer():
    theirs = ResidualOfTheChapter(3, sigmoid, deriv_sigmoid, rng=rng())
    network = Sequential([dense(), theirs, dense()])
    ours = Sequential([dense(), residual(), dense()])
    assert train(ours) == pytest.approx(train(network), rel=1e-12)
    assert Sequential([network, dense()]).summary().splitlines()[3:] == [
        "sequential (Sequential)      (None, ?)                 36",
        "dense (Dense)                (None, 3)                 12",
        65 * "=",
        "Total params: 48",
    ]
    row = "ResidualOfTheChapter (Residu (None, ?)                 12"
    assert network.summary().splitlines()[4] == row


def test_names_unless_given():
    layers = dense(), residual(), BatchNormalization(3), Sequential([])
    assert [layer.name for layer in layers] == ["dense", "residual", "norm", "sequential"]
    layer = residual(skip=2, batch_norm=True, name="r")
    assert {layer.name, *layer.F.names()} == {"r"} and repr(layer) == "ResidualConnection(name='r')"
    assert Sequential(iter(layers)).layers == layers


def test_a_size_that_is_no_whole_number_and_what_is_no_generator_are_refused():
    for sizes in (0, 3), (3, 0), (-1, 3), (2.0, 3), ("2", 3):
        with pytest.raises(ValueError, match="^d: a size is .*, not a whole number above 0$"):
            dense(*sizes, name="d")
    for wrong in 0, "0", random, np.random:
        for make in dense, residual:
            with pytest.raises(ValueError, match=r"^d: rng is .*, not a numpy.random.Generator$"):
                make(rng=wrong, name="d")
    assert dense(np.int64(2), 1).params.shape == (3, 1)


def test_the_same_generator_draws_the_same_weights():
    assert np.array_equal(dense().params, dense().params)
    assert not np.array_equal(dense(rng=None).params, dense(rng=None).params)
    assert not np.array_equal(*residual(skip=2).get_params())


def test_an_initializer_is_a_name_or_a_function():
    def ones(input_size, output_size, rng):
        return np.ones((input_size, output_size), dtype=int), [1, 1, 1]

    (Wb,) = dense(initializer=ones, gain=5).get_params()
    assert Wb.dtype == np.float64 and Wb.tolist() == 3 * [3 * [5.0]] + [3 * [1.0]]
    assert np.array_equal(dense(initializer="he").params, dense(initializer=he_normal).params)
    assert np.array_equal(dense(initializer="glorot").params, dense().params)


def test_gain_multiplies_the_initial_weights_and_no_bias():
    for name in INITIALIZERS:
        one, four = dense(initializer=name).params, dense(initializer=name, gain=4.0).params
        assert np.array_equal(four[:-1], 4 * one[:-1]) and np.array_equal(four[-1], one[-1])
    for a, b in zip(residual(skip=2).get_params(), residual(skip=2, gain=3.0).get_params()):
        assert np.array_equal(b, 3 * a)


def test_initial_weights_have_the_range_and_variance_of_their_source():
    for name, low, high, mean, variance in [
        ("glorot", -np.sqrt(6 / 500), np.sqrt(6 / 500), 0, 2 / 500),
        ("he", -np.inf, np.inf, 0, 2 / 200),
        ("uniform", 0, 1, 0.5, 1 / 12),
    ]:
        W, b = INITIALIZERS[name](200, 300, np.random.default_rng(6))
        assert W.shape == (200, 300) and b.shape == (300,) and b.any() == (name == "uniform")
        assert low <= W.min() and W.max() <= high and abs(W.mean() - mean) < 0.01
        assert W.var() == pytest.approx(variance, rel=0.03)


@pytest.mark.parametrize("skip", [1, 2])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_residual_connection_is_its_formula(skip, batch_norm):
    """Batch normalization stands inside F, before each Dense."""
    layer = residual(skip=skip, batch_norm=batch_norm)
    F = INPUT
    for params in layer.get_params():
        if len(params) == 2:
            params[:] = [[1, 2, 3], [0.5, 0, -0.5]]
            F = params[0] * (F - F.mean(axis=0)) / np.sqrt(F.var(axis=0) + 1e-5) + params[1]
        else:
            F = sigmoid(F @ params[:-1] + params[-1])
    shapes = [param.shape for param in layer.get_params()]
    assert shapes == skip * ([(2, 3), (4, 3)] if batch_norm else [(4, 3)])
    np.testing.assert_allclose(layer.forward_prop(INPUT), INPUT + F, rtol=1e-12)


def test_batch_normalization_gives_mean_0_and_variance_1_of_two_samples_or_more():
    x = np.random.default_rng(7).normal(5, 9, (50, 3))
    y = BatchNormalization(3).forward_prop(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=0), x.var(axis=0) / (x.var(axis=0) + 1e-5), rtol=1e-12)
    assert np.array_equal(BatchNormalization(3).forward_prop(np.full((2, 3), 7.0)), 0 * x[:2])
    for size in 0, 1:
        for layer in BatchNormalization(3), residual(batch_norm=True):
            with pytest.raises(ValueError, match=rf"\({size}, 3\), not \(batch of two samples"):
                layer.forward_prop(INPUT[:size])

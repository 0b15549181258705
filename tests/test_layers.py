import copy
import pickle
import re
import sys

import numpy as np
import pytest

from activations import deriv_sigmoid, deriv_tanh, sigmoid, tanh
from clipping import clip_gradient_norm
from helpers import ResidualOfTheChapter, central_difference
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential, glorot_uniform, he_normal
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
    name = "dense" if isinstance(layer, Sequential) else layer.name
    with pytest.raises(ValueError, match=f"^{name}: back_prop came before any forward_prop$"):
        layer.back_prop(np.zeros((2, 3)))
    for shape in (3,), (), (2, 2), (2, 4), (2, 1), (2, 3, 3):
        said = re.escape(f"x has shape {shape}, not (batch, 3)")
        with pytest.raises(ValueError, match=f"^{name}: {said}$"):
            layer.forward_prop(np.zeros(shape).tolist())
    layer.forward_prop(np.zeros((2, 3)))
    for shape in (3,), (), (2, 2), (1, 3), (2, 1), (3, 3):
        said = re.escape(f"dL/dy has shape {shape}, but y has (2, 3)")
        with pytest.raises(ValueError, match=f"^{name}: {said}$"):
            layer.back_prop(np.zeros(shape))


@each_layer
def test_each_batch_may_have_another_size(make):
    layer, alone = make(), make()
    for rows in 4, 2, 3:
        x, dy = INPUT[:rows], TARGETS[:rows]
        y = layer.forward_prop(x)
        dx = layer.back_prop(dy)
        assert np.array_equal(y, alone.forward_prop(x)) and y.shape == dx.shape == (rows, 3)
        with pytest.raises(ValueError, match="dL/dy has shape"):
            layer.back_prop(TARGETS[:1])


@pytest.mark.parametrize("make", [dense, residual])
def test_a_derivative_may_return_whatever_broadcasts(make):
    def whole(h):
        return deriv_f(h) + 0 * h

    for deriv_f in lambda h: 1.0, lambda h: h[:, :1], lambda h: h[0].tolist():
        layers = make(deriv_f=deriv_f), make(deriv_f=whole)
        y, expected = [layer.forward_prop(INPUT) for layer in layers]
        assert np.array_equal(y, expected)
        dx, expected = [layer.back_prop(TARGETS) for layer in layers]
        assert np.array_equal(dx, expected)
        assert all(map(np.array_equal, *[layer.get_grads() for layer in layers]))


@pytest.mark.parametrize("make", [dense, residual])
def test_an_f_that_writes_into_h_is_an_error(make):
    with pytest.raises(ValueError, match="read-only"):
        make(f=lambda h: np.tanh(h, out=h)).forward_prop(INPUT)


@each_layer
def test_threads_that_predict_with_one_network_get_their_own_answers(make):
    """Before each line of a forward_prop another one runs, as in a second thread."""
    layer, trace = make(), sys.gettrace()
    expected = layer.forward_prop(INPUT)

    def switch(frame, event, arg):
        if frame.f_code.co_name == "forward_prop":
            layer.forward_prop(INPUT[2:])
        return switch

    sys.settrace(switch)
    try:
        y = layer.forward_prop(INPUT)
    finally:
        sys.settrace(trace)
    assert np.array_equal(y, expected)


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
    expected = [layer.back_prop(dy), *map(np.copy, layer.get_grads())]
    assert np.array_equal(x, INPUT) and np.array_equal(dy, TARGETS)
    y = layer.forward_prop(x)
    x[:], y[:] = 7, 7
    assert all(map(np.array_equal, [layer.back_prop(dy), *layer.get_grads()], expected))


@each_layer
def test_the_arrays_are_the_layers_own_for_its_whole_life(make):
    layer = make()
    params, grads = layer.get_params(), layer.get_grads()
    assert [param.shape for param in params] == [grad.shape for grad in grads]
    assert all(param.dtype == grad.dtype == np.float64 for param, grad in zip(params, grads))
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


def test_a_layer_twice_is_refused_also_where_it_is_nested():
    class Fixed:
        """A layer of a reader's, without parameters; `layers` is a name as others are."""

        layers = [3, 3]
        get_params = get_grads = lambda self: []

    class Around:
        """A layer of a reader's that has another one in it."""

        def __init__(self, layer):
            self.inner = layer
            self.get_params, self.get_grads = layer.get_params, layer.get_grads

    layer, fixed, inner = residual(name="r"), Fixed(), dense()
    theirs, empty = Around(inner), Sequential([])
    Sequential([fixed, Fixed()])
    for layers in [
        [theirs, inner],
        [theirs, Around(inner)],
        [layer, layer],
        [empty, empty],
        [layer, layer.F],
        [layer.F.layers[0], layer],
        [Sequential([layer.F]), layer],
        [Sequential([fixed]), Sequential([Sequential([fixed])])],
        [theirs, Sequential([theirs])],
    ]:
        with pytest.raises(ValueError, match="^net: a layer appears twice in .*"):
            Sequential(layers, name="net")
    with pytest.raises(ValueError, match=r"\['r', 'dense', 'r'\]"):
        Sequential([layer, dense(), layer])


class Scale:
    """A layer of a reader's, y = a x, whose gradient is what da(dy, x) returns."""

    def __init__(self, da, a=(2.0, 2.0, 2.0), first_da=(0.0, 0.0, 0.0)):
        self.da = da
        self.params = [np.array(a)]
        self.grads = [np.array(first_da)]

    def get_params(self):
        return self.params

    def get_grads(self):
        return self.grads

    def forward_prop(self, x):
        self.x = x
        return self.params[0] * x

    def back_prop(self, dy):
        self.grads = [self.da(dy, self.x)]
        return self.params[0] * dy


def test_gradients_that_do_not_fit_their_parameters_are_told_before_any_update():
    """Each of them would be broadcast, shifted to another parameter or left out."""

    class Frozen(Dense):
        def get_grads(self):
            return []

    def of_each_unit(dy, x):
        return (dy * x).sum(axis=0)

    class Half(Dense):
        def get_params(self):
            return []

    frozen = Frozen(3, 3, tanh, deriv_tanh, name="frozen")
    half = Half(3, 3, tanh, deriv_tanh, name="half")
    small = Scale(of_each_unit, a=np.ones((3, 3)))
    number = Scale(of_each_unit)
    number.params = [2.0]
    for layer, told in [
        (frozen, "frozen: 2 parameters, 0 gradients"),
        (half, "half: 0 parameters, 2 gradients"),
        (small, "Scale: a parameter has shape (3, 3), its gradient (3,)"),
        (number, "Scale: a parameter is of type float, not an array"),
    ]:
        with pytest.raises(ValueError, match=f"^{re.escape(told)}$"):
            Sequential([dense(), layer, dense()])

    for da, told in [  # the first gradient fits
        (lambda dy, x: (dy * x).sum(), "Scale: a gradient is of type float64, not an array"),
        (lambda dy, x: np.array((dy * x).sum()), r".* has shape \(3,\), its gradient \(\)"),
        (lambda dy, x: (dy * x).sum(axis=0, keepdims=True), r".* its gradient \(1, 3\)"),
        (lambda dy, x: (dy * x).sum(axis=1), r".* its gradient \(4,\)"),
    ]:
        layer = Scale(da)
        network = Sequential([dense(), layer])
        with pytest.raises(ValueError, match=f"^{told}$"):
            train(network)
        assert layer.params[0].tolist() == [2, 2, 2]

    layer = Scale(of_each_unit)
    losses = train(Sequential([dense(), layer]))
    assert losses[-1] < losses[0] and not (layer.params[0] == 2).any()


def test_a_frozen_layer_stays_as_it_is_and_all_others_learn():
    class Frozen(Dense):
        get_params = get_grads = lambda self: []

    layers = dense(), Frozen(3, 3, tanh, deriv_tanh, rng=rng()), dense()
    before = [[layer.W.copy(), layer.b.copy()] for layer in layers]
    losses = train(Sequential(layers))
    moved = [not np.array_equal(layer.W, W) for layer, (W, _) in zip(layers, before)]
    assert losses[-1] < losses[0] and moved == [True, False, True]
    moved = [not np.array_equal(layer.b, b) for layer, (_, b) in zip(layers, before)]
    assert moved == [True, False, True]


def test_weights_tied_in_two_layers_get_the_update_by_the_sum_of_both_gradients():
    first, second = dense(rng=1), dense(rng=2)
    second.W = first.W
    network = Sequential([first, second])

    def loss():
        error = network.forward_prop(INPUT) - TARGETS
        return (error**2).sum() / 2

    loss()
    network.back_prop(network.forward_prop(INPUT) - TARGETS)
    expected = first.W - 0.1 * central_difference(loss, first.W)
    for param, grad in zip(network.get_params(), network.get_grads(), strict=True):
        param -= 0.1 * grad
    np.testing.assert_allclose(first.W, expected, rtol=1e-8)


def test_a_class_with_just_the_four_methods_is_a_layer():
    theirs = ResidualOfTheChapter(3, sigmoid, deriv_sigmoid, rng=rng())
    network = Sequential([dense(), theirs, dense()])
    ours = Sequential([dense(), residual(), dense()])
    assert train(ours) == pytest.approx(train(network), rel=1e-12)


def test_a_nested_network_and_a_layer_without_a_name_have_their_rows_in_the_summary():
    theirs = [ResidualOfTheChapter(3, sigmoid, deriv_sigmoid, rng=rng()) for _ in range(2)]
    block = Sequential([theirs[0]], name="block")
    assert Sequential([dense(), block, theirs[1]]).summary().splitlines()[3:] == [
        "dense (Dense)                (None, 3)                 12",
        "block (Sequential)           (None, ?)                 12",
        "ResidualOfTheChapter (Residu (None, ?)                 12",
        65 * "=",
        "Total params: 36",
    ]
    assert block.names() == ["ResidualOfTheChapter"]


def test_names_unless_given():
    layers = dense(), residual(skip=2), BatchNormalization(3), Sequential([])
    network = Sequential(iter(layers))
    assert network.names() == ["dense", "residual", "norm", "sequential"]
    layers[0].name = "renamed"
    assert network.names()[0] == "renamed" and "renamed (Dense)" in network.summary()
    assert residual(name="r").F.names() == ["r"]


def test_rng_is_what_default_rng_takes():
    assert np.array_equal(dense().W, dense(rng=4).W) and dense(np.int64(3), 1).W.shape == (3, 1)
    for unseeded in (
        [Dense(3, 3, tanh, deriv_tanh) for _ in range(2)],
        [ResidualConnection(3, tanh, deriv_tanh) for _ in range(2)],
        [dense(rng=None), dense(rng=None)],
    ):
        first, second = unseeded
        assert not np.array_equal(first.get_params()[0], second.get_params()[0])
    for seed in rng(), 4:
        W, _, second, _ = residual(skip=2, rng=seed).get_params()
        assert np.array_equal(W, dense().W) and not np.array_equal(W, second)
    with pytest.raises(TypeError):
        dense(rng="0")


def test_an_initializer_is_a_function_whose_arrays_are_copied():
    for W in np.ones((3, 3)), np.ones((3, 3), dtype=int).T:
        b = np.ones(3)
        for gain in 1, 5.0:
            layer = dense(initializer=lambda input_size, output_size, rng: (W, b), gain=gain)
            assert layer.W.dtype == layer.b.dtype == np.float64
            assert layer.W.tolist() == 3 * [3 * [gain]] and layer.b.tolist() == [1, 1, 1]
            train(layer)
            assert layer.dW.any() and W.tolist() == 3 * [3 * [1]] and b.tolist() == [1, 1, 1]
    assert np.array_equal(dense(initializer=glorot_uniform).W, dense().W)
    F = residual(initializer=he_normal).F.layers[0]
    assert np.array_equal(F.W, dense(initializer=he_normal).W)


def test_initial_weights_have_the_range_and_variance_of_their_source_times_gain():
    for name, low, high, mean, variance in [
        ("glorot", -np.sqrt(6 / 500), np.sqrt(6 / 500), 0, 2 / 500),
        ("he", -np.inf, np.inf, 0, 2 / 200),
        ("uniform", 0, 1, 0.5, 1 / 12),
    ]:
        W, b = INITIALIZERS[name](200, 300, np.random.default_rng(6))
        assert W.shape == (200, 300) and b.shape == (300,) and b.any() == (name == "uniform")
        assert low <= W.min() and W.max() <= high and abs(W.mean() - mean) < 0.01
        assert W.var() == pytest.approx(variance, rel=0.03)
        one, four = (dense(initializer=INITIALIZERS[name], gain=gain) for gain in (1.0, 4.0))
        assert np.array_equal(four.W, 4 * one.W) and np.array_equal(four.b, one.b)
    for a, b in zip(residual(skip=2).get_params(), residual(skip=2, gain=3.0).get_params()):
        assert np.array_equal(b, 3 * a)


@pytest.mark.parametrize("skip", [1, 2])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_residual_connection_is_its_formula(skip, batch_norm):
    """Batch normalization stands inside F, before each Dense."""
    layer, F = residual(skip=skip, batch_norm=batch_norm), INPUT
    params = layer.get_params()
    assert [param.shape for param in params] == skip * (2 * batch_norm * [(3,)] + [(3, 3), (3,)])
    while params:
        if batch_norm:
            gamma, beta, *params = params
            gamma[:], beta[:] = [1, 2, 3], [0.5, 0, -0.5]
            F = gamma * (F - F.mean(axis=0)) / np.sqrt(F.var(axis=0) + 1e-5) + beta
        W, b, *params = params
        F = sigmoid(F @ W + b)
    np.testing.assert_allclose(layer.forward_prop(INPUT), INPUT + F, rtol=1e-12)
    with pytest.raises(ValueError, match="^residual: skip is 0, not 1 or more$"):
        residual(skip=0, batch_norm=batch_norm)


def test_batch_normalization_gives_mean_0_and_variance_1_of_two_samples_or_more():
    x = np.random.default_rng(7).normal(5, 9, (50, 3))
    y = BatchNormalization(3).forward_prop(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=0), x.var(axis=0) / (x.var(axis=0) + 1e-5), rtol=1e-12)
    assert np.array_equal(BatchNormalization(3).forward_prop(np.full((2, 3), 7.0)), 0 * x[:2])
    for size in 0, 1:
        said = f"to normalize takes 2 samples or more, x has {size}"
        for layer in BatchNormalization(3), residual(batch_norm=True):
            with pytest.raises(ValueError, match=f"^{layer.name}: {said}$"):
                layer.forward_prop(INPUT[:size])

import copy
import math
import pickle

import numpy as np
import pytest

from activations import deriv_sigmoid, deriv_tanh, sigmoid, tanh
from clipping import clip_gradient_norm
from layers import INITIALIZERS, BatchNormalization, Dense, Sequential, cut, he_normal
from residual import ResidualConnection


def rng():
    return np.random.default_rng(4)


def dense(input_size=3, output_size=3, **options):
    return Dense(input_size, output_size, tanh, deriv_tanh, rng=rng(), **options)


def residual(**options):
    return ResidualConnection(3, sigmoid, deriv_sigmoid, rng=rng(), **options)


MAKE = {
    "Dense": dense,
    "Residual": residual,
    "Residual skip 2": lambda: residual(skip=2),
    "Residual norm": lambda: residual(batch_norm=True),
    "norm": lambda: BatchNormalization(3),
    "Sequential": lambda: Sequential([dense(3, 4), dense(4, 3)]),
    "nested": lambda: Sequential([Sequential([dense(), residual()]), BatchNormalization(3)]),
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
        for param, grad in zip(
            layer.get_params(), clip_gradient_norm(layer.get_grads()), strict=True
        ):
            param -= 0.5 * grad
    return losses


@each_layer
@pytest.mark.parametrize("shape", [(3,), (), (2, 2), (2, 4), (1, 1), (2, 3, 3)])
def test_x_of_another_shape_is_refused(make, shape):
    layer = make()
    for _ in range(2):
        with pytest.raises(ValueError) as error:
            layer.forward_prop(np.zeros(shape))
        assert str(shape) in str(error.value) and "(batch, 3)" in str(error.value)
        layer.forward_prop(np.zeros((2, 3)))


@each_layer
@pytest.mark.parametrize("shape", [(3,), (), (2, 2), (1, 3), (2, 1), (3, 3)])
def test_a_gradient_of_another_shape_is_refused(make, shape):
    layer = make()
    layer.forward_prop(np.zeros((2, 3)))
    with pytest.raises(ValueError) as error:
        layer.back_prop(np.zeros(shape))
    assert str(shape) in str(error.value) and "(2, 3)" in str(error.value)


@each_layer
def test_back_prop_first_is_refused(make):
    with pytest.raises(ValueError, match="no forward_prop"):
        make().back_prop(np.zeros((2, 3)))


@each_layer
def test_batches_of_any_size_may_follow_each_other(make):
    layer, fresh = make(), make()
    for size in (4, 1, 0, 3, 4):
        if size < 2 and "Normalization" in repr(layer):
            continue  # refused
        y = layer.forward_prop(INPUT[:size])
        assert np.array_equal(y, fresh.forward_prop(INPUT[:size]))
        assert layer.back_prop(y).shape == (size, 3)
        fresh = make()


def test_errors_name_the_layer():
    network = Sequential([dense(), residual(skip=2, name="b"), dense(4, 1)])
    with pytest.raises(ValueError) as error:
        network.forward_prop(np.zeros((2, 3)))
    assert str(error.value) == "Dense(4, 1, tanh, name='dense'): x is (2, 3), not (batch, 4)"
    with pytest.raises(ValueError) as error:
        network.layers[1].forward_prop(np.zeros((2, 4)))
    assert str(error.value) == "Dense(3, 3, sigmoid, name='b'): x is (2, 4), not (batch, 3)"
    with pytest.raises(ValueError) as error:
        network.back_prop(np.zeros((2, 1)))
    assert str(error.value).startswith("Dense(4, 1, tanh, name='dense'): back_prop of dL/dy (2, 1)")


def test_a_residual_connection_around_nothing_is_refused():
    with pytest.raises(ValueError, match="residual_7: there are no layers"):
        residual(skip=0, name="residual_7")


@each_layer
def test_integers_and_lists_are_computed_in_float64(make):
    x, dy = [[1, 0, 2], [3, 1, 1]], [[1, 2, 3], [0, 1, 0]]
    layer = make()
    y, dx = layer.forward_prop(x), layer.back_prop(dy)
    for kind in (float, np.float32, int):
        again = make()
        for result, before in [
            (again.forward_prop(np.array(x, dtype=kind)), y),
            (again.back_prop(np.array(dy, dtype=kind)), dx),
        ]:
            assert result.dtype == before.dtype == np.float64
            assert np.array_equal(result, before)


class Table:
    """As a data frame is: no array, but turned into one by NumPy."""

    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return np.array(self.values, dtype=dtype)

    def __add__(self, other):
        return Table(self.values + other)

    __radd__ = __add__


@each_layer
@pytest.mark.parametrize(
    "kind",
    [lambda x: x.view(np.matrix), Table, lambda x: x.astype(object), lambda x: np.longdouble(x)],
    ids=["matrix", "table", "object", "longdouble"],
)
def test_whatever_is_handed_in_an_array_of_floats_comes_out(make, kind):
    layer, again = make(), make()
    for y, expected in [
        (layer.forward_prop(kind(INPUT)), again.forward_prop(INPUT)),
        (layer.back_prop(kind(TARGETS)), again.back_prop(TARGETS)),
    ]:
        assert type(y) is np.ndarray and y.dtype == np.float64
        assert np.array_equal(y, expected)


@each_layer
@pytest.mark.parametrize(
    "lossy",
    [
        np.ma.masked_array(INPUT, INPUT > 0),
        [np.ma.masked_array(row, row > 0) for row in INPUT],
        1j * INPUT,
        (1j * INPUT).tolist(),
    ],
)
def test_a_mask_or_imaginary_part_is_never_lost(make, lossy):
    layer = make()
    for _ in range(2):
        for method in layer.forward_prop, layer.back_prop:
            with pytest.raises(TypeError) as error:
                method(lossy)
            who, told = str(error.value).split(": ", 1)
            assert told == "a masked or complex array is refused: mask or i would be lost"
            assert who in f"{layer!r}"
        layer.forward_prop(INPUT)


@each_layer
def test_arrays_handed_in_are_never_changed_nor_remembered(make):
    layer = make()
    x, dy = INPUT.copy(), TARGETS.copy()
    y = layer.forward_prop(x)
    expected = layer.back_prop(dy)
    assert np.array_equal(x, INPUT) and np.array_equal(dy, TARGETS)
    layer.forward_prop(x)
    x[:], y[:] = 7, 7
    assert np.array_equal(layer.back_prop(dy), expected)


@pytest.mark.parametrize("f", [lambda x: x, lambda x: x[:]], ids=["itself", "a view"])
def test_what_a_linear_activation_returns_is_the_callers(f):
    layer = Dense(3, 3, f, lambda x: np.cos(x), rng=rng())
    layer.forward_prop(INPUT)
    expected = layer.back_prop(TARGETS)
    y = layer.forward_prop(INPUT)
    y[:] = 7
    assert np.array_equal(layer.back_prop(TARGETS), expected)
    y = layer.forward_prop(INPUT)
    before = y.copy()
    layer.forward_prop(2 * INPUT)
    assert np.array_equal(y, before)


def test_activations_may_compute_in_place():
    def f(h):
        return np.maximum(h, 0, out=h)

    def deriv_f(h):
        h[:] = np.where(h > 0, 1, 0.5)
        return h

    layer = Dense(3, 3, f, deriv_f, rng=rng())
    y = layer.forward_prop(INPUT)
    dx = layer.back_prop(TARGETS)
    assert np.array_equal(layer.back_prop(TARGETS), dx)
    h = INPUT @ layer.get_params()[0][:-1]
    assert y == pytest.approx(np.maximum(h, 0))
    expected = (TARGETS * np.where(h > 0, 1, 0.5)) @ layer.get_params()[0][:-1].T
    assert dx == pytest.approx(expected)


def matrix(array):
    return array.view(np.matrix)


@pytest.mark.parametrize(
    "kind", [matrix, np.longdouble, np.float32, np.ndarray.tolist, lambda y: y.astype(object)]
)
def test_what_activations_return_becomes_an_array_of_floats(kind):
    ours = Dense(3, 3, tanh, deriv_tanh, rng=rng())
    theirs = Dense(3, 3, lambda h: kind(tanh(h)), lambda h: kind(deriv_tanh(h)), rng=rng())
    for method, value in ("forward_prop", INPUT[:3]), ("back_prop", TARGETS[:3]):
        y = getattr(theirs, method)(value)
        assert type(y) is np.ndarray and y.dtype == np.float64
        assert y == pytest.approx(getattr(ours, method)(value), rel=1e-5)


def test_a_complex_activation_is_refused():
    with pytest.raises(TypeError, match="masked or complex array is refused"):
        Dense(3, 3, lambda h: h + 0j, deriv_tanh).forward_prop(INPUT)


@each_layer
def test_a_second_back_prop_replaces_the_first(make):
    layer = make()
    layer.forward_prop(INPUT)
    dx = layer.back_prop(TARGETS)
    grads = [grad.copy() for grad in layer.get_grads()]
    assert np.array_equal(layer.back_prop(TARGETS), dx)
    for grad, before in zip(layer.get_grads(), grads, strict=True):
        assert np.array_equal(grad, before)


@each_layer
def test_the_arrays_are_the_layers_own_for_its_whole_life(make):
    layer = make()
    params, grads = layer.get_params(), layer.get_grads()
    assert [param.shape for param in params] == [grad.shape for grad in grads]
    assert all(param.dtype == grad.dtype == np.float64 for param, grad in zip(params, grads))
    assert layer.num_params() == sum(param.size for param in params)
    Sequential([Sequential([layer])])
    train(layer)
    for held, now in (params, layer.get_params()), (grads, layer.get_grads()):
        assert all(a is b for a, b in zip(held, now, strict=True))
    assert all(grad.any() for grad in grads)


@each_layer
def test_whoever_changes_the_arrays_trains(make):
    layer, network_layer = make(), make()
    held = network_layer.get_params()
    network = Sequential([network_layer])
    y = network.forward_prop(INPUT)
    for param, other in zip(held, layer.get_params()):
        param += 0.5
        other += 0.5
    assert not np.array_equal(network.forward_prop(INPUT), y)
    assert np.array_equal(network.forward_prop(INPUT), layer.forward_prop(INPUT))


@each_layer
def test_training_lowers_the_loss(make):
    losses = train(make(), steps=20)
    assert losses[-1] < losses[0]


@each_layer
@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))],
    ids=["copy", "pickle"],
)
@pytest.mark.parametrize("before", [0, 2])
def test_a_copy_trains_like_the_original_and_apart_from_it(make, copied, before):
    layer = make()
    train(layer, before)
    twin, untouched = copied(layer), copied(layer)
    losses = train(layer)
    assert train(twin) == losses
    assert train(untouched) == losses
    assert losses[0] != losses[-1]
    if before:  # what belongs to the last forward_prop is copied, too
        twin = copied(layer)
        assert np.array_equal(twin.back_prop(TARGETS), layer.back_prop(TARGETS))


def test_shared_layers_stay_shared():
    first, second, third = dense(), residual(), dense()
    whole, part = Sequential([first, second, third]), Sequential([second, third])
    y = part.forward_prop(INPUT)
    train(whole)
    assert not np.array_equal(part.forward_prop(INPUT), y)
    trained = whole.forward_prop(INPUT)
    train(part)
    assert not np.array_equal(whole.forward_prop(INPUT), trained)
    assert np.array_equal(part.forward_prop(first.forward_prop(INPUT)), whole.forward_prop(INPUT))


@pytest.mark.parametrize("make", [dense, residual, lambda: BatchNormalization(3)])
def test_a_layer_twice_is_refused(make):
    layer = make()
    inner = layer.layers[0] if isinstance(layer, ResidualConnection) else layer
    for layers in ([layer, layer], [layer, dense(), layer], [Sequential([inner]), layer]):
        with pytest.raises(ValueError, match="twice"):
            Sequential(layers)
    with pytest.raises(ValueError, match="twice"):
        scale = Scale()
        Sequential([scale, scale])


def test_what_is_wrong_with_layers_is_told_as_what_it_is():
    class Forgetful(Scale):
        def get_params(self):
            pass

        def __repr__(self):
            return "Forgetful()"

    first, second = dense(), dense()
    second.params = first.params
    scale = Scale()
    for layers, kind, told in [
        ([scale, first, scale], ValueError, "net: a layer appears twice"),
        ([first, second], ValueError, "net: a parameter array appears twice"),
        (
            [first, Forgetful()],
            TypeError,
            "net: Forgetful().get_params() returns None, not a list of arrays",
        ),
    ]:
        with pytest.raises(kind) as error:
            Sequential(layers, name="net")
        assert str(error.value) == told


def test_a_network_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no layers"):
        Sequential([])


def test_the_list_of_layers_is_the_networks_own():
    layers = [dense(), dense()]
    network = Sequential(layers)
    layers.clear()
    assert len(network.layers) == 2
    assert len(Sequential(iter(network.layers)).layers) == 2


class Scale:
    """A reader's own layer, y = 3 x: the four methods and nothing else."""

    def get_params(self):
        return []

    def get_grads(self):
        return []

    def forward_prop(self, x):
        return 3 * x

    def back_prop(self, grads):
        return 3 * grads


class Skip:
    """A reader's own residual connection, with views and new arrays where ours has its own."""

    def __init__(self):
        self.inside = dense(name="inside")

    def get_params(self):
        (Wb,) = self.inside.get_params()
        return [Wb[:-1], Wb[-1]]

    def get_grads(self):
        (Wb,) = self.inside.get_grads()
        return [Wb[:-1].copy(), Wb[-1].copy()]

    def forward_prop(self, x):
        return x + self.inside.forward_prop(x)

    def back_prop(self, grads):
        return grads + self.inside.back_prop(grads)


def test_a_class_with_just_the_four_methods_is_a_layer():
    ours = Sequential([dense(), ResidualConnection(3, tanh, deriv_tanh, rng=rng()), dense()])
    theirs = Sequential([dense(), Skip(), dense()])
    assert train(ours) == pytest.approx(train(theirs), rel=1e-12)

    network = Sequential([dense(), Skip(), Scale(), dense()])
    losses = train(network, steps=20)
    assert losses[-1] < losses[0]
    assert network.summary().splitlines()[3:8] == [
        "dense (Dense)                (None, 3)                 12",
        "Skip (Skip)                  (None, ?)                 12",
        "Scale (Scale)                (None, ?)                 0",
        "dense (Dense)                (None, 3)                 12",
        65 * "=",
    ]


def test_summary_keeps_its_columns_whatever_the_names():
    class AnExtraordinarilyLongName(Scale):
        pass

    network = Sequential([AnExtraordinarilyLongName(), Sequential([dense(3, 2)], name="inner")])
    assert network.summary().splitlines()[3:5] == [
        "AnExtraordinarilyLongName (~ (None, ?)                 0",
        "inner (Sequential)           (None, 2)                 8",
    ]
    assert network.output_size == 2
    assert Sequential([dense(), Scale()]).output_size == "?"


def test_what_is_cut_is_marked():
    assert [cut("abcdef", width) for width in (7, 6, 5)] == ["abcdef", "abcdef", "abcd~"]


def test_names_unless_given():
    assert dense().name == "dense" and BatchNormalization(3).name == "norm"
    assert residual().name == "residual"
    layer = residual(skip=2, batch_norm=True, name="r")
    assert {layer.name, *layer.names()} == {"r"}
    assert Sequential([dense()]).name == "sequential"


def test_representations_tell_what_a_layer_is():
    assert repr(dense(2, 4, name="dense_0")) == "Dense(2, 4, tanh, name='dense_0')"
    assert repr(BatchNormalization(4)) == "BatchNormalization(4, name='norm')"
    assert repr(residual(name="r")) == "ResidualConnection([Dense(3, 3, sigmoid, name='r')])"
    assert repr(Sequential([dense(), BatchNormalization(3)])) == (
        "Sequential([Dense(3, 3, tanh, name='dense'), BatchNormalization(3, name='norm')])"
    )
    assert repr(Dense(1, 1, Scale(), Scale())).startswith("Dense(1, 1, <")


def test_dense_is_its_formula():
    layer = Dense(2, 3, sigmoid, deriv_sigmoid)
    (Wb,) = layer.get_params()
    Wb[-1] = [0.1, -0.2, 0.3]
    x = np.array([[1.0, 2.0], [0.5, -1.0]])
    np.testing.assert_allclose(layer.forward_prop(x), sigmoid(x @ Wb[:-1] + Wb[-1]), rtol=1e-14)


def test_a_residual_connection_is_its_formula():
    one, two = residual(), residual(skip=2)
    (A,) = one.get_params()
    x = INPUT
    F = sigmoid(x @ A[:-1] + A[-1])
    np.testing.assert_allclose(one.forward_prop(x), x + F, rtol=1e-14)
    A, B = two.get_params()
    F = sigmoid(sigmoid(x @ A[:-1] + A[-1]) @ B[:-1] + B[-1])
    np.testing.assert_allclose(two.forward_prop(x), x + F, rtol=1e-14)


@pytest.mark.parametrize("skip", [1, 2])
def test_batch_normalization_stands_before_each_dense_inside_F(skip):
    layer = residual(skip=skip, batch_norm=True)
    assert layer.num_params() == skip * (12 + 6)
    assert [param.shape for param in layer.get_params()] == skip * [(2, 3), (4, 3)]
    F = INPUT
    for norm, Wb in zip(layer.get_params()[::2], layer.get_params()[1::2]):
        norm[:] = [[1, 2, 3], [0.5, 0, -0.5]]
        n = (F - F.mean(axis=0)) / np.sqrt(F.var(axis=0) + 1e-5)
        F = sigmoid((norm[0] * n + norm[1]) @ Wb[:-1] + Wb[-1])
    np.testing.assert_allclose(layer.forward_prop(INPUT), INPUT + F, rtol=1e-12)


def test_the_same_generator_draws_the_same_weights():
    def weights(seed):
        return Dense(4, 4, sigmoid, deriv_sigmoid, rng=np.random.default_rng(seed)).get_params()[0]

    assert np.array_equal(weights(7), weights(7))
    assert not np.array_equal(weights(7), weights(8))
    a, b = residual(skip=2).get_params()
    assert not np.array_equal(a, b)


def test_no_generator_means_a_fresh_one():
    a, b = (Dense(4, 4, sigmoid, deriv_sigmoid, rng=None).get_params()[0] for _ in range(2))
    assert not np.array_equal(a, b)


@pytest.mark.parametrize("wrong", [0, 1, 1.5, "0", [], np.random.PCG64(0)])
def test_what_is_no_generator_is_refused(wrong):
    for make in (Dense, lambda *args, **options: ResidualConnection(*args[1:], **options)):
        with pytest.raises(TypeError, match=r"rng is .*numpy.random.Generator"):
            make(4, 4, sigmoid, deriv_sigmoid, rng=wrong)


def test_an_initializer_is_a_name_or_a_function():
    for name, function in INITIALIZERS.items():
        assert np.array_equal(
            dense(initializer=name).get_params()[0], dense(initializer=function).get_params()[0]
        )
    assert np.array_equal(dense().get_params()[0], dense(initializer="glorot").get_params()[0])
    assert not np.array_equal(dense().get_params()[0], dense(initializer=he_normal).get_params()[0])
    for wrong in ("zeros", None, 3):
        with pytest.raises(ValueError, match="initializer is .*glorot.*he.*uniform"):
            dense(initializer=wrong)


def test_gain_multiplies_the_initial_weights_and_no_bias():
    for name in INITIALIZERS:
        (one,) = dense(initializer=name).get_params()
        (four,) = dense(initializer=name, gain=4.0).get_params()
        assert np.array_equal(four[:-1], 4 * one[:-1]) and np.array_equal(four[-1], one[-1])
    assert np.array_equal(dense(gain=1.0).get_params()[0], dense().get_params()[0])
    one, three = residual(skip=2), residual(skip=2, gain=3.0)
    for a, b in zip(one.get_params(), three.get_params(), strict=True):
        assert np.array_equal(b, 3 * a)


@pytest.mark.parametrize(
    "kind",
    [
        lambda W: W.astype(int),
        np.float32,
        matrix,
        lambda W: W.tolist(),
        lambda W: np.asfortranarray(W),
    ],
)
def test_parameters_are_float64_whatever_the_initializer_returns(kind):
    def ones(input_size, output_size, rng):
        return kind(np.ones((input_size, output_size))), np.ones(output_size)

    layer = dense(initializer=ones, gain=0.5)
    (Wb,) = layer.get_params()
    assert type(Wb) is np.ndarray and Wb.dtype == np.float64
    assert Wb.tolist() == 3 * [3 * [0.5]] + [3 * [1.0]]
    train(layer)


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
    assert abs(W.mean() - (0.5 if name == "uniform" else 0)) < 0.01
    assert b.any() == (name == "uniform")


def test_batch_normalization_gives_mean_0_and_variance_1():
    x = np.random.default_rng(7).normal(5, 9, (50, 3))
    y = BatchNormalization(3).forward_prop(x)
    np.testing.assert_allclose(y.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(y.var(axis=0), x.var(axis=0) / (x.var(axis=0) + 1e-5), rtol=1e-12)


@pytest.mark.parametrize("make", [lambda: BatchNormalization(3), lambda: residual(batch_norm=True)])
@pytest.mark.parametrize("size", [0, 1])
def test_batch_normalization_of_less_than_two_samples_is_refused(make, size):
    layer = make()
    with pytest.raises(
        ValueError, match=rf"x is \({size}, 3\), but a batch has two samples or more"
    ):
        layer.forward_prop(INPUT[:size])
    with pytest.raises(ValueError, match="no forward_prop"):
        layer.back_prop(INPUT[:size])


def test_batch_normalization_of_constant_features_is_finite():
    layer, x = BatchNormalization(3), np.full((4, 3), 7.0)
    with np.errstate(all="raise"):
        assert np.array_equal(layer.forward_prop(x), np.zeros(x.shape))
        assert np.isfinite(layer.back_prop(np.ones(x.shape))).all()

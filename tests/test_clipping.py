import math

import numpy as np
import pytest

from clipping import clip_gradient_norm, global_norm


def arrays(scale):
    rng = np.random.default_rng(2)
    return [scale * rng.normal(size=shape) for shape in [(3, 4), (4,), (2, 1)]]


def flat_norm(grads):
    return np.linalg.norm(np.concatenate([grad.ravel() for grad in grads]))


def bits(grads):
    return [grad.tobytes() for grad in grads]


def close(expected, rel=1e-14):
    return pytest.approx(expected, rel=rel, abs=0)


@pytest.mark.parametrize("scale", [1, 1e3, 1e160, 1e300])
@pytest.mark.parametrize("max_norm", [1e-9, 0.25, 1.0])
def test_above_the_limit_all_are_scaled_together_to_it_in_place(scale, max_norm):
    grads, unclipped = arrays(scale), arrays(scale)
    assert clip_gradient_norm(grads, max_norm) is grads
    assert flat_norm(grads) == close(max_norm)
    for grad, before in zip(grads, unclipped):
        np.testing.assert_allclose(grad / before, grads[0][0, 0] / unclipped[0][0, 0], rtol=1e-14)


@pytest.mark.parametrize("scale", [0, 1e-300, 1e-170, 0.01])
def test_below_the_limit_every_bit_stays(scale):
    grads = arrays(scale)
    clip_gradient_norm(grads)
    assert bits(grads) == bits(arrays(scale))


def test_at_the_limit_every_bit_stays():
    grads = [np.array([0.3, 0.4])]
    clip_gradient_norm(grads, global_norm(grads))
    assert grads[0].tolist() == [0.3, 0.4]


def test_no_limit_never_clips():
    grads = arrays(1e300)
    clip_gradient_norm(grads, math.inf)
    assert bits(grads) == bits(arrays(1e300))


@pytest.mark.parametrize("scale", [0, 1e-300, 1, 1e300])
def test_the_limit_0_leaves_zeros(scale):
    assert flat_norm(clip_gradient_norm(arrays(scale), 0)) == 0


def test_the_limit_is_the_chapters_unless_given():
    assert flat_norm(clip_gradient_norm(arrays(1))) == close(0.25)


def test_any_iterable_is_clipped():
    for kind in (tuple, iter, lambda grads: (grad for grad in grads)):
        grads = arrays(1)
        returned = clip_gradient_norm(kind(grads))
        assert all(a is b for a, b in zip(returned, grads, strict=True))
        assert flat_norm(grads) == close(0.25)
    assert clip_gradient_norm([]) == []


@pytest.mark.parametrize("shape", [(), (3,), (3, 4)])
def test_one_bare_array_is_clipped(shape):
    grad = np.full(shape, 2.0)
    assert clip_gradient_norm(grad) is grad
    assert np.linalg.norm(grad) == close(0.25)


def test_views_are_clipped_in_place():
    whole = np.arange(1.0, 13).reshape(3, 4)
    clip_gradient_norm([whole[::2, 1:3]])
    assert np.linalg.norm(whole[::2, 1:3]) == close(0.25)
    assert whole[1].tolist() == [5, 6, 7, 8] and whole[0, 0] == 1


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
@pytest.mark.parametrize("scale", [1e-4, 1, 1e3])
def test_other_floats_keep_their_type_and_make_no_warning(dtype, scale):
    grads = [grad.astype(dtype) for grad in arrays(scale)]
    expected = min(0.25, flat_norm([grad.astype(float) for grad in grads]))
    clip_gradient_norm(grads)
    assert [grad.dtype for grad in grads] == 3 * [dtype]
    assert flat_norm([grad.astype(float) for grad in grads]) == close(expected, rel=1e-3)


def test_float32_has_no_smaller_range_than_float64():
    grads = [np.full(4, 1e30, dtype=np.float32)]
    assert global_norm(grads) == close(2e30, rel=1e-6)
    assert global_norm(clip_gradient_norm(grads)) == close(0.25, rel=1e-6)


@pytest.mark.parametrize("max_norm", [0.25, 0.01])
def test_the_factor_is_not_rounded_to_half_precision(max_norm):
    grads = [np.full((20, 10), 20.0, dtype=np.float16), np.full(3, 300.0, dtype=np.float16)]
    assert global_norm(clip_gradient_norm(grads, max_norm)) == close(max_norm, rel=1e-3)


def test_what_shares_its_memory_is_scaled_once():
    whole = np.arange(1.0, 13).reshape(3, 4)
    before = whole.copy()
    clip_gradient_norm([whole, whole[1:], whole])
    factors = whole / before
    assert factors == close(factors[0, 0])
    assert global_norm([whole, whole[1:], whole]) == close(0.25)


def test_a_matrix_is_clipped():
    grads = [np.ones((2, 2)).view(np.matrix), np.ones(3)]
    assert global_norm(clip_gradient_norm(grads)) == close(0.25)
    assert isinstance(grads[0], np.matrix)


def read_only():
    array = np.ones(3)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "wrong",
    [
        3.0, np.float64(3), np.ones(3, dtype=int), np.ones(3, dtype=complex), [1.0, 2.0],
        read_only(), np.ma.masked_array([[1.0], [2.0]], [[True], [False]]), "3", None,
    ],
)  # fmt: skip
def test_what_cannot_be_scaled_in_place_is_refused_before_anything_is_changed(wrong):
    grads = [*arrays(1), wrong]
    with pytest.raises(TypeError) as error:
        clip_gradient_norm(grads)
    told = str(error.value)
    assert told.endswith(" is no array of floats that can be scaled in place") and "\n" not in told
    assert told.startswith(" ".join(repr(wrong).split())[:40])
    assert bits(grads[:3]) == bits(arrays(1))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("max_norm", [0.25, math.inf])
def test_a_norm_that_is_not_finite_is_refused_and_changes_nothing(value, max_norm):
    grads = arrays(1)
    grads[1][2] = value
    before = bits(grads)
    with pytest.raises(FloatingPointError, match="the norm of the gradient is (nan|inf)"):
        clip_gradient_norm(grads, max_norm)
    assert bits(grads) == before


@pytest.mark.parametrize("max_norm", [-1, math.nan])
def test_a_limit_that_is_none_is_refused(max_norm):
    with pytest.raises(ValueError, match=f"^max_norm is {max_norm}, but must be 0 or more$"):
        clip_gradient_norm(arrays(1), max_norm)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-160, 1e-100, 1.0, 1e100, 1e160, 1e200])
def test_norm_is_right_where_its_square_is_not_a_float(scale):
    norm = global_norm([np.array([[3 * scale]]), np.array([4 * scale])])
    assert norm == close(5 * scale, rel=1e-12)


def test_norm_of_nothing_is_0():
    assert global_norm([]) == global_norm([np.zeros(3)]) == global_norm([np.ones((0, 2))]) == 0

import math
from fractions import Fraction

import numpy as np
import pytest

from clipping import clip_gradient_norm, global_norm


def arrays(scale=1.0):
    rng = np.random.default_rng(2)
    return [scale * rng.normal(size=shape) for shape in [(3, 4), (4,), (2, 1)]]


def flat(grads):
    return np.concatenate([grad.ravel() for grad in grads])


def bits(grads):
    return [grad.tobytes() for grad in grads]


def close(expected):
    return pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("scale", [1, 1e160, 1e300])
def test_above_the_limit_all_are_scaled_by_one_factor_in_place(scale):
    grads = arrays(scale)
    for max_norm in 1.0, 1e-9:
        assert all(a is b for a, b in zip(clip_gradient_norm(grads, max_norm), grads, strict=True))
        assert flat(grads) == close(flat(arrays()) / np.linalg.norm(flat(arrays())) * max_norm)


@pytest.mark.parametrize("scale", [0, 1e-300, 1e-170, 0.01])
def test_below_the_limit_and_at_it_every_bit_stays(scale):
    grads = arrays(scale)
    clip_gradient_norm(grads)
    clip_gradient_norm(grads, global_norm(grads))
    assert bits(grads) == bits(arrays(scale))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.array, Fraction])
def test_the_limit_is_any_number_and_the_chapters_unless_given(kind):
    assert global_norm(clip_gradient_norm(arrays(1e6), kind(0.25))) == close(0.25)
    assert global_norm(clip_gradient_norm(arrays())) == close(0.25)
    assert bits(clip_gradient_norm(arrays(1e300), math.inf)) == bits(arrays(1e300))


def test_any_iterable_and_one_bare_array_are_clipped():
    for kind in (tuple, iter, lambda grads: (grad for grad in grads)):
        grads = arrays()
        returned = clip_gradient_norm(kind(grads))
        assert all(a is b for a, b in zip(returned, grads, strict=True))
        assert global_norm(grads) == close(0.25)
    assert clip_gradient_norm([]) == []
    for shape in (), (3,), (3, 4):
        grad = np.full(shape, 2.0)
        assert clip_gradient_norm(grad) is grad and np.linalg.norm(grad) == close(0.25)


def test_what_cannot_be_scaled_in_place_is_refused_before_anything_is_changed():
    read_only = np.ones(3)
    read_only.flags.writeable = False
    for wrong in 3.0, np.ones(3, dtype=int), np.ones(3, dtype=np.float32), [1.0], read_only, None:
        grads = [*arrays(), wrong]
        with pytest.raises(TypeError, match="only float64 arrays, not read-only, can be scaled"):
            clip_gradient_norm(grads)
        assert bits(grads[:3]) == bits(arrays())


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("max_norm", [0.25, math.inf])
def test_a_norm_that_is_not_finite_is_refused_and_changes_nothing(value, max_norm):
    grads = arrays()
    grads[1][2] = value
    before = bits(grads)
    with pytest.raises(FloatingPointError, match=f"^the norm of the gradient is {value}$"):
        clip_gradient_norm(grads, max_norm)
    assert bits(grads) == before


def test_the_norm_is_right_where_its_square_is_not_a_float():
    for scale in 1e-310, 1e-200, 1e-160, 1e-100, 1.0, 1e100, 1e160, 1e200:
        norm = global_norm([np.array([[3 * scale]]), np.array([4 * scale])])
        assert norm == pytest.approx(5 * scale, rel=1e-12, abs=0)
    assert global_norm([]) == global_norm([np.zeros(3)]) == global_norm([np.ones((0, 2))]) == 0

import math
from fractions import Fraction

import numpy as np
import pytest

from clipping import clip_gradient_norm


def arrays(scale=1.0):
    rng = np.random.default_rng(2)
    return [scale * rng.normal(size=shape) for shape in [(3, 4), (4,), (2, 1)]]


def flat(grads):
    return np.concatenate([grad.ravel() for grad in grads])


def bits(grads):
    return [grad.tobytes() for grad in grads]


def close(expected):
    return pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("scale", [1, 1e150])
def test_above_the_limit_all_are_scaled_by_one_factor_in_place(scale):
    grads = arrays(scale)
    for max_norm in 1.0, 1e-9:
        assert all(a is b for a, b in zip(clip_gradient_norm(grads, max_norm), grads, strict=True))
        assert flat(grads) == close(flat(arrays()) / np.linalg.norm(flat(arrays())) * max_norm)


@pytest.mark.parametrize("scale", [0, 1e-300, 1e-170, 0.01])
def test_below_the_limit_and_at_it_every_bit_stays(scale):
    grads = arrays(scale)
    clip_gradient_norm(grads)
    if scale == 0.01:
        clip_gradient_norm(grads, np.linalg.norm(flat(grads)))
    assert bits(grads) == bits(arrays(scale))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.array, Fraction])
def test_the_limit_is_any_number_above_0_and_the_chapters_unless_given(kind):
    grads = clip_gradient_norm(arrays(1e6), kind(0.25)), clip_gradient_norm(arrays())
    assert [np.linalg.norm(flat(clipped)) for clipped in grads] == [close(0.25), close(0.25)]
    assert bits(clip_gradient_norm(arrays(1e100), math.inf)) == bits(arrays(1e100))
    for wrong in 0, -1.0, math.nan:
        with pytest.raises(ValueError, match=f"^max_norm is {float(wrong)}, not a number above 0$"):
            clip_gradient_norm(arrays(), wrong)


def test_any_iterable_and_one_bare_array_are_clipped():
    for kind in (tuple, iter, lambda grads: (grad for grad in grads)):
        grads = arrays()
        returned = clip_gradient_norm(kind(grads))
        assert all(a is b for a, b in zip(returned, grads, strict=True))
        assert np.linalg.norm(flat(grads)) == close(0.25)
    for shape in (), (3,), (3, 4):
        grad = np.full(shape, 2.0)
        assert clip_gradient_norm(grad)[0] is grad and np.linalg.norm(grad) == close(0.25)


@pytest.mark.parametrize(
    ("value", "square"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "inf"), (2e154, "inf")]
)
def test_a_norm_whose_square_is_not_finite_is_refused_and_changes_nothing(value, square):
    """2e154 is finite, and so is its norm: to say that the norm is inf would be wrong."""
    grads = arrays()
    grads[1][2] = value
    before = bits(grads)
    told = f"^the square of the gradient's norm is {square}$"
    for max_norm in 0.25, math.inf:
        with pytest.raises(FloatingPointError, match=told):
            clip_gradient_norm(grads, max_norm)
        assert bits(grads) == before

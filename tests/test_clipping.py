import math

import numpy as np
import pytest

from clipping import clip_gradient_norm, gradient_norm


def arrays(scale):
    rng = np.random.default_rng(2)
    return [scale * rng.normal(size=shape) for shape in [(3, 4), (4,), (2, 1)]]


def flat_norm(grads):
    return np.linalg.norm(np.concatenate([grad.ravel() for grad in grads]))


@pytest.mark.parametrize("scale", [1, 1e3, 1e160, 1e300])
@pytest.mark.parametrize("max_norm", [1e-9, 0.25, 1.0])
def test_above_the_limit_all_are_scaled_together_to_it_in_place(scale, max_norm):
    grads, unclipped = arrays(scale), arrays(scale)
    assert clip_gradient_norm(grads, max_norm) is grads
    assert flat_norm(grads) == pytest.approx(max_norm, rel=1e-14)
    for grad, before in zip(grads, unclipped):
        np.testing.assert_allclose(grad / before, grads[0][0, 0] / unclipped[0][0, 0], rtol=1e-14)


@pytest.mark.parametrize("scale", [0, 1e-300, 1e-170, 0.01])
def test_below_the_limit_every_bit_stays(scale):
    grads = arrays(scale)
    clip_gradient_norm(grads)
    assert [grad.tobytes() for grad in grads] == [grad.tobytes() for grad in arrays(scale)]


def test_no_limit_never_clips():
    grads = arrays(1e300)
    clip_gradient_norm(grads, math.inf)
    assert [grad.tobytes() for grad in grads] == [grad.tobytes() for grad in arrays(1e300)]


def test_the_limit_is_the_chapters_unless_given():
    assert flat_norm(clip_gradient_norm(arrays(1))) == pytest.approx(0.25, rel=1e-14)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("max_norm", [0.25, math.inf])
def test_a_norm_that_is_not_finite_is_refused_and_changes_nothing(value, max_norm):
    grads = arrays(1)
    grads[1][2] = value
    before = [grad.tobytes() for grad in grads]
    with pytest.raises(FloatingPointError, match="the norm of the gradient is (nan|inf)"):
        clip_gradient_norm(grads, max_norm)
    assert [grad.tobytes() for grad in grads] == before


@pytest.mark.parametrize("max_norm", [-1, math.nan])
def test_a_limit_that_is_none_is_refused(max_norm):
    with pytest.raises(ValueError, match="max_norm"):
        clip_gradient_norm(arrays(1), max_norm)


@pytest.mark.parametrize("scale", [1e-310, 1e-200, 1e-100, 1.0, 1e100, 1e200])
def test_norm_is_right_where_its_square_is_not_a_float(scale):
    assert gradient_norm([np.array([[3 * scale]]), np.array([4 * scale])]) == pytest.approx(
        5 * scale, rel=1e-12
    )

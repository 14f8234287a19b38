"""The slope is that of the clipped identity, by finite differences; a weight's way is worked by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics import INT2, INT4, IntFormat, PerChannel, QParams, choose_qparams, fake_quantize
from qviz.numerics.straight_through import clipped_identity, descend, straight_through_slope

WHOLE = QParams(1.0, 0, INT2)  # levels -2, -1, 0, 1


def differences(function, x, h=1e-6):
    return (function(x + h) - function(x - h)) / (2 * h)


def test_by_hand():
    x = np.array([-2.6, -2.4, -0.5, 0.4, 1.4, 1.6])
    np.testing.assert_array_equal(straight_through_slope(x, WHOLE), [0, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(clipped_identity(x, WHOLE), [-2.5, -2.4, -0.5, 0.4, 1.4, 1.5])


@given(st.integers(2, 8), st.booleans(), st.floats(-3, 0), st.floats(0.1, 3), st.floats(-20, 20))
def test_the_slope_is_that_of_the_clipped_identity_not_of_the_staircase(bits, signed, lo, hi, x):
    qparams, x = choose_qparams(lo, hi, IntFormat(bits, signed)), np.float64(x)
    steps = x / float(qparams.scale)
    if abs(steps - np.floor(steps) - 0.5) < 1e-3:
        return  # the difference would step over an edge
    # 1e-8: what float64 leaves of a difference over 2e-6
    assert differences(lambda t: clipped_identity(t, qparams), x) == pytest.approx(
        float(straight_through_slope(x, qparams)), abs=1e-8
    )
    assert differences(lambda t: fake_quantize(t, qparams), x) == 0


def test_a_channel_each():
    qparams = QParams([[1.0], [0.1]], [[0], [1]], INT2, PerChannel(0))
    x = np.array([[1.4, 1.6], [0.04, 0.06]], np.float32)
    np.testing.assert_array_equal(straight_through_slope(x, qparams), [[1, 0], [1, 0]])
    np.testing.assert_allclose(clipped_identity(x, qparams), [[1.4, 1.5], [0.04, 0.05]], rtol=1e-6)
    assert straight_through_slope(x, qparams).dtype == np.float32


def test_out_of_the_ordinary():
    x = np.array([np.nan, np.inf, -np.inf, 1.7e308, 5e-324])
    np.testing.assert_array_equal(straight_through_slope(x, QParams(0.25, 0, INT4)), [0, 0, 0, 0, 1])
    assert straight_through_slope(np.empty((0, 3)), WHOLE).shape == (0, 3)
    with pytest.raises(ValueError, match="x has 3 groups"):
        straight_through_slope(np.ones((3, 2)), QParams([[1.0], [0.1]], [[0], [1]], INT2, PerChannel(0)))
    with pytest.raises(TypeError, match="x must be an array of real numbers"):
        clipped_identity(["a"], WHOLE)


def test_a_weight_creeps_and_then_the_output_jumps():
    way = descend(0.0, 1.0, WHOLE, lr=0.2, steps=4)
    np.testing.assert_allclose(way.weights, [0, 0.2, 0.4, 0.6, 0.6], atol=1e-15)
    assert way.outputs.tolist() == [0, 0, 0, 1, 1]
    assert way.losses.tolist() == [0.5, 0.5, 0.5, 0, 0]
    assert way.crossings.tolist() == [3]


def test_a_target_between_two_levels_is_never_reached():
    way = descend(0.45, 0.5, WHOLE, lr=0.2, steps=40)  # 0 pulls up by 0.1, 1 pulls down by 0.1, for ever
    assert set(way.outputs) == {0, 1} and way.crossings.size == 40
    assert set(way.losses) == {0.125}


def test_a_clipped_weight_and_one_with_the_true_derivative_never_move():
    for way in (descend(1.6, 0.0, WHOLE, 0.5, 10), descend(0.0, 1.0, WHOLE, 0.5, 10, "true derivative")):
        assert (way.weights == way.weights[0]).all() and not way.slopes.any()


def test_errors():
    with pytest.raises(ValueError, match="slope must be one of"):
        descend(0, 1, WHOLE, 0.1, 3, "steep")
    with pytest.raises(ValueError, match="steps must be at least 0: got -1"):
        descend(0, 1, WHOLE, 0.1, -1)
    assert descend(0.3, 1, WHOLE, 0.1, 0).weights.tolist() == [0.3]

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import IntFormat, QParams, bias_bits, dequantize, fake_quantize_bias, quantize, quantize_bias

BIASES = hnp.arrays(np.float64, st.integers(1, 20), elements=st.floats(-1e3, 1e3))
SCALES = st.floats(1e-6, 1e3)


def test_by_hand():
    # one step of the sum is 1/64, so that 1.9921875 is 127.5 steps: a tie, which goes to the even 128
    bias, scale = [0.3125, -2.0, 1.9921875, 0.007], 0.125 * 0.125
    np.testing.assert_array_equal(quantize_bias(bias, scale), [20, -128, 128, 0])
    np.testing.assert_array_equal(quantize_bias(bias, scale, bits=8), [20, -128, 127, 0])
    np.testing.assert_array_equal(quantize_bias(bias, scale, bits=2), [1, -2, 1, 0])
    np.testing.assert_array_equal(fake_quantize_bias(bias, scale, bits=8), [0.3125, -2.0, 1.984375, 0.0])


def test_an_integer_layer_adds_it_to_its_sum():
    """Integers, worked by hand: 3 * 5 + 2 * -4 = 7 steps, and a bias of 20: (7 + 20) * 0.005 = 0.135."""
    x, w = np.array([3, 2]), np.array([5, -4])
    assert (x @ w + quantize_bias(0.1, 0.005)) * 0.005 == pytest.approx((x * 0.02) @ (w * 0.25) + 0.1, rel=1e-15)


def test_each_channel_has_its_scale():
    np.testing.assert_array_equal(quantize_bias([1.0, 1.0], np.array([0.5, 0.125])), [2, 8])


@given(BIASES, SCALES, st.integers(2, 16))
def test_up_to_16_bits_it_is_quantize(bias, scale, bits):
    p = QParams(scale, 0, IntFormat(bits))
    codes = quantize_bias(bias, scale, bits)
    np.testing.assert_array_equal(codes, quantize(bias, p))
    np.testing.assert_array_equal(fake_quantize_bias(bias, scale, bits), dequantize(quantize(bias, p), p, np.float64))


@given(BIASES, SCALES)
def test_as_many_bits_as_needed_clip_nothing_and_one_less_clips(bias, scale):
    bits = bias_bits(bias, scale)
    whole = np.rint(bias / scale)
    np.testing.assert_array_equal(quantize_bias(bias, scale, bits), whole)
    if bits > 2:
        assert (quantize_bias(bias, scale, bits - 1) != whole).any()


@given(BIASES, SCALES)
def test_32_bits_err_by_half_a_step_at_most(bias, scale):
    error = np.abs(fake_quantize_bias(bias, scale) - bias)
    # 1e-15: the last bit of float64, in the division and in the product; at most 1e9 steps, so 32 bits hold them
    assert (error <= 0.5 * scale + 1e-15 * np.abs(bias)).all()


@pytest.mark.parametrize(("code", "bits"), [(0, 2), (1, 2), (-2, 2), (2, 3), (-3, 3), (127, 8), (-128, 8), (128, 9)])
def test_bits_of_codes(code, bits):
    assert bias_bits([float(code)], 1.0) == bits


def test_ends_of_32_bits():
    np.testing.assert_array_equal(quantize_bias([1e30, -1e30, 1e300], 1e-30), [2**31 - 1, -(2**31), 2**31 - 1])
    assert quantize_bias(np.zeros(0), 1.0).shape == (0,)
    assert bias_bits(np.zeros(0), 1.0) == 2
    assert quantize_bias(np.float32(2.5), 1.0) == 2


@pytest.mark.parametrize(
    ("error", "arguments", "sentence"),
    [
        (ValueError, ([1.0], 0.0), "scale must be positive and finite: got 0.0"),
        (ValueError, ([1.0], [[np.nan]]), "scale must be positive and finite: got nan"),
        (ValueError, ([1.0, np.nan], 1.0), "bias must be finite: got 1 NaN, first at index (1,)"),
        (ValueError, ([1.0, 2.0], [1.0] * 3), "one for each bias: got shape (3,) for biases of shape (2,)"),
        (ValueError, ([1.0], [1.0] * 3), "one for each bias: got shape (3,) for biases of shape (1,)"),
        (ValueError, ([1.0], 1.0, 1), "bits must be from 2 to 32: got 1"),
        (ValueError, ([1.0], 1.0, 33), "bits must be from 2 to 32: got 33"),
        (TypeError, ([1.0], 1.0, 8.0), "bits must be a whole number from 2 to 32: got 8.0"),
        (TypeError, (["a"], 1.0), "bias must be an array of real numbers"),
    ],
)
def test_errors(error, arguments, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        quantize_bias(*arguments)

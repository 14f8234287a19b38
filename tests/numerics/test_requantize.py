"""From sums to codes: gemmlowp's C++ written out for Python's integers, and exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics import INT4, INT8, UINT8
from qviz.numerics._fused import fused_multiply_add
from qviz.numerics.fixed_point import FixedPoint, fixed_point, high_mul, rounding_right_shift
from qviz.numerics.requantize import add_float_bias, int32_bias, requantize_fixed, requantize_float

INT32S = st.integers(-(2**31), 2**31 - 1)
MULTIPLIERS = st.floats(2.0**-40, 2.0**20)


def truncated(a, b):
    """Divide as C++ does: towards zero."""
    return abs(a) // b * (1 if a >= 0 else -1)


def gemmlowp_high_mul(a, b):
    """SaturatingRoundingDoublingHighMul, fixedpoint/fixedpoint.h."""
    if a == b == -(2**31):
        return 2**31 - 1
    nudge = 2**30 if a * b >= 0 else 1 - 2**30
    return truncated(a * b + nudge, 2**31)


def gemmlowp_right_shift(x, exponent):
    """RoundingDivideByPOT, the same file."""
    mask = 2**exponent - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if x & mask > threshold else 0)


@given(INT32S, INT32S)
def test_high_mul_is_gemmlowps(a, b):
    assert int(high_mul(a, b)) == gemmlowp_high_mul(a, b)


@given(INT32S, st.integers(0, 31))
def test_right_shift_is_gemmlowps(x, shift):
    assert int(rounding_right_shift(x, shift)) == gemmlowp_right_shift(x, shift)


@pytest.mark.parametrize("a", [-(2**31), -(2**30), -3, -1, 0, 1, 2**30, 2**31 - 1])
def test_high_mul_at_the_ends_and_at_ties(a):
    for b in (-(2**31), -(2**30), -1, 0, 1, 2**30, 2**31 - 1):
        assert int(high_mul(a, b)) == gemmlowp_high_mul(a, b)


@given(MULTIPLIERS)
def test_a_fixed_point_multiplier_is_exact_to_31_bits(multiplier):
    fixed = fixed_point(multiplier)
    assert 2**30 <= fixed.mantissa < 2**31
    exact = Fraction(int(fixed.mantissa)) * Fraction(2) ** (int(fixed.exponent) - 31)
    assert abs(exact - Fraction(multiplier)) <= Fraction(multiplier) / 2**31
    assert Fraction(float(fixed.value)) == exact


def test_a_mantissa_that_rounds_up_to_one():
    fixed = fixed_point(1 - 2.0**-40)
    assert (int(fixed.mantissa), int(fixed.exponent), float(fixed.value)) == (2**30, 1, 1.0)


@given(st.lists(INT32S, min_size=1, max_size=20), MULTIPLIERS, st.integers(0, 255), st.booleans())
def test_the_fixed_point_way_is_gemmlowps(totals, multiplier, zero_point, relu):
    fixed = fixed_point(multiplier)
    mantissa, exponent = int(fixed.mantissa), int(fixed.exponent)
    expected = []
    for total in totals:
        moved = min(max(total << max(exponent, 0), -(2**31)), 2**31 - 1)
        shift = max(-exponent, 0)
        steps = 0 if shift > 31 else gemmlowp_right_shift(gemmlowp_high_mul(moved, mantissa), shift)
        expected.append(min(max(steps + zero_point, zero_point if relu else 0), 255))
    assert requantize_fixed(np.array(totals), fixed, zero_point, UINT8, relu).tolist() == expected


@given(st.integers(-(2**24), 2**24), st.floats(2.0**-30, 2.0**6, width=32), st.integers(-8, 7))
def test_the_float_way_is_exact_but_for_one_rounding(total, multiplier, zero_point):
    exact = Fraction(total) * Fraction(multiplier)
    # the product is rounded once, to 24 bits, so the code is that of a number this near
    slack = abs(exact) / 2**24
    low, high = (min(max(round(e) + zero_point, -8), 7) for e in (exact - slack, exact + slack))
    assert low <= int(requantize_float(total, multiplier, zero_point, INT4)) <= high


@given(*[st.floats(width=32, min_value=-(2.0**60), max_value=2.0**60)] * 3)
def test_a_fused_multiply_add_is_the_nearest_float32(a, b, c):
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    found = fused_multiply_add(a, b, c)
    miss, (below, above) = (
        abs(Fraction(float(found)) - exact),
        (np.nextafter(found, np.float32(e)) for e in (-np.inf, np.inf)),
    )
    assert all(miss <= abs(Fraction(float(other)) - exact) for other in (below, above))


def test_a_sum_that_float64_would_round_twice():
    a, b, c = np.float32(1 + 2.0**-23), np.float32(2.0**-24 * (1 - 2.0**-23)), np.float32(1 + 2.0**-23)
    # a * b is 2**-24 * (1 - 2**-46), so the sum lies just below a tie of float32; float64 cannot tell it from the tie
    assert np.float32(np.float64(a) * b + c) == np.float32(1 + 2.0**-22)
    assert fused_multiply_add(a, b, c) == np.float32(1 + 2.0**-23)


def test_ties():
    halves = np.array([-5, -3, -1, 1, 3, 5])  # times 1/2
    assert (requantize_float(halves, 0.5, 0, INT8)).tolist() == [-2, -2, 0, 0, 2, 2]  # to even
    assert (requantize_fixed(halves, fixed_point(0.5), 0, INT8)).tolist() == [-2, -1, 0, 1, 2, 3]  # up: high_mul
    quarters = np.array([-6, -2, 2, 6])
    assert (requantize_fixed(quarters, fixed_point(0.25), 0, INT8)).tolist() == [-2, -1, 1, 2]  # away from zero


def test_rounding_twice_is_not_rounding_once():
    m = FixedPoint(np.int32(2**30 + 1), np.int64(-1))  # a little more than 1/4
    assert float(m.value) * 5 < 1.5  # 1.25: to 1 in one go
    assert int(requantize_fixed(5, m, 0, INT8)) == 2  # 2.5 is rounded to 3 first, and 1.5 to 2 then


def test_beyond_int32_fbgemm_answers_with_the_lowest_code():
    totals = np.array([2**30 - 64, 2**30, -(2**30), 2**31 - 1])
    assert requantize_float(totals, 2.0, 9).tolist() == [255, 0, 0, 0]
    assert requantize_float(totals, 2.0, 9, relu=True).tolist() == [255, 9, 9, 9]
    assert requantize_float(totals, 3e38, 9).tolist() == [0, 0, 0, 0]
    assert requantize_fixed(totals, fixed_point(2.0), 9).tolist() == [255, 255, 0, 255]


def test_int32_bias():
    assert int32_bias([0.25, -0.75, 2.5], [0.5, 0.5, 0.1]).tolist() == [0, -2, 25]
    with pytest.raises(ValueError, match=r"bias / scale must fit int32, .*: got 2147483648\.0"):
        int32_bias([2.0**31], 1.0)
    with pytest.raises(ValueError, match="bias must be finite: got 1 NaN"):
        int32_bias([np.nan], 1.0)


@pytest.mark.parametrize("number", [2.9, 3.0, True])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("total", lambda total: requantize_float(total, 1.0)),
        ("total", lambda total: requantize_fixed(total, fixed_point(1.0))),
        ("total", lambda total: add_float_bias(total, 0.0, 1.0, per_channel=True)),
        ("a", lambda a: high_mul(a, 2**30)),
        ("b", lambda b: high_mul(1, b)),
        ("x", lambda x: rounding_right_shift(x, 1)),
    ],
)
def test_a_sum_that_is_no_integer_is_refused(name, call, number):
    """A cast would make 2 of 2.9, and nobody would know."""
    with pytest.raises(TypeError, match=f"{name} must hold integers: got dtype (float64|bool); round it first"):
        call(np.array([number]))


def test_a_float_sum_is_one_with_a_real_bias_in_it():
    """fbgemm's way: 2.9 times 1 is 3. float32 is the mark that add_float_bias leaves."""
    sums = add_float_bias(np.array([2]), 0.9, 1.0, per_channel=True)
    assert sums.dtype == np.float32
    assert requantize_float(sums, 1.0).tolist() == [3]


def test_what_float32_makes_of_tiny_scales_is_no_mistake():
    assert requantize_float(np.array([5, -5]), 1e-50, 7).tolist() == [7, 7]
    assert add_float_bias(np.array([5]), 1.0, 1e-50, per_channel=True).tolist() == [np.inf]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fixed_point(0.0), ValueError, r"multiplier must be positive: got 0\.0"),
        (lambda: fixed_point(np.inf), ValueError, "multiplier must be finite"),
        (lambda: rounding_right_shift(1, 32), ValueError, "shift must be from 0 to 31: got 32"),
        (lambda: requantize_float(2**31, 1.0), ValueError, "total must fit int32, -2147483648 to .*: got 2147483648"),
        (lambda: requantize_float(1, 1.0, 256), ValueError, "zero_point must be from 0 to 255: got 256"),
        (lambda: requantize_float(1, 1.0, relu=1), TypeError, "relu must be True or False: got 1"),
        (lambda: requantize_float(1, -1.0), ValueError, r"multiplier must not be negative: got -1\.0"),
        (lambda: requantize_float(1, np.nan), ValueError, "multiplier, as float32, must be finite: got 1 NaN"),
        (lambda: requantize_float(1, 1e39), ValueError, "multiplier, as float32, must be finite: got 1 infinite"),
        (lambda: requantize_fixed(1, 0.5), TypeError, r"multiplier must be a FixedPoint: got 0\.5; call fixed_point"),
        (lambda: rounding_right_shift(1, 2.5), TypeError, "shift must hold integers: got dtype float64; round it"),
        (lambda: FixedPoint(2**30, 0.5), TypeError, "exponent must hold integers: got dtype float64"),
        (lambda: FixedPoint(0.75, 0), TypeError, "mantissa must hold integers: got dtype float64"),
        (lambda: FixedPoint(-(2**30), 0), ValueError, r"mantissa must be from 2\*\*30 to 2\*\*31 - 1: got -1073741824"),
        (lambda: int32_bias([1.0], -0.5), ValueError, r"scale must be positive and finite: got -0\.5"),
        (lambda: int32_bias([1.0], [1.0] * 3), ValueError, r"got shape \(3,\) for biases of shape \(1,\)"),
        (lambda: add_float_bias(1, np.nan, 1.0, True), ValueError, "bias, as float32, must be finite: got 1 NaN"),
        (lambda: add_float_bias(1, 1.0, -0.5, True), ValueError, r"scale must not be negative: got -0\.5"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call()

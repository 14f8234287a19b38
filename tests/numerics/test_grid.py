import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from qviz.numerics._grid import Grid

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
BINS = st.sampled_from([16, 64, 4096])


def exact_bin(value: float, grid: Grid) -> int:
    """Floor of value / width in whole numbers: no rounding anywhere."""
    return math.floor(Fraction(value) / Fraction(2) ** grid.exponent) - grid.first


@given(st.lists(FLOATS, min_size=1, max_size=20), BINS)
def test_every_value_is_in_the_bin_of_exact_arithmetic(values, bins):
    grid = Grid.covering(min(values), max(values), bins)
    expected = np.zeros(bins, int)
    for value in values:
        expected[exact_bin(value, grid)] += 1
        assert grid.index(value) == exact_bin(value, grid)
    np.testing.assert_array_equal(grid.count(np.array(values)), expected)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=20), BINS)
@example([float(np.float32(1e-33))], 16)  # 2**-exponent is beyond float32
@example(
    [-float(np.float32(1e-45)), float(np.float32(1e30))], 16
)  # the first one times 2**-exponent is no float32 but 0
def test_float32_goes_to_the_same_bins(values, bins):
    grid = Grid.covering(min(values), max(values), bins)
    np.testing.assert_array_equal(grid.count(np.array(values, np.float32)), grid.count(np.array(values, np.float64)))


@given(FLOATS, FLOATS, FLOATS, BINS)
def test_a_wider_range_is_never_finer(a, b, c, bins):
    lo, hi = min(a, b), max(a, b)
    narrow, wide = Grid.covering(lo, hi, bins), Grid.covering(min(lo, c), max(hi, c), bins)
    assert wide.exponent >= narrow.exponent


@given(FLOATS, FLOATS, BINS)
def test_all_bins_but_half_are_used(a, b, bins):
    lo, hi = min(a, b), max(a, b)
    grid = Grid.covering(lo, hi, bins)
    assert grid.index(lo) == 0 and grid.index(hi) < bins
    # The floor of resolution, 2**-24 of the largest magnitude and 2**-1000, may leave fewer bins in use.
    if Fraction(hi) - Fraction(lo) >= Fraction(max(abs(lo), abs(hi))) / 2**10 and hi - lo > 2.0**-980:
        assert grid.index(hi) >= bins // 2 - 1


@given(st.lists(FLOATS, min_size=1, max_size=20), FLOATS, BINS)
def test_rebinning_is_counting_anew(values, more, bins):
    x = np.array(values)
    fine = Grid.covering(x.min(), x.max(), bins)
    coarse = Grid.covering(min(x.min(), more), max(x.max(), more), bins)
    np.testing.assert_array_equal(coarse.rebin(fine.count(x), fine), coarse.count(x))

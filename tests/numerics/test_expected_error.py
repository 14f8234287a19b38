import re

import numpy as np
import pytest

from qviz.numerics import (
    INT2,
    INT4,
    INT8,
    SCHEMES,
    UINT4,
    UINT8,
    Histogram,
    IntFormat,
    choose_qparams,
    error_of_ranges,
    error_parts,
    observe,
)

FORMATS = [INT2, INT4, INT8, IntFormat(4, narrow=True), UINT4, UINT8, IntFormat(12)]


def spread(h: Histogram, each: int = 1009) -> np.ndarray:
    """Return values that are spread evenly over their bins, `each` times as many as were counted."""
    within = (np.arange(each) + 0.5) / each
    return np.concatenate([h.edges[i] + h.width * np.tile(within, n) for i, n in enumerate(h.counts)])


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("where", ["across", "right", "left", "off the grid"])
def test_equals_the_error_of_values_spread_over_their_bins(scheme, fmt, where):
    if scheme == "symmetric" and not fmt.signed:
        return
    left = {"across": -5.0, "right": 20.0, "left": -40.0, "off the grid": -3.3}[where]
    counts = [1, 0, 3, 5, 8, 8, 2, 0, 1, 1]
    h = Histogram.from_counts(counts, left + np.arange(11.0))
    x = spread(h)
    ranges = np.array([(0.1 * h.min, 0.1 * h.max), (h.min, h.max), (0.7 * h.min, h.max), (3 * h.min, 4 * h.max)])
    lo, hi = np.sort(np.where(np.sign(ranges) == 0, 0, ranges), axis=1).T
    rounding, clipping = error_of_ranges(h, lo, hi, fmt, scheme)
    for i in range(len(lo)):
        p = choose_qparams(lo[i], hi[i], fmt, scheme)
        real = error_parts(x, p)
        # 1009 values stand for each bin, a prime, so that they never march in step with the levels. Where a boundary
        # lies between two of them, one in 1009 may be on the other side of it.
        # A step just narrower than a bin is off by more, because then it is not even spread that it sees.
        assert rounding[i] == pytest.approx(real.rounding, rel=0.01 if p.scale > h.width else 0.07, abs=1e-6)
        assert clipping[i] == pytest.approx(real.clipping, rel=0.005, abs=1e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fmt", [INT2, INT4, INT8], ids=str)
def test_near_the_error_of_the_data(x, scheme, fmt):
    h = observe(x)[0]
    for share in (0.2, 0.5, 1.0):
        lo, hi = h.min * share, h.max * share
        (rounding,), (clipping,) = error_of_ranges(h, [lo], [hi], fmt, scheme)
        p = choose_qparams(lo, hi, fmt, scheme)
        real = error_parts(x, p)
        # What lies half a step beyond the outermost level may be rounded or clipped: all of one bin, at most.
        undecided = float(p.scale / 2) ** 2 * h.counts.max() / h.count
        # 20,000 values on some 3,000 bins. What the model cannot know is where in its bin a value lies: less than
        # half a bin off, on average 0, and a ReLU's zeros all at one end, which costs up to a third of a bin squared.
        assert rounding == pytest.approx(real.rounding, rel=0.03, abs=h.width**2 / 3 + undecided)
        assert clipping == pytest.approx(real.clipping, rel=0.01, abs=h.width**2 + undecided)


def test_zeros_of_a_relu_are_overstated():
    """As the docstring says."""
    x = np.concatenate([np.zeros(1000), np.linspace(0, 1, 1000)])
    h = observe(x)[0]
    (rounding,), _ = error_of_ranges(h, [0.0], [1.0], IntFormat(12, signed=False))
    assert rounding > 1.5 * error_parts(x, choose_qparams(0.0, 1.0, IntFormat(12, signed=False))).rounding


def test_uniform_theory():
    """step**2 / 12 for values spread evenly, whatever the number of bins: the textbook's formula."""
    for bins in (1, 7, 4096):
        h = Histogram.from_counts([3] * bins, np.linspace(-1.0, 1.0, bins + 1))
        for bits in range(2, 17):
            fmt = IntFormat(bits, narrow=True)
            (rounding,), (clipping,) = error_of_ranges(h, [-1.0], [1.0], fmt, "symmetric")
            step = 1.0 / fmt.qmax
            # 1e-7: summed from up to 65,535 levels in numbers of the size of (4096 bins)**2
            assert rounding == pytest.approx(step**2 / 12, rel=1e-7) and clipping == pytest.approx(0.0, abs=1e-12)


def test_many_ranges_are_as_many_single_ones(x):
    h, share = observe(x)[0], np.linspace(0.01, 1, 300)
    together = error_of_ranges(h, share * h.min - 1, share * h.max + 1, INT8)
    alone = [error_of_ranges(h, [s * h.min - 1], [s * h.max + 1], INT8) for s in share]
    np.testing.assert_array_equal(together, np.array(alone)[:, :, 0].T)


def test_a_single_number_will_do(x):
    rounding, clipping = error_of_ranges(observe(x)[0], -1.0, 1.0, INT8)
    assert rounding.shape == clipping.shape == (1,)


@pytest.mark.parametrize("factor", [1e-8, 1.0, 1e8])
def test_the_unit_is_squared(factor):
    counts, edges = [1, 4, 2, 1], np.arange(-2.0, 3.0)
    parts = error_of_ranges(Histogram.from_counts(counts, edges), [-1.0], [1.5], INT4)
    scaled = error_of_ranges(Histogram.from_counts(counts, edges * factor), [-factor], [1.5 * factor], INT4)
    np.testing.assert_allclose(scaled, np.array(parts) * factor**2, rtol=1e-9)  # a few dozen roundings


def test_extremes():
    zeros = observe([0.0])[0]
    assert error_of_ranges(zeros, [-1.0], [1.0], INT8) == (0.0, 0.0)
    huge = observe([-1e300, 1e300])[0]
    rounding, clipping = error_of_ranges(huge, [-1.0, -1e300], [1.0, 1e300], INT8)
    assert clipping[0] == np.inf and rounding[1] == np.inf
    tiny = observe([-1e-300, 1e-300])[0]
    np.testing.assert_array_equal(error_of_ranges(tiny, [-1.0], [1.0], INT8), [[0], [0]])
    # A range a billion times as wide as what was seen: all becomes zero, and the error is the mean square.
    h = observe(np.linspace(-1, 1, 4097))[0]
    (rounding,), (clipping,) = error_of_ranges(h, [-1e9], [1e9], INT8)
    assert rounding == pytest.approx(1 / 3, rel=1e-3) and clipping == 0  # 4097 steps stand for the integral


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (([1.0], [0.0], INT8), "lo must not be above hi: got lo=1.0 and hi=0.0"),
        (([np.nan], [0.0], INT8), "lo must be finite: got 1 NaN"),
        (([0.0], [1.0], INT8, "both"), "scheme must be one of 'affine', 'symmetric': got 'both'"),
        (([0.0], [1.0], UINT8, "symmetric"), "needs a signed format: got uint8"),
    ],
)
def test_refusals(arguments, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        error_of_ranges(observe([1.0])[0], *arguments)

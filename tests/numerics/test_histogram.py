import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics import CALIBRATORS, INT4, SCHEMES, Histogram, HistogramObserver, calibrate, observe


def test_from_numpy(x):
    counts, edges = np.histogram(x, 100)
    h = Histogram.from_counts(counts, edges)
    assert h.count == x.size and (h.min, h.max) == (h.mean_min, h.mean_max) == (edges[0], edges[-1])
    # float32 edges, of numbers up to 100, in bins of at least a thousandth
    np.testing.assert_allclose(h.edges, edges, atol=1e-5)
    np.testing.assert_allclose(h.centers, (edges[1:] + edges[:-1]) / 2, atol=1e-5)


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_folding_is_counting_magnitudes(values):
    """Zero is an edge of every observed grid, so that folding is exact, but for what lies on an edge itself."""
    h = HistogramObserver(64).update(values).histogram()
    x = np.array(values)
    off_edges = (x > 0) | (np.floor(x / h.width) != x / h.width)
    if not off_edges.all():
        return
    folded = h.folded()
    expected, _ = np.histogram(np.abs(x), folded.edges)
    np.testing.assert_array_equal(folded.counts, expected)
    assert folded.max == np.abs(x).max() and folded.min <= np.abs(x).min()


def test_folding_far_from_zero_stays_small():
    """A narrow range at 1000 has bins of a millionth; all bins from zero on would be a billion."""
    folded = observe([-1000.0, -1000.001])[0].folded()
    assert folded.counts.size <= 4096 and folded.count == 2 and (folded.min, folded.max) == (1000.0, 1000.001)


def test_counting_works_on_32_bits(monkeypatch):
    """There np.bincount takes int32 and what casts safely to it, so neither int64 nor anything computed with it.

    Where the platform's index is 64 bits wide, it and int64 are one type. C's long long is as wide, and another type:
    it stands for int64 here.
    """

    def bincount_of_32_bits(x, weights=None, minlength=0, real=np.bincount):
        assert np.asarray(x).dtype.char != "q", "cannot cast int64 safely to the platform's index"
        return real(x, weights, minlength)

    monkeypatch.setattr(np, "int64", np.longlong)
    monkeypatch.setattr(np, "bincount", bincount_of_32_bits)
    x = np.linspace(-1.0, 3.0, 100)
    h = observe(x)[0]
    assert h.folded().count == 100
    with pytest.raises(AssertionError, match="cannot cast int64"):
        np.bincount(np.arange(3).astype(np.int64))
    for name, calibrator in CALIBRATORS.items():
        for scheme in SCHEMES:
            calibrate(x, name, INT4, scheme)
            calibrator.choose_range(h, INT4, scheme)


def test_largest_numbers_have_finite_edges():
    h = observe([-1.7e308, 1.7e308])[0]
    assert np.isfinite(h.edges).all() and np.isfinite(h.centers).all()
    assert h.edges[0] <= -1.7e308 and h.edges[-1] >= 1.7e308


def test_compared_by_value():
    assert observe([1.0, 2.0])[0] == observe([1.0, 2.0])[0]
    assert observe([1.0, 2.0])[0] != observe([1.0, 1.0, 2.0])[0]
    assert observe([1.0, 2.0])[0] != observe([1.0, 2.0], batches=2)[0]


@pytest.mark.parametrize(
    ("counts", "edges", "error", "text"),
    [
        ([1, 2], [0.0, 1.0], ValueError, "edges must be one more than counts: got shapes (2,) and (2,)"),
        ([[1]], [0.0, 1.0], ValueError, "edges must be one more than counts: got shapes (2,) and (1, 1)"),
        ([1.5], [0.0, 1.0], TypeError, "counts must be integers: got dtype float64"),
        ([-1, 2], [0, 1, 2], ValueError, "counts must be at least 0 and not all 0"),
        ([0, 0], [0, 1, 2], ValueError, "counts must be at least 0 and not all 0"),
        ([1, 1], [0, 1, 3], ValueError, "edges must rise by equal steps"),
        ([1, 1], [2, 1, 0], ValueError, "edges must rise by equal steps"),
        ([1], [0, np.inf], ValueError, "edges must be finite: got 1 infinite, first at index (1,)"),
        ([1], [0, np.nan], ValueError, "edges must be finite: got 1 NaN, first at index (1,)"),
    ],
)
def test_refusals(counts, edges, error, text):
    with pytest.raises(error, match=re.escape(text)):
        Histogram.from_counts(counts, edges)

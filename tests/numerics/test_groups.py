"""Many groups at once give what one group after another gives, for every calibrator."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import (
    CALIBRATORS,
    INT2,
    INT4,
    INT8,
    INT16,
    MSE,
    SCHEMES,
    UINT8,
    Entropy,
    HistogramObserver,
    MinMax,
    PerChannel,
    PerGroup,
    calibrate,
    choose_qparams,
    error_of_ranges,
    observe,
)
from qviz.numerics import _groups as module
from qviz.numerics._expected_error import ErrorOfFew
from qviz.numerics._groups import Groups, ends_of, largest_of

ALL = {**CALIBRATORS, "textbook": Entropy(variant="textbook"), "onnxruntime": Entropy(32, "onnxruntime")}
FORMATS = [INT2, INT4, INT8, INT16, UINT8]
RNG = np.random.default_rng(0)
HARD = {
    "constant": np.repeat([[3.7], [-1.0], [0.0], [1e-20]], 5, axis=1),
    "all zero": np.zeros((3, 7)),
    "one value": np.array([[1.5], [-2.0], [0.0]]),
    "tiny": RNG.standard_normal((3, 9)) * 1e-300,
    "subnormal": np.array([[3e-45, -1e-44, 0.0], [1e-41, 5e-42, 0.0]]),
    "huge": RNG.uniform(-1, 1, (3, 9)) * 1.7e308,
    "mixed scales": RNG.standard_normal((6, 40)) * 10.0 ** np.arange(-30, 30, 10)[:, None],
    "one sided": np.abs(RNG.standard_normal((4, 33))) * np.array([[1], [-1], [1], [-1]]),
    "outliers": np.concatenate([RNG.standard_normal((3, 200)), [[1e3], [-1e5], [0.0]]], axis=1),
    "two values": np.tile([0.0, 1.0], (2, 50)),
    "relu": np.maximum(RNG.standard_normal((3, 300)), 0.0),
    "far from zero": RNG.normal(1e6, 1.0, (2, 50)),
    "float32": RNG.standard_normal((5, 64)).astype(np.float32),
}


def schemes_of(fmt):
    return SCHEMES if fmt.signed else ("affine",)


def assert_as_alone(x, name, fmt, scheme):
    calibrator = ALL[name]
    together = calibrate(x, calibrator, fmt, scheme, PerChannel(0))
    for i, row in enumerate(x):
        lo, hi = calibrator.choose_range(observe(row)[0], fmt, scheme)
        alone = choose_qparams(lo, hi, fmt, scheme)
        assert together.scale.ravel()[i] == alone.scale and together.zero_point.ravel()[i] == alone.zero_point


@pytest.mark.parametrize("fmt", FORMATS, ids=str)
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("case", HARD)
def test_hard_groups(case, name, fmt):
    """Not one bit differs: sums are taken in the same order, however many groups there are."""
    for scheme in schemes_of(fmt):
        assert_as_alone(HARD[case], name, fmt, scheme)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 5), st.integers(1, 40)),
        elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from(list(ALL)),
    st.sampled_from(FORMATS),
)
@settings(max_examples=200)
@example(np.array([[0.0, -1e-45, 3e38]], np.float32), "mse", INT4)
def test_any_groups(x, name, fmt):
    for scheme in schemes_of(fmt):
        assert_as_alone(x, name, fmt, scheme)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("n", [50, 700, 5000])
def test_blocks_and_long_groups_do_not_show(name, n, monkeypatch):
    """Groups of more values than a histogram has bins are calibrated one by one, the others in blocks."""
    x = RNG.laplace(size=(7, n))
    whole = calibrate(x, ALL[name], INT4, "affine", PerChannel(0))
    monkeypatch.setattr(module, "_BLOCK", 2 * n)
    assert calibrate(x, ALL[name], INT4, "affine", PerChannel(0)) == whole
    assert_as_alone(x, name, INT4, "affine")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("size", [32, 96])
@pytest.mark.parametrize("name", ALL)
def test_a_value_that_is_not_finite_is_refused_by_its_place_in_all_of_x(name, size, bad, monkeypatch):
    """It is found by the minimum and maximum of its block, after blocks that have none, and without a warning."""
    monkeypatch.setattr(module, "_BLOCK", 4 * size)
    x = RNG.standard_normal((30, 96)).astype(np.float32)
    x[20, 77:79] = bad
    what = "2 NaN" if np.isnan(bad) else "2 infinite"
    for batches in (1, size):
        with pytest.raises(ValueError, match=rf"x must be finite: got {what}, first at index \(20, 77\)"):
            calibrate(x, ALL[name], INT8, "affine", PerGroup(-1, size), batches)


@given(
    st.sampled_from([np.float32, np.float64]).flatmap(
        lambda dtype: hnp.arrays(
            dtype,
            st.tuples(st.integers(1, 6), st.integers(1, 12) | st.just(module._LONG)),
            elements=st.floats(width=np.dtype(dtype).itemsize * 8) | st.sampled_from([0.0, -0.0, 1.0, -1.0]),
        )
    ),
    st.integers(1, 30),
)
@settings(max_examples=500)
@example(np.float32([[-0.0, -2.0], [-np.inf, -1.0], [np.inf, 3.0], [-np.nan, 1.0], [np.nan, -1.0]]), 4)
def test_ends_by_bits_are_the_minimum_and_the_maximum(x, piece):
    """Signs, zeros, infinities and NaN of both signs, in rows that are cut and in rows that are taken together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PIECE", piece)
        (low, high), largest = ends_of(x), largest_of(x)
    assert low.shape == high.shape == largest.shape == (len(x), 1)
    for i, row in enumerate(x):
        nan = np.isnan(row).any()
        assert np.isnan([low[i], high[i]]).any() == nan
        assert np.isnan(largest[i]) == nan
        if not nan:
            assert (low[i], high[i], largest[i]) == (row.min(), row.max(), np.abs(row).max())


@pytest.mark.parametrize("batches", [1, 2, 3, 40])
def test_moving_averages_are_those_of_the_observer(batches):
    x = RNG.standard_normal((6, 30)).astype(np.float32)
    groups = Groups(x, batches, 0.1)
    for i, row in enumerate(x):
        observer = HistogramObserver(averaging_constant=0.1)
        for batch in np.array_split(row, min(batches, 30)):
            observer.update(batch)
        h = observer.histogram()
        # A sum in another order: a few roundings of float64
        assert groups.mean_min[i, 0] == pytest.approx(h.mean_min, rel=1e-13)
        assert groups.mean_max[i, 0] == pytest.approx(h.mean_max, rel=1e-13)
        assert (groups.min[i, 0], groups.max[i, 0]) == (h.min, h.max)


@pytest.mark.parametrize("case", HARD)
def test_bins_are_those_of_the_histogram(case):
    groups = Groups(HARD[case])
    for i, row in enumerate(HARD[case]):
        h = observe(row)[0]
        assert (groups.left[i, 0], groups.width[i, 0]) == (h.left, h.width)
        np.testing.assert_array_equal(np.bincount(groups.bins[i], minlength=h.counts.size), h.counts)


@pytest.mark.parametrize("name", [name for name in ALL if name != "mse"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_counts_decide_as_single_values_do(name, scheme, x, monkeypatch):
    """A histogram of few values is a list of their bins, that of many a list of bins and counts."""
    h = observe(x[:3000])[0]
    few = ALL[name].choose_range(h, INT4, scheme)
    monkeypatch.setattr(module, "BINS", 0)
    # ACIQ's sums of 3000 float64 numbers; the others are exact
    assert ALL[name].choose_range(h, INT4, scheme) == pytest.approx(few, rel=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fmt", [INT2, INT4, INT8, INT16], ids=str)
def test_the_least_error_is_the_same_question(fmt, scheme, x, monkeypatch):
    """Value by value for few, level by level for many: the errors are those of one model."""
    h = observe(x[:500])[0]
    share = np.geomspace(1e-3, 1, 40)
    lo, hi = share[None] * min(h.min, 0), share[None] * max(h.max, 0)
    every, least = np.ones((1, 40), bool), np.full(1, np.inf)
    of_values = ErrorOfFew(Groups.of(h), fmt, scheme).of_ranges(np.array([0]), lo, hi, every, least)[0]
    of_levels = sum(error_of_ranges(h, lo[0], hi[0], fmt, scheme)) / h.width**2
    # Float32, and the middle of a bin for the whole of it where a step is 64 bins: 1/64**2, twice for good measure.
    # Then a tenth of a bin squared, because float32 knows 4096 bins to a thousandth.
    np.testing.assert_allclose(of_values, of_levels, rtol=1e-3, atol=0.1)

    found = MSE().choose_range(h, fmt, scheme)
    monkeypatch.setattr(module, "BINS", 0)
    by_levels = MSE().choose_range(h, fmt, scheme)
    errors = [sum(error_of_ranges(h, *np.array(ends)[:, None], fmt, scheme))[0] for ends in (found, by_levels)]
    # The same candidates, whose errors differ by as much as above; half a percent is what the search is good for.
    assert errors[0] <= errors[1] * 1.005 and errors[1] <= errors[0] * 1.005


def test_a_readers_own_calibrator_needs_one_method():
    class Half:
        def choose_range(self, histogram, fmt, scheme):
            return histogram.min / 2, histogram.max / 2

    x = RNG.standard_normal((5, 12))
    p = calibrate(x, Half(), INT8, "affine", PerChannel(0))
    assert p == choose_qparams(x.min(1, keepdims=True) / 2, x.max(1, keepdims=True) / 2, granularity=PerChannel(0))


def test_the_histograms_of_all_groups_are_not_in_memory_at_once():
    x = RNG.standard_normal((60_000, 32)).astype(np.float32)

    def peak(calibrator, rows) -> int:
        tracemalloc.start()
        calibrate(x[:rows], calibrator, INT8, "affine", PerGroup(-1, 32))
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    for calibrator in (MinMax(), MSE(), ALL["percentile"], ALL["aciq"]):
        # Scales and ranges of a group are a few float64, and each thread holds a block or not: 500 bytes for each
        # further group, where 4096 bins take 32,768.
        assert peak(calibrator, 60_000) - peak(calibrator, 20_000) < 500 * 40_000

import re

import numpy as np
import pytest

from qviz.numerics import INT4, INT16, Entropy, Histogram, observe
from qviz.numerics._entropy import HALF_BINS, _around_zero, _divergences, _Windows

CASES = [(128, 16), (128, 128), (512, 64), (512, 255), (2048, 128)]  # theirs takes half a second for 2048 bins


@pytest.fixture
def onnxruntime_divergences(collector, monkeypatch):
    """Return `search(x, bins, quantized_bins)`: histogram, threshold, all divergences in two precisions."""
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")
    found = []

    def spy(p, q, entropy=calibrate.entropy):
        wide = [v.astype(np.float64) / v.astype(np.float64).sum() for v in (p, q)]
        single = entropy(p, q)
        found.append((float(single), float(np.sum(wide[0] * np.log(wide[0] / wide[1])))))
        return single

    monkeypatch.setattr(calibrate, "entropy", spy)

    def search(x, bins, quantized_bins):
        theirs = collector("entropy", bins, quantized_bins)
        theirs.collect_value({"x": x})
        counts, edges = theirs.histogram_dict["x"][:2]
        found.clear()
        # Histogram.from_counts knows no exact minimum and maximum, so theirs are the outer edges here too.
        threshold = theirs.get_entropy_threshold((counts, edges, edges[0], edges[-1]), quantized_bins)
        return Histogram.from_counts(counts, edges), threshold, np.array(found).T

    return search


def assert_every_window_diverges_as_they_have_it(h, quantized_bins, theirs):
    counts, _ = _around_zero(h)
    reach = np.arange(quantized_bins // 2, counts.size // 2 + 1)
    ours = _divergences(counts, _Windows.of(counts, reach), quantized_bins)
    tried = np.isfinite(ours)  # they do not get as far where Q is empty
    assert tried.sum() == theirs.size
    # Smoothing is summed to second order here, in float32 there: 1e-5 of divergences around 1e-2.
    np.testing.assert_allclose(ours[tried], theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("bins", "quantized_bins"), CASES)
def test_as_onnxruntime(onnxruntime_divergences, x, bins, quantized_bins):
    h, (lo, hi), (single, double) = onnxruntime_divergences(x, bins, quantized_bins)
    assert_every_window_diverges_as_they_have_it(h, quantized_bins, double)
    low, high = Entropy(quantized_bins).choose_range(h)
    if max(abs(low - lo), abs(high - hi)) > h.width * 1.001:  # one bin; float32 edges
        # They sum in float32, good for 1e-6: ours may then be the better of two that are equal to them.
        ours = round(high / h.width) - 1 - quantized_bins // 2
        assert double[ours] <= double[single.argmin()]
        assert single[ours] - single.min() < 1e-6


@pytest.mark.parametrize("n", [1, 2, 10, 200])
def test_few_values_as_onnxruntime(onnxruntime_divergences, n):
    """Where most bins are empty, smoothing matters most."""
    x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    h, threshold, (_, double) = onnxruntime_divergences(x, 256, 32)
    assert_every_window_diverges_as_they_have_it(h, 32, double)
    assert Entropy(32).choose_range(h) == pytest.approx(threshold, abs=h.width * 1.001)  # one bin


def test_around_zero_keeps_all_counts(x):
    for h in (observe(x)[0], observe(x[:1])[0], observe([1e-3, 1.0, 1000.0])[0]):
        counts, width = _around_zero(h)
        assert counts.sum() == h.count and counts.size % 2 == 0 and counts.size <= 2 * HALF_BINS
        edges = (np.arange(counts.size + 1) - counts.size // 2) * width
        assert edges[0] <= h.min and h.max <= edges[-1]
        expected, _ = np.histogram(np.repeat(h.centers, h.counts), edges)
        np.testing.assert_array_equal(counts, expected)


def test_more_codes_than_bins_is_min_max(x):
    h = observe(x)[0]
    assert Entropy().choose_range(h, INT16) == (h.min, h.max)


def test_default_is_the_number_of_codes(x):
    h = observe(x)[0]
    assert Entropy().choose_range(h, INT4) == Entropy(16).choose_range(h)


@pytest.mark.parametrize(
    ("bins", "error", "text"),
    [
        (0, ValueError, "quantized_bins must be from 2 to 65536: got 0"),
        (-1, ValueError, "quantized_bins must be from 2 to 65536: got -1"),
        (16.0, TypeError, "quantized_bins must be a whole number from 2 to 65536: got 16.0"),
    ],
)
def test_refusals(bins, error, text):
    with pytest.raises(error, match=re.escape(text)):
        Entropy(bins)

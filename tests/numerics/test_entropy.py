"""Two oracles: ONNX Runtime's own search on its histograms, and the textbook's, in plain loops, on qviz's."""

import math
import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz import networks
from qviz.numerics import INT4, INT16, UINT8, Entropy, Histogram, calibrate, choose_qparams, fake_quantize, mse, observe
from qviz.numerics._entropy import HALF_BINS, TIED, Search, around_zero
from qviz.numerics._groups import Groups

ALL_ROWS = slice(None)


def divergences(h: Histogram, quantized_bins: int, variant: str):
    """Return the reach and the divergence of every window."""
    search = Search(Groups.of(h), ALL_ROWS, quantized_bins, variant)
    group, reach = search.windows()
    return reach, search.divergences(group, reach)


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
    _, ours = divergences(h, quantized_bins, "onnxruntime")
    tried = np.isfinite(ours)  # they do not get as far where Q is empty
    assert tried.sum() == theirs.size
    # Smoothing is summed to second order here, in float32 there: 1e-5 of divergences around 1e-2.
    np.testing.assert_allclose(ours[tried], theirs, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("bins", "quantized_bins"), CASES)
def test_as_onnxruntime(onnxruntime_divergences, x, bins, quantized_bins):
    h, (lo, hi), (single, double) = onnxruntime_divergences(x, bins, quantized_bins)
    assert_every_window_diverges_as_they_have_it(h, quantized_bins, double)
    low, high = Entropy(quantized_bins, "onnxruntime").choose_range(h)
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
    assert Entropy(32, "onnxruntime").choose_range(h) == pytest.approx(threshold, abs=h.width * 1.001)  # one bin


def counted_around_zero(h: Histogram) -> tuple[np.ndarray, float]:
    """Count on bins whose middle edge is zero, at most 1024 on each side, with np.histogram."""
    width = h.width
    while (half := max(1, math.floor(h.max / width) + 1, math.ceil(-h.min / width))) > HALF_BINS:
        width *= 2
    edges = np.arange(-half, half + 1) * width
    return np.histogram(np.repeat(h.centers, h.counts), edges)[0], width


def textbook_search(counts: list[int], quantized_bins: int) -> dict[int, float]:
    """Return the divergence of each window, bin by bin as the slides and their many copies have it."""
    half, found = len(counts) // 2, {}
    for reach in range(quantized_bins // 2, half + 1):
        start, end = half - reach, min(half + reach + 1, len(counts))
        inside = counts[start:end]
        p = list(inside)
        p[0] += sum(counts[:start])
        p[-1] += sum(counts[end:])
        q = [0.0] * len(p)
        for run in range(quantized_bins):
            bins = range(run * len(p) // quantized_bins, (run + 1) * len(p) // quantized_bins)
            filled = [i for i in bins if p[i] > 0]
            for i in filled:
                q[i] = sum(inside[bins.start : bins.stop]) / len(filled)
        found[reach] = math.inf
        if all(q[i] > 0 for i in range(len(p)) if p[i] > 0):
            of_p, of_q = sum(p), math.fsum(q)
            found[reach] = math.fsum(
                a / of_p * math.log(a / of_p / (b / of_q)) for a, b in zip(p, q, strict=True) if a > 0
            )
    return found


def assert_as_textbook(x, quantized_bins):
    h = observe(x)[0]
    counts, width = counted_around_zero(h)
    expected = textbook_search([int(count) for count in counts], quantized_bins)
    reach, found = divergences(h, quantized_bins, "textbook")
    assert reach.tolist() == list(expected)
    # Sums of up to 1e5 values times their logarithm, around 1e6, in float64, divided by the number of values: 1e-15
    # of 10 each. 1e-12 leaves room for a few hundred of them; a wrong bin shows in the fifth decimal.
    np.testing.assert_allclose(found, list(expected.values()), rtol=0, atol=1e-12)
    lo, hi = Entropy(quantized_bins, "textbook").choose_range(h)
    if not expected:
        assert (lo, hi) == (h.min, h.max)
        return
    # The windows that were left out for their lower bound are none of the best.
    widest = max(reach for reach, value in expected.items() if value <= min(expected.values()) + TIED)
    end = min(widest + 1, len(counts) // 2)
    assert (lo, hi) == (max(-widest * width, h.min), min(end * width, h.max))


RNG = np.random.default_rng(0)
HARD = {
    "uniform codes": np.repeat(np.arange(256.0), 100),
    "few codes": np.repeat(np.arange(16.0), 100),
    "zeros and ones": np.repeat([0.0, 1.0], 500),
    "two values": np.repeat([2.0, 6.0], 50),
    "both signs": np.repeat([-1.0, 3.0], 50),
    "one sided": RNG.exponential(size=2000),
    "negative": -RNG.exponential(size=2000),
    "spike at zero": np.concatenate([np.zeros(3000), RNG.standard_normal(1000)]),
    "spike elsewhere": np.concatenate([np.full(3000, 1.5), RNG.standard_normal(1000)]),
    "heavy tails": RNG.standard_t(2, size=3000),
    "relu": np.maximum(RNG.standard_normal(3000), 0.0),
    "one outlier": np.append(RNG.standard_normal(1000), 100.0),
    "far from zero": RNG.normal(5.0, 0.1, 1000),
    "ten values": RNG.standard_normal(10),
}


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("quantized_bins", [64, 256])
def test_as_textbook(name, quantized_bins):
    assert_as_textbook(HARD[name], quantized_bins)


@given(
    hnp.arrays(np.float32, st.integers(1, 40), elements=st.floats(-8, 8, width=16)),
    st.lists(st.integers(1, 50), min_size=1, max_size=5),
    st.sampled_from([2, 7, 64]),
)
@settings(max_examples=25)  # the loops take their time
@example(np.zeros(3, np.float32), [1], 2)
def test_any_values_as_textbook(x, often, quantized_bins):
    assert_as_textbook(np.repeat(x, np.resize(often, x.size)), quantized_bins)


def test_a_maximum_that_many_values_share_is_kept():
    """What remained at the right of a window had no part in Q, and in these histograms the maximum lies there."""
    for x in (np.repeat(np.arange(256.0), 100), np.repeat([0.0, 1.0], 500)):
        for variant in ("nvidia", "textbook"):
            p = calibrate(x, Entropy(variant=variant), UINT8)
            assert (p.lo, p.hi) == (0, x.max()) and mse(x, fake_quantize(x, p)) < 1e-12 * x.max()  # one float rounding


@pytest.mark.parametrize(("name", "zeros"), [("conv2", 0.61), ("fc1", 0.64)])
def test_the_spike_of_a_relu_hides_the_rest(name, zeros):
    """The cause is the spike: without the zeros, and with their count cut, the threshold is near the best one."""
    x = networks.training_activations()[name]
    assert np.mean(x == 0) == pytest.approx(zeros, abs=0.01)

    def times_the_best(lo, hi):
        p = choose_qparams(lo, hi, UINT8)
        return mse(x, fake_quantize(x, p)) / mse(x, fake_quantize(x, calibrate(x, "mse", UINT8)))

    kept, cut = (Entropy(variant=variant).choose_range(observe(x)[0], UINT8) for variant in ("textbook", "nvidia"))
    without = Entropy(variant="textbook").choose_range(observe(x[x > 0])[0], UINT8)
    # Measured 1000 and 6600, against 1.02 and 1.04, and 1.0 to 1.1 without the zeros.
    assert times_the_best(*kept) > 100
    assert times_the_best(*cut) < 1.2 and times_the_best(0.0, without[1]) < 1.2
    assert times_the_best(*Entropy(variant="onnxruntime").choose_range(observe(x)[0], UINT8)) > 100


def test_the_spike_is_cut_to_the_nearest_filled_bin():
    """0 four times as often as 1 or 2: with the spike cut, the search sees three codes that are equally frequent."""
    spiked, even = np.repeat([0.0, 1.0, 2.0], [400, 100, 100]), np.repeat([0.0, 1.0, 2.0], 100)
    searches = [
        Search(Groups.of(observe(x)[0]), ALL_ROWS, 16, variant)
        for x, variant in ((spiked, "nvidia"), (even, "textbook"), (-spiked, "nvidia"))
    ]
    np.testing.assert_array_equal(searches[0].counts, searches[1].counts)
    assert searches[2].counts.sum() == 300
    # Nothing to take a count from: the zeros stay.
    assert Search(Groups.of(observe(np.zeros(5))[0]), ALL_ROWS, 16, "nvidia").counts.sum() == 5


def test_around_zero_keeps_all_counts(x):
    for h in (observe(x)[0], observe(x[:1])[0], observe([1e-3, 1.0, 1000.0])[0], observe([-4.0, 1.0])[0]):
        counts, half, width = around_zero(Groups.of(h), ALL_ROWS)
        expected, expected_width = counted_around_zero(h)
        assert width == expected_width and half == expected.size // 2
        np.testing.assert_array_equal(counts[0], expected)


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


def test_unknown_variant():
    with pytest.raises(ValueError, match="variant must be one of 'nvidia', 'textbook', 'onnxruntime': got 'trt'"):
        Entropy(variant="trt")

import numpy as np
import pytest

from qviz.numerics import INT4, IntFormat, QParams, calibrate, fake_quantize, observe, quantize
from qviz.numerics.calibration_results import calibration_results
from qviz.plots import ErrorHistogramPanel, HistogramPanel, LevelsPanel, RangesPanel, before_and_after
from qviz.plots.histogram import BINS, LOWEST_SHARE, binned, kept, padded, relative
from qviz.plots.number_line import is_clipped


def test_counting_against_numpy(x):
    left, right = padded(float(x.min()), float(x.max()))
    counts, edges = binned(x, left, right)
    expected, expected_edges = np.histogram(x.astype(np.float64), BINS, (left, right))
    np.testing.assert_allclose(edges, expected_edges)
    assert counts.sum() == x.size
    assert np.abs(counts - expected).max() <= 1  # a value on an edge may fall to either side of it in float32


@pytest.mark.parametrize(
    ("ends", "expected"), [((0.0, 10.0), (-0.3, 10.3)), ((2.0, 2.0), (1.5, 2.5)), ((-1.0, 0.0), (-1.03, 0.03))]
)
def test_padding(ends, expected):
    assert padded(*ends) == pytest.approx(expected)


def test_relative_heights():
    np.testing.assert_array_equal(relative(np.array([0, 5, 10])), [0, 0.5, 1])
    np.testing.assert_array_equal(relative(np.array([0, 0])), [0, 0])


@pytest.mark.parametrize("log", [False, True])
def test_each_bar_is_kept_or_clipped(log, x, built):
    panel = built(HistogramPanel(log=log))
    panel.update(x, -1.0, 2.0)
    kept, edges, _ = panel.kept.get_data()
    clipped, _, _ = panel.clipped.get_data()
    inside = (edges[1:] >= -1) & (edges[:-1] <= 2)  # a bin that is partly kept counts as kept
    assert not (kept[~inside] > 0).any() and not (clipped[inside] > 0).any()
    assert (kept + clipped).max() == 1


def test_the_share_outside_is_that_of_the_values(built):
    panel = built(HistogramPanel())
    panel.update(np.arange(100.0), 10.0, 89.0)
    assert panel.description == ("Before: float32: 100 values from 0 to 99; range kept 10 to 89; 20.00% clipped.")


def test_clipped_is_what_the_words_and_the_marks_of_the_number_line_mean(built):
    """Up to half a step beyond an end a value rounds to it; what is hatched is what the description counts."""
    p = QParams(1.0, 0, IntFormat(3))  # levels -4 to 3
    x = np.array([-4.6, -4.4, 0.0, 3.4, 3.6, 5.0])
    panel = built(HistogramPanel())
    panel.update(x, *kept(p))
    assert int(is_clipped(x, p).sum()) == 3 and panel.description.endswith("range kept -4 to 3; 50.00% clipped.")
    heights, edges, _ = panel.clipped.get_data()
    hatched = [float(value) for value in x if heights[np.searchsorted(edges, value) - 1] > 0]
    assert hatched == x[is_clipped(x, p)].tolist()


def test_one_bar_for_each_level_in_use(built):
    panel = built(LevelsPanel())
    x = np.array([0.0, 0.0, 1.0, 3.0])
    panel.update(x, QParams(1.0, 0, INT4))
    levels, heights = panel.heads.get_data()
    np.testing.assert_array_equal(levels, [0, 1, 3])
    np.testing.assert_array_equal(heights, [1, 0.5, 0.5])
    bars_x, bars_y = panel.bars.get_data()
    np.testing.assert_array_equal(bars_x, [0, 0, 0, 1, 1, 1, 3, 3, 3])
    np.testing.assert_array_equal(bars_y[:3], [0, 1, np.nan])
    assert panel.note.text == "3 of 16 levels used"


@pytest.mark.parametrize("bits", [2, 8, 16])
@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_levels_in_use_at_every_width(bits, scheme, x, built):
    panel = built(LevelsPanel())
    qparams = calibrate(x, fmt=IntFormat(bits), scheme=scheme)
    panel.update(x, qparams)
    assert panel.heads.get_xdata().size == np.unique(quantize(x, qparams)).size


def test_small_bars_are_seen_on_a_logarithmic_axis():
    assert LOWEST_SHARE <= 1 / 100_000


@pytest.mark.parametrize("x", [np.zeros(5), np.full((2, 3), 7.0), np.array([-3.0]), np.float32([1e30, -1e30])])
def test_hard_inputs(x):
    assert before_and_after(x, calibrate(x)).description


def test_a_read_only_tensor_is_counted_once_and_no_other_is_mistaken_for_it(built, monkeypatch):
    counted = []
    monkeypatch.setattr("qviz.plots.histogram.binned", lambda x, *ends, **o: counted.append(x.size) or binned(x, *ends))
    panel, kept, other = built(HistogramPanel()), np.linspace(0, 1, 100), np.linspace(0, 2, 50)
    kept.setflags(write=False)
    for x in (kept, kept, other, other, kept):
        panel.update(x, 0.0, 0.5)
    assert counted == [100, 50, 50, 100]
    again = built(HistogramPanel())
    again.update(kept, 0.0, 0.5)
    np.testing.assert_array_equal(panel.kept.get_data().values, again.kept.get_data().values)
    assert panel.description == again.description


def test_values_with_counts_are_the_same_values_repeated(built):
    """In every panel that takes counts."""
    x, counts = np.linspace(-1.5, 2.0, 50), np.arange(1, 51)
    whole, p = np.repeat(x, counts), QParams(0.25, 1, INT4)
    for kind, arguments, artist in (
        (HistogramPanel, lambda v: (v, -1.0, 1.0), "kept"),
        (LevelsPanel, lambda v: (v, p), "bars"),
        (ErrorHistogramPanel, lambda v: (v, fake_quantize(v, p), 0.25), "outline"),
        (RangesPanel, lambda v: (v, calibration_results(whole, observe(whole)[0])), "outline"),
    ):
        one, other = built(kind()), built(kind())
        one.update(*arguments(x), counts)
        other.update(*arguments(whole))
        assert one.description == other.description
        for mine, theirs in zip(getattr(one, artist).get_data(), getattr(other, artist).get_data(), strict=True):
            np.testing.assert_allclose(mine, theirs)

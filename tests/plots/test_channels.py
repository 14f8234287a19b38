import numpy as np
import pytest

from qviz.numerics import INT4, INT8, PerChannel, PerGroup, PerTensor, QParams, calibrate, sqnr_db, value_range
from qviz.plots import Canvas, ChannelPanel, SqnrPanel, channels, sqnr_of_channels

WEIGHTS = np.random.default_rng(0).standard_normal((32, 16, 3, 3)) * np.geomspace(0.02, 1, 32).reshape(-1, 1, 1, 1)


@pytest.fixture
def panel():
    """Return a channel panel in an axes."""
    panel = ChannelPanel()
    Canvas({"ranges": panel})
    return panel


def bars(panel):
    """Return the (n, 2) lower and upper ends of the bars."""
    values, _, baseline = panel.bars.get_data()
    return np.column_stack([baseline[::2], values[::2]])


def covered(panel):
    values, _, baseline = panel.covered.get_data()
    return np.column_stack([baseline, values])


def calibrated(granularity, fmt=INT4, scheme="symmetric"):
    return calibrate(WEIGHTS, "min-max", fmt, scheme, granularity)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0)])
def test_bars_are_the_ranges_of_channels(granularity, panel):
    panel.update(WEIGHTS, calibrated(granularity))
    np.testing.assert_allclose(bars(panel), np.column_stack([WEIGHTS.min(axis=(1, 2, 3)), WEIGHTS.max(axis=(1, 2, 3))]))


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0), PerGroup(1, 8)])
@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_outlines_are_the_ranges_of_scales(granularity, scheme, panel):
    qparams = calibrated(granularity, scheme=scheme)
    panel.update(WEIGHTS, qparams)
    n = len(bars(panel))
    lows, highs = (np.broadcast_to(np.ravel(ends), max(n, ends.size))[:n] for ends in (qparams.lo, qparams.hi))
    np.testing.assert_allclose(covered(panel), np.column_stack([lows, highs]))


def test_groups_are_the_first_64(panel):
    granularity = PerGroup(1, 8)
    panel.update(WEIGHTS, calibrated(granularity))
    lows, highs = value_range(WEIGHTS, granularity)
    np.testing.assert_allclose(bars(panel), np.column_stack([lows, highs])[:64])
    assert panel.ax.get_xlabel() == "group (the first 64 of 576)"


def test_levels_are_drawn_at_few_bits(panel):
    panel.update(WEIGHTS, calibrated(PerChannel(0), INT4))
    assert panel.levels.get_visible()
    heights = panel.levels.get_ydata()[::3].reshape(32, 16)
    np.testing.assert_allclose(heights, calibrated(PerChannel(0), INT4).levels)
    panel.update(WEIGHTS, calibrated(PerChannel(0), INT8))
    assert not panel.levels.get_visible()


def test_limits_hold_every_range_at_every_setting(panel):
    limits = {}
    for scheme in ("affine", "symmetric"):
        for bits in (2, 3, 8):
            panel.update(WEIGHTS, calibrated(PerChannel(0), type(INT4)(bits), scheme))
            bottom, top = panel.ax.get_ylim()
            assert bottom <= covered(panel).min() and covered(panel).max() <= top
            limits[scheme, bits] = bottom, top
    lower = limits.pop(("symmetric", 2))  # its four levels reach twice as far down as up; no other leaves half empty
    assert len(set(limits.values())) == 1 and lower != limits["symmetric", 3]


def test_the_axis_of_decibels_is_not_half_empty():
    panel = SqnrPanel()
    Canvas({"sqnr": panel})
    for best, top in ((16.0, 36), (27.9, 36), (28.0, 60), (48.0, 60), (np.inf, 60)):
        panel.update(np.array([1.0, best]), 12.0)
        assert panel.ax.get_ylim() == (0, top) and panel.ax.get_yticks()[-1] == top


def test_decibels_of_channels_against_those_of_one():
    noisy = WEIGHTS + 0.01
    expected = [sqnr_db(WEIGHTS[i], noisy[i]) for i in range(32)]
    np.testing.assert_allclose(sqnr_of_channels(WEIGHTS, noisy), expected)


def test_a_channel_without_error_is_infinite():
    zero, one = np.zeros((1, 4)), np.ones((1, 4))
    np.testing.assert_array_equal(
        sqnr_of_channels(np.vstack([zero, one, zero]), np.vstack([zero, one, one])), [np.inf, np.inf, -np.inf]
    )


def test_the_worst_channel_is_marked():
    panel = SqnrPanel()
    Canvas({"sqnr": panel})
    panel.update(np.array([20.0, 5.0, np.inf]), 12.5)
    heights, edges, _ = panel.worst.get_data()
    assert heights.tolist() == [5.0]
    assert edges.tolist() == [0.6, 1.4]
    assert panel.bars.get_data()[0][::2].tolist() == [20.0, 5.0, 60.0]
    assert panel.description == (
        "SQNR of each channel: 5.0 dB in the worst channel, 1; inf dB in the best; 12.5 dB in all."
    )


@pytest.mark.parametrize("weights", [np.zeros((3, 4)), np.ones((1, 4)), -np.ones((2, 1)), WEIGHTS[:, :, 0, 0]])
@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0), PerGroup(1, 1)])
def test_hard_inputs(weights, granularity):
    qparams = calibrate(weights, "min-max", INT4, "affine", granularity)
    assert len(channels(weights, qparams).description.splitlines()) == 2


def test_hand_worked_fill():
    weights = np.array([[-7.0, 7.0], [-3.5, 0.0]])
    picture = channels(weights, QParams(1.0, 0, INT4))  # covers -8 to 7, 15 wide; spans 14 and 3.5
    assert "fill 58% of its scale's range (median)" in picture.description

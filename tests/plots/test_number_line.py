import numpy as np
import pytest

from qviz.numerics import INT4, INT8, UINT2, UINT4, UINT8, IntFormat, QParams, choose_qparams, error_parts
from qviz.plots import Canvas, NumberLinePanel, number_line
from qviz.plots.number_line import is_clipped, labelled


@pytest.fixture
def panel():
    """Return a number line in an axes."""
    panel = NumberLinePanel()
    Canvas({"line": panel}, size=(900, 260))
    return panel


def points(line):
    return [tuple(p) for p in zip(*line.get_data(), strict=True)]


def segments(line):
    """Return the (n, 2) ends along x of the parts of a line with gaps."""
    return np.asarray(line.get_xdata()).reshape(-1, 3)[:, :2]


def test_hand_worked_line(panel):
    panel.update([-0.7, 0.2, 2.0, 2.6], QParams(1.0, 1, UINT2))  # levels -1, 0, 1, 2
    np.testing.assert_array_equal(segments(panel.ticks), [[-1, -1], [0, 0], [1, 1], [2, 2]])
    np.testing.assert_array_equal(panel.kept.get_xdata(), [-0.7, 0.2, 2.0])
    np.testing.assert_array_equal(panel.clipped.get_xdata(), [2.6])
    np.testing.assert_array_equal(segments(panel.arrows), [[-0.7, -1], [0.2, 0], [2, 2]])
    np.testing.assert_array_equal(segments(panel.far_arrows), [[2.6, 2]])
    np.testing.assert_array_equal(panel.heads.get_xdata(), [-1, 0, 2, 2])
    np.testing.assert_array_equal(segments(panel.ends), [[-1, -1], [2, 2]])
    assert panel.description == (
        "Number line: 4 levels of uint2, 1 apart, from -1 to 2; code 1 stands for 0. "
        "-0.7 becomes -1, 0.2 becomes 0, 2 becomes 2, 2.6 becomes 2 (clipped)."
    )


def test_codes_stand_at_their_levels(panel):
    qparams = choose_qparams(-1, 2, UINT4)
    panel.update([0.5], qparams)
    np.testing.assert_allclose(panel.codes.get_offsets()[:, 0], qparams.levels)
    assert len(panel.codes.get_paths()) == 16


def test_the_zero_point_is_marked_at_zero(panel):
    panel.update([0.5], choose_qparams(-1, 2, INT8))
    assert panel.zero.get_xdata() == [0]


def test_limits_hold_every_value_and_the_range(panel):
    panel.update([-7.0, 0.1], choose_qparams(-1, 2, UINT4))
    left, right = panel.ax.get_xlim()
    assert left < -7 and right > 2
    panel.update([-7.0, 0.1], choose_qparams(-1, 2, UINT4), (-20.0, 20.0))
    assert panel.ax.get_xlim() == (-20, 20)


@pytest.mark.parametrize("fmt", [IntFormat(b, signed=s) for b in (2, 3, 4, 5, 8, 12, 16) for s in (True, False)])
@pytest.mark.parametrize("span", [1.0, 3.0, 40.0])
def test_codes_never_overlap(fmt, span, panel):
    qparams = choose_qparams(-1, 2, fmt)
    panel.update([0.5], qparams, (-span, 2 * span))
    renderer = panel.ax.figure.canvas.get_renderer()
    panel.ax.figure.draw(renderer)
    at = panel.ax.transData.transform(panel.codes.get_offsets())[:, 0]
    widths = np.array([path.get_extents().width for path in panel.codes.get_paths()]) * 100 / 72
    assert (np.diff(at) > (widths[1:] + widths[:-1]) / 2).all()
    zero = panel.ax.transData.transform((0, 0))[0]
    apart = np.abs(at - zero)
    box = panel.zero.get_markersize() * 100 / 72
    assert (apart - widths / 2 > box / 2)[apart > 1].all()  # nor does the box of the zero point cover one


@pytest.mark.parametrize("zero_point", [0, 1, 7, 85, 254, 255])
@pytest.mark.parametrize("apart", [1, 3, 8, 60, 300])
def test_labelled_codes(zero_point, apart):
    codes = labelled(UINT8, zero_point, apart)
    assert zero_point in codes
    assert len(codes) == 1 or np.diff(codes).min() >= apart
    assert codes.min() >= 0 and codes.max() <= 255
    if min(zero_point, 255 - zero_point) >= apart:
        assert {0, 255} <= set(codes.tolist())


def test_clipped_as_the_metrics_have_it():
    values = np.linspace(-12, 12, 1001)
    qparams = choose_qparams(-3, 5, INT4)
    assert is_clipped(values, qparams).mean() == error_parts(values, qparams).clipped_fraction


def test_no_values_at_all():
    assert number_line([], choose_qparams(-1, 2, UINT4)).description.endswith("code 5 stands for 0.")


def test_many_bits_are_thin_ticks(panel):
    panel.update([0.5], choose_qparams(-1, 2, UINT2))
    few = panel.ticks.get_linewidth()
    panel.update([0.5], choose_qparams(-1, 2, UINT8))
    assert panel.ticks.get_linewidth() < few / 3

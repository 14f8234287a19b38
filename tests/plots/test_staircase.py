import numpy as np
import pytest

from qviz.numerics import INT2, UINT2, IntFormat, QParams, choose_qparams, fake_quantize
from qviz.plots import Canvas, StaircasePanel, staircase


@pytest.fixture
def panel():
    """Return a staircase in an axes."""
    panel = StaircasePanel()
    Canvas({"stairs": panel})
    return panel


def test_hand_worked_stairs(panel):
    panel.update(QParams(1.0, 1, UINT2), limits=(-4.0, 4.0))  # levels -1, 0, 1, 2
    x, y = panel.stairs.get_data()
    np.testing.assert_array_equal(x, [-4, -0.5, -0.5, 0.5, 0.5, 1.5, 1.5, 4])
    np.testing.assert_array_equal(y, [-1, -1, 0, 0, 1, 1, 2, 2])
    left, right = panel.zones
    assert (left.get_x(), left.get_width()) == (-4, 2.5)
    assert (right.get_x(), right.get_width()) == (2.5, 1.5)


@pytest.mark.parametrize("bits", [2, 3, 8, 12])
@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_the_stairs_are_fake_quantize(bits, scheme, panel):
    qparams = choose_qparams(-1.7, 3.1, IntFormat(bits), scheme)
    panel.update(qparams, limits=(-5.0, 5.0))
    steps, heights = panel.stairs.get_data()
    x = np.random.default_rng(0).uniform(-5, 5, 500)
    stair = np.searchsorted(steps[1:-1:2], x)  # which flat part x is on
    np.testing.assert_allclose(heights[::2][stair], fake_quantize(x, qparams), atol=1e-12)


@pytest.mark.parametrize(("x", "y", "marker"), [(0.7, 1.0, "D"), (2.4, 2.0, "D"), (2.6, 2.0, "X"), (-9.0, -1.0, "X")])
def test_the_marked_input(x, y, marker, panel):
    panel.update(QParams(1.0, 1, UINT2), x, (-10.0, 10.0))
    assert (panel.start.get_xydata() == [[x, x]]).all()
    assert (panel.end.get_xydata() == [[x, y]]).all()
    assert panel.end.get_marker() == marker
    np.testing.assert_array_equal(panel.guides.get_xydata(), [[x, -10], [x, y], [-10, y]])
    np.testing.assert_array_equal(panel.error.get_xydata(), [[x, x], [x, y]])
    assert ("(clipped)" in panel.description) == (marker == "X")


def test_no_input_no_mark(panel):
    panel.update(QParams(1.0, 1, UINT2), 0.5)
    panel.update(QParams(1.0, 1, UINT2))
    assert not any(a.get_visible() for a in (panel.guides, panel.error, panel.start, panel.end))
    assert panel.description == "Staircase: steps 1 wide and high from -1 to 2, flat outside."


def test_a_far_input_is_inside_the_limits():
    assert staircase(QParams(1.0, 0, INT2), 30.0).figure.axes[0].get_xlim()[1] >= 30


def test_nothing_is_clipped_where_the_range_fills_the_axis(panel):
    panel.update(choose_qparams(-10, 10, UINT2), limits=(-2.0, 2.0))
    assert [zone.get_width() for zone in panel.zones] == [0, 0]

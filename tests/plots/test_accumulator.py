import numpy as np
import pytest

from qviz.numerics import INT4, UINT8
from qviz.plots import Canvas, RequantizePanel, TermsPanel, WalkPanel
from qviz.plots.accumulator import powers_around, within


def shown(panel, *data):
    Canvas({"panel": panel}).update({"panel": data})
    return panel


def test_the_walk_is_the_running_sum():
    panel = shown(WalkPanel(), np.array([3, -5, 1]), np.array([3, 4, 1]), 1)
    powers = (2, 8)  # around -2 to 8
    np.testing.assert_array_equal(panel.walk.get_ydata(), within(np.array([0, 3, -2, -1]), powers))
    np.testing.assert_array_equal(panel.before.get_ydata(), within(np.array([0, 3, 7, 8]), powers))
    # the second product, drawn where it is added
    np.testing.assert_array_equal(panel.step.get_xydata(), [[2, within(3, powers)], [2, within(-2, powers)]])
    assert panel.end.get_xydata().tolist() == [[3, within(-1, powers)]]
    assert [words.text for words in panel.numbers] == ["\N{MINUS SIGN}2", "0", "8"]


def test_a_side_that_is_not_needed_has_no_number():
    panel = shown(WalkPanel(), np.array([3, 5]), np.array([3, 5]), 0)
    assert [words.visible for words in panel.numbers] == [False, True, True]


@pytest.mark.parametrize("values", [[0], [50], [-50], [1000, -3], [-1e6, 1e6], [2**31 - 1]])
def test_zero_and_every_value_lie_within_and_powers_seldom_move(values):
    powers = powers_around(values)
    heights = within(np.array([0, *values]), powers)
    assert 0 < heights.min() and heights.max() < 1
    assert all(power == 0 or power & (power - 1) == 0 for power in powers)
    assert powers_around([0.8 * v for v in values]) == powers_around([0.9 * v for v in values])


def test_each_term_begins_where_the_last_one_ended():
    panel = shown(TermsPanel(), (100, -30, 0, 5, -80))
    ends = np.array([(0, 100), (70, 100), (70, 70), (70, 75), (-5, 75), (-5, 0)])
    bars = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in panel.bars]
    np.testing.assert_allclose(bars, within(ends, (0, 128)))  # 5 below zero needs no power of its own
    assert [words.text.replace("\N{MINUS SIGN}", "-") for words in panel.numbers] == [
        "100",
        "-30",
        "0",
        "5",
        "-80",
        "-5",
    ]


def test_the_ramp_by_hand():
    panel = shown(RequantizePanel(), (15.2, 25), (45.1, 55), 10)
    # code = steps + 10: 0 at -10, 255 at 245; three quarters of 255 on each side
    assert panel.ramp.get_xydata().tolist() == [[-201.25, 0], [-10, 0], [245, 255], [436.25, 255]]
    assert panel.now.get_xydata().tolist() == [[15.2, 25]]
    assert panel.before.get_xydata().tolist() == [[45.1, 55]]


def test_a_relu_cuts_at_the_zero_point():
    panel = shown(RequantizePanel(), (15.2, 25), (45.1, 55), 10, True, UINT8, "gemmlowp")
    assert list(panel.ramp.get_ydata()) == [10, 10, 255, 255]
    assert panel.ramp.get_xdata()[1] == 0
    assert panel.ax.get_title(loc="left") == "Output code (gemmlowp)"


def test_another_zero_point_moves_the_ramp_and_not_the_axes():
    """A move of a control that changed the limits would cost a new background."""
    panel = shown(RequantizePanel(), (15, 25), (45, 55), 10, False, UINT8, "", 10)
    still = panel.view()
    panel.update((15, 75), (45, 55), 60, False, UINT8, "", 10)
    assert panel.view() == still
    # code = steps + 60: 0 at -60, 255 at 195
    assert panel.ramp.get_xydata().tolist() == [[-201.25, 0], [-60, 0], [195, 255], [436.25, 255]]
    panel.update((15, 75), (45, 55), 255, False, UINT8, "", 0)  # the ramp begins left of the picture
    assert panel.ramp.get_xydata().tolist() == [[-255, 0], [-255, 0], [0, 255], [446.25, 255]]
    assert panel.zones[0].get_width() == 0


def test_what_lies_beyond_the_picture_points_outwards():
    panel = shown(RequantizePanel(), (1e6, 255), (-1e6, 0), 10)
    assert (panel.now.get_marker(), panel.before.get_marker()) == (">", "<")
    assert panel.now.get_xdata()[0] == panel.ax.get_xlim()[1]
    panel.update((15, 25), (45, 55), 10)
    assert (panel.now.get_marker(), panel.before.get_marker()) == ("D", "o")


def test_signed_codes_and_a_ramp_of_no_width():
    panel = shown(RequantizePanel(), (0, 7), (0, 7), 7, True, INT4)
    assert list(panel.ramp.get_ydata()) == [7, 7, 7, 7]
    assert panel.ax.get_xlim() == (-11.25, 11.25)

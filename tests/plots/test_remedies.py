"""Each row shows its accuracy, its interval and its decibels; one that is off shows none."""

import numpy as np
import pytest

from qviz.plots import Canvas, RemediesPanel

NAMES = ("none", "one", "two")


@pytest.fixture
def panel():
    """Return a panel of three rows, the middle one off."""
    made = RemediesPanel(NAMES, "Right")
    Canvas({"panel": made})
    made.update([0.25, np.nan, 0.75], [(0.2, 0.3), (np.nan, np.nan), (0.7, 0.8)], [1.5, np.nan, 30.25], 0.99)
    return made


def test_a_row_that_is_off_has_no_mark(panel):
    assert panel.dots.get_xdata().tolist() == [0.25, 0.75]
    assert panel.dots.get_ydata().tolist() == [0, 2]
    np.testing.assert_array_equal(panel.intervals.get_xdata(), [0.2, 0.3, np.nan, 0.7, 0.8, np.nan])
    np.testing.assert_array_equal(panel.intervals.get_ydata(), [0, 0, 0, 2, 2, 2])
    assert panel.float.get_xdata() == [0.99, 0.99]


def test_it_is_said_in_words(panel):
    assert [[w.text for w in row] for row in panel.words] == [["25.0%", "1.5"], ["off", "-"], ["75.0%", "30.2"]]
    assert panel.description == "Right: none 25.0% (1.5 dB), one off, two 75.0% (30.2 dB)"


def test_the_axes_stay(panel):
    before = panel.view()
    panel.update([0.0, 1.0, 1.0], [(0, 0.01), (0.99, 1), (0.99, 1)], [-4.0, 60.0, np.inf], 0.99)
    assert panel.view() == before
    assert panel.words[2][1].text == "inf"

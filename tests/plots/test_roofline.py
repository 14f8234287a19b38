import numpy as np
import pytest

from qviz.numerics.roofline import Roof, Work
from qviz.plots import Canvas, RatioPanel, RooflinePanel
from qviz.plots.roofline import Ratio, RooflinePoint


def shown(panel, *data):
    Canvas({"panel": panel}, size=(600, 300)).update({"panel": data})
    return panel


def test_the_roof_bends_where_memory_and_arithmetic_meet():
    roof = Roof(peak=100, bandwidth=10, call_ms=0.5)
    point = RooflinePoint(Work(4e6, 1e6), roof, 3.0)
    panel = shown(RooflinePanel(), [point, point], "one layer")
    x, y = panel.roofs[0].get_data()
    assert (x[1], y[1]) == (10, 100) and y[0] == pytest.approx(x[0] * 10) and y[2] == 100
    assert panel.points[0].get_xydata().tolist() == [[4, 3]]
    assert panel.calls[0].get_xydata().tolist() == [[4, pytest.approx(8)]]  # 4e6 operations in 0.5 ms: 8 Gop/s
    assert "one layer: float32 has 4.00 operations per byte, 3 Gop/s of 8 possible" in panel.description


def test_before_it_is_measured_only_the_intensity_is_shown():
    points = [RooflinePoint(Work(operations, 1), None, np.nan) for operations in (4, 8)]
    panel = shown(RooflinePanel(), points, "x")
    assert not any(artist.get_visible() for artist in (*panel.roofs, *panel.points, *panel.calls))
    assert [line.get_xdata()[0] for line in panel.uprights] == [4, 8]
    assert "possible" not in panel.description


def test_ratios_are_bars_from_one():
    panel = shown(RatioPanel(), ("a", "b", "c"), [Ratio(0.2, 0.25, 0.3), Ratio(1, 1, 1), Ratio(3, 4, 5)], 2)
    assert panel.slower.get_path().vertices[:, 0].min() == -2  # a quarter
    assert panel.faster.get_path().vertices[:, 0].max() == 2
    assert [words.text for words in panel.words[:3]] == ["0.25x", "1.00x", "4.00x"]
    assert list(panel.mark.get_ydata()) == [2]


def test_ratios_beyond_the_axis_stay_inside():
    panel = shown(RatioPanel(), ("a", "b"), [Ratio(0.001, 0.01, 0.1), Ratio(100, 1000, 1e4)], 0)
    left, right = panel.ax.get_xlim()
    assert left < panel.slower.get_path().vertices[:, 0].min() and panel.faster.get_path().vertices[:, 0].max() < right
    assert panel.words[1].text == "1000.00x"


def test_a_case_that_was_not_measured_has_no_bar_and_no_words():
    panel = shown(RatioPanel(), ("a", "b", "c"), [Ratio(3, 4, 5), None, Ratio(1, 2, 3)], 1, "An example,\nonce:")
    assert [words.visible for words in panel.words[:4]] == [True, False, True, False]
    assert panel.note.get_visible() and panel.note.get_text() == "An example,\nonce:"
    assert panel.description.endswith("Chosen: b. An example, once: a 4.00x; c 2.00x.")
    Canvas({"panel": panel}).update({"panel": (("a",), [Ratio(1, 2, 3)], 0)})
    assert not panel.note.get_visible()


def test_a_point_without_a_roof_is_shown_alone():
    points = [RooflinePoint(Work(4, 1), None, 2.0), RooflinePoint(Work(8, 1), None, 3.0)]
    panel = shown(RooflinePanel(), points, "x", "elsewhere")
    assert not any(artist.get_visible() for artist in (*panel.roofs, *panel.calls))
    assert [point.get_xydata().tolist() for point in panel.points] == [[[4, 2]], [[8, 3]]]
    assert "float32 has 4.00 operations per byte, 2 Gop/s; int8" in panel.description


def test_nothing_but_the_names_before_it_is_measured():
    panel = shown(RatioPanel(), ("a", "b"), None, 1)
    assert [words.visible for words in panel.words[:3]] == [False, True, False]
    assert len(panel.spread.get_xdata()) == 0
    assert panel.description.endswith("Chosen: b. Not measured yet.")

"""Bars are as long as their numbers, and say them."""

import numpy as np
from matplotlib.transforms import Bbox

from qviz.plots import BarsPanel, LayersPanel, compare_accuracies


def boxes(patch):
    """Return the (n, 4) rectangles of a path: left, bottom, right, top."""
    path = patch.get_path()
    corners = path.vertices.reshape(-1, 5, 2) if len(path.vertices) > 1 else np.zeros((0, 5, 2))
    return np.array([Bbox.null().union([Bbox.from_extents(*c.min(0), *c.max(0))]).extents for c in corners])


def test_a_bar_is_as_long_as_its_number(built):
    panel = built(BarsPanel(names=("float32", "a", "b")))
    panel.update({"b": 0.25, "float32": 0.75, "a": 0.5})  # the order of the rows is that of the names
    np.testing.assert_allclose(boxes(panel.bars[0])[:, 2], [0.75])
    np.testing.assert_allclose(boxes(panel.bars[1])[:, [0, 2]], [[0, 0.5], [0, 0.25]])
    assert [words.text for words in panel.told] == ["75.00%", "50.00%", "25.00%"]
    assert panel.float.get_xdata() == [0.75, 0.75]
    assert panel.description == "Right answers: float32 75.00%, a 50.00%, b 25.00%"


def test_nothing_right_is_no_bar(built):
    panel = built(BarsPanel())
    panel.update({"float32": 1.0, "quantized": 0.0})
    assert len(boxes(panel.bars[1])) == 0 and panel.told[1].text == "0.00%"


def test_bytes_end_at_those_of_float(built):
    panel = built(BarsPanel("Size", "bytes", digits="{:,.0f}", scale="{:,.0f}", most=None))
    panel.update({"float32": 160_000, "quantized": 40_000})
    assert panel.ax.get_xticks().tolist() == [0, 40_000, 80_000, 120_000, 160_000]
    assert panel.told[0].text == "160,000" and panel.ax.get_xlim()[1] > 160_000


def test_decibels_are_heights_and_what_has_none_has_no_bar(built):
    panel = built(LayersPanel(names=("a", "b", "c", "d")))
    panel.update(np.array([np.nan, 30.0, 99.0, -3.0]), np.array([12.0, np.inf, -np.inf, 6.0]))
    np.testing.assert_allclose(boxes(panel.bars["weights"])[:, 3], [30, 60])
    outputs = boxes(panel.bars["outputs"])
    np.testing.assert_allclose(outputs[:, 3], [12, 60, 6])
    np.testing.assert_allclose(outputs[:, [0, 2]].mean(1), np.array([0, 1, 3]) + 0.2)  # the right one of each pair
    assert "a 12.0, b inf" in panel.description


def test_a_picture_of_accuracies():
    picture = compare_accuracies({"float32": 0.9, "W2A2": 0.1}, "Digits")
    assert repr(picture) == "Digits: float32 90.00%, W2A2 10.00%"

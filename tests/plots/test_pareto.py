"""Where dots, front, marks, star and box stand."""

import numpy as np
import pytest

from qviz.plots import Canvas, Cloud, LatencyPanel, ParetoPanel, pareto

SIZES = np.array([10_000, 20_000, 20_000, 30_000, 40_000])
SHARES = np.array([0.5, 0.9, 0.8, 0.99, 0.99])  # by hand: numbers 0, 1 and 3 are the front


def panel_of(cloud, here=None):
    canvas = Canvas({"panel": ParetoPanel()})
    canvas.update({"panel": (cloud, here)})
    return canvas.panels["panel"]


def test_the_front_by_hand():
    cloud = Cloud(SIZES, SHARES)
    assert cloud.front.tolist() == [True, True, False, True, False]
    x, y = panel_of(cloud).front.get_data()
    np.testing.assert_array_equal(x[:-1], [10, 20, 30])
    np.testing.assert_allclose(y[:-1], [0.30103, 1, 2], atol=1e-5)  # -log10 of 0.5, 0.1, 0.01
    assert (x[-1] > 40, y[-1]) == (True, y[-2])


def test_the_box_holds_what_beats_the_star():
    panel = panel_of(Cloud(SIZES, SHARES), here=2)
    (star_x,), (star_y,) = panel.star.get_data()
    assert (star_x, star_y) == (20, pytest.approx(0.69897, abs=1e-5))
    (left, bottom), (right, top) = panel.box.get_bbox().get_points()
    assert (right, bottom) == (star_x, star_y)
    assert (left, top) == (panel.ax.get_xlim()[0], panel.ax.get_ylim()[1])
    x, y = panel.dots.get_data()
    inside = (x <= right) & (y >= bottom)
    assert (np.flatnonzero(inside & (np.arange(5) != 2)) == np.flatnonzero(Cloud(SIZES, SHARES).beating(2))).all()
    assert panel.description.endswith("The star has 20,000 bytes; 1 are better on both sides.")


def test_all_right_is_drawn_half_of_the_fewest_wrong_higher():
    y = Cloud(np.arange(3), np.array([0.5, 0.9, 1.0])).height
    np.testing.assert_allclose(10.0**-y, [0.5, 0.1, 0.05])
    assert np.isfinite(Cloud(np.arange(2), np.ones(2)).height).all()


def test_ticks_name_shares_and_decibels():
    accuracy, decibels = panel_of(Cloud(SIZES, SHARES)), panel_of(Cloud(SIZES, 30 * SHARES, "SQNR"))
    assert [t.get_text() for t in accuracy.ax.get_yticklabels()] == ["50 %", "80 %", "90 %", "95 %", "98 %", "99 %"]
    assert [t.get_text() for t in decibels.ax.get_yticklabels()] == ["20", "30"]
    np.testing.assert_array_equal(decibels.dots.get_ydata(), 30 * SHARES)


def test_marks_and_their_names():
    panel = panel_of(Cloud(SIZES, SHARES, uniform={"2 bits": 0, "8 bits": 4}, chosen={"mixed": 3}))
    np.testing.assert_array_equal(panel.uniform.get_xdata(), [10, 40])
    np.testing.assert_array_equal(panel.chosen.get_xdata(), [30])
    assert [(t.get_text(), t.xy[0]) for t in panel.names if t.get_visible()] == [
        ("2 bits", 10),
        ("8 bits", 40),
        ("mixed", 30),
    ]
    assert "chosen" in [t.get_text() for t in panel.ax.get_legend().get_texts()]
    assert not panel.star.get_visible()


def test_another_cloud_is_drawn_anew():
    canvas = Canvas({"panel": ParetoPanel()})
    pictures = []
    for cloud in (Cloud(SIZES, SHARES), Cloud(SIZES, SHARES[::-1].copy()), Cloud(SIZES, SHARES)):
        canvas.update({"panel": (cloud, 2)})
        pictures.append(canvas.png())
    assert pictures[0] == pictures[2] != pictures[1]


def test_a_static_picture():
    assert pareto(Cloud(SIZES, SHARES)).description == "accuracy against size: 5 networks, 3 on the front."


TIMES = ((2.0, 0.4), (1.0, 0.2))  # float32, int8


def latency_of(cloud, *arguments):
    canvas = Canvas({"pareto": ParetoPanel(), "panel": LatencyPanel()})
    canvas.update({"pareto": (cloud, 0), "panel": (cloud, 2, *arguments)})
    canvas.png()
    return canvas.panels["panel"], canvas.panels["pareto"]


def test_time_by_hand():
    """The star stands at int8's time, as high as beside it; bands are half a spread to each side."""
    panel, beside = latency_of(Cloud(SIZES, SHARES), TIMES, 0.9)
    assert (panel.star.get_xdata()[0], panel.star.get_ydata()[0]) == (1.0, pytest.approx(0.69897, abs=1e-5))
    assert (panel.real.get_xdata()[0], panel.real.get_ydata()[0]) == (2.0, pytest.approx(1.0))
    assert [line.get_xdata()[0] for line in panel.lines] == [2.0, 1.0]
    assert [(b.get_x(), b.get_width()) for b in panel.bands] == [(1.8, 0.4), (0.9, 0.2)]
    assert panel.ax.get_xlim() == (0, pytest.approx(1.3 * 2.2))
    assert panel.ax.get_ylim() == beside.ax.get_ylim()
    assert [t.get_text() for t in panel.ax.get_yticklabels()] == [t.get_text() for t in beside.ax.get_yticklabels()]
    assert panel.description == "Time on this machine: float32 2.000 ms, int8 1.000 ms; there the star, accuracy 0.800."


def test_no_time_is_said_and_none_is_drawn():
    panel, _ = latency_of(Cloud(SIZES, SHARES))
    assert [words.text for words in panel.words if words.visible] == ["Not measured yet.", "Press Measure speed."]
    assert not panel.ax.get_legend().get_visible()
    assert not any(a.get_visible() for a in (*panel.lines, *panel.bands, panel.star, panel.real))
    assert len(panel.ax.get_xticks()) == 0 and panel.description.endswith("not measured yet.")


def test_the_float_network_has_no_decibels():
    panel, _ = latency_of(Cloud(SIZES, 30 * SHARES, "SQNR"), TIMES)
    assert panel.star.get_visible() and not panel.real.get_visible()

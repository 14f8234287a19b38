"""Words that move: where they end, what they cover, and how little they cost."""

import string

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qviz.plots.moving_text import Words, _outlines


@pytest.fixture
def ax():
    figure = Figure(figsize=(3, 1), dpi=100)
    FigureCanvasAgg(figure)
    return figure.add_axes((0, 0, 1, 1), frameon=False, xlim=(0, 3), ylim=(0, 1), xticks=[], yticks=[])


def ink(ax):
    """Return the columns and the rows that are not white: (left, right, top, bottom)."""
    ax.figure.canvas.draw()
    dark = np.asarray(ax.figure.canvas.buffer_rgba())[:, :, :3].min(axis=2) < 128
    columns, rows = np.flatnonzero(dark.any(axis=0)), np.flatnonzero(dark.any(axis=1))
    return int(columns[0]), int(columns[-1]), int(rows[0]), int(rows[-1])


def test_they_end_at_the_point_in_the_middle_of_its_height(ax):
    words = Words(ax, ax.transData, size=12)
    words.say("HIJ", 2.0, 0.5)
    left, right, top, bottom = ink(ax)
    assert abs(right - 200) <= 2
    assert 170 < left < 185
    assert abs((top + bottom) / 2 - 50) <= 1
    words.say("HIJ", 1.0, 0.5)
    assert ink(ax)[:2] == (left - 100, right - 100)


def test_they_are_as_large_as_a_text_artist(ax):
    words = Words(ax, ax.transData, size=12)
    words.say("HIJKLM", 2.0, 0.5)
    ours = ink(ax)
    words.visible = False
    assert not words.visible
    ax.text(2.0, 0.5, "HIJKLM", size=12, ha="right", va="center_baseline")
    assert np.abs(np.subtract(ours, ink(ax))).max() <= 2


def test_a_cover_hides_what_is_below(ax):
    ax.axhspan(0, 1, color="black")
    words = Words(ax, ax.transData, size=12, cover="none")
    words.say("HIJ", 2.0, 0.5)
    ax.figure.canvas.draw()
    row = np.asarray(ax.figure.canvas.buffer_rgba())[40, :, 0]  # above the letters
    assert (row[185:200] == 255).all()
    assert (row[:160] == 0).all()
    assert len(words.artists) == 2


def test_the_last_words_stay(ax):
    words = Words(ax, ax.transAxes, size=12, bold=True)
    words.say("once", 0.5, 0.5)
    first = ink(ax)
    words.say("and again", 0.5, 0.5)
    assert words.text == "and again"
    assert ink(ax)[0] < first[0]
    words.say("once", 0.5, 0.5)
    assert ink(ax) == first


@pytest.mark.parametrize("bold", [False, True])
def test_the_right_edge_is_that_of_the_outline(bold):
    """The oracle is get_extents, which follows every curve."""
    for letter in string.printable.strip() + "★→∞":
        letters, _ = _outlines(f"a{letter}", 10.0, bold)
        assert letters.get_extents().x1 == pytest.approx(0, abs=1e-9)


def test_words_around_a_point_stand_as_far_on_both_sides():
    end, _ = _outlines("mantissa 5", 12.0, False)
    middle, cover = _outlines("mantissa 5", 12.0, False, 0.5)
    shift = middle.vertices[:, 0] - end.vertices[:, 0]
    np.testing.assert_allclose(shift, middle.vertices[:, 0].max())  # by the half that stands behind the point
    assert cover.vertices[:, 0].min() == pytest.approx(-cover.vertices[:, 0].max())
    np.testing.assert_allclose(end.vertices[:, 1], middle.vertices[:, 1])

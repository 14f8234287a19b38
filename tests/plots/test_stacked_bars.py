import numpy as np
import pytest

from qviz.plots import Canvas, SharesPanel


def test_parts_stand_end_to_end():
    panel = SharesPanel("Bytes", "% of float32", ("codes", "scales", "biases"))
    canvas = Canvas({"panel": panel}, size=(500, 250))
    canvas.update({"panel": (("a", "b"), np.array([[20, 5, 1.0], [25, 0, 2.0]]), ("x", "y"))})
    ends = [shape.get_path().vertices[:, 0] for shape in panel.bars]
    assert [(e.min(), e.max()) for e in ends] == [(0, 25), (20, 25), (25, 27)]
    assert panel.description == "Bytes, % of float32: a 26.0 % (x); b 27.0 % (y)."
    assert [words.visible for words in panel.words] == [True, True, False, False, False, False]


def test_the_axis_ends_where_nothing_is_above():
    panel = SharesPanel("t", "x", "ab", limit=130)
    Canvas({"panel": panel}, size=(500, 250))
    assert panel.ax.get_xlim() == (0, 130)  # beyond 100 % there are words alone
    assert panel.ax.get_xticks()[-1] == 100 == panel.ax.spines["bottom"].get_bounds()[1]


def test_each_part_has_a_hatching_or_a_colour_of_its_own():
    panel = SharesPanel("t", "x", "abcd")
    Canvas({"panel": panel})
    looks = [(shape.get_facecolor(), shape.get_hatch()) for shape in panel.bars]
    assert len({hatch for _, hatch in looks}) == pytest.approx(4)


def test_other_names_are_another_view():
    panel = SharesPanel("t", "x", "ab")
    canvas = Canvas({"panel": panel}, size=(500, 250))
    pictures = []
    for name in ("W8A8", "W2A8"):
        canvas.update({"panel": ((name,), np.array([[20, 5.0]]), ("x",))})
        pictures.append(canvas.png())
    assert pictures[0] != pictures[1]

"""Signs, frame, bars and line, where they must be."""

import numpy as np
import pytest

from qviz.plots import AnswersLostPanel, Canvas, VerdictPanel

WAYS, QUESTIONS = ["one", "two", "three"], ["model", "data"]
VERDICTS = {
    ("one", "model"): "", ("one", "data"): "out",
    ("two", "model"): "costs", ("two", "data"): "",
    ("three", "model"): "", ("three", "data"): "",
}  # fmt: skip


def shown(panel, *data):
    canvas = Canvas({"panel": panel})
    canvas.update({"panel": data})
    return panel


def test_signs_stand_where_way_and_question_meet():
    panel = shown(VerdictPanel(WAYS, QUESTIONS), VERDICTS, "two")
    at = {verdict: set(zip(*map(tuple, line.get_data()), strict=True)) for verdict, line in panel.signs.items()}
    assert at == {"": {(0, 0), (1, 1), (0, 2), (1, 2)}, "costs": {(0, 1)}, "out": {(1, 0)}}
    assert panel.frame.get_y() < 1 < panel.frame.get_y() + panel.frame.get_height()
    assert panel.description == "3 ways, 2 questions: 4 fine, 1 at a cost, 1 ruled out. Left: two."


def test_signs_differ_in_form_not_in_colour_alone():
    panel = shown(VerdictPanel(WAYS, QUESTIONS), VERDICTS, "two")
    assert len({line.get_marker() for line in panel.signs.values()}) == 3


def test_bars_their_numbers_and_the_line():
    panel = shown(AnswersLostPanel(WAYS, {"three": "by hand"}), {"one": 0.5, "two": 45.0, "three": np.nan}, 1.5, "one")
    assert [bar.get_width() for bar in panel.bars] == [0.5, 20, 0]
    assert [words.text for words in panel.words] == ["0.5", "45.0 \N{RIGHTWARDS ARROW}", "by hand"]
    assert list(panel.line.get_xdata()) == [1.5, 1.5]
    assert panel.bars[0].get_facecolor() != panel.bars[1].get_facecolor()
    assert panel.description == "Points lost on our network: one 0.5, two 45.0; 1.5 may be lost."


@pytest.mark.parametrize("lost", [0.0, -0.3])
def test_nothing_lost_is_no_bar(lost):
    panel = shown(AnswersLostPanel(WAYS, {}), dict.fromkeys(WAYS, lost), 0.0, "one")
    assert {bar.get_width() for bar in panel.bars} == {0}
    assert panel.words[0].text == f"{lost:.1f}"

"""The questions before and after: right answers are computed, and the score says no more than it should."""

import ipywidgets
import numpy as np
import pytest

from qviz.lessons import after_the_course, before_the_course, questions
from qviz.lessons.quiz import Quiz

EVERY = [*questions.BEFORE, *questions.AFTER]


@pytest.mark.parametrize("question", EVERY, ids=lambda q: q.text)
def test_a_question_has_one_right_answer(question):
    assert 0 <= question.truth() < len(question.choices) == len(set(question.choices))
    assert question.text.endswith("?")


def test_the_same_ideas_with_other_words():
    assert [q.about for q in questions.BEFORE] == [q.about for q in questions.AFTER]
    assert not {q.text for q in questions.BEFORE} & {q.text for q in questions.AFTER}


# worked by hand: a uniform error is a twelfth of the step squared; the scale rules are those of the lessons
def test_the_numbers_behind_the_answers():
    np.testing.assert_allclose(questions.error_ratio(8, 6), (255 / 63) ** 2, rtol=2e-3)  # 20,001 values
    np.testing.assert_allclose(questions.error_ratio(7, 4), (127 / 15) ** 2, rtol=2e-3)
    assert [questions.codes_from_zero_up(bits) for bits in (8, 5)] == [128, 16]
    assert [questions.percent_of_scales(256, 1000), questions.percent_of_scales(64, 40)] == [0.4, 10.0]
    np.testing.assert_allclose(questions.bias_step(8), 255, rtol=1e-6)  # (1 / 127) / (1 / 127 / 255), float32
    assert questions.zero_after(10, 11) == 0


def test_it_is_scored_when_the_reader_asks():
    quiz = before_the_course()
    assert repr(quiz) == "9 questions, 0 answered: not attempted yet"
    right = [q.choices[q.truth()] for q in quiz.questions]
    for index, choice in enumerate(right[:-1]):
        quiz.answer(index, choice)
    (button,) = [w for row in quiz.children for w in getattr(row, "children", ()) if isinstance(w, ipywidgets.Button)]
    button.click()
    assert repr(quiz).splitlines() == [
        "9 questions, 8 answered, 8 right",
        'biases: see the page "Weights, activations, biases"',
    ]
    quiz.answer(8, right[-1])
    quiz.score()
    assert repr(quiz) == "9 questions, 9 answered, 9 right"


def test_a_wrong_answer_names_its_page_and_not_the_answer():
    quiz = Quiz(questions.AFTER[2:3])
    quiz.answer(0, "-3.0")
    quiz.score()
    assert repr(quiz).splitlines() == ["1 questions, 1 answered, 0 right", 'zero: see the page "Scale and zero point"']
    assert "0.0" not in quiz.children[-1].value


def test_a_choice_that_is_none_is_told():
    with pytest.raises(ValueError, match=r"choice must be one of '10\.0', '0\.0', '10\.5': got 'ten'"):
        before_the_course().answer(2, "ten")


def test_after_the_course_is_another_quiz():
    assert after_the_course().questions == questions.AFTER

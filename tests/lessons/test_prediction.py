"""Predict, then reveal: nothing stops Run All, and nothing is given away before the reader commits."""

from collections import Counter

import pytest

from qviz.lessons import Prediction
from qviz.lessons.prediction import shuffled

NUMBERS = {"2 times": 2.0, "4 times": 4.0, "8 times": 8.0}


@pytest.fixture
def guess():
    prediction = Prediction("How much?", NUMBERS)
    yield prediction
    prediction.close()


def test_an_unanswered_question_says_so_and_hides_the_truth(guess):
    reveal = guess.reveal(4.0, "because")
    assert "not attempted yet" in repr(guess)
    assert "not attempted yet" in reveal.value
    assert "because" not in reveal.value and "4 times" not in reveal.value


def test_the_stored_text_holds_the_truth_for_nbval_to_compare(guess):
    assert repr(guess.reveal(3.97, "because")) == ("Your guess: not attempted yet. Answer: 4 times (3.97).\nbecause")


@pytest.mark.parametrize(
    ("choices", "truth", "answer"),
    [
        ({"19 %": 0.19, "about 85 %": 0.85}, 0.849, "about 85 % (84.9%)"),
        ({"96.4 %, as without biases": 0.964, "98 %": 0.98}, 0.96379, "96.4 %, as without biases"),
        ({"97 %": 97, "90 %": 90}, 96.379, "97 % (96.4%)"),
        ({"about 300": 300, "none": 0}, 285, "about 300 (285)"),
    ],
)
def test_a_number_is_told_in_the_unit_of_its_choice_and_not_twice(choices, truth, answer):
    guess = Prediction("How many?", choices)
    assert repr(guess.reveal(truth)) == f"Your guess: not attempted yet. Answer: {answer}."


@pytest.mark.parametrize("order", ["commit first", "reveal first"])
def test_the_reveal_shows_guess_and_truth_whichever_cell_ran_first(guess, order):
    if order == "commit first":
        guess.commit("8 times")
    reveal = guess.reveal(4.0, "a < b")
    if order == "reveal first":
        guess.commit("8 times")
    assert "Your guess: 8 times" in reveal.value
    assert "<strong>4 times</strong>" in reveal.value
    assert "a &lt; b" in reveal.value
    assert not reveal.right


def test_a_right_guess_is_told_so(guess):
    guess.commit("4 times")
    reveal = guess.reveal(4.4)
    assert reveal.right and "&#10003;" in reveal.value


@pytest.mark.parametrize(
    ("truth", "name"), [(2.9, "2 times"), (3.1, "4 times"), (100, "8 times"), ("8 times", "8 times")]
)
def test_the_nearest_choice_is_right(guess, truth, name):
    assert guess.reveal(truth).truth == name


def test_the_button_needs_a_choice_and_then_commits_it(guess):
    assert guess._commit.disabled
    guess._answers.value = "2 times"
    assert not guess._commit.disabled
    guess._commit.click()
    assert guess.guess == "2 times"


def test_a_second_thought_replaces_the_first(guess):
    reveal = guess.reveal(4.0)
    guess.commit("2 times")
    guess.commit("4 times")
    assert reveal.right


def test_a_truth_that_could_not_be_measured_is_told_so(guess):
    reveal = guess.reveal(float("nan"))
    guess.commit("4 times")
    assert not reveal.right and "cannot be measured on this machine" in reveal.value


def test_bad_arguments_are_named(guess):
    with pytest.raises(ValueError, match="guess must be one of '2 times', '8 times', '4 times': got '3 times'"):
        guess.commit("3 times")
    with pytest.raises(ValueError, match="truth must be one of"):
        guess.reveal("3 times")
    with pytest.raises(ValueError, match="at least two answers: got 1"):
        Prediction("?", ["one"])
    with pytest.raises(ValueError, match="truth must be one of 'a', 'b': got 3"):
        Prediction("?", ["a", "b"]).reveal(3)


def test_the_right_answer_may_stand_anywhere():
    """1,000 questions, 3 choices: each place is expected 333 times, with a standard deviation of 15; 5 of these."""
    places = Counter(shuffled(["right", "b", "c"], seed=f"Question {n}?").index("right") for n in range(1000))
    assert all(abs(places[place] - 333) < 75 for place in range(3))


def test_the_order_is_the_same_each_time_and_belongs_to_the_question():
    assert list(Prediction("How many?", ["a", "b", "c"]).choices) == ["c", "a", "b"]
    assert list(Prediction("How many?", {"a": 1, "b": 2, "c": 3}).choices.items()) == [("c", 3), ("a", 1), ("b", 2)]

"""The file of guesses: it survives a restart, keeps what was a guess, and no damaged file stops a page."""

import json
import os

import pytest

from qviz.lessons import Prediction, guesses, guesses_over_the_course
from qviz.lessons.guesses import Guess, Unusable, earlier, keep, load
from qviz.lessons.questions import AFTER, BEFORE
from qviz.lessons.quiz import Quiz


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Let guesses be kept in a file of this test, as on the page on calibration."""
    path = tmp_path / "my_guesses.json"
    monkeypatch.setenv("QVIZ_GUESSES", str(path))
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/03_calibration.ipynb")
    return path


def ask(question="How many?"):
    return Prediction(question, {"2": 2, "4": 4, "8": 8})


def test_a_guess_stands_again_after_a_restart(file):
    ask().commit("8")
    after = ask()
    assert after.guess == "8" and after._answers.value == "8"
    assert after.reveal(8).right
    assert load() == (Guess("03_calibration", "How many?", "8", "8"),)


def test_it_is_open_at_once_what_was_answered_before(file):
    ask().commit("2")
    assert "Answer: <strong>4</strong>" in ask().reveal(4).value


def test_a_change_before_the_answer_counts_and_one_after_it_does_not(file):
    question = ask()
    question.commit("2")
    question.commit("4")
    assert earlier("How many?") == "4"
    question.reveal(8)
    question.commit("8")
    assert load() == (Guess("03_calibration", "How many?", "4", "8"),)
    assert question.guess == "8"  # on the page it changes


def test_a_guess_under_run_all_is_kept_with_its_answer(file):
    """The answer's cell ran first, and showed nothing."""
    question = ask()
    question.reveal(8)
    question.commit("2")
    assert load() == (Guess("03_calibration", "How many?", "2", "8"),)


def test_a_choice_that_is_none_any_more_is_no_guess(file):
    Prediction("How many?", ["16", "32"]).commit("16")
    assert ask().guess is None


def test_an_answered_question_of_an_old_page_stays_in_the_record(file):
    keep(Guess("01_a", "Gone?", "x", "x"))
    ask().commit("2")
    assert [kept.question for kept in load()] == ["Gone?", "How many?"]


def test_nothing_is_written_where_pages_are_built(tmp_path, monkeypatch):
    """The build and the tests set it empty; and where nothing is set, only a notebook's kernel writes."""
    monkeypatch.chdir(tmp_path)
    for named in ("", None):
        monkeypatch.setenv("QVIZ_GUESSES", "") if named == "" else monkeypatch.delenv("QVIZ_GUESSES")
        assert guesses.file() is None
        ask().commit("2")
        assert ask().guess is None
    assert list(tmp_path.iterdir()) == []


DEEP = "[" * 100_000
DAMAGED = {
    "empty": "",
    "half": '{"guesses": [{"page": "a", ',
    "a list": "[]",
    "no list": '{"guesses": 3}',
    "no words": '{"guesses": [{"page": 1, "question": "q", "guess": "g", "answer": ""}]}',
    "a part missing": '{"guesses": [{"page": "a"}]}',
    "a part more": '{"guesses": [{"page": "a", "question": "q", "guess": "g", "answer": "", "x": 1}]}',
    "long": json.dumps({"guesses": [{"page": "a", "question": "q" * 2000, "guess": "g", "answer": ""}]}),
    "huge": " " * 1_000_001,
    "deep": DEEP,
    "a number": '{"guesses": ' + "9" * 100_000 + "}",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_gets_a_sentence_and_is_left_alone(file, kind):
    file.write_text(DAMAGED[kind], encoding="utf-8")
    question = ask()
    assert "is damaged or is not a file of guesses" in question._status.value and "not attempted yet" in repr(question)
    question.commit("2")
    assert "Your guess: <strong>2</strong>" in question._status.value and "is damaged" in question._status.value
    assert question.guess == "2" and "Answer" in question.reveal(2).value
    assert repr(guesses_over_the_course()).endswith("will not be saved until you rename or remove it.")
    assert file.read_text(encoding="utf-8") == DAMAGED[kind]
    file.unlink()
    question.commit("2")
    assert earlier("How many?") == "2"


def test_bytes_that_are_no_text(file):
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Unusable, match="is damaged"):
        load()


def test_what_is_no_file(file):
    file.mkdir()
    assert "is damaged or is not a file" in ask()._status.value
    file.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(file)  # to open it would wait for ever
        assert "is damaged or is not a file" in ask()._status.value


def test_a_folder_that_is_gone(file, monkeypatch):
    monkeypatch.setenv("QVIZ_GUESSES", str(file.parent / "gone" / "g.json"))
    question = ask()
    question.commit("2")
    assert "Your guesses cannot be kept in" in question._status.value and question.guess == "2"


def test_markup_in_the_file_is_shown_as_text(file):
    keep(Guess("<b>01</b>", "q", "g", "g"))
    assert "<b>01" not in guesses_over_the_course()._repr_html_()
    file.write_text('{"guesses": [', encoding="utf-8")
    assert "<p>" in guesses_over_the_course()._repr_html_()


def test_how_guesses_changed_over_the_course(file):
    """Worked by hand: 5 guesses on 2 pages, and one that was never answered, which does not count."""
    right = [("01_what", False), ("01_what", False), ("03_calibration", True), ("03_calibration", False)]
    for n, (page, hit) in enumerate([*right, ("03_calibration", True)]):
        keep(Guess(page, f"Question {n}?", "a", "a" if hit else "b"))
    keep(Guess("09_last", "Open?", "a"))
    assert repr(guesses_over_the_course()).splitlines() == [
        "What: 0 of 2 right",
        "Calibration: 2 of 3 right",
        "5 guesses, 2 right: 0 of 2 and 2 of 3 in the first and the second half.",
    ]
    html = guesses_over_the_course()._repr_html_()
    assert html.count("<tr>") == 3 and "Calibration" in html


def test_the_nine_questions_have_rows_of_their_own(file):
    for asked, name, hits in ((BEFORE, "questions before the course", 1), (AFTER, "questions after the course", 2)):
        quiz = Quiz(asked[:2], name)
        for n, question in enumerate(asked[:2]):
            truth = question.truth()
            quiz.answer(n, question.choices[truth if n < hits else truth - 1])
        keep(Guess("01_what", f"{name}?", "a", "a"))
        quiz.score()
    assert repr(guesses_over_the_course()).splitlines() == [
        "What: 2 of 2 right",
        "Questions before the course: 1 of 2 right",
        "Questions after the course: 2 of 2 right",
        "2 guesses, 2 right: 1 of 1 and 1 of 1 in the first and the second half.",
    ]


def test_a_quiz_says_that_it_cannot_keep_its_answers(file):
    file.write_text("x", encoding="utf-8")
    quiz = Quiz(AFTER[:1], "questions after the course")
    quiz.answer(0, AFTER[0].choices[0])
    quiz.score()
    assert "is damaged" in quiz.children[-1].value and "1 answered" in repr(quiz)

"""A short quiz before the course, and one on the same topics after it; scored on the reader's own machine."""

import html
from collections.abc import Sequence

import ipywidgets as widgets

from qviz.widgets._stored import ANSWER, show
from qviz.widgets.controls import keys_stay_here

from . import guesses
from .prediction import NOT_YET, shuffled
from .questions import AFTER, BEFORE, Question

_TEXT = "margin:2px 0;font-size:15px;line-height:1.4;max-width:860px"
NO_ANSWER = "choose"


class Quiz(widgets.VBox):
    """Questions with a drop-down list of answers each, and a button that scores them.

    Scored answers are kept like all guesses (see `qviz.lessons.guesses`). The quiz gives no feedback before it is
    scored; afterwards it names the page that explains each wrong answer.

    Parameters
    ----------
    questions : sequence of Question
    name : str
        Name under which the answers are kept.

    Examples
    --------
    >>> quiz = before_the_course()
    >>> quiz
    9 questions, 0 answered: not attempted yet
    >>> quiz.answer(2, "0.0")
    >>> quiz.score()
    >>> print(repr(quiz).splitlines()[0])
    9 questions, 1 answered, 1 right
    """

    def __init__(self, questions: Sequence[Question], name: str = ""):
        self.questions, self._name = tuple(questions), name
        self._lists = [
            widgets.Dropdown(
                options=[NO_ANSWER, *shuffled(question.choices, seed=question.text)],
                description=f"Answer {number}",
                layout={"width": "420px", "max_width": "100%"},
            )
            for number, question in enumerate(self.questions, 1)
        ]
        self._button = widgets.Button(description="Score my answers", layout={"width": "auto"})
        self._button.on_click(lambda _button: self.score())
        self._status = widgets.HTML()
        self._scored = False
        rows = [w for pair in zip(map(self._asked, range(len(self.questions))), self._lists, strict=True) for w in pair]
        super().__init__([*rows, widgets.HBox([self._button, keys_stay_here()]), self._status])
        self._say()

    def answer(self, index: int, choice: str) -> None:
        """Choose an answer, as the list does.

        Raises
        ------
        ValueError
            `choice` is not one of the question's choices.
        """
        choices = self.questions[index].choices
        if choice not in choices:
            raise ValueError(f"choice must be one of {', '.join(map(repr, choices))}: got {choice!r}")
        self._lists[index].value = choice

    def score(self) -> None:
        """Show how many answers are right, and which pages explain the wrong ones."""
        self._scored = True
        self._say(self._keep())

    def _keep(self) -> str:
        """Store the answers for the summary at the end of the course; return an error message if that fails."""
        try:
            for question, box in zip(self.questions, self._lists, strict=True):
                if box.value != NO_ANSWER:
                    right = question.choices[question.truth()]
                    guesses.keep(guesses.Guess(self._name, question.text, box.value, right))
        except guesses.Unusable as problem:
            return str(problem)
        return ""

    @property
    def right(self) -> list[bool]:
        """Whether each answer is right; a missing answer counts as wrong."""
        return [
            box.value == question.choices[question.truth()]
            for box, question in zip(self._lists, self.questions, strict=True)
        ]

    def _asked(self, index: int) -> widgets.HTML:
        question = html.escape(self.questions[index].text)
        return widgets.HTML(f'<p style="{_TEXT}"><strong>{index + 1}.</strong> {question}</p>')

    def _lines(self) -> list[str]:
        answered = sum(box.value != NO_ANSWER for box in self._lists)
        head = f"{len(self.questions)} questions, {answered} answered"
        if not self._scored:
            return [f"{head}: {NOT_YET}" if not answered else head]
        wrong = [q for q, right in zip(self.questions, self.right, strict=True) if not right]
        return [f"{head}, {sum(self.right)} right", *(f'{q.about}: see the page "{q.page}"' for q in wrong)]

    def _say(self, problem: str = "") -> None:
        text = "<br>".join(map(html.escape, filter(None, [*self._lines(), problem])))
        self._status.value = f'<div role="status" style="{_TEXT}">{text}</div>'

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _ipython_display_(self) -> None:
        show(self, repr(self), ANSWER)


def before_the_course() -> Quiz:
    """Return the quiz for the start of the course."""
    return Quiz(BEFORE, "questions before the course")


def after_the_course() -> Quiz:
    """Return the quiz for the end of the course: the same topics with different numbers."""
    return Quiz(AFTER, "questions after the course")

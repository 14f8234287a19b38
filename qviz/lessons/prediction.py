"""Predict, then reveal: the reader commits to a guess, and later sees it next to the answer.

Nothing here stops Run All: an unanswered question shows "not attempted yet", and the results folded below it open as
soon as the reader commits.
"""

import html
import random
from collections.abc import Iterable, Mapping, Sequence

import ipywidgets as widgets

from qviz.widgets._stored import AGAIN, ANSWER, show
from qviz.widgets.controls import keys_stay_here

from . import guesses
from .folding import Folded, Folding, details, kernel_shell

NOT_YET = "not attempted yet"
NOT_MEASURED = "it cannot be measured on this machine"
HEAD = ("question", "your guess", "the answer")
ANSWER_SUMMARY = "Make your guess, then open the answer."
_TEXT_STYLE = "margin:2px 0;font-size:15px;line-height:1.4;max-width:860px"
# ipywidgets does not label a group of radio buttons, so a screen reader would read "2 times" without the question.
_NAME_GROUP = (
    "const group = this.closest('.widget-vbox'); group?.setAttribute('role', 'group'); "
    "group?.setAttribute('aria-label', this.previousElementSibling.textContent)"
)


class Prediction(widgets.VBox):
    """A question with a few possible answers, shown in an order that depends only on the question.

    A guess is kept in a file next to the notebook (see `qviz.lessons.guesses`), and restored after a restart.

    Parameters
    ----------
    question : str
    choices : list of str, or mapping of str to number
        With numbers, the choice nearest to the truth is right.

    Raises
    ------
    ValueError
        There are fewer than two choices.

    Examples
    --------
    >>> guess = Prediction("One bit less: how much larger is the error?", {"2 times": 2, "4 times": 4})
    >>> guess
    One bit less: how much larger is the error? (2 times / 4 times) not attempted yet
    >>> guess.commit("2 times")
    >>> guess.reveal(3.97, "Half as many levels, twice the step, four times its square.")
    Your guess: 2 times. Answer: 4 times (3.97).
    Half as many levels, twice the step, four times its square.
    """

    def __init__(self, question: str, choices: Sequence[str] | Mapping[str, float]):
        if len(choices) < 2:
            raise ValueError(f"choices must hold at least two answers: got {len(choices)}")
        self.question = question
        numbers = choices if isinstance(choices, Mapping) else dict.fromkeys(choices)
        self.choices = {choice: numbers[choice] for choice in shuffled(numbers, seed=question)}
        self.guess: str | None = None
        self.truth = ""
        self._listeners: list[Reveal | Record | Folded] = []
        self._answers = widgets.RadioButtons(options=list(self.choices), value=None, layout={"width": "auto"})
        self._commit = widgets.Button(description="That is my guess", layout={"width": "auto"}, disabled=True)
        self._status = widgets.HTML()
        self._answers.observe(self._on_choice, "value")
        self._commit.on_click(self._on_commit)
        self._say(f"<em>{NOT_YET}</em>")
        super().__init__(
            [
                widgets.HTML(
                    f'<p style="{_TEXT_STYLE}"><strong>Your guess first.</strong> {html.escape(question)}</p>'
                    f'<style onload="{_NAME_GROUP}"></style>'
                ),
                self._answers,
                widgets.HBox([self._commit, self._status, keys_stay_here()]),
            ]
        )
        self._take_up()

    def _take_up(self) -> None:
        """Restore the guess of an earlier session."""
        try:
            before = guesses.earlier(self.question)
        except guesses.Unusable as problem:
            self._say(f"<em>{NOT_YET}</em>. {html.escape(str(problem))}")
            return
        if before in self.choices:
            self._accept(before)

    def commit(self, guess: str) -> None:
        """Commit to one of the choices, as the button does; a later guess replaces it.

        Raises
        ------
        ValueError
            `guess` is not one of the choices.
        """
        if guess not in self.choices:
            raise ValueError(f"guess must be one of {', '.join(map(repr, self.choices))}: got {guess!r}")
        self._accept(guess)
        self._keep()

    def fold_output(self) -> None:
        """Fold the output of the calling cell from here on, until there is a guess.

        Outside a notebook, nothing is folded.
        """
        shell = kernel_shell()
        if shell is not None and self.guess is None:
            Folding(shell, lambda: self.guess is not None, self.tell).begin()

    def _accept(self, guess: str) -> None:
        self.guess = guess
        self._answers.value = guess
        self._say(f"Your guess: <strong>{html.escape(guess)}</strong>. Read on and find out.")
        for listener in self._listeners:
            listener.refresh()

    def _keep(self) -> None:
        """Store the guess for the summary at the end of the course."""
        try:
            guesses.keep(guesses.Guess(guesses.page(), self.question, self.guess, self.truth))
        except guesses.Unusable as problem:
            self._say(f"Your guess: <strong>{html.escape(self.guess)}</strong>. {html.escape(str(problem))}")

    def reveal(self, truth, why: str = "") -> "Reveal":
        """Return a widget that shows the truth next to the guess, once there is one.

        Parameters
        ----------
        truth : one of the choices, or a number if the choices have numbers
            NaN means that it could not be measured on this machine.
        why : str
            The explanation, in a sentence or two.

        Raises
        ------
        ValueError
            `truth` is neither a choice nor a number that can be compared with the choices.
        """
        self.truth, digits = self._named(truth)
        reveal = Reveal(self, self.truth, digits, why)
        self.tell(reveal)
        if self.guess is not None:
            self._keep()
        return reveal

    def tell(self, listener: "Reveal | Record | Folded") -> None:
        """Register a listener, which is refreshed each time the reader commits."""
        self._listeners.append(listener)

    def _named(self, truth) -> tuple[str, str]:
        """Return the right choice, and the truth in digits if it is a number other than the choice's."""
        if truth in self.choices:
            return truth, ""
        if truth != truth:
            return NOT_MEASURED, ""
        if isinstance(truth, str) or None in self.choices.values():
            raise ValueError(f"truth must be one of {', '.join(map(repr, self.choices))}: got {truth!r}")
        nearest = min(self.choices, key=lambda name: abs(self.choices[name] - truth))
        if self.choices[nearest] == truth:
            return nearest, ""
        told = self._in_digits(truth, "%" in nearest)
        return nearest, "" if told in nearest.replace(" %", "%") else f" ({told})"

    def _in_digits(self, truth: float, percent: bool) -> str:
        """Return a number as a reveal shows it; choices in percent may have shares of 1 as their numbers."""
        if percent:
            return f"{truth:.1%}" if max(self.choices.values()) <= 1 else f"{truth:.1f}%"
        return f"{truth:.0f}" if truth == round(truth) else f"{truth:.2f}"

    def _on_choice(self, _change) -> None:
        self._commit.disabled = self._answers.value is None

    def _on_commit(self, _button) -> None:
        self.commit(self._answers.value)

    def _say(self, markup: str) -> None:
        self._status.value = f'<div role="status" style="{_TEXT_STYLE}">{markup}</div>'

    def __repr__(self) -> str:
        return f"{self.question} ({' / '.join(self.choices)}) {self.guess or NOT_YET}"

    def _ipython_display_(self) -> None:
        show(self, repr(self), ANSWER)


class Reveal(widgets.HTML):
    """The truth next to a guess; returned by `Prediction.reveal`."""

    def __init__(self, prediction: Prediction, truth: str, digits: str, why: str):
        super().__init__()
        self._prediction, self.truth, self._digits, self._why = prediction, truth, digits, why
        self.refresh()

    @property
    def right(self) -> bool:
        """Whether the guess is right."""
        return self._prediction.guess == self.truth

    def refresh(self) -> None:
        """Show the truth if there is a guess."""
        guess = self._prediction.guess
        if guess is None:
            text = f"Your guess: <em>{NOT_YET}</em>. Answer the question above, and the answer appears here."
        else:
            text = f"{'&#10003;' if self.right else '&#10007;'} Your guess: {html.escape(guess)}. {self._answer()}"
        box = "border-left:4px solid #0072B2;padding:4px 10px"
        self.value = f'<div role="status" aria-live="polite" style="{_TEXT_STYLE};{box}">{text}</div>'

    def _answer(self) -> str:
        return f"Answer: <strong>{html.escape(self.truth)}</strong>{self._digits}.<br>{html.escape(self._why)}"

    def __repr__(self) -> str:
        first = f"Your guess: {self._prediction.guess or NOT_YET}. Answer: {self.truth}{self._digits}."
        return f"{first}\n{self._why}".rstrip()

    def _ipython_display_(self) -> None:
        show(self, repr(self), AGAIN, words=details(ANSWER_SUMMARY, self._answer()))


class Record(widgets.HTML):
    """A table of guesses and answers, as far as both are known; returned by `record`."""

    def __init__(self, predictions: Sequence[Prediction]):
        super().__init__()
        self._predictions = predictions
        for prediction in predictions:
            prediction.tell(self)
        self.refresh()

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """Question, guess, truth; the truth stays hidden until there is a guess."""
        return [(p.question, p.guess or NOT_YET, p.truth if p.guess else "") for p in self._predictions]

    def refresh(self) -> None:
        """Show the current guesses."""
        head = "".join(
            f"<th style='text-align:left;padding:2px 10px;white-space:nowrap' scope='col'>{text}</th>" for text in HEAD
        )
        cell = "<td style='padding:2px 10px;vertical-align:top'>{}</td>"
        rows = ("".join(cell.format(html.escape(text)) for text in row) for row in self.rows)
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        self.value = (
            f'<div role="status"><table style="{_TEXT_STYLE}"><tr>{head}</tr>{body}</table>{self._summary()}</div>'
        )

    def _summary(self) -> str:
        guessed = [p for p in self._predictions if p.guess]
        right = sum(p.guess == p.truth for p in guessed)
        return f"{len(guessed)} of {len(self._predictions)} guessed, {right} right."

    def __repr__(self) -> str:
        return "\n".join([*(f"{q} {guess} {truth}".rstrip() for q, guess, truth in self.rows), self._summary()])

    def _ipython_display_(self) -> None:
        show(self, repr(self), AGAIN, words=self.value)


def shuffled(choices: Iterable[str], seed: str) -> list[str]:
    """Shuffle choices in an order that depends only on the seed, so that the position of the right one says nothing.

    Examples
    --------
    >>> shuffled(["a", "b", "c"], seed="How many?")
    ['c', 'a', 'b']
    """
    draw = random.Random(seed)  # Python guarantees the sequence of random() across releases, but not that of shuffle()
    return sorted(choices, key=lambda _: draw.random())


def record(*predictions: Prediction) -> Record:
    """Return a table of all guesses of a page and their answers.

    Examples
    --------
    >>> guess = Prediction("One bit less: how much larger is the error?", {"2 times": 2, "4 times": 4})
    >>> _ = guess.reveal(3.97)
    >>> record(guess)
    One bit less: how much larger is the error? not attempted yet
    0 of 1 guessed, 0 right.
    >>> guess.commit("2 times")
    >>> record(guess)
    One bit less: how much larger is the error? 2 times 4 times
    1 of 1 guessed, 0 right.
    """
    return Record(predictions)

"""A summary of the reader's guesses over the whole course, for the last page; read from the file of guesses."""

import html
import re
from dataclasses import dataclass

from .guesses import Guess, Unusable, load

NONE = "No guesses have been saved yet. Answer the questions on the pages, and this cell will list them."
QUIZ = "questions "  # prefix of the names of both quizzes
HEAD = ("page", "guesses", "right")
_STYLE = "margin:2px 0;font-size:15px;line-height:1.4;max-width:860px"


@dataclass(frozen=True)
class CourseRecord:
    """The guesses of all pages, or the reason why there are none.

    Attributes
    ----------
    guesses : tuple of Guess: those whose answer was shown, in the order in which they were made
    problem : str: what is wrong with the file; "" for nothing
    """

    guesses: tuple[Guess, ...] = ()
    problem: str = ""

    @property
    def rows(self) -> list[tuple[str, int, int]]:
        """Page, number of guesses and number of right ones, in the order in which the pages were started."""
        pages = dict.fromkeys(guess.page for guess in self.guesses)
        return [(title(page), *_score([g for g in self.guesses if g.page == page])) for page in pages]

    @property
    def summary(self) -> str:
        """The score of all guesses, and of the first and second half."""
        if not self.guesses:
            return self.problem or NONE
        asked = [guess for guess in self.guesses if not guess.page.startswith(QUIZ)]  # the quizzes have their own rows
        made, right = _score(asked)
        first, second = asked[: made // 2], asked[made // 2 :]
        halves = " and ".join(f"{_score(half)[1]} of {len(half)}" for half in (first, second))
        return f"{made} guesses, {right} right" + (f": {halves} in the first and the second half." if first else ".")

    def __repr__(self) -> str:
        return "\n".join([*(f"{page}: {right} of {made} right" for page, made, right in self.rows), self.summary])

    def _repr_html_(self) -> str:
        told = f"<p>{html.escape(self.summary)}</p>"
        if not self.guesses:
            return f'<div style="{_STYLE}">{told}</div>'
        head = "".join(f"<th style='text-align:left;padding:2px 10px' scope='col'>{text}</th>" for text in HEAD)
        cell = "<td style='text-align:left;padding:2px 10px'>{}</td>"
        body = "".join(f"<tr>{''.join(cell.format(html.escape(str(part))) for part in row)}</tr>" for row in self.rows)
        return f'<div style="{_STYLE}"><table><tr>{head}</tr>{body}</table>{told}</div>'


def _score(guesses) -> tuple[int, int]:
    return len(guesses), sum(guess.guess == guess.answer for guess in guesses)


def title(page: str) -> str:
    """Return the name of a notebook as words.

    Examples
    --------
    >>> title("03_calibration"), title("")
    ('Calibration', 'elsewhere')
    """
    return re.sub(r"^\d+_", "", page).replace("_", " ").capitalize() or "elsewhere"


def guesses_over_the_course() -> CourseRecord:
    """Return the score of each page, and of the first and second half of the course.

    Examples
    --------
    >>> guesses_over_the_course()
    No guesses have been saved yet. Answer the questions on the pages, and this cell will list them.
    """
    try:
        return CourseRecord(tuple(guess for guess in load() if guess.answer))
    except Unusable as problem:
        return CourseRecord(problem=str(problem))

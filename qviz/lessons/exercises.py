"""Exercises: check an answer, and give a hint that fits the mistake.

A check never stops Run All: an unanswered exercise is "not attempted yet". Checks test properties of the right answer
on seeded data, so reading a check does not give the answer away.
"""

import html
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from .prediction import NOT_YET

_STYLE = "margin:2px 0;font-size:15px;line-height:1.4;max-width:860px;border-left:4px solid {colour};padding:4px 10px"
_COLOURS = {"right": "#0072B2", "not yet": "#D55E00", NOT_YET: "#9A9A9A"}


class Hint(Exception):
    """A wrong answer; the message is a hint for the reader."""


class NotAttempted(Exception):
    """The reader has not changed the code of the exercise."""


@dataclass(frozen=True)
class Exercise:
    """A check, and the lesson of the right answer."""

    find: Callable[[object], None]
    moral: str


@dataclass(frozen=True)
class Verdict:
    """Result of a check; true if the answer is right.

    Attributes
    ----------
    number : str: name of the exercise, such as "scale_and_zero_point.3"
    state : {"right", "not yet", "not attempted yet"}
    words : str: the hint, or the lesson of the right answer
    """

    number: str
    state: str
    words: str = ""

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        return f"Exercise {self.number}: {self.state}. {self.words}".rstrip()

    def _repr_html_(self) -> str:
        mark = {"right": "&#10003; ", "not yet": "&#10007; "}.get(self.state, "")
        text = f"{mark}<strong>{html.escape(self.state)}</strong>. {html.escape(self.words)}"
        return f'<div role="status" style="{_STYLE.format(colour=_COLOURS[self.state])}">{text}</div>'


_EXERCISES: dict[str, Exercise] = {}


def exercise(number: int, moral: str) -> Callable:
    """Register a check: a function of the answer that raises `Hint` or `NotAttempted`, or returns if it is right.

    The exercise is named by module and number, such as "scale_and_zero_point.3".

    Parameters
    ----------
    number : int
        Number of the exercise on its page.
    moral : str
        The lesson of the right answer, in one sentence.
    """

    def register(find: Callable[[object], None]) -> Callable[[object], None]:
        name = f"{find.__module__.rpartition('.')[2]}.{number}"
        if name in _EXERCISES:
            raise ValueError(f"number must be new: {name!r} is taken")
        _EXERCISES[name] = Exercise(find, moral)
        return find

    return register


def numbers() -> list[str]:
    """Return the names of all exercises, sorted."""
    return sorted(_EXERCISES)


def check(number: str, answer=None) -> Verdict:
    """Check the answer to an exercise.

    Parameters
    ----------
    number : str
        Name of the exercise, such as "scale_and_zero_point.3".
    answer : a number, array, name or function, as the exercise asks; None is no answer yet
        It is not modified.

    Raises
    ------
    ValueError
        There is no such exercise. A wrong answer raises nothing.

    Examples
    --------
    >>> check("scale_and_zero_point.2", None)
    Exercise scale_and_zero_point.2: not attempted yet.
    >>> check("scale_and_zero_point.2", (0.25, 8))
    Exercise scale_and_zero_point.2: not yet. 16 codes have 15 steps between them, not 16.
    """
    if number not in _EXERCISES:
        raise ValueError(f"number must be one of {', '.join(numbers())}: got {number!r}")
    found = _EXERCISES[number]
    if answer is None or answer is ...:
        return Verdict(number, NOT_YET)
    try:
        found.find(answer if callable(answer) else deepcopy(answer))
    except NotAttempted:
        return Verdict(number, NOT_YET)
    except Hint as hint:
        return Verdict(number, "not yet", str(hint))
    except Exception as error:  # an answer may raise anything; never stop Run All
        return Verdict(number, "not yet", f"The answer cannot be used: {type(error).__name__}: {error}.")
    return Verdict(number, "right", found.moral)

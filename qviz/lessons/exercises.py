"""Exercises: an answer is checked at once, and a wrong one gets a hint that fits the mistake.

A check never stops Run All: what has not been answered is "not attempted yet". Checks are properties that the right
answer has, on seeded data, so reading one does not give the answer away.
"""

import html
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from .prediction import NOT_YET

_STYLE = "margin:2px 0;font-size:15px;line-height:1.4;max-width:860px;border-left:4px solid {colour};padding:4px 10px"
_COLOURS = {"right": "#0072B2", "not yet": "#D55E00", NOT_YET: "#9A9A9A"}


class Hint(Exception):
    """What is wrong with an answer, in a sentence that helps."""


class NotAttempted(Exception):
    """The answer is still what the exercise began with."""


@dataclass(frozen=True)
class Exercise:
    """A check, and what there is to take from the right answer."""

    find: Callable[[object], None]
    moral: str


@dataclass(frozen=True)
class Verdict:
    """What a check came to; true where the answer is right.

    Attributes
    ----------
    number : str: of the exercise, such as "scale_and_zero_point.3"
    state : {"right", "not yet", "not attempted yet"}
    words : str: the hint, or what to take from it
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
    """Register a check: a function of the answer that raises `Hint` or `NotAttempted`, and returns where it is right.

    Its exercise is then called by the name of the module and the number, such as "scale_and_zero_point.3".

    Parameters
    ----------
    number : int
        Of the exercise on its page.
    moral : str
        What to take from the right answer, in a sentence.
    """

    def register(find: Callable[[object], None]) -> Callable[[object], None]:
        name = f"{find.__module__.rpartition('.')[2]}.{number}"
        if name in _EXERCISES:
            raise ValueError(f"number must be new: {name!r} is taken")
        _EXERCISES[name] = Exercise(find, moral)
        return find

    return register


def numbers() -> list[str]:
    """Return the number of each exercise, in order."""
    return sorted(_EXERCISES)


def check(number: str, answer=None) -> Verdict:
    """Check the answer to an exercise.

    Parameters
    ----------
    number : str
        Of the exercise, such as "scale_and_zero_point.3".
    answer : what the exercise asks for: a number, an array, a name, a function; None is no answer yet
        It is not changed.

    Raises
    ------
    ValueError
        There is no exercise of that number. A wrong answer raises nothing.

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
    except Exception as error:  # whatever a reader's answer may be, their notebook goes on
        return Verdict(number, "not yet", f"The answer cannot be used: {type(error).__name__}: {error}.")
    return Verdict(number, "right", found.moral)

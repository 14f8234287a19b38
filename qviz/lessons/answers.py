"""What checks of exercises share: reading an answer, calling the reader's function, comparing with where it began."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy

import numpy as np

from .exercises import Hint, NotAttempted


def numbers_of(answer, count: int, what: str) -> np.ndarray:
    """Return an answer of `count` numbers as float64, or raise a Hint that says what it must be.

    Examples
    --------
    >>> numbers_of((1, 2), 2, "scale and zero point")
    array([1., 2.])
    """
    try:
        array = np.array(answer, np.float64).ravel()
    except (TypeError, ValueError):
        raise Hint(f"The answer must be {what}: got {answer!r}.") from None
    if array.size != count:
        raise Hint(f"The answer must be {what}: got {array.size} numbers.")
    if np.isnan(array).all():
        raise NotAttempted
    if not np.isfinite(array).all():
        raise Hint(f"The answer must be {what}: one of them is not finite.")
    return array


def number_of(answer, what: str) -> float:
    """Return an answer of one number, or raise a Hint.

    Examples
    --------
    >>> number_of(np.int8(3), "a number of bits")
    3.0
    """
    return float(numbers_of(answer, 1, what)[0])


def names_of(answer, choices: Iterable[str], what: str) -> set[str]:
    """Return an answer of names as a set, or raise a Hint for one that is not among the choices.

    Examples
    --------
    >>> sorted(names_of(["mse", "aciq"], ("mse", "aciq", "entropy"), "methods"))
    ['aciq', 'mse']
    """
    names = {answer} if isinstance(answer, str) else set(answer)
    if not names:
        raise NotAttempted
    if strange := sorted(map(str, names - set(choices))):
        raise Hint(f"The answer must be {what}: {strange[0]!r} is not among {', '.join(choices)}.")
    return names


def result_of(function: Callable, *arguments):
    """Call the reader's function with copies, and return what it returns; None is not attempted.

    Examples
    --------
    >>> result_of(lambda x: x + 1, 2)
    3
    """
    if not callable(function):
        raise Hint(f"The answer must be a function: got {function!r}.")
    try:
        with np.errstate(all="ignore"):
            result = function(*deepcopy(arguments))
    except NotImplementedError:
        raise NotAttempted from None
    except Exception as error:
        raise Hint(f"For {_told(arguments)} the function raises {type(error).__name__}: {error}.") from None
    if result is None:
        raise NotAttempted
    return result


def refuse_unchanged(function: Callable, start: Callable, cases: Sequence[tuple]) -> None:
    """Raise NotAttempted where a function still does what the one in the exercise does, on every case."""
    if all(_outcome(function, case) == _outcome(start, case) for case in cases):
        raise NotAttempted


def _outcome(function, case):
    try:
        return _plain(result_of(function, *case))
    except Hint:
        return "error"


def _plain(result):
    if isinstance(result, tuple):
        return tuple(_plain(part) for part in result)
    array = np.asarray(result)
    return array.dtype.kind, array.shape, array.tobytes()


def _told(arguments) -> str:
    return ", ".join(_told_one(argument) for argument in arguments)


def _told_one(argument) -> str:
    if isinstance(argument, np.ndarray) and argument.ndim > 1:  # its digits would take several lines
        return f"an array of shape {argument.shape}"
    return (
        np.array2string(argument, threshold=8, precision=3, max_line_width=1_000)
        if isinstance(argument, np.ndarray)
        else f"{argument!r}"
    )

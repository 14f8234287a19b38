"""Helpers for the checks: parse an answer, call the reader's function, compare it with the function of the exercise."""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from types import CodeType

import numpy as np

from .exercises import Hint, NotAttempted


def numbers_of(answer, count: int, what: str) -> np.ndarray:
    """Return an answer of `count` numbers as float64, or raise a Hint that says what is expected.

    Examples
    --------
    >>> numbers_of((1, 2), 2, "scale and zero point")
    array([1., 2.])
    """
    try:
        answer = as_arrays(answer)
        array = np.array(answer, np.float64).ravel()
    except (TypeError, ValueError):
        raise Hint(f"The answer must be {what}: got {answer!r}.") from None
    if array.size != count:
        raise Hint(f"The answer must be {what}: got {array.size} numbers.")
    if all(part is None for part in np.array(answer, object).ravel()):
        raise NotAttempted
    if not np.isfinite(array).all():
        raise Hint(f"The answer must be {what}: one of them is not finite.")
    return array


def as_arrays(answer):
    """Convert torch tensors to arrays, also inside a tuple or list; return anything else unchanged.

    Examples
    --------
    >>> as_arrays((3, [4]))
    (3, [4])
    """
    if type(answer) in (tuple, list):
        return type(answer)(as_arrays(part) for part in answer)
    return answer.detach().numpy() if hasattr(answer, "detach") else answer


def number_of(answer, what: str) -> float:
    """Return an answer of one number, or raise a Hint.

    Examples
    --------
    >>> number_of(np.int8(3), "a number of bits")
    3.0
    """
    return float(numbers_of(answer, 1, what)[0])


def names_of(answer, choices: Iterable[str], what: str) -> set[str]:
    """Return an answer of names as a set, or raise a Hint for a name that is not among the choices.

    Case is ignored, and `_`, space and hyphen are the same.

    Examples
    --------
    >>> sorted(names_of(["MSE", "min_max"], ("mse", "min-max", "entropy"), "methods"))
    ['min-max', 'mse']
    """
    if not isinstance(answer, str | list | tuple | set | frozenset):
        raise Hint(f"The answer must be {what} in a list, such as {list(choices)[:2]}: got {answer!r}.")
    given = [answer] if isinstance(answer, str) else list(answer)
    if not given:
        raise NotAttempted
    known = {_plain_name(choice): choice for choice in choices}
    if strange := sorted(str(name) for name in given if _plain_name(name) not in known):
        raise Hint(f"The answer must be {what}: {strange[0]!r} is not among {', '.join(choices)}.")
    return {known[_plain_name(name)] for name in given}


def refuse_verdict(answer, name: str, call: str) -> None:
    """Raise a Hint or NotAttempted unless a verdict from `qviz.pytorch` says that the reader's solution works.

    Solutions that need torch are judged there. A verdict has a `name`, says whether the reader `attempted` the exercise
    and whether the solution `works`, and has a `hint` if it does not.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> refuse_verdict(SimpleNamespace(name="own", attempted=True, works=True), "own", "judge(answer)")
    """
    if getattr(answer, "name", None) != name:
        raise Hint(f"The answer must be what {call} returned.")
    if not answer.attempted:
        raise NotAttempted
    if not answer.works:
        raise Hint(answer.hint)


def result_of(function: Callable, *arguments):
    """Call the reader's function with copies of the arguments; a function that only returns None is not an attempt.

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
        if _same_code(function, _returns_none):
            raise NotAttempted
        raise Hint("The function returns None: does it end with a return?")
    return as_arrays(result)


def _returns_none():
    return None


def _same_code(one: Callable, other: Callable) -> bool:
    """Return whether the code of two functions has the same names, in order, and the same constants."""
    codes = [getattr(function, "__code__", None) for function in (one, other)]
    if None in codes:
        return False
    return _words_of(codes[0]) == _words_of(codes[1])


def _words_of(code: CodeType) -> tuple:
    """Return the names and constants in a function's code, including those of nested code such as comprehensions."""
    constants = (_words_of(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts if c is not None)
    return code.co_names, frozenset(constants)


def refuse_unchanged(function: Callable, start: Callable, cases: Sequence[tuple]) -> None:
    """Raise NotAttempted if the exercise's function was not changed, and a Hint if the change has no effect.

    `start` is a copy of the exercise's function. If both give the same results, their names and constants decide
    whether the reader has changed anything.
    """
    if all(_outcome(function, case) == _outcome(start, case) for case in cases):
        if _same_code(function, start):
            raise NotAttempted
        raise Hint("That changes nothing yet: for every input tried, it gives what the function gave before.")


def _outcome(function, case):
    try:
        return _plain(result_of(function, *case))
    except Hint:
        return "error"


def _plain(result):
    if isinstance(result, tuple | list):  # arrays of different shapes cannot become one array
        return tuple(_plain(part) for part in result)
    array = np.asarray(result)
    return array.dtype.kind, array.shape, array.tobytes()


def _plain_name(name) -> str:
    return str(name).lower().replace("_", "-").replace(" ", "-")


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

"""The reader's guesses over the whole course, in a small file next to the notebooks that is sent to no one.

The file survives a restart of the kernel. It is written when a reader answers in a notebook. Builds and tests set
QVIZ_GUESSES to an empty string, so that nothing is written; the variable may also name a different file.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from IPython import get_ipython

NAME = "my_guesses.json"
MOST_BYTES, MOST_CHARACTERS = 1_000_000, 1_000  # of the file, and of each text in it; both are generous


class Unusable(Exception):
    """Guesses cannot be kept; the message tells the reader why."""


@dataclass(frozen=True)
class Guess:
    """One guess.

    Attributes
    ----------
    page : str: the name of the notebook, without its extension
    question, guess : str
    answer : str: the right answer; "" before it was shown
    """

    page: str
    question: str
    guess: str
    answer: str = ""


def file() -> Path | None:
    """Return the file of guesses; None if guesses are not kept, for instance outside a notebook."""
    named = os.environ.get("QVIZ_GUESSES")
    if named is not None:
        return Path(named) if named else None
    return Path(NAME) if hasattr(get_ipython(), "kernel") else None


def page() -> str:
    """Return the name of the running notebook, or "" if Jupyter does not provide it."""
    return Path(os.environ.get("JPY_SESSION_NAME", "")).stem


def load() -> tuple[Guess, ...]:
    """Return all guesses, in the order in which they were made.

    Raises
    ------
    Unusable
        The file exists but is not a record of guesses, or cannot be read.
    """
    path = file()
    try:
        if path is None or not path.exists():
            return ()
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise ValueError("it is no file of at most a megabyte")
        return tuple(map(_guess, json.loads(path.read_text(encoding="utf-8"))["guesses"]))
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}. Your guesses are not kept until it can.") from None
    except (ValueError, KeyError, TypeError, RecursionError):  # a damaged file may raise any of these
        raise Unusable(
            f"{path} is damaged or is not a file of guesses. It has not been changed, and your guesses will not be "
            "saved until you rename or remove it."
        ) from None


def _guess(entry: dict) -> Guess:
    """Validate an entry of the file, and return it as a guess."""
    guess = Guess(**entry)
    if not all(isinstance(text, str) and len(text) <= MOST_CHARACTERS for text in asdict(guess).values()):
        raise ValueError("a guess is four short texts")
    return guess


def earlier(question: str) -> str | None:
    """Return an earlier guess for this question, also from an earlier session; None if there is none.

    Raises
    ------
    Unusable
        As for `load`.
    """
    return next((kept.guess for kept in load() if kept.question == question), None)


def keep(guess: Guess) -> None:
    """Keep a guess. Once the answer was shown, a new guess does not replace the old one.

    Raises
    ------
    Unusable
        As for `load`, or the file cannot be written.
    """
    path = file()
    if path is None:
        return
    kept = {old.question: old for old in load()}
    before = kept.get(guess.question)
    if before and before.answer:
        return
    kept[guess.question] = replace(guess, page=before.page if before else guess.page)
    new = path.with_name(path.name + ".new")
    try:
        text = json.dumps({"guesses": list(map(asdict, kept.values()))}, indent=1, ensure_ascii=False)
        new.write_text(text + "\n", encoding="utf-8")
        os.replace(new, path)  # atomic, so that an interruption cannot leave half a file
    except OSError as error:
        raise Unusable(f"Your guesses cannot be kept in {path}: {error.strerror}.") from None

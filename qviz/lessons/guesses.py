"""The reader's guesses over the whole course: a small file beside the notebooks, which no one else ever gets.

The file survives a restart of the kernel. It is written when a reader answers in a notebook and never when a page is
built or tested: there QVIZ_GUESSES is empty. Otherwise that variable may name another file.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from IPython import get_ipython

NAME = "my_guesses.json"
MOST_BYTES, MOST_CHARACTERS = 1_000_000, 1_000  # of the file, and of each text in it: far more than a course takes


class Unusable(Exception):
    """Why guesses cannot be kept, in a sentence for the reader."""


@dataclass(frozen=True)
class Guess:
    """One guess.

    Attributes
    ----------
    page : str: the name of the notebook, without its ending
    question, guess : str
    answer : str: what is right; "" before the answer was shown
    """

    page: str
    question: str
    guess: str
    answer: str = ""


def file() -> Path | None:
    """Return where guesses are kept; None for nowhere, as when no notebook is running."""
    named = os.environ.get("QVIZ_GUESSES")
    if named is not None:
        return Path(named) if named else None
    return Path(NAME) if hasattr(get_ipython(), "kernel") else None


def page() -> str:
    """Return the name of the notebook that runs, "" where Jupyter does not say it."""
    return Path(os.environ.get("JPY_SESSION_NAME", "")).stem


def load() -> tuple[Guess, ...]:
    """Return all guesses, in the order in which they were made.

    Raises
    ------
    Unusable
        The file is there and is no record of guesses, or cannot be read.
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
    except (ValueError, KeyError, TypeError, RecursionError):  # whatever a damaged file holds
        raise Unusable(
            f"{path} is damaged, or no record of guesses. It is left as it is, and your guesses are not kept. "
            "Rename or remove it, and they are kept again."
        ) from None


def _guess(entry: dict) -> Guess:
    """Return one entry of the file as a guess."""
    guess = Guess(**entry)
    if not all(isinstance(text, str) and len(text) <= MOST_CHARACTERS for text in asdict(guess).values()):
        raise ValueError("a guess is four short texts")
    return guess


def earlier(question: str) -> str | None:
    """Return the guess that was made before, in this kernel or in another; None where there was none.

    Raises
    ------
    Unusable
        As `load`.
    """
    return next((kept.guess for kept in load() if kept.question == question), None)


def keep(guess: Guess) -> None:
    """Keep a guess. One whose answer was shown already stays as it was: what follows is no guess any more.

    Raises
    ------
    Unusable
        As `load`; or the file cannot be written.
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
        os.replace(new, path)  # in one step, so that no half of a record is ever left
    except OSError as error:
        raise Unusable(f"Your guesses cannot be kept in {path}: {error.strerror}.") from None

"""What torch says of a step, on one line; a workbench on which steps may fail; the verdict on a repair."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from .. import engines

NOTHING = "nothing"
NOT_YET = "not attempted yet"
NO_ENGINE = "not shown here: this build of torch has no engine for quantized models"
LONGEST = 110  # characters of a message


@dataclass(frozen=True)
class RepairResult:
    """What became of a repair.

    Attributes
    ----------
    says : str: what torch says of it, on one line, or "nothing"
    effect : str: what it does to the numbers; empty where it does not run
    attempted : bool: whether anything was changed
    hint : str: what may help; empty where it works, and where nothing was attempted
    name : str: of the case
    what : str: what was judged, for the text: a fix, or a function
    """

    says: str
    effect: str = ""
    attempted: bool = True
    hint: str = ""
    name: str = ""
    what: str = "fix"

    @property
    def works(self) -> bool:
        """Whether the failure is fixed."""
        return self.attempted and not self.hint

    def __repr__(self) -> str:
        repair = NOT_YET if not self.attempted else f"not yet. {self.hint}" if self.hint else "it works"
        lines = {"torch reports:": self.says, "effect:": self.effect, f"your {self.what}:": repair}
        return "\n".join(f"{name} {text}" for name, text in lines.items() if text)


@dataclass(frozen=True)
class Failure:
    """A failure that people meet.

    Attributes
    ----------
    name, title : str
    cause, fix : str: a sentence or two each
    sources : tuple of str: where people met it
    broken : function without arguments: makes what is commonly written
    judge : function of a repair: a RepairResult; may raise
    """

    name: str
    title: str
    cause: str
    fix: str
    sources: tuple[str, ...]
    broken: Callable[[], Any]
    judge: Callable[[Any], RepairResult]

    def check(self, repair) -> RepairResult:
        """Judge a repair; whatever that raises becomes a hint."""
        if engines.preferred() is None:
            return RepairResult(NO_ENGINE, attempted=False, name=self.name)
        with workbench() as bench:
            verdict = self.judge(repair)
        if bench.error:
            verdict = RepairResult(bench.error, hint="Torch cannot use this. Compare it with the original line.")
        return replace(verdict, name=self.name)

    def __repr__(self) -> str:
        listed = "\n         ".join(self.sources)
        return f"{self.title}\ncause:   {self.cause}\nfix:     {self.fix}\nlinks:   {listed}"


@dataclass
class Workbench:
    """Where a reader builds a model.

    Attributes
    ----------
    model : nn.Module or None: what the reader leaves here to be checked
    engine : str or None: whose kernels it is made for
    warned : list of str: what torch warned of, each once, but for what is deprecated
    error : str: the error that ended the work, on one line; empty where there was none
    steps : tuple of str: what was done with the model by then, where it remembers that
    """

    engine: str | None
    model: nn.Module | None = None
    warned: list[str] = field(default_factory=list)
    error: str = ""
    steps: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        """The error, or else the first warning, or else "nothing"."""
        return self.error or next(iter(self.warned), NOTHING)


@contextmanager
def workbench() -> Iterator[Workbench]:
    """Let something go wrong: the engine is set, warnings are kept, and an error ends the `with` and is kept too.

    Examples
    --------
    >>> with workbench() as bench:
    ...     bench.model = nn.Linear(2, 2)(torch.zeros(1, 3))
    >>> bench.says
    'RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x3 and 2x2)'
    """
    engine = engines.preferred()
    bench = Workbench(engine)
    with warnings.catch_warnings(record=True) as seen, engines.using() if engine else nullcontext(), torch.no_grad():
        warnings.simplefilter("always")
        try:
            yield bench
        except Exception as error:
            bench.error = one_line(error)
    lines = [one_line(warning.message) for warning in seen if not engines.is_expected(warning)]
    bench.warned += list(dict.fromkeys(lines))
    bench.steps = tuple(getattr(bench.model, "steps", ()))


def attempt(step: Callable[[], Any]) -> tuple[Any, str]:
    """Return what a step returns, or None, and what torch says of it."""
    result = None
    with workbench() as bench:
        result = step()
    return result, bench.says


def one_line(message: BaseException) -> str:
    """Return a message as torch words it: the first sentence that says what is wrong, without what a machine adds."""
    text = " ".join(str(message).strip().split("\n")[0].split())
    text = re.sub(r"\((FBGEMM|qnnpack|QNNPACK|ONEDNN|onednn)\)", "", text.split(". This could be")[0])
    text = text if len(text) <= LONGEST else f"{text[:LONGEST].rsplit(' ', 1)[0]} ..."
    return f"{type(message).__name__}: {text}".rstrip(": ")

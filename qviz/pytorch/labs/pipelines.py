"""The three ways side by side: what each asks for, counted from code that is run."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import torch

from .. import digits_model, engines
from ..size_and_latency import size_bytes
from . import recipes

RISKS = {
    "dynamic": "convolutions stay float32; finding the range of each input takes time",
    "static": "the sample is unlike the real data; a stub or an observer is forgotten",
    "qat": "too few epochs, or too many; ranges that are not frozen; convert in train mode",
}


@dataclass(frozen=True)
class Pipeline:
    """One way, run on the digits network.

    Attributes
    ----------
    name : str
    steps : tuple of str: the numbered comments of its code
    lines : int: of its code, without comments and its docstring
    needs : tuple of str: what it takes besides the model
    images : int: how many images went through the network on the way, repeats counted
    accuracy : float: on the test images, 0 to 1
    size_bytes : int: of the state dict, saved
    seconds : float: of this run on this machine; in no text
    risk : str: what can go wrong
    code : str
    """

    name: str
    steps: tuple[str, ...]
    lines: int
    needs: tuple[str, ...]
    images: int
    accuracy: float
    size_bytes: int
    seconds: float
    risk: str
    code: str


@dataclass(frozen=True)
class Pipelines:
    """All ways, shown as a table without times."""

    ways: tuple[Pipeline, ...]

    def __repr__(self) -> str:
        rows = {
            "lines of code": [f"{way.lines}" for way in self.ways],
            "steps": [f"{len(way.steps)}" for way in self.ways],
            "data needed": [", ".join(way.needs) or "none" for way in self.ways],
            "images processed": [f"{way.images:,}" for way in self.ways],
            "accuracy": [f"{way.accuracy:.1%}" for way in self.ways],
            "file size in bytes": [f"{way.size_bytes:,}" for way in self.ways],
        }
        head = f"{'':<18}" + "".join(f"{way.name:>16}" for way in self.ways)
        lines = [f"{name:<18}" + "".join(f"{cell:>16}" for cell in cells) for name, cells in rows.items()]
        risks = [f"{way.name}: {way.risk}" for way in self.ways]
        return "\n".join([head, *lines, "", "What can go wrong", *risks])

    def steps(self) -> str:
        """Return the steps of each way."""
        return "\n".join(f"{way.name:<8} {' > '.join(way.steps)}" for way in self.ways)

    def times(self) -> str:
        """Return how long each took here, for showing and not for storing."""
        return "\n".join(
            f"{way.name:<8} {way.seconds:8.2f} seconds on this machine, with one thread" for way in self.ways
        )


def run_all() -> Pipelines:
    """Quantize the digits network in each of the three ways, and count.

    Raises
    ------
    ValueError
        This machine has no engine for quantized models.

    Examples
    --------
    >>> found = run_all()
    >>> [(way.name, len(way.steps), way.lines) for way in found.ways]
    [('dynamic', 1, 1), ('static', 5, 5), ('qat', 6, 11)]
    """
    return Pipelines(tuple(_run(recipe) for recipe in (recipes.dynamic, recipes.static, recipes.qat)))


def _run(recipe: Callable) -> Pipeline:
    train_x, train_y, x, y = digits_model.digits_tensors()
    given = {"images": train_x, "labels": train_y}
    needs = tuple(inspect.signature(recipe).parameters)[1:]
    model, passed = digits_model.digits_cnn(), []
    hook = model.register_forward_pre_hook(lambda module, inputs: passed.append(len(inputs[0])))
    with engines.using(), engines.quiet(), engines.threads(1), torch.random.fork_rng(devices=[]):
        start = perf_counter()
        quantized = recipe(model, *(given[name] for name in needs))
        seconds = perf_counter() - start
        images = sum(passed)
        accuracy = digits_model.accuracy(quantized, x, y)
    hook.remove()
    steps, lines, code = count(recipe)
    size = size_bytes(quantized)
    name = recipe.__name__
    return Pipeline(name, steps, lines, needs, images, accuracy, size, seconds, RISKS[name], code)


def count(recipe: Callable) -> tuple[tuple[str, ...], int, str]:
    """Return the steps of a function, how many lines of code it has, and the code without the docstring.

    Examples
    --------
    >>> count(recipes.dynamic)[:2]
    (('convert the linear layers',), 1)
    """
    source = textwrap.dedent(inspect.getsource(recipe))
    body = ast.parse(source).body[0].body
    documented = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    inner = source.splitlines()[body[0].end_lineno if documented else 1 :]
    steps = tuple(found[1] for line in inner if (found := re.match(r"\s*# \d+\. (.*)", line)))
    lines = [line for line in inner if line.strip() and not line.strip().startswith("#")]
    return steps, len(lines), textwrap.dedent("\n".join(inner))

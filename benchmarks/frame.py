"""How two ways are timed side by side, and how the result is printed."""

import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from statistics import median, quantiles

import numpy as np

WIDTH = 110
HEADER = ("comparison", "qviz: median (quartiles)", "peer", "its median (quartiles)", "ratio", "target", "held")
COLUMNS = (27, 22, 19, 22, 6, 6, 4)


@dataclass(frozen=True)
class Row:
    """One line of the table, and notes below it.

    Parameters
    ----------
    what : str, up to 27 characters
    ours, theirs : seconds of each repeat; `theirs` may be empty
    peer : str, up to 19 characters
    ratio, target : str, up to 6 characters
        What was measured and what is asked for, such as "57x" and ">=50x".
    fast : bool
        Whether the target is held.
    notes : what else was found, each up to 106 characters
    right : bool
        Whether the results are what they should be; a fast wrong answer holds nothing.
    """

    what: str
    ours: list[float]
    peer: str
    theirs: list[float]
    ratio: str
    target: str
    fast: bool
    notes: list[str] = field(default_factory=list)
    right: bool = True

    @property
    def held(self) -> bool:
        return self.fast and self.right


def interleaved(ours: Callable, theirs: Callable, repeats: int) -> tuple[list[float], list[float]]:
    """Time both in turn, after one call each to warm up: what slows the machine down slows both."""
    times: tuple[list[float], list[float]] = ([], [])
    for function in (ours, theirs):
        function()
    for _ in range(repeats):
        for function, seconds in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            function()
            seconds.append(time.perf_counter() - start)
    return times


def side_by_side(
    what: str,
    ours: Callable,
    peer: str,
    theirs: Callable,
    at_least: float,
    repeats: int = 11,
    notes: Iterable[str] = (),
    right: bool = True,
) -> Row:
    """Compare two functions; the ratio is the median over the pairs of neighbouring runs."""
    mine, others = interleaved(ours, theirs, repeats)
    ratio = median(other / own for own, other in zip(mine, others, strict=True))
    return Row(what, mine, peer, others, times(ratio), f">={at_least:g}x", ratio >= at_least, list(notes), right)


def times(ratio: float) -> str:
    return f"{ratio:.0f}x" if ratio >= 20 else f"{ratio:.1f}x"


def milliseconds(seconds: list[float]) -> str:
    if not seconds:
        return ""
    low, _, high = quantiles(seconds, n=4)
    digits = 0 if median(seconds) >= 0.1 else 2 if median(seconds) < 0.01 else 1
    middle, low, high = (f"{1000 * value:.{digits}f}" for value in (median(seconds), low, high))
    return f"{middle} ms ({low}-{high})"


def table(rows: Iterable[Row]) -> str:
    lines = [line(HEADER), "-" * WIDTH]
    for row in rows:
        held = "yes" if row.held else "NO"
        cells = row.what, milliseconds(row.ours), row.peer, milliseconds(row.theirs), row.ratio, row.target, held
        lines += [line(cells), *(f"    {note}" for note in row.notes)]
    return "\n".join(lines)


def line(cells: Iterable[str]) -> str:
    """Pad each cell to its column; the last names of the header may be wider than what stands below them."""
    return " ".join(f"{cell:<{width}}" for cell, width in zip(cells, COLUMNS, strict=True)).rstrip()


def machine() -> str:
    return (
        f"{os.cpu_count()} processors, {platform.machine()}, {sys.platform}; Python {platform.python_version()}, "
        f"NumPy {np.__version__}"
    )

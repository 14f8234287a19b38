"""What a network costs: bytes on disk, and time.

A time is that of this machine at this moment: compare two of them only when taken one after the other.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from . import engines
from .inputs import inputs_of

WARM_UP = 5


@dataclass(frozen=True)
class Latency:
    """How long one batch takes: the median, and how far the middle half of the runs spreads (NaN: not measured).

    Attributes
    ----------
    median_ms, spread_ms : float: spread is the distance between the quartiles
    batch, threads, repeats : int
    """

    median_ms: float
    spread_ms: float
    batch: int
    threads: int
    repeats: int


def size_bytes(model: nn.Module) -> int:
    """Save a network's state dict to a file, and return how large that is.

    Examples
    --------
    >>> size_bytes(nn.Linear(1000, 100)) // 1000
    402
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        torch.save(model.state_dict(), path)
        return path.stat().st_size


def latency(model: nn.Module, x: torch.Tensor, *, repeats: int = 30, threads: int = 1) -> Latency:
    """Time a network on one batch: after warming up, with a fixed number of threads, which is put back.

    Examples
    --------
    >>> latency(nn.Linear(2, 2), torch.zeros(8, 2), repeats=3).batch
    8
    """
    x = inputs_of(x, "x", ids=True)
    with engines.threads(threads), torch.inference_mode():
        times = [_time(model, x) for _ in range(repeats + WARM_UP if repeats else 0)][WARM_UP:]
    low, median, high = np.percentile(times, (25, 50, 75)) * 1e3 if times else [np.nan] * 3
    return Latency(float(median), float(high - low), len(x), threads, repeats)


def _time(model, x) -> float:
    start = perf_counter()
    model(x)
    return perf_counter() - start

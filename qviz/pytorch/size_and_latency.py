"""What a network costs: bytes on disk, and time.

A time is that of this machine at this moment: compare two of them only when taken one after the other.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from torch import nn

from . import engines
from .inputs import inputs_of, run

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


@dataclass(frozen=True)
class StateDictBytes:
    """The bytes in a file of torch.save, part by part.

    Attributes
    ----------
    codes : int: one byte a code, however few bits it has
    scales, zero_points : int: of weights 8 bytes each, of activations 4 and 8
    reals : int: biases, and weights that are float32
    container : int: names, shapes, and the frame of the file
    """

    codes: int
    scales: int
    zero_points: int
    reals: int
    container: int

    @property
    def memory_bytes(self) -> int:
        """All numbers, without the container: what they take in memory."""
        return self.codes + self.scales + self.zero_points + self.reals

    @property
    def file_bytes(self) -> int:
        """The whole file."""
        return self.memory_bytes + self.container


def state_dict_bytes(model: nn.Module) -> StateDictBytes:
    """Save a network's state dict with torch.save, and count its bytes part by part.

    Examples
    --------
    >>> state_dict_bytes(nn.Linear(100, 10)).memory_bytes
    4040
    """
    parts = dict.fromkeys(("codes", "scales", "zero_points", "reals"), 0)
    for name, tensor in _tensors(model.state_dict()):
        if tensor.is_quantized:
            parts["codes"] += tensor.int_repr().nbytes
            if tensor.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
                parts["scales"] += tensor.q_per_channel_scales().nbytes
                parts["zero_points"] += tensor.q_per_channel_zero_points().nbytes
        else:
            parts[_kind(name)] += tensor.nbytes
    return StateDictBytes(**parts, container=size_bytes(model) - sum(parts.values()))


def _kind(name: str) -> str:
    """Say what an entry is by its name; in a graph of FX a scale may be called conv1_input_scale_0."""
    found = re.search(r"(?:^|[._])(scale|zero_point)(?:_\d+)?$", name)
    return f"{found[1]}s" if found else "reals"


def _tensors(state: dict) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor; a linear layer's weight and bias stand in one tuple."""
    for name, value in state.items():
        yield from ((name, v) for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, torch.Tensor))


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
    run(model, x)
    return perf_counter() - start

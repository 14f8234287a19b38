"""Speed on this machine: float32 against int8, over widths and batch sizes, and the roof over both.

Every figure is that of this machine at this moment, with one thread. Nothing here is ever stored.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.ao.quantization import DeQuantStub, QuantStub

from qviz.numerics.roofline import BATCHES, WIDTHS, Roof
from qviz.numerics.unavailable import Unavailable

from .. import digits_model
from ..inputs import inputs_of
from ..layer_support import check_runs
from ..ptq import SIMULATED, PTQConfig, quantize_model
from ..size_and_latency import Latency, latency

REPEATS = 30
COPIED_BYTES = 24 << 20  # read, and as many written: more than most caches hold
LARGE, TINY = 1024, 4  # widths at which a layer is nearly all arithmetic, and nearly none


class Stack(nn.Module):
    """Linear layers one after the other, between two stubs, or each between two of its own.

    Parameters
    ----------
    sizes : sequence of int
        Inputs of the first layer, outputs of each.
    between : bool
        Quantize and dequantize around every layer.
    seed : int
        The weights are random: neither bytes nor time depend on them.

    Examples
    --------
    >>> Stack((64, 32, 10))(torch.zeros(3, 64)).shape
    torch.Size([3, 10])
    """

    def __init__(self, sizes, between: bool = False, seed: int = 0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        groups = [[layer] for layer in layers] if between else [layers]
        self.steps = nn.Sequential(*(step for group in groups for step in (QuantStub(), *group, DeQuantStub())))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, outputs) of (n, inputs)."""
        return self.steps(x)


def quantized(model: nn.Module, x: torch.Tensor) -> nn.Module:
    """Return the network in int8, calibrated on `x`.

    Examples
    --------
    >>> type(quantized(Stack((8, 4)), torch.randn(2, 8)).steps[1]).__name__ == "Linear"
    True
    """
    x = inputs_of(x, "x")
    check_runs(model, x[:1], "x")
    return quantize_model(model, PTQConfig(samples=len(x), method="torch min-max"), x)


@dataclass(frozen=True)
class SpeedCase:
    """One width and batch size, measured.

    Attributes
    ----------
    width, batch : int
    real, integer : Latency: float32, and int8
    """

    width: int
    batch: int
    real: Latency
    integer: Latency


@dataclass(frozen=True)
class Machine:
    """The roof of this machine, with one thread.

    Attributes
    ----------
    real, integer : Roof: for float32, and for int8
    engine : str: whose integer kernels ran
    """

    real: Roof
    integer: Roof
    engine: str


class SpeedLab:
    """Measures when it is called; what the SpeedExplorer takes its numbers from.

    Parameters
    ----------
    repeats : int
        How often each case runs, after warming up.

    Examples
    --------
    >>> case = next(SpeedLab(repeats=3)(layers=2, between=True))
    >>> case.width, case.batch, case.integer.repeats, case.integer.threads
    (16, 1, 3, 1)
    """

    def __init__(self, repeats: int = REPEATS):
        self.repeats = repeats
        self._ceilings = cache(self._measure_ceilings)

    def __call__(self, layers: int, between: bool) -> Iterator[SpeedCase]:
        """Measure one width and batch after the other, so that a reader sees how far it is."""
        for width in WIDTHS:
            real, integer, _ = self._pair((width,) * (layers + 1), between, max(BATCHES))
            for batch in BATCHES:
                yield SpeedCase(width, batch, *(self._latency(model, x[:batch]) for model, x in (real, integer)))

    def _latency(self, model: nn.Module, x: torch.Tensor) -> Latency:
        return latency(model, x, repeats=self.repeats)

    def machine(self, layers: int, between: bool) -> Machine:
        """Measure the peaks by one large layer, the bandwidth by a copy, and the calls by layers of almost nothing."""
        peaks, bandwidth, engine = self._ceilings()
        real, integer, _ = self._pair((TINY,) * (layers + 1), between, batch=1)
        calls = [self._latency(*m).median_ms for m in (real, integer)]
        return Machine(*(Roof(peak, bandwidth, ms) for peak, ms in zip(peaks, calls, strict=True)), engine)

    def _measure_ceilings(self) -> tuple[list[float], float, str]:
        bandwidth = copy_bandwidth()  # first, so that its memory is free again
        real, integer, engine = self._pair((LARGE, LARGE), False, batch=256)
        operations = 2 * LARGE**2 * 256
        return [operations / self._latency(*m).median_ms / 1e6 for m in (real, integer)], bandwidth, engine

    def _pair(self, sizes, between: bool, batch: int):
        """Return a stack and an input of it, the same in int8, and whose kernels run that."""
        x = torch.randn(batch, sizes[0], generator=torch.Generator().manual_seed(0))
        model = Stack(sizes, between).eval()
        integer = quantized(model, x)
        return (model, x), (integer, x), integer.made.engine


@dataclass(frozen=True)
class Timed:
    """One network, measured.

    Attributes
    ----------
    real, integer : Latency: float32, and int8
    engine : str: whose integer kernels ran
    """

    real: Latency
    integer: Latency
    engine: str


class DigitsSpeed:
    """Times the network of the course when it is called; what the ParetoExplorer takes its times from.

    Parameters
    ----------
    repeats : int
        How often each network runs, after warming up.
    batch : int
        Test images at a time.

    Examples
    --------
    >>> found = DigitsSpeed(repeats=3)()
    >>> found.real.batch, found.integer.repeats, found.integer.threads
    (32, 3, 1)
    """

    def __init__(self, repeats: int = 100, batch: int = 32):
        self.repeats, self.batch = repeats, batch

    def __call__(self) -> Timed:
        """Measure float32 and int8, one after the other, in less than a second; raises what `steps` raises."""
        return list(self.steps())[-1][1]

    def steps(self) -> Iterator[tuple[float, Timed | None]]:
        """Do the same step by step: yield the share done, and with the last one what was measured.

        Raises
        ------
        Unavailable
            This machine has no kernels for integers.

        Examples
        --------
        >>> [share for share, _ in DigitsSpeed(repeats=3).steps()]
        [0.25, 0.5, 0.75, 1.0]
        """
        sample, _, x, _ = digits_model.digits_tensors()
        real = digits_model.digits_cnn()
        yield 0.25, None
        integer = quantize_model(real, PTQConfig(), sample)
        if integer.made.engine == SIMULATED:
            raise Unavailable("this build of torch has no kernels for integers on this machine")
        times = []
        for share, model in ((0.5, real), (0.75, integer)):
            yield share, None
            times.append(latency(model, x[: self.batch], repeats=self.repeats))
        yield 1.0, Timed(*times, integer.made.engine)


def copy_bandwidth(size: int = COPIED_BYTES, repeats: int = 10) -> float:
    """Copy so many bytes by one thread, and return thousand millions of bytes a second, read and written, at best."""
    source = np.zeros(size, np.uint8)
    target = np.ones_like(source)  # written to, so that the system has given it its pages
    return 2 * size / min(_seconds(lambda: np.copyto(target, source)) for _ in range(repeats)) / 1e9


def _seconds(act: Callable[[], object]) -> float:
    start = perf_counter()
    act()
    return perf_counter() - start

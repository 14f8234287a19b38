"""Bits for each layer: bytes, accuracy and time of one network, compared with all others."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np

from qviz.experiments.mixed_precision import BITS, FLOAT, every_network, place, size_bytes
from qviz.plots import Canvas, Cloud, LatencyPanel, ParetoPanel
from qviz.plots.pareto import SCORES

from .background import Working
from .controls import choice, more, slider
from .explorer import Explorer

_QUANTIZED = (slice(0, len(BITS)),) * 4  # entries of the tables without float32 layers


def _bits(layer: str):
    return slider(f"{layer} bits", 4, BITS[0], BITS[-1])


@dataclass(frozen=True)
class State:
    """Weight bits of each layer, how ranges are chosen, and which score counts."""

    conv1: int = _bits("conv1")
    conv2: int = _bits("conv2")
    fc1: int = _bits("fc1")
    fc2: int = _bits("fc2")
    method: str = more(choice("Weight range", ("min-max", "mse")))
    score: str = more(choice("What counts", tuple(SCORES)))

    @property
    def bits(self) -> tuple[int, int, int, int]:
        """The weight bits of all four layers."""
        return self.conv1, self.conv2, self.fc1, self.fc2


@dataclass(frozen=True, eq=False)
class Result:
    """One network, compared with all networks.

    Attributes
    ----------
    size_bytes, float_bytes : int: with float32 scales and biases
    right, float_right, images : int: correct answers, and number of test images
    sqnr_db : float: of the logits
    cloud : Cloud: all networks
    here : int: the index of this network
    beaten_by : int: number of networks that are smaller and better
    beater : tuple of bits, or None: the best of these, and the smallest of the best
    fits : int: the bits of the largest uniform network that is not larger
    fits_right : int: its correct answers
    times : measured by the source: `real` and `integer`, each with `median_ms` and `spread_ms`, and `engine`; or None
    """

    size_bytes: int
    float_bytes: int
    right: int
    float_right: int
    images: int
    sqnr_db: float
    cloud: Cloud
    here: int
    beaten_by: int
    beater: tuple[int, ...] | None
    fits: int
    fits_right: int
    times: object | None = None

    @property
    def on_front(self) -> bool:
        """Whether no network is smaller and better."""
        return self.beaten_by == 0


@lru_cache(maxsize=4)
def cloud_of(method: str, score: str) -> Cloud:
    """Return all 2,401 networks with 2 to 8 bits per layer, measured on the test images.

    Examples
    --------
    >>> cloud_of("min-max", "accuracy").size_bytes.size
    2401
    """
    networks = every_network(method=method)
    scores = networks.accuracy if score == "accuracy" else networks.sqnr_db
    uniform = {f"{bits} bits": _position((bits,) * 4) for bits in BITS}
    return Cloud(size_bytes()[_QUANTIZED].ravel(), scores[_QUANTIZED].ravel(), score, uniform)


def compute(state: State) -> Result:
    """Look up one network, and compare it with all networks."""
    networks, cloud = every_network(method=state.method), cloud_of(state.method, state.score)
    at, here, size = place(state.bits), _position(state.bits), size_bytes()
    beating = np.flatnonzero(cloud.beating(here))
    best = max(beating, key=lambda i: (cloud.score[i], -cloud.size_bytes[i]), default=None)
    fits = max(bits for bits in BITS if size[place(bits)] <= size[at])
    return Result(
        size_bytes=int(size[at]),
        float_bytes=int(size[place(FLOAT)]),
        right=int(networks.right[at]),
        float_right=int(networks.right[place(FLOAT)]),
        images=networks.images,
        sqnr_db=float(networks.sqnr_db[at]),
        cloud=cloud,
        here=here,
        beaten_by=beating.size,
        beater=None if best is None else _bits_at(best),
        fits=fits,
        fits_right=int(networks.right[place(fits)]),
    )


class ParetoExplorer(Working, Explorer):
    """Bits for each layer of the trained network, among all 2,401 networks that 2 to 8 bits make of it.

    Only weights are quantized: activations stay float32. All results on the test images come from a table.

    Parameters
    ----------
    source : callable or None, positional only
        It measures the network in float32 and int8 when the reader presses Measure speed, such as
        `qviz.pytorch.labs.speed.DigitsSpeed()`. Without it, there is no panel for time, and torch is not needed.
    **settings
        Initial values of controls.

    Examples
    --------
    >>> explorer = ParetoExplorer(conv1=5, fc1=3, fc2=5)
    >>> print(explorer.readout.splitlines()[0])
    conv1 5, conv2 4, fc1 3, fc2 5 bits: 16,058 bytes, 9.54 times smaller than float32
    >>> explorer.close()
    """

    State = State
    readout_lines = 5
    source: ClassVar[str] = "qviz.pytorch.labs.speed.DigitsSpeed"
    source_optional: ClassVar[bool] = True
    work_label = "Measure speed"
    not_done = "Not measured"

    def __init__(self, source=None, /, **settings):
        self._times = None
        super().__init__(source, **settings)

    def can_work(self) -> bool:
        """Return whether there is a source."""
        return self._source is not None

    def measure(self) -> None:
        """Measure the times of float32 and int8 on this machine, as the button does."""
        self._work.run()

    def work(self) -> Iterator[float]:
        """Measure both times, one after the other."""
        yield 0.0
        for share, times in self._source.steps():
            self._times = times or self._times
            yield share

    def compute(self, state: State) -> Result:
        """Look up the network, and add the times."""
        return replace(compute(state), times=self._times)

    def canvas(self) -> Canvas:
        """Put bytes on the left, and time on the right if it can be measured."""
        if not self._source:
            return Canvas({"pareto": ParetoPanel()}, size=(900, 430))
        return Canvas({"pareto": ParetoPanel(), "latency": LatencyPanel()}, size=(940, 430), width_ratios=[5, 2])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show all networks, with a star at this one."""
        views = {"pareto": (result.cloud, result.here)}
        if self._source:
            float_score = result.float_right / result.images if state.score == "accuracy" else None
            views["latency"] = (result.cloud, result.here, _pairs(result.times), float_score)
        return views

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the bytes and the accuracy."""
        return {"bytes": f"{result.size_bytes:,}", "right": f"{result.right / result.images:.2%}"}

    def describe(self, state: State, result: Result) -> str:
        """Return the size, the accuracy, and which networks are better."""
        lines = [
            f"conv1 {state.conv1}, conv2 {state.conv2}, fc1 {state.fc1}, fc2 {state.fc2} bits: "
            f"{result.size_bytes:,} bytes, {result.float_bytes / result.size_bytes:.2f} times smaller than float32",
            f"accuracy {result.right / result.images:.2%} ({result.right} of {result.images} test images; "
            f"float32: {result.float_right}), SQNR {result.sqnr_db:.1f} dB",
            f"by {state.score}: {_beaten(result)}",
            f"best network with equal bits and at most this size: {result.fits} bits, {result.fits_right} right",
            "time: there are kernels only for float32 and 8 bits, so fewer bits do not save time",
        ]
        if self._source:
            lines += _timed(result.times)
        return "\n".join(lines)


def _pairs(times) -> tuple[tuple[float, float], ...] | None:
    return times and tuple((time.median_ms, time.spread_ms) for time in (times.real, times.integer))


def _timed(times) -> list[str]:
    """Return the lines on speed."""
    if times is None:
        return ["not measured yet: press Measure speed"]
    medians = (
        f"{name} {time.median_ms:.3f} ms (interquartile range {time.spread_ms:.3f})"
        for name, time in (("float32", times.real), ("int8", times.integer))
    )
    ratio = times.real.median_ms / times.integer.median_ms
    head = f"measured here, {times.real.batch} images per batch, one thread, {times.engine}: "
    return [head + ", ".join(medians), f"this network takes as long as int8: {ratio:.2f} times as fast as float32"]


def _beaten(result: Result) -> str:
    if result.on_front:
        front = result.cloud.front
        return f"on the Pareto front, as are {front.sum() - 1} of the other {front.size - 1:,} networks"
    i, bits = _position(result.beater), " ".join(map(str, result.beater))
    score = result.cloud.score[i]
    score = f"{score:.2%}" if result.cloud.kind == "accuracy" else f"{score:.1f} dB"
    count = f"{result.beaten_by:,} network{' is' if result.beaten_by == 1 else 's are'} smaller and better"
    return f"{count}; the best of them is {bits}: {result.cloud.size_bytes[i]:,} bytes, {score}"


def _position(bits) -> int:
    return int(np.ravel_multi_index(place(bits), (len(BITS),) * 4))


def _bits_at(position: int) -> tuple[int, ...]:
    return tuple(BITS[i] for i in np.unravel_index(position, (len(BITS),) * 4))

"""Speed of float32 and int8, measured on the reader's machine on request, and never stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from qviz.experiments.measured_speed import EXAMPLE, MACHINE, MeasuredTime
from qviz.numerics.roofline import BATCHES, WIDTHS, Work, linear_work
from qviz.plots import Canvas, RatioPanel, RooflinePanel
from qviz.plots.roofline import Ratio, RooflinePoint

from .background import Working
from .controls import choice, slider, toggle
from .explorer import Explorer


@dataclass(frozen=True)
class State:
    """Which layers, and how many inputs per batch."""

    width: int = choice("Width", WIDTHS, 256)
    batch: int = choice("Batch size", BATCHES, 16)
    layers: int = slider("Layers", 2, 1, 3)
    between: bool = toggle("Convert around every layer")


@dataclass(frozen=True)
class Result:
    """The work of the chosen case, and the measurements.

    Attributes
    ----------
    real, integer : Work of float32 and of int8
    cases : tuple of measured cases from the source, or None if nothing was measured yet
    machine : the limits of this machine, or None
    """

    real: Work
    integer: Work
    cases: tuple | None
    machine: object | None


EXAMPLE_ONLY = "an example, not this machine"
NOTE = f"{EXAMPLE_ONLY.capitalize()}:\n{MACHINE.partition(',')[0]}, one thread.\nPress Measure speed for yours."


def _example(width: int, batch: int) -> MeasuredTime | None:
    """Return a measurement of another machine, which is shown until the reader measures."""
    return next((e for e in EXAMPLE if (e.width, e.batch) == (width, batch)), None)


def _example_ratio(width: int, batch: int) -> Ratio | None:
    example = _example(width, batch)
    return Ratio(*example.times_as_fast) if example else None


def ratio(case) -> Ratio:
    """Return the speed-up of int8; at its ends, times are half a spread off, but at least a tenth of the median."""
    (real_low, real_high), (integer_low, integer_high) = (
        (max(time.median_ms - time.spread_ms / 2, time.median_ms / 10), time.median_ms + time.spread_ms / 2)
        for time in (case.real, case.integer)
    )
    return Ratio(real_low / integer_high, case.real.median_ms / case.integer.median_ms, real_high / integer_low)


class SpeedExplorer(Working, Explorer):
    """Speed of float32 and int8 on this machine: press Measure speed.

    Until then the picture shows an example that was measured on another machine. All widths and batch sizes are
    measured together, with one thread, for the chosen number of layers; another number needs another measurement.

    Parameters
    ----------
    source : callable, positional only
        A `qviz.pytorch.labs.speed.SpeedLab`, which measures.
    **settings
        Initial values of controls.

    Examples
    --------
    >>> from qviz.pytorch.labs.speed import SpeedLab
    >>> explorer = SpeedExplorer(SpeedLab(repeats=1), width=1024)
    >>> print(explorer.readout.splitlines()[-1])
    Time: not measured yet. Press Measure speed.
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    source: ClassVar[str] = "qviz.pytorch.labs.speed.SpeedLab"
    work_label = "Measure speed"
    not_done = "Not measured"

    def __init__(self, source=None, /, **settings):
        self._measured: dict[tuple[int, bool], tuple] = {}  # (layers, between) -> (machine, cases)
        super().__init__(source, **settings)

    def measure(self) -> None:
        """Measure all widths and batch sizes for the chosen layers; interrupting the kernel stops it."""
        self._work.run()

    def work(self) -> Iterator[float]:
        """Measure one case after the other; if it is stopped, nothing changes."""
        case, cases = (self.layers, self.between), []
        yield 0.0
        machine = self._source.machine(*case)
        for measured in self._source(*case):
            cases.append(measured)
            yield len(cases) / (len(WIDTHS) * len(BATCHES))
        self._measured[case] = machine, tuple(cases)

    def compute(self, state: State) -> Result:
        """Count the work, and look up the measurements."""
        works = (
            linear_work(state.width, state.layers, state.batch, quantized=quantized, between=state.between)
            for quantized in (False, True)
        )
        machine, cases = self._measured.get((state.layers, state.between), (None, None))
        return Result(*works, cases, machine)

    def canvas(self) -> Canvas:
        """Put the ratios on the left, the roofline on the right."""
        return Canvas({"ratios": RatioPanel(), "roofline": RooflinePanel()}, size=(940, 430), width_ratios=[5, 4])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the ratios of all widths and batch sizes, and the roofline of the chosen case."""
        pairs = [(width, batch) for width in WIDTHS for batch in BATCHES]
        rows = [f"    {width} wide, batch {batch}" for width, batch in pairs]
        ratios = [ratio(case) for case in result.cases] if result.cases else [_example_ratio(*pair) for pair in pairs]
        chosen = pairs.index((state.width, state.batch))
        notes = ("", "") if result.cases else (NOTE, EXAMPLE_ONLY)
        points = self._points(state, result)
        return {"ratios": (rows, ratios, chosen, notes[0]), "roofline": (points, _named(state), notes[1])}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the speed-up, if it has been measured."""
        return {
            "int8": f"{ratio(self._case(state, result)).median:.2f} times as fast"
            if result.cases
            else "not measured yet"
        }

    def describe(self, state: State, result: Result) -> str:
        """Return the work, and the times if they have been measured."""
        real, integer = result.real, result.integer
        often = "for every layer" if state.between else "once"
        lines = [
            f"{_named(state)}, input quantized and output dequantized {often}: {real.operations:,} operations",
            f"float32 moves {real.bytes:>11,} bytes: {real.intensity:7.2f} operations per byte",
            f"int8    moves {integer.bytes:>11,} bytes: {integer.intensity:7.2f} operations per byte",
        ]
        if not result.cases:
            lines.append(f"The bars show an example with 2 layers, measured on an {MACHINE}.")
            return "\n".join([*lines, "Time: not measured yet. Press Measure speed."])
        return "\n".join([*lines, *_times(self._case(state, result), result)])

    def _case(self, state: State, result: Result):
        return next(case for case in result.cases if (case.width, case.batch) == (state.width, state.batch))

    def _points(self, state: State, result: Result) -> list[RooflinePoint]:
        if not result.cases:
            found = _example(state.width, state.batch) if (state.layers, state.between) == (2, False) else None
            times = [sorted(us)[1] for us in (found.float_us, found.int8_us)] if found else [float("nan")] * 2
            works = zip((result.real, result.integer), times, strict=True)
            return [RooflinePoint(work, None, work.operations / us / 1e3) for work, us in works]
        case, machine = self._case(state, result), result.machine
        kinds = ((result.real, machine.real, case.real), (result.integer, machine.integer, case.integer))
        return [RooflinePoint(work, roof, work.operations / time.median_ms / 1e6) for work, roof, time in kinds]


def _named(state: State) -> str:
    plural = "s" if state.layers > 1 else ""
    return f"{state.layers} layer{plural} of {state.width} x {state.width}, batch {state.batch}"


def _times(case, result: Result) -> list[str]:
    """Return the lines on the measurements: medians, spreads, limits, and the machine."""
    kinds = (("float32", case.real, result.machine.real, result.real),)
    kinds += (("int8", case.integer, result.machine.integer, result.integer),)
    roofs = result.machine.real, result.machine.integer
    lines = [
        f"{name:<7} takes {time.median_ms * 1e3:>9.1f} \N{MICRO SIGN}s (interquartile range "
        f"{time.spread_ms * 1e3:.1f}); limited mainly by {roof.limit(work)}"
        for name, time, roof, work in kinds
    ]
    lines.append(f"int8 is {ratio(case).median:.2f} times as fast, with one thread, on {result.machine.engine}.")
    peaks = " and ".join(f"{roof.peak:.0f}" for roof in roofs)
    lines.append(f"Limits measured on this machine: {peaks} Gop/s; memory {roofs[0].bandwidth:.0f} GB/s.")
    return lines

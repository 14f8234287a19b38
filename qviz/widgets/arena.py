"""All calibration methods on the same tensor."""

from dataclasses import dataclass

from qviz.numerics import SCHEMES, IntFormat
from qviz.numerics.calibration_results import CalibrationResult, best_of, calibration_results
from qviz.plots import CalibratorPanel, Canvas, RangesPanel

from ._readout import Readout, Table
from ._sample import Sample, Sampled, batches_slider, outliers_slider
from .controls import choice, more, slider, tensor_choice
from .explorer import Explorer

_HEAD = ("method", "lo", "hi", "MSE", "rounding", "clipping", "SQNR dB")


@dataclass(frozen=True)
class State:
    """Which tensor, and what the observer sees of it."""

    data: str = tensor_choice("conv2 activations")
    bits: int = slider("Bits", 4, 2, 8)
    scheme: str = more(choice("Scheme", SCHEMES))
    outliers: float = outliers_slider()
    batches: int = batches_slider()


@dataclass(frozen=True)
class Result:
    """The tensor, and the result of each method."""

    sample: Sample
    outcomes: dict[str, CalibrationResult]

    @property
    def best(self) -> str:
        """The method with the smallest error."""
        return best_of(self.outcomes)


def compute(state: State, sample: Sample) -> Result:
    """Let every method choose a range from the batches seen, and measure its error on the whole tensor."""
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    values, counts = sample.measured
    return Result(sample, calibration_results(values, sample.seen(state.batches), fmt, state.scheme, counts=counts))


class ArenaExplorer(Sampled, Explorer):
    """All calibrators on one tensor: the range that each keeps, and the error that follows.

    The observer sees the first batches only; the error is always that of the whole tensor.

    Examples
    --------
    >>> explorer = ArenaExplorer(data="Laplace")
    >>> explorer.result.best
    'mse'
    >>> explorer.close()
    """

    State = State
    readout_lines = 8

    def compute(self, state: State) -> Result:
        """Calibrate the chosen tensor with every method."""
        return compute(state, self.sample(state))

    def canvas(self) -> Canvas:
        """Put the ranges on the left, the errors on the right."""
        panels = {"ranges": RangesPanel(), "errors": CalibratorPanel()}
        return Canvas(panels, size=(940, 400), width_ratios=[6, 5])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the range and the error of every method."""
        values, counts = result.sample.measured
        return {"ranges": (values, result.outcomes, counts), "errors": (result.outcomes,)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the method with the smallest error, and its SQNR."""
        return {"smallest error": result.best, "SQNR": f"{result.outcomes[result.best].sqnr_db:.2f} dB"}

    def describe(self, state: State, result: Result) -> str:
        """Return a table of all methods, with a star at the best."""
        fmt, names = result.outcomes[result.best].qparams.fmt, list(result.outcomes)
        rows = [(name, *_cells(outcome)) for name, outcome in result.outcomes.items()]
        return Readout.of(
            f"{fmt}, {state.scheme}: {result.sample.summary(state.batches)}",
            Table(_HEAD, rows, (-15, 10, 10, 11, 11, 11, 9), names.index(result.best), "*"),
        )


def _cells(outcome: CalibrationResult) -> tuple[str, ...]:
    p, parts = outcome.qparams, outcome.parts
    ends = f"{float(p.lo):.4f}", f"{float(p.hi):.4f}"
    errors = (f"{error:.3e}" for error in (parts.total, parts.rounding, parts.clipping))
    return *ends, *errors, f"{outcome.sqnr_db:.2f}"

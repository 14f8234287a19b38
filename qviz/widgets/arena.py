"""Six ways to choose a range, on one tensor at the same time."""

from dataclasses import dataclass

from qviz.numerics import SCHEMES, IntFormat
from qviz.numerics.calibration_results import CalibrationResult, best_of, calibration_results
from qviz.plots import CalibratorPanel, Canvas, RangesPanel

from ._sample import Sample, Sampled, batches_slider, outliers_slider
from .controls import choice, slider, tensor_choice
from .explorer import Explorer


@dataclass(frozen=True)
class State:
    """Which tensor, and what the observer sees of it."""

    data: str = tensor_choice("conv2 activations")
    bits: int = slider("Bits", 4, 2, 8)
    scheme: str = choice("Scheme", SCHEMES)
    outliers: float = outliers_slider()
    batches: int = batches_slider()


@dataclass(frozen=True)
class Result:
    """The whole tensor, and what became of it under each method."""

    sample: Sample
    outcomes: dict[str, CalibrationResult]

    @property
    def best(self) -> str:
        """The method with the least error."""
        return best_of(self.outcomes)


def compute(state: State, sample: Sample) -> Result:
    """Let every method choose from the batches seen, and measure each on the whole tensor."""
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

    def compute(self, state: State) -> Result:
        """Calibrate on the chosen tensor, six times."""
        return compute(state, self.sample(state))

    def canvas(self) -> Canvas:
        """Put the ranges on the left, the errors on the right."""
        panels = {"ranges": RangesPanel(), "errors": CalibratorPanel()}
        return Canvas(panels, size=(940, 400), width_ratios=[6, 5])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show every method."""
        values, counts = result.sample.measured
        return {"ranges": (values, result.outcomes, counts), "errors": (result.outcomes,)}

    def describe(self, state: State, result: Result) -> str:
        """Say it as a table, with a star at the best."""
        fmt = result.outcomes[result.best].qparams.fmt
        lines = [
            f"{fmt}, {state.scheme}: {result.sample.told(state.batches)}",
            f"  {'method':<15}{'lo':>10}{'hi':>10}{'MSE':>11}{'rounding':>11}{'clipping':>11}{'SQNR dB':>9}",
        ]
        for name, outcome in result.outcomes.items():
            star = "*" if name == result.best else " "
            lines.append(f"{star} {name:<15}{_numbers(outcome)}")
        return "\n".join(lines)


def _numbers(outcome: CalibrationResult) -> str:
    p, parts = outcome.qparams, outcome.parts
    return (
        f"{float(p.lo):>10.4f}{float(p.hi):>10.4f}"
        f"{parts.total:>11.3e}{parts.rounding:>11.3e}{parts.clipping:>11.3e}{outcome.sqnr_db:>9.2f}"
    )

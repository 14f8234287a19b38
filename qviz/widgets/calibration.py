"""One calibration method: the range that it keeps of a tensor, and the rounding and clipping errors."""

from dataclasses import dataclass

import numpy as np

from qviz.numerics import CALIBRATORS, SCHEMES, IntFormat, Percentile, error_of_ranges
from qviz.numerics.calibration_results import CalibrationResult, calibration_result
from qviz.plots import Canvas, ErrorCurvePanel, HistogramPanel
from qviz.plots.histogram import kept

from ._sample import SHARES, Sample, Sampled, batches_slider, outliers_slider
from .controls import choice, more, slider, tensor_choice
from .explorer import Explorer


@dataclass(frozen=True)
class State:
    """Which tensor, what the observer sees of it, and how the range is chosen."""

    data: str = more(tensor_choice("conv2 activations"))
    bits: int = slider("Bits", 4, 2, 8)
    scheme: str = more(choice("Scheme", SCHEMES))
    method: str = choice("Method", CALIBRATORS)
    percentile: float = slider("Percentile", 99.99, 90.0, 100.0, 0.01, digits=2)
    outliers: float = more(outliers_slider())
    batches: int = batches_slider()


@dataclass(frozen=True)
class Curve:
    """Rounding and clipping errors of a range that is scaled to other thresholds.

    They are estimated from the histogram of the whole tensor. `choice` is the chosen threshold and its error.
    """

    thresholds: np.ndarray
    rounding: np.ndarray
    clipping: np.ndarray
    choice: tuple[float, float]

    @property
    def best(self) -> tuple[float, float]:
        """The threshold with the smallest error, and that error: the lowest point of the curve, or the choice."""
        total = self.rounding + self.clipping
        lowest = int(np.argmin(total))
        point = float(self.thresholds[lowest]), float(total[lowest])
        return self.choice if self.choice[1] <= point[1] else point

    @property
    def above_best(self) -> float:
        """The error of the choice divided by the smallest error, at least 1."""
        return self.choice[1] / self.best[1] if self.best[1] else 1.0


@dataclass(frozen=True)
class Result:
    """The tensor, the chosen range, and the errors of other thresholds."""

    sample: Sample
    outcome: CalibrationResult
    curve: Curve


def compute(state: State, sample: Sample) -> Result:
    """Choose a range from the batches seen, and measure it on the whole tensor."""
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    calibrator = Percentile(state.percentile) if state.method == "percentile" else CALIBRATORS[state.method]
    values, counts = sample.measured
    chosen = calibration_result(values, sample.seen(state.batches), calibrator, fmt, state.scheme, counts)
    return Result(sample, chosen, error_curve(sample, chosen, fmt, state.scheme))


def error_curve(sample: Sample, chosen: CalibrationResult, fmt: IntFormat, scheme: str) -> Curve:
    """Estimate the errors of the chosen range when it is made wider or narrower."""
    if not sample.largest:  # all values are zero, and so is every error
        return Curve(SHARES, 0 * SHARES, 0 * SHARES, (0.0, 0.0))
    thresholds = SHARES * sample.largest
    lo, hi = (chosen.lo, chosen.hi) if chosen.threshold else (0.0, 1.0)
    proportions = np.append(thresholds, chosen.threshold) / max(-lo, hi)
    rounding, clipping = error_of_ranges(sample.histogram, lo * proportions, hi * proportions, fmt, scheme)
    return Curve(thresholds, rounding[:-1], clipping[:-1], (chosen.threshold, float(rounding[-1] + clipping[-1])))


class CalibrationExplorer(Sampled, Explorer):
    """One calibration method on one tensor, compared with the error of every other threshold.

    The observer sees the first batches only; the error is always that of the whole tensor.

    Examples
    --------
    >>> explorer = CalibrationExplorer()
    >>> print(explorer.readout.splitlines()[0])
    uint4, min-max: range 0.0000 to 6.9293, scale = 0.461957, zero point = 0
    >>> explorer.close()
    """

    State = State
    readout_lines = 5

    def compute(self, state: State) -> Result:
        """Calibrate the chosen tensor."""
        return compute(state, self.sample(state))

    def canvas(self) -> Canvas:
        """Put the tensor on the left, the errors of all thresholds on the right."""
        panels = {
            "tensor": HistogramPanel("The whole tensor, and the range kept", log=True),
            "error": ErrorCurvePanel(),
        }
        return Canvas(panels, size=(940, 380))

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the range, and its place on the curve."""
        sample, chosen, curve = result.sample, result.outcome, result.curve
        mark = chosen.threshold, chosen.parts.total
        values, counts = sample.measured
        return {
            "tensor": (values, *kept(chosen.qparams, counts)),
            "error": (curve.thresholds, curve.rounding, curve.clipping, mark, sample.error_limits),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the SQNR, and the share of clipped values."""
        return {"SQNR": f"{result.outcome.sqnr_db:.2f} dB", "clipped": f"{result.outcome.parts.clipped_fraction:.3%}"}

    def idle(self, state: State) -> dict[str, str]:
        """Disable the percentile unless the method uses it."""
        return {} if state.method == "percentile" else {"percentile": "used only by the method percentile"}

    def describe(self, state: State, result: Result) -> str:
        """Return the range, what the observer saw, the errors, and how good the choice is."""
        sample, chosen, curve = result.sample, result.outcome, result.curve
        p, parts = chosen.qparams, chosen.parts
        percentile = f"{state.percentile:.2f}" + (
            "" if state.method == "percentile" else f" (not used by {state.method})"
        )
        return (
            f"{p.fmt}, {state.method}: range {float(p.lo):.4f} to {float(p.hi):.4f}, "
            f"scale = {float(p.scale):.6f}, zero point = {int(p.zero_point)}\n"
            f"{sample.summary(state.batches)}; percentile {percentile}\n"
            f"mean squared error = {parts.total:.3e} (rounding {parts.rounding:.3e}, "
            f"clipping {parts.clipping:.3e}), SQNR = {chosen.sqnr_db:.2f} dB, clipped {parts.clipped_fraction:.3%}\n"
            f"error at threshold {chosen.threshold:.4f}: {curve.above_best:.2f} times the minimum of the curve, "
            f"{curve.best[1]:.3e} at {curve.best[0]:.4f}"
        )

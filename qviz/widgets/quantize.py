"""A tensor before and after quantization, and the error of each value."""

from dataclasses import dataclass

import numpy as np

from qviz.numerics import CALIBRATORS, SCHEMES, ErrorParts, IntFormat, QParams, fake_quantize
from qviz.numerics.calibration_results import calibration_result
from qviz.plots import Canvas, ErrorHistogramPanel, HistogramPanel, LevelsPanel
from qviz.plots.histogram import kept

from ._sample import Sample, Sampled
from .controls import choice, slider, tensor_choice, told_data
from .explorer import Explorer


@dataclass(frozen=True)
class State:
    """Which tensor, and how it is quantized."""

    data: str = tensor_choice("Gaussian")
    bits: int = slider("Bits", 8, 2, 8)
    scheme: str = choice("Scheme", SCHEMES)
    method: str = choice("Range", CALIBRATORS)


@dataclass(frozen=True)
class Result:
    """A flat tensor, how often each value occurs (None means once), and the quantized tensor."""

    x: np.ndarray
    counts: np.ndarray | None
    x_hat: np.ndarray
    qparams: QParams
    parts: ErrorParts
    sqnr_db: float
    note: str = ""


def compute(state: State, sample: Sample) -> Result:
    """Quantize a tensor with these settings."""
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    x, counts = sample.measured
    chosen = calibration_result(x, sample.histogram, CALIBRATORS[state.method], fmt, state.scheme, counts)
    p = chosen.qparams
    return Result(x, counts, fake_quantize(x, p), p, chosen.parts, chosen.sqnr_db, sample.rounded)


class QuantizeExplorer(Sampled, Explorer):
    """A tensor before and after quantization, with the error of each value.

    Examples
    --------
    >>> explorer = QuantizeExplorer(data="conv2 weights", bits=4, scheme="symmetric")
    >>> print(explorer.readout.splitlines()[0])
    conv2 weights as int4, min-max: scale = 0.107966, zero point = 0, range -0.8637 to 0.7558
    >>> explorer.close()
    """

    State = State
    readout_lines = 3

    def compute(self, state: State) -> Result:
        """Quantize the chosen tensor."""
        return compute(state, self.sample(state))

    def canvas(self) -> Canvas:
        """Put before and after on the left, the errors on the right."""
        panels = {"before": HistogramPanel(), "after": LevelsPanel(), "error": ErrorHistogramPanel()}
        return Canvas(panels, [["before", "error"], ["after", "error"]], (900, 400), width_ratios=[3, 2])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the tensor, its levels and its errors."""
        x, counts, p = result.x, result.counts, result.qparams
        return {
            "before": (x, *kept(p, counts)),
            "after": (x, p, counts),
            "error": (x, result.x_hat, float(p.scale), counts),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the mean squared error and the SQNR."""
        return {"mean squared error": f"{result.parts.total:.3e}", "SQNR": f"{result.sqnr_db:.2f} dB"}

    def describe(self, state: State, result: Result) -> str:
        """Return scale, zero point, range and error."""
        p, parts = result.qparams, result.parts
        return (
            f"{told_data(state.data)} as {p.fmt}, {state.method}: scale = {float(p.scale):.6f}, "
            f"zero point = {int(p.zero_point)}, range {float(p.lo):.4f} to {float(p.hi):.4f}\n"
            f"mean squared error = {parts.total:.3e} (rounding {parts.rounding:.3e}, "
            f"clipping {parts.clipping:.3e}), SQNR = {result.sqnr_db:.2f} dB{result.note}"
        )

"""Quantize a tensor: before, after, and the error of each value."""

from dataclasses import dataclass

import numpy as np

from ..numerics import (
    CALIBRATORS,
    SCHEMES,
    ErrorParts,
    IntFormat,
    QParams,
    calibrate,
    error_parts,
    fake_quantize,
    sqnr_db,
)
from ..plots import Canvas, ErrorHistogramPanel, HistogramPanel, LevelsPanel
from .controls import choice, slider, tensor_choice
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
    """A tensor, flat, and what quantization made of it."""

    x: np.ndarray
    x_hat: np.ndarray
    qparams: QParams
    parts: ErrorParts
    sqnr_db: float


def compute(state: State, x: np.ndarray) -> Result:
    """Quantize `x` as `state` says."""
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    qparams = calibrate(x, state.method, fmt, state.scheme)
    x_hat = fake_quantize(x, qparams)
    return Result(x, x_hat, qparams, error_parts(x, qparams), sqnr_db(x, x_hat))


class QuantizeExplorer(Explorer):
    """A tensor before and after quantization, with the error of each value.

    Examples
    --------
    >>> explorer = QuantizeExplorer(data="conv2 weights", bits=4, scheme="symmetric")
    >>> print(explorer.readout.splitlines()[0])
    conv2 weights as int4, min-max: scale = 0.107966, zero point = 0, range -0.8637 to 0.7558
    >>> explorer.close()
    """

    State = State

    def compute(self, state: State) -> Result:
        """Quantize the chosen tensor."""
        return compute(state, self.values(state))

    def canvas(self) -> Canvas:
        """Before above after, the error beside them."""
        panels = {"before": HistogramPanel(), "after": LevelsPanel(), "error": ErrorHistogramPanel()}
        return Canvas(panels, [["before", "error"], ["after", "error"]], (900, 400), width_ratios=[3, 2])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the tensor, its levels and its errors."""
        p = result.qparams
        return {
            "before": (result.x, float(p.lo), float(p.hi)),
            "after": (result.x, p),
            "error": (result.x, result.x_hat, float(p.scale)),
        }

    def describe(self, state: State, result: Result) -> str:
        """Say scale, zero point, range and error."""
        p = result.qparams
        return (
            f"{state.data} as {p.fmt}, {state.method}: scale = {float(p.scale):.6f}, zero point = {int(p.zero_point)}, "
            f"range {float(p.lo):.4f} to {float(p.hi):.4f}\n"
            f"mean squared error = {result.parts.total:.3e} (rounding {result.parts.rounding:.3e}, "
            f"clipping {result.parts.clipping:.3e}), SQNR = {result.sqnr_db:.2f} dB"
        )

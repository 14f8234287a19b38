"""Quantization of one value, step by step: scale, zero point, code, and back."""

from dataclasses import dataclass

import numpy as np

from qviz.numerics import SCHEMES, IntFormat, QParams, choose_qparams, fake_quantize, quantize
from qviz.plots import Canvas, NumberLinePanel, StaircasePanel

from ._readout import signed
from .controls import choice, more, slider, toggle
from .explorer import Explorer

# Limits of x and its output for all settings: at 2 bits, -12 becomes -13.3 (affine) or -16 (symmetric).
LIMITS = {"affine": (-14.0, 14.0), "symmetric": (-17.0, 14.0)}


@dataclass(frozen=True)
class State:
    """A range, a format, and one value."""

    lo: float = slider("Lowest value, lo", -4.0, -10.0, 5.0, 0.1, digits=1)
    hi: float = slider("Highest value, hi", 8.0, -5.0, 10.0, 0.1, digits=1)
    bits: int = more(slider("Bits", 3, 2, 8))
    scheme: str = choice("Scheme", SCHEMES)
    x: float = slider("Value x", 2.5, -12.0, 12.0, 0.1, digits=1)
    fit: bool = more(toggle("Axes fit the range"))


@dataclass(frozen=True)
class Result:
    """Each step of quantizing x; `unclipped` is the code before clipping."""

    lo: float
    hi: float
    qparams: QParams
    steps: float
    unclipped: int
    q: int
    x_hat: float

    @property
    def clipped(self) -> bool:
        """Whether x lies too far outside the range to have a code."""
        return self.q != self.unclipped


def compute(state: State) -> Result:
    """Choose scale and zero point for the range, and quantize x."""
    fmt = IntFormat(state.bits, signed=state.scheme == "symmetric")
    qparams = choose_qparams(state.lo, state.hi, fmt, state.scheme)
    steps = state.x / float(qparams.scale)
    unclipped = int(np.rint(steps)) + int(qparams.zero_point)
    x = np.float64(state.x)
    q, x_hat = int(quantize(x, qparams)), float(fake_quantize(x, qparams))
    return Result(min(state.lo, 0.0), max(state.hi, 0.0), qparams, steps, unclipped, q, x_hat)


def fitting(state: State, result: Result) -> tuple[float, float]:
    """Return axis limits around range, x and output: whole numbers, so that they rarely change while a slider moves.

    Examples
    --------
    >>> state = State(lo=-1.0, hi=2.5, bits=3, x=0.8)
    >>> fitting(state, compute(state))
    (-3.0, 5.0)
    """
    ends = float(result.qparams.lo), float(result.qparams.hi), state.x, result.x_hat
    return float(np.floor(min(ends)) - 2), float(np.ceil(max(ends)) + 2)


class MappingExplorer(Explorer):
    """From a range to scale and zero point, and from one value to its code and back.

    Examples
    --------
    >>> explorer = MappingExplorer(lo=-1.0, hi=2.5, bits=3, x=0.8)
    >>> print(explorer.readout)
    uint3: codes 0 to 7; range -1.00 to 2.50 contains zero
    scale = (hi - lo) / (qmax - qmin) = (2.50 - (-1.00)) / (7 - 0) = 0.500000
    zero_point = qmin - round(lo / scale) = 0 - round(-2.0000) = 2
    q = clip(round(x / scale) + zero_point, qmin, qmax) = clip(round(1.6000) + 2, 0, 7) = clip(4, 0, 7) = 4
    x' = scale * (q - zero_point) = 0.500000 * (4 - 2) = 1.000000
    error = x' - x = 1.000000 - 0.80 = 0.200000: rounding, at most half a step (0.250000)
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put the staircase above the number line, with aligned axes."""
        panels = {"stairs": StaircasePanel(), "line": NumberLinePanel()}
        return Canvas(panels, [["stairs"], ["line"]], (900, 415), height_ratios=[5, 3])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the value on both."""
        limits = fitting(state, result) if state.fit else LIMITS[state.scheme]
        return {"stairs": (result.qparams, state.x, limits), "line": ([state.x], result.qparams, limits)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the code, its value, and the error."""
        return {"code q": f"{result.q}", "x'": f"{result.x_hat:.4f}", "error": f"{result.x_hat - state.x:.4f}"}

    def describe(self, state: State, result: Result) -> str:
        """Return the formula of each step, with numbers."""
        return "\n".join((_range(state, result), *_parameters(result), *_codes(state, result), _error(state, result)))


def _range(state: State, result: Result) -> str:
    fmt = result.qparams.fmt
    widened = (result.lo, result.hi) != (state.lo, state.hi)
    ends = f"{state.lo:.2f} to {state.hi:.2f} " + (
        f"is extended to include zero: {result.lo:.2f} to {result.hi:.2f}" if widened else "contains zero"
    )
    return f"{fmt}: codes {fmt.qmin} to {fmt.qmax}; range {ends}"


def _parameters(result: Result) -> tuple[str, str]:
    fmt, scale, zero_point = result.qparams.fmt, float(result.qparams.scale), int(result.qparams.zero_point)
    lo, hi = signed(f"{result.lo:.2f}"), f"{result.hi:.2f}"
    if result.lo == result.hi:
        return f"scale = {scale:.6f}, by convention, because the range contains only zero", f"zero_point = {zero_point}"
    if fmt.signed:
        largest = max(-result.lo, result.hi)
        return (
            f"scale = max(|lo|, |hi|) / qmax = {largest:.2f} / {fmt.qmax} = {scale:.6f}",
            "zero_point = 0, because the scheme is symmetric",
        )
    return (
        f"scale = (hi - lo) / (qmax - qmin) = ({hi} - {lo}) / ({fmt.qmax} - {signed(fmt.qmin)}) = {scale:.6f}",
        f"zero_point = qmin - round(lo / scale) = {fmt.qmin} - round({result.lo / scale:.4f}) = {zero_point}",
    )


def _codes(state: State, result: Result) -> tuple[str, str]:
    fmt, scale, zero_point = result.qparams.fmt, float(result.qparams.scale), int(result.qparams.zero_point)
    return (
        "q = clip(round(x / scale) + zero_point, qmin, qmax) = "
        f"clip(round({result.steps:.4f}) + {zero_point}, {fmt.qmin}, {fmt.qmax}) = "
        f"clip({result.unclipped}, {fmt.qmin}, {fmt.qmax}) = {result.q}",
        f"x' = scale * (q - zero_point) = {scale:.6f} * ({result.q} - {zero_point}) = {result.x_hat:.6f}",
    )


def _error(state: State, result: Result) -> str:
    error = result.x_hat - state.x
    sum_ = f"error = x' - x = {result.x_hat:.6f} - {signed(f'{state.x:.2f}')} = {error:.6f}"
    if result.clipped:
        side, end = ("above", result.qparams.hi) if state.x > 0 else ("below", result.qparams.lo)
        return (
            f"{sum_}: x is clipped, because it lies at least half a step {side} the end of the range, {float(end):.6f}"
        )
    return f"{sum_}: rounding, at most half a step ({float(result.qparams.scale) / 2:.6f})"

"""Checks: scale and zero point, and bugs from published code."""

import numpy as np

from qviz.numerics import IntFormat, choose_qparams

from ..answers import number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, NotAttempted, exercise

RNG = np.random.default_rng(0)
TENSORS = [
    (RNG.standard_normal(50),),
    (-np.abs(RNG.standard_normal(50)),),
    (np.array([-4.0, 1.0]),),
    (np.array([-1.0, 4.0]),),
]
CODES = [
    (np.arange(256, dtype=np.uint8), 0.5, np.uint8(64)),
    (np.array([0, 3, 200, 255], np.uint8), 0.1, np.uint8(200)),
    (np.array([7, 0, 255, 1], np.uint8), 2.0, np.uint8(0)),
]
RANGES = [
    (-1.0, 3.0, 0, 255),
    (2.0, 6.0, 0, 255),
    (-8.0, -3.0, 0, 15),
    (-1.0, 1.0, -128, 127),
    (-1.0, 2.1, 0, 255),
]  # in the last one, the zero point is rounded down


@exercise(
    1,
    "The zero point depends only on what share of the range lies below zero.",
)
def range_for_a_zero_point(answer) -> None:
    """Ask for a range in which 0.0 has the code 3 at 3 bits."""
    lo, hi = numbers_of(answer, 2, "two numbers, lo and hi")
    if not lo < hi:
        raise Hint(f"lo must be below hi: got {lo:g} and {hi:g}.")
    code = int(choose_qparams(lo, hi, IntFormat(3, signed=False)).zero_point)
    if code != 3:
        where = "Lower lo" if code < 3 else "Raise lo"
        raise Hint(f"From {lo:g} to {hi:g}, 0.0 has the code {code}. {where}, or move hi.")


@exercise(
    2,
    "7.5 is not an integer. Rounding it shifts the range by half a step, so that 0.0 lies on a level.",
)
def derived_by_hand(answer) -> None:
    """Ask for the scale and zero point of the range -2 to 2 with unsigned 4-bit codes."""
    scale, zero_point = numbers_of(answer, 2, "scale and zero point")
    if zero_point < 1 < scale:
        raise Hint("The scale comes first, then the zero point.")
    if np.isclose(scale * 16, 4):
        raise Hint("16 codes have 15 steps between them, not 16.")
    if not np.isclose(scale * 15, 4, rtol=2e-3):  # three decimals by hand are enough
        raise Hint("The scale is the length of the range divided by the number of steps between the codes.")
    if zero_point != np.rint(zero_point):
        raise Hint("The zero point is a code: a whole number.")
    if abs(zero_point * scale - 2) > scale * 0.51:
        raise Hint("The zero point counts the steps from the lowest code up to 0.0.")


@exercise(3, "Use max|x|, not |max(x)|. They differ if the value with the largest magnitude is negative.")
def symmetric_scale(answer) -> None:
    """Ask for a function from an array to the symmetric scale of int8."""
    refuse_unchanged(answer, lambda x: abs(x.max()) / 127, TENSORS)
    for (x,) in TENSORS:
        scale = number_of(result_of(answer, x), "a function that returns one number")
        reach = 127 * scale
        if reach < np.abs(x).max() * 0.999999:
            raise Hint(f"{x[np.abs(x).argmax()]:.3f} lies beyond the range, which ends at {reach:.3f}, and is clipped.")
        if reach > np.abs(x).max() * 1.000001:
            raise Hint(
                f"The range ends at {reach:.3f}, but no magnitude exceeds {np.abs(x).max():.3f}. "
                "So the steps are too wide."
            )


@exercise(4, "Convert to a wider type first, and then subtract, because unsigned integers cannot be negative.")
def wrapped_dequantize(answer) -> None:
    """Ask for a function from uint8 codes, scale and zero point to floats."""
    refuse_unchanged(answer, lambda q, scale, zero_point: scale * (q - zero_point), CODES)
    for q, scale, zero_point in CODES:
        x = np.asarray(result_of(answer, q, scale, zero_point), np.float64)
        if x.shape != q.shape:
            raise Hint(f"There must be one number for each code: got shape {x.shape} for {q.shape}.")
        below = q < zero_point
        if (x[below] >= 0).any():
            raise Hint(f"Codes below the zero point are negative numbers, but {q[below][0]} becomes {x[below][0]:g}.")
        if not np.allclose(x, scale * (q.astype(int) - int(zero_point)), rtol=0, atol=scale * 1e-3):
            raise Hint("Neighbouring codes must be one scale apart, and the zero point must become 0.0.")


@exercise(5, "The range is extended to include 0, so that the zeros in a network stay exactly zero.")
def own_qparams(answer) -> None:
    """Ask for a function from lo, hi, qmin, qmax to scale and zero point."""
    for lo, hi, qmin, qmax in RANGES:
        result = result_of(answer, lo, hi, qmin, qmax)
        if result is NotImplemented:
            raise NotAttempted
        scale, zero_point = numbers_of(result, 2, "a function that returns scale and zero point")
        asked = f"For lo = {lo:g}, hi = {hi:g}, codes {qmin} to {qmax}"
        told = f"{asked} the zero point is {zero_point:g}"
        if zero_point < 1 < scale and qmin == 0:
            raise Hint(f"{told}: return the scale first.")
        if zero_point != np.rint(zero_point):
            raise Hint(f"{told}: it is a code, so round it to an integer.")
        if not qmin <= zero_point <= qmax:
            cause = "count it up from qmin" if lo < 0 < hi else "does your range include 0"
            raise Hint(f"{told}, which is not one of the codes: {cause}{'?' if 'does' in cause else '.'}")
        ends = scale * (np.array([qmin, qmax]) - zero_point)
        if ends[0] > lo + scale * 0.51 or ends[1] < hi - scale * 0.51:
            raise Hint(f"{asked} the levels go from {ends[0]:.3f} to {ends[1]:.3f}: they do not cover the range.")
        if not np.isclose(scale * (qmax - qmin), max(hi, 0) - min(lo, 0)):
            raise Hint(f"{asked} the scale is {scale:.5f}: finer or coarser than needed for a range with 0 in it.")

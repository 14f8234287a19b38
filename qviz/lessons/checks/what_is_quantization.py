"""Checks: codes by hand, unused codes, and a quantizer with two bugs."""

import numpy as np

from qviz.numerics import INT8, calibrate, quantize

from ..answers import number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

FIVE = np.array([-0.95, -0.42, 0.0, 0.37, 0.91])
CASES = [
    (np.linspace(-1.0, 1.0, 41), 0.03),
    (np.random.default_rng(0).uniform(-1, 1, 200), 0.01),
    (np.array([-9.0, 9.0, 0.5]), 0.05),
]


@exercise(1, "With 3 bits, the levels are so far apart that most of these numbers change visibly.")
def codes_by_hand(answer) -> None:
    """Ask for five 3-bit codes: integers, in range, the largest magnitude at 3, each within half a step."""
    codes = numbers_of(answer, 5, "five codes")
    if (codes != np.rint(codes)).any():
        raise Hint("A code is a whole number: round after dividing.")
    if np.abs(codes).max() > 4:
        raise Hint("With 3 bits the codes go from -4 to 3.")
    if np.abs(codes).max() == 4:
        raise Hint("The largest absolute value should become 3. Which scale do you have to divide by?")
    scale = np.abs(FIVE).max() / 3
    far = np.abs(codes * scale - FIVE) > scale / 2
    if far.any():
        raise Hint(f"{FIVE[far][0]} is more than half a step from the level of its code, {codes[far][0]:.0f}.")


@exercise(
    2,
    "One of the eight bits is spent on a sign that is always positive. The next page shows how to avoid this.",
)
def codes_never_used(answer) -> None:
    """Ask how many of 256 codes are used if no value is negative."""
    count = number_of(answer, "a number of levels")
    x = np.linspace(0.0, 1.0, 100_001)
    used = np.unique(quantize(x, calibrate(x, "min-max", INT8, "symmetric"))).size
    if count == 256:
        raise Hint("There are 256 levels in total. Which of them represent negative values?")
    if count == used - 1:
        raise Hint("Count 0.0 too: it has a level of its own.")
    if count != used:
        raise Hint("The picture called After shows the number of levels used.")


@exercise(3, "Round to the nearest integer, and clip before the cast: a number too large for int8 wraps around.")
def broken_quantizer(answer) -> None:
    """Ask for a function from floats and a scale to int8 codes that rounds to nearest and saturates."""
    refuse_unchanged(answer, lambda x, scale: (x / scale).astype(np.int8), CASES)
    for x, scale in CASES:
        codes = np.asarray(result_of(answer, x, scale))
        if codes.dtype != np.int8:
            raise Hint(f"The codes must be of type int8: got {codes.dtype}.")
        if codes.shape != x.shape:
            raise Hint(f"There must be a code for each number, {x.shape}: got shape {codes.shape}.")
        wide = codes.astype(np.float64)
        inside = np.abs(x) <= 127 * scale
        if (np.abs(wide * scale - x)[inside] > scale * 0.5000001).any():
            raise Hint("A number changes by more than half a step: a cast to an integer type cuts off the decimals.")
        if ((x > 127.5 * scale) & (codes != 127)).any() or ((x < -128.5 * scale) & (codes != -128)).any():
            raise Hint("A number beyond the range must get the last code, -128 or 127. Try -9.0 and 9.0, scale 0.05.")

"""Checks: weights that fit, a repaired failure, reduce_range with a bug, and a saturating dot product."""

import numpy as np

from qviz.numerics.saturation import dot, pair_sums

from ..answers import number_of, numbers_of, refuse_unchanged, refuse_verdict, result_of
from ..exercises import Hint, exercise

RANGES = [(np.linspace(0.0, hi, 40), hi) for hi in (1.0, 6.3, 50.0)]
ROW = np.array([255, 255, 200, 3, 7, 250, 255, 255])
COLUMN = np.array([127, 127, -128, 5, 90, 100, 127, 127])
LOWEST = np.array([255, 255]), np.array([-128, -128])


def _pairs(k: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(k)
    return rng.integers(0, 256, k), rng.integers(-128, 128, k)


@exercise(1, "So using 7 bits for the weights solves the problem too. This is what reduce_range does in ONNX Runtime.")
def weights_that_fit(answer) -> None:
    """Ask for the largest weight whose two products with activations of 255 fit in 16 bits."""
    weight = number_of(answer, "a weight")
    if weight != np.rint(weight) or not -128 <= weight <= 127:
        raise Hint("A weight is a whole number from -128 to 127.")
    if weight < 0:
        raise Hint("Look for the largest positive one.")
    full, larger = (
        int(pair_sums([255, 255], [w, w], saturate=False)[0]) for w in (int(weight), min(int(weight) + 1, 127))
    )
    if full > 32767:
        raise Hint(f"255 * {int(weight)} + 255 * {int(weight)} = {full:,} does not fit.")
    if larger <= 32767:
        raise Hint(f"It fits, and {int(weight) + 1} fits too.")


@exercise(
    2, "An addition outside all layers needs a module of its own, so that an observer can measure the range of the sum."
)
def mended_skip_connection(answer) -> None:
    """Ask for the verdict of `failures.check_repair` on the skip connection."""
    refuse_verdict(answer, "skip-connection", 'failures.check_repair("skip-connection", bench)')


@exercise(
    3, "With fewer codes, the step has to be larger. If you only clip the codes, the large values are clipped too."
)
def reduced_range(answer) -> None:
    """Ask for a function from values and their maximum to 7-bit codes and a scale."""
    refuse_unchanged(answer, lambda x, hi: (np.clip(np.rint(x / (hi / 255)), 0, 127), hi / 255), RANGES)
    for x, hi in RANGES:
        result = result_of(answer, x, hi)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Hint("The function must return two things, codes and their scale.")
        codes = numbers_of(result[0], x.size, f"{x.size} codes")
        scale = number_of(result[1], "a scale")
        if codes.max() > 127 or codes.min() < 0 or (codes != np.rint(codes)).any():
            raise Hint(f"7-bit codes are whole numbers from 0 to 127: got {codes.min():g} to {codes.max():g}.")
        if hint := _hint_for_scale(scale, hi):
            raise Hint(hint)
        back = codes * scale
        at = int(np.argmax(np.abs(back - x)))
        off = abs(back[at] - x[at]) / scale
        if off > 1.001:
            raise Hint(f"{x[at]:.4g} comes back as {back[at]:.4g}: did you use the same scale for its code?")
        if off > 0.501:
            raise Hint(f"The scale is right, but {x[at]:.4g} comes back as {back[at]:.4g}: round to the nearest code.")


def _hint_for_scale(scale: float, hi: float) -> str:
    """Return a hint for a wrong 7-bit scale of values from 0 to `hi`, or "" if it is right."""
    if np.isclose(scale, hi / 127, rtol=1e-6, atol=0):
        return ""
    if scale < hi / 127:
        return f"127 steps of {scale:.4g} reach {127 * scale:.4g}, not {hi:g}: the largest value is cut off."
    if scale > hi:
        return f"One step of {scale:.4g} is longer than the whole range, 0 to {hi:g}: is the scale upside down?"
    return f"{hi:g} is {hi / scale:.4g} steps of {scale:.4g}, but 7 bits have 127: the scale is larger than necessary."


@exercise(4, "This is exactly what the kernel of fbgemm computes without VNNI.")
def saturating_dot(answer) -> None:
    """Ask for a dot product that adds neighbouring products in 16 bits with saturation, then all in 32 bits."""
    for x, w in ((ROW, COLUMN), *map(_pairs, (2, 16, 64)), LOWEST):
        got = number_of(result_of(answer, x, w), "a function that returns one number")
        if got == dot(x[None], w[None])[0, 0]:
            continue
        pairs, total = pair_sums(x, w, saturate=False), int(x @ w)
        half = x.size // 2
        other = {
            total: f"it never saturates at {-32768 if total < 0 else 32767:,}",
            int(np.clip(total, -32768, 32767)): "each pair saturates, not the whole sum",
            int(
                np.sum((pairs + 32768) % 65536 - 32768)
            ): "a pair that does not fit is clipped, it does not wrap around",
            int(
                np.clip(x[:half] * w[:half] + x[half:] * w[half:], -32768, 32767).sum()
            ): "each pair consists of neighbours",
            -32767: "the lowest number is -32,768",
        }
        row = f"{x[:8]}{' ...' if x.size > 8 else ''}"
        wrong = other.get(int(got), "this is not the right number")
        raise Hint(f"For x = {row}, your function returns {got:,.0f}: {wrong}.")

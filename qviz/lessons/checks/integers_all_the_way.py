"""Checks: overflow of an accumulator, four terms, a cast before clipping, and multiplication without floats."""

import numpy as np

from qviz.numerics import requantize_float

from ..answers import number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

INT32_MAX = 2**31 - 1
RNG = np.random.default_rng(0)
SUMS = [(RNG.integers(-40_000, 40_000, 300).astype(np.int32), m, z) for m, z in ((0.004, 0), (0.0021, 7), (0.01, 200))]


@exercise(1, "If a layer has more inputs, its weights must be limited, or it needs a second accumulator.")
def room_in_int32(answer) -> None:
    """Ask how many products of 255 times 255 fit in an int32."""
    n = number_of(answer, "a number of products")
    if n != round(n):
        raise Hint("The answer must be an integer, rounded down.")
    if n == INT32_MAX // (255 * 128):
        raise Hint("This is right for symmetric weights, up to 255 times 128. Here a product can be 255 times 255.")
    if n * 255**2 > INT32_MAX:
        raise Hint(f"{n:,.0f} products of 65,025 are {n * 255**2:,.0f}, more than 2,147,483,647.")
    if (n + 1) * 255**2 <= INT32_MAX:
        raise Hint(f"There is room for more: one more would make {(n + 1) * 255**2:,.0f}.")


@exercise(2, "Only the first of the four terms needs a product for each input and weight.")
def four_terms(answer) -> None:
    """Ask for a function from the sums and zero points to the whole sum."""
    rng = np.random.default_rng(0)
    for z_x, z_w in ((0, 0), (3, 0), (0, -5), (7, 11)):
        q_x, q_w = rng.integers(0, 256, 20), rng.integers(-128, 128, 20)
        arguments = (int((q_x * q_w).sum()), int(q_x.sum()), int(q_w.sum()), 20, z_x, z_w)
        (mine,) = numbers_of(result_of(answer, *arguments), 1, "a function that returns one number")
        right = int(((q_x - z_x) * (q_w - z_w)).sum())
        if mine != right:
            raise Hint(
                f"With z_x = {z_x} and z_w = {z_w}, your result is off by {mine - right:,.0f}. {_why(mine, arguments)}"
            )


def _why(mine: float, arguments: tuple[int, ...]) -> str:
    products, sum_x, sum_w, n, z_x, z_w = arguments
    if mine == products - z_x * sum_x - z_w * sum_w + n * z_x * z_w:
        return "Each zero point is multiplied by the sum of the other codes: z_x by sum_w, and z_w by sum_x."
    if mine == products - z_x * sum_w - z_w * sum_x:
        return "If both zero points are nonzero, n * z_x * z_w has been subtracted twice: add it once."
    if mine == products - z_x * sum_w - z_w * sum_x + z_x * z_w:
        return "The last term has to be added once for each product."
    return "Expand (q_x - z_x) * (q_w - z_w) on paper, and sum each term."


@exercise(3, "Clip before you convert to the narrow type. If you convert first, 300 wraps around to 44.")
def cast_too_early(answer) -> None:
    """Ask for a function from int32 sums, a multiplier and a zero point to codes of uint8."""
    refuse_unchanged(answer, _as_given, SUMS)
    for total, multiplier, zero_point in SUMS:
        codes = np.asarray(result_of(answer, total, multiplier, zero_point))
        if codes.shape != total.shape:
            raise Hint(f"There must be a code for each of the {total.size} sums: got shape {codes.shape}.")
        if codes.dtype != np.uint8:
            raise Hint(f"The codes must have the type uint8: got {codes.dtype}.")
        wrong = (codes != requantize_float(total, multiplier, zero_point)) & ~_tied(
            codes, total, multiplier, zero_point
        )
        if wrong.any():
            at = int(np.argmax(wrong))
            steps = f"{total[at] * multiplier:.2f} + {zero_point}"
            raise Hint(f"A sum that should become {steps} gets the code {codes[at]}. Which step causes this?")


def _tied(codes, total, multiplier, zero_point):
    """Return where a sum is halfway between two codes and the code is one of them, because any tie rule is accepted."""
    exact = total.astype(np.float64) * multiplier
    halfway = np.abs(exact - np.floor(exact) - 0.5) < 1e-4  # the multiplier may be a float32
    near = [np.clip(end + zero_point, 0, 255) for end in (np.floor(exact), np.ceil(exact))]
    return halfway & ((codes == near[0]) | (codes == near[1]))


def _as_given(total, multiplier, zero_point):
    q = np.rint(total * multiplier).astype(np.int32).astype(np.uint8) + np.uint8(zero_point)
    return np.clip(q, 0, 255)


def _drawn(sign: int) -> list[tuple[int, int, int]]:
    """Draw totals of one sign, mantissas and shifts whose products fit a float and have no ties after the shift."""
    rng = np.random.default_rng(0)
    rows = zip(rng.integers(1, 10**6, 200), rng.integers(2**30, 2**31, 200), rng.integers(1, 12, 200), strict=True)
    cases = [(sign * int(total), int(mantissa), int(shift)) for total, mantissa, shift in rows]
    return [case for case in cases if _first(*case[:2]) % 2 ** case[2] != 2 ** (case[2] - 1)]


def _first(total: int, mantissa: int) -> int:
    """Divide by 2**31, half up, as gemmlowp's SaturatingRoundingDoublingHighMul."""
    return (total * mantissa + 2**30) >> 31


def _away(total: int, bits: int) -> int:
    """Divide by 2**bits, half away from zero, as gemmlowp's RoundingDivideByPOT."""
    return (1 if total >= 0 else -1) * ((abs(total) + (1 << bits >> 1)) >> bits)


def _twice(total: int, mantissa: int, shift: int) -> int:
    return _away(_first(total, mantissa), shift)


def _right(total: int, mantissa: int, shift: int) -> set[int]:
    """Return the accepted results: gemmlowp's first division rounds -2.5 to -2, and -3 is accepted as well."""
    return {_twice(total, mantissa, shift), _away(_away(total * mantissa, 31), shift)}


SLIPS = {
    "Both divisions round down.": lambda total, mantissa, shift: total * mantissa >> (31 + shift),
    "The second division rounds down.": lambda total, mantissa, shift: _first(total, mantissa) >> shift,
    "The result is rounded only once: the first quotient must be rounded to the nearest integer, too.": (
        lambda total, mantissa, shift: (total * mantissa + 2 ** (30 + shift)) >> (31 + shift)
    ),  # truncating the first quotient gives the same
}
NEARLY_HALFWAY = [(3000, 1535.6, 10), (4, 2.6, 1), (20, 11.6, 3)]  # total, first quotient, shift
ROUNDED_UP = [(total, int(quotient / total * 2**31), shift) for total, quotient, shift in NEARLY_HALFWAY]
HALFWAY = [(total, 2**30, shift) for total in range(-12, 13) for shift in (1, 2)]
WIDE = [(2**k + 1, 2**30 + 2**k - 1, 1) for k in range(24, 30)]  # 1 / 2**31 below a tie, which a float cannot represent


@exercise(4, "This is all that a chip without floating point needs: one wide product and two shifts with rounding.")
def no_float(answer) -> None:
    """Ask for a fixed-point multiplication: a function of a total, a mantissa and a shift."""
    _compare(answer, _drawn(1) + ROUNDED_UP, "")
    _compare(answer, _drawn(-1), "Only negative totals go wrong: int() rounds towards 0, and >> rounds down.")
    _compare(answer, HALFWAY, "Numbers exactly halfway are rounded away from zero: 2.5 to 3, and -2.5 to -3.")
    _compare(answer, WIDE, "The mantissa of a float has 53 bits, and this product needs more, so it is rounded.")


def _compare(answer, cases: list[tuple[int, int, int]], why: str) -> None:
    """Raise a Hint for the first wrong case, with the slip that explains all results, or else with `why`."""
    mine = [number_of(result_of(answer, *case), "a function that returns one number") for case in cases]
    for (total, mantissa, shift), got in zip(cases, mine, strict=True):
        if got not in _right(total, mantissa, shift):
            slip = next((words for words, slip in SLIPS.items() if mine == [slip(*case) for case in cases]), why)
            exact = total * mantissa / 2**31
            told = f"{total} * {mantissa} / 2**31 is {exact:.4f}, and that over 2**{shift} is {exact / 2**shift:.4f}"
            raise Hint(f"{told}; the function gives {got:.16g}. {slip}".rstrip())

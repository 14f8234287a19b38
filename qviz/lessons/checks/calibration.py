"""Checks: a percentile, calibrators that follow outliers, a range without zero, and a search for the best threshold."""

import numpy as np

from qviz.numerics import CALIBRATORS, IntFormat, Percentile, calibrate, choose_qparams, error_parts, observe
from qviz.numerics.calibration_results import calibration_result
from qviz.tensors import tensor

from ..answers import names_of, number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

ENOUGH = 1.03  # times the smallest error: a search over 20 thresholds gets closer, a step count that is off by one not
NAME, FMT = "conv2 activations", IntFormat(4, signed=False)
CANDIDATES = np.round(np.arange(95.0, 100.001, 0.1), 2)
RNG = np.random.default_rng(0)
SAMPLES = [
    (RNG.uniform(5, 6, 2000), 99.0),
    (-RNG.exponential(1, 2000) - 1, 98.0),
    (RNG.standard_normal(2000), 97.0),
    (RNG.standard_normal(2000) + 0.3, 90.0),
]
SLACK = 0.0015  # share of the values: three values, for different ways to interpolate a percentile


@exercise(1, "With 4 bits, it is best to clip a few values in a thousand, so 99.99 and 100 are too high.")
def best_percentile(answer) -> None:
    """Ask for a percentile whose error at 4 bits is close to the minimum."""
    percentile = number_of(answer, "a percentile")
    if not 50 < percentile <= 100:
        raise Hint("The answer must be a percentile between 50 and 100, such as 99.5.")
    x = tensor(NAME)
    seen = observe(x)[0]
    errors = [calibration_result(x, seen, Percentile(float(p)), FMT).parts.total for p in CANDIDATES]
    mine = calibration_result(x, seen, Percentile(percentile), FMT).parts.total
    if mine > 1.05 * min(errors):  # the curve is flat at its lowest point
        side = "Too much is clipped" if percentile < CANDIDATES[np.argmin(errors)] else "The steps are still too wide"
        raise Hint(f"{percentile:g} gives {mine / min(errors):.2f} times the smallest error. {side}.")


@exercise(2, "Only entropy ignored them. Whether that is good depends on whether outliers will occur again.")
def who_follows_outliers(answer) -> None:
    """Ask for the methods whose range extends beyond the largest clean value when 1 % are outliers."""
    names = names_of(answer, CALIBRATORS, "names of methods")
    clean, wild = tensor(NAME), tensor(NAME, outliers=0.01)
    follow = {name for name in CALIBRATORS if float(calibrate(wild, name, FMT, batches=50).hi) > clean.max()}
    if extra := sorted(names - follow):
        raise Hint(f"{extra[0]} keeps less than the largest value without outliers, {clean.max():.1f}: look at its hi.")
    if missing := sorted(follow - names):
        more = "1 more method extends" if len(missing) == 1 else f"{len(missing)} more methods extend"
        raise Hint(f"{more} the range: look for every hi above {clean.max():.1f}.")


@exercise(
    3,
    "However you choose the ends, the range must include 0. (Some programs clip half of the rest at each end.)",
)
def range_without_zero(answer) -> None:
    """Ask for a function from an array and a percentile to lo and hi."""
    refuse_unchanged(answer, lambda x, p: (np.percentile(x, 100 - p), np.percentile(x, p)), SAMPLES)
    for x, percentile in SAMPLES:
        lo, hi = numbers_of(result_of(answer, x, percentile), 2, "a function that returns lo and hi")
        told = f"For values from {x.min():.2f} to {x.max():.2f} the range is {lo:.2f} to {hi:.2f}"
        if not lo <= 0 <= hi:
            raise Hint(f"{told}: 0 is not in it.")
        shares = 1 - percentile / 100, (1 - percentile / 100) / 2  # given up at each end: all of it, or half
        for end, beyond, no_values in ((lo, np.mean(x < lo), x.min() > 0), (hi, np.mean(x > hi), x.max() < 0)):
            right = end == 0 if no_values else min(abs(beyond - share) for share in shares) <= SLACK
            if not right:
                raise Hint(f"{told}, which does not match the percentile.")


def _spread() -> list[tuple[np.ndarray, int]]:
    """Return nonnegative values of three distributions, each with a number of bits."""
    rng = np.random.default_rng(2)
    real = np.asarray(tensor(NAME)[:4000], np.float64)
    bell = np.abs(rng.standard_normal(4000))
    return [(rng.exponential(1.0, 4000), 2), (bell, 2), (real, 2), (real, 4), (rng.exponential(0.1, 4000), 8)]


@exercise(4, "You have written the method MSE. qviz only computes it faster.")
def own_search(answer) -> None:
    """Ask for a function from an array >= 0 and bits to the largest value to keep."""
    for x, bits in _spread():
        fmt = IntFormat(bits, signed=False)
        (hi,) = numbers_of(result_of(answer, x, bits), 1, "a function that returns one number")
        if not 0 < hi <= x.max() * 1.001:
            raise Hint(f"For {bits} bits the answer is {hi:.3f}, but the values go from 0 to {x.max():.3f}.")
        mine = error_parts(x, choose_qparams(0.0, hi, fmt)).total
        least = error_parts(x, calibrate(x, "mse", fmt)).total
        if mine > ENOUGH * least:
            raise Hint(
                f"For {bits} bits, {hi:.3f} gives {mine / least:.2f} times the smallest error. Compute the error "
                f"for many thresholds, and return the best one; {2**bits} codes have {2**bits - 1} steps."
            )

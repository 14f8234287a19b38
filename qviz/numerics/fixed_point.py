"""Fixed-point multipliers: an int32 and a shift, as in gemmlowp and TensorFlow Lite."""

from dataclasses import dataclass

import numpy as np

from . import _check
from .integer_matmul import INT32, as_int32


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A real multiplier in integers: mantissa * 2**(exponent - 31).

    Attributes
    ----------
    mantissa : int32 array, from 2**30 to 2**31 - 1
        31 bits of the multiplier.
    exponent : int32 array
        The power of two; negative, which means a right shift, for multipliers below 1/2.

    Raises
    ------
    TypeError
        Either does not hold integers.
    ValueError
        A mantissa is out of range, or an exponent does not fit int32.

    Examples
    --------
    >>> m = fixed_point(0.01)
    >>> int(m.mantissa), int(m.exponent), float(m.value)
    (1374389535, -6, 0.010000000002037268)
    """

    mantissa: np.ndarray
    exponent: np.ndarray

    def __post_init__(self):
        mantissa, exponent = as_int32(self.mantissa, "mantissa"), as_int32(self.exponent, "exponent")
        bad = mantissa < 2**30
        if bad.any():
            raise ValueError(f"mantissa must be from 2**30 to 2**31 - 1: got {mantissa[bad][0]}; use fixed_point")
        object.__setattr__(self, "mantissa", mantissa)
        object.__setattr__(self, "exponent", exponent)

    @property
    def value(self) -> np.ndarray:
        """The multiplier as float64."""
        return np.ldexp(self.mantissa.astype(np.float64), self.exponent - 31)


def fixed_point(multiplier) -> FixedPoint:
    """Convert a multiplier to an int32 and a shift, with a relative error of at most 2**-31.

    Parameters
    ----------
    multiplier : positive float or array

    Returns
    -------
    FixedPoint

    Raises
    ------
    TypeError
        `multiplier` does not hold real numbers.
    ValueError
        `multiplier` is not positive and finite.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.2, equation 6; QuantizeMultiplier of TensorFlow Lite.

    Examples
    --------
    >>> m = fixed_point([0.75, 0.5, 3.0])
    >>> (m.mantissa / 2**31).tolist(), m.exponent.tolist()
    ([0.75, 0.5, 0.75], [0, 0, 2])
    """
    multiplier = _check.finite(_check.as_float(multiplier, "multiplier"), "multiplier").astype(np.float64)
    if (multiplier <= 0).any():
        raise ValueError(f"multiplier must be positive: got {multiplier.min()}")
    fraction, exponent = np.frexp(multiplier)
    mantissa = np.rint(np.ldexp(fraction, 31)).astype(np.int64)
    carry = mantissa == 2**31  # rounded up to 1.0, which does not fit
    return FixedPoint(np.where(carry, 2**30, mantissa).astype(np.int32), exponent + carry)


def high_mul(a, b) -> np.ndarray:
    """Return the high half of the doubled product, rounded half up: floor(a * b / 2**31 + 1/2).

    With b = mantissa, this multiplies by mantissa / 2**31. Only (-2**31)**2 does not fit; it saturates to 2**31 - 1.

    Parameters
    ----------
    a, b : integer arrays that fit int32 and broadcast

    Returns
    -------
    int32 array

    Raises
    ------
    TypeError, ValueError
        `a` or `b` does not hold integers that fit int32.

    Notes
    -----
    Source: SaturatingRoundingDoublingHighMul of gemmlowp, fixedpoint/fixedpoint.h; ARM's instruction SQRDMULH.

    Examples
    --------
    >>> high_mul([3, -3, 1000], 2**30).tolist()  # times one half
    [2, -1, 500]
    """
    a, b = as_int32(a, "a").astype(np.int64), as_int32(b, "b").astype(np.int64)
    return np.minimum((a * b + 2**30) >> 31, INT32.max).astype(np.int32)


def rounding_right_shift(x, shift) -> np.ndarray:
    """Divide by 2**shift, rounding half away from zero.

    Parameters
    ----------
    x : int32 array
    shift : int or array, 0 to 31

    Returns
    -------
    int32 array

    Raises
    ------
    TypeError
        `x` or `shift` does not hold integers.
    ValueError
        `x` does not fit int32, or a shift is out of range.

    Notes
    -----
    Source: RoundingDivideByPOT of gemmlowp, fixedpoint/fixedpoint.h.

    Examples
    --------
    >>> rounding_right_shift([5, 6, -6, -5], 2).tolist()  # 1.25, 1.5, -1.5, -1.25
    [1, 2, -2, -1]
    """
    x, shift = as_int32(x, "x").astype(np.int64), as_int32(shift, "shift").astype(np.int64)
    if (shift < 0).any() or (shift > 31).any():
        raise ValueError(f"shift must be from 0 to 31: got {shift.min()} to {shift.max()}")
    half = (np.int64(1) << shift) >> 1
    return (np.sign(x) * ((np.abs(x) + half) >> shift)).astype(np.int32)

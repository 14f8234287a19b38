"""From a sum in int32 back to a code of 8 bits: multiply by scale_x * scale_w / scale_y, round, clip.

Two ways are in use. fbgemm multiplies in float32. gemmlowp and TensorFlow Lite use integers alone: the multiplier is
an int32 and a shift, and both steps round.

    fbgemm      q = clip(rint((sum + bias / scale) * multiplier) + zero_point)               float32 throughout
    gemmlowp    q = clip(rounding_right_shift(high_mul(sum + int32_bias, mantissa), shift) + zero_point)

`scale` is scale_x * scale_w: what 1 in the sum is worth.
"""

from dataclasses import dataclass

import numpy as np

from . import _check
from ._fused import fused_multiply_add
from .formats import UINT8, IntFormat
from .integer import INT32


def int32_bias(bias, scale) -> np.ndarray:
    """Round a bias to the grid of the sum, so that it can be added there: rint(bias / scale), int32.

    Parameters
    ----------
    bias : real numbers (out,), in the units of the layer's output
    scale : float, or (out,) array
        scale_x * scale_w.

    Raises
    ------
    ValueError
        It does not fit int32.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.4. fbgemm keeps the bias in float32 instead, because scale_x need not be known
    when a model is converted (pytorch/pytorch issue 23874, pull request 26057).

    Examples
    --------
    >>> int32_bias([0.5, -0.26], 0.1)
    array([ 5, -3], dtype=int32)
    """
    return _int32(np.rint(_check.finite(_check.as_float(bias, "bias"), "bias") / np.float64(scale)), "bias / scale")


def add_float_bias(total, bias, scale, per_channel: bool) -> np.ndarray:
    """Add a real bias to sums as fbgemm does: float32 array.

    Parameters
    ----------
    total : int32 array
    bias, scale : float, or arrays that broadcast to `total`
        `scale` is scale_x * scale_w; both are taken as float32.
    per_channel : bool
        Whether each output channel has a scale of its own. There the kernel divides by it and adds. Where all have one,
        it multiplies by 1 / scale, and adds without rounding in between.

    Notes
    -----
    Found by comparison with the kernel, on biases that put sums next to ties. Source: requantization in FBGEMM,
    src/QuantUtilsAvx2.cc, which has the reciprocal and the division. That a product and a sum are fused is not written
    there: it is how torch for Linux was compiled. Elsewhere the last bit of a sum may differ.

    Examples
    --------
    >>> add_float_bias(np.array([300, -800], np.int32), 1.0, 0.05, per_channel=True)
    array([ 320., -780.], dtype=float32)
    """
    total = _int32(total, "total").astype(np.float32)
    bias, scale = np.asarray(bias, np.float32), np.asarray(scale, np.float32)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if per_channel:
            return total + bias / scale
        return fused_multiply_add(bias, np.float32(1) / scale, total)


def requantize_float(total, multiplier, zero_point: int = 0, fmt: IntFormat = UINT8, relu=False):
    """Make codes of sums as fbgemm does: float32 throughout, rounded half to even.

    Parameters
    ----------
    total : int32 array, or float32 where a bias is in it (`add_float_bias`)
    multiplier : float, or array that broadcasts to `total`
        scale_x * scale_w / scale_y; taken as float32.
    zero_point : int
    fmt : IntFormat
    relu : bool
        Clip below at the zero point, in place of at the lowest code: a ReLU for nothing.

    Returns
    -------
    codes of `fmt`, shape of `total`

    Notes
    -----
    Equal to the fbgemm kernel bit for bit. That holds for its faults too: float32 keeps 24 bits of a sum; and where
    the product is 2**31 or more, the processor's conversion to an integer answers -2**31, so that the largest outputs
    of all become the lowest code.

    Examples
    --------
    >>> requantize_float(np.array([-500, 50, 150, 5000], np.int32), 0.01, zero_point=10)
    array([ 5, 10, 12, 60], dtype=uint8)
    >>> requantize_float(np.array([-500, 2**30], np.int32), 1.9, zero_point=10, relu=True)
    array([ 10, 255], dtype=uint8)
    >>> requantize_float(np.array([2**30], np.int32), 2.1, zero_point=10)
    array([0], dtype=uint8)
    """
    total = np.asarray(total)
    sums = total if total.dtype == np.float32 else _int32(total, "total").astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # where it exceeds float32 it does not fit either
        scaled = sums * np.asarray(multiplier, np.float32)
    rounded = np.rint(scaled).astype(np.float64)
    fits = np.abs(rounded) < -float(INT32.min)  # NaN does not
    return _clip(np.where(fits, rounded, INT32.min), zero_point, fmt, relu)


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """A real multiplier in integers: mantissa * 2**(exponent - 31).

    Attributes
    ----------
    mantissa : int32 array, from 2**30 to 2**31 - 1: 31 bits of the multiplier
    exponent : int array: the power of two; a right shift where it is negative, as it is for multipliers below 1/2

    Examples
    --------
    >>> m = fixed_point(0.01)
    >>> int(m.mantissa), int(m.exponent), float(m.value)
    (1374389535, -6, 0.010000000002037268)
    """

    mantissa: np.ndarray
    exponent: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """The real number that it stands for, float64."""
        return np.ldexp(self.mantissa.astype(np.float64), self.exponent - 31)


def fixed_point(multiplier) -> FixedPoint:
    """Write a multiplier as an int32 and a shift; the error is at most 2**-31 of it.

    Parameters
    ----------
    multiplier : positive float or array

    Raises
    ------
    ValueError
        It is not positive and finite.

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
    carry = mantissa == 2**31  # rounded up to 1.0, which has no code
    return FixedPoint(np.where(carry, 2**30, mantissa).astype(np.int32), exponent + carry)


def high_mul(a, b) -> np.ndarray:
    """Multiply two int32 and keep the high half, rounded half up: floor(a * b / 2**31 + 1/2).

    With b = mantissa, this multiplies by mantissa / 2**31. The one product that does not fit, of -2**31 with itself,
    becomes 2**31 - 1.

    Notes
    -----
    Source: SaturatingRoundingDoublingHighMul of gemmlowp, fixedpoint/fixedpoint.h; ARM's instruction SQRDMULH.

    Examples
    --------
    >>> high_mul([3, -3, 1000], 2**30).tolist()  # times one half
    [2, -1, 500]
    """
    a, b = _int32(a, "a").astype(np.int64), _int32(b, "b").astype(np.int64)
    return np.minimum((a * b + 2**30) >> 31, INT32.max).astype(np.int32)


def rounding_right_shift(x, shift) -> np.ndarray:
    """Divide an int32 by 2**shift, rounded half away from zero.

    Parameters
    ----------
    x : int32 array
    shift : int or array, 0 to 31

    Notes
    -----
    Source: RoundingDivideByPOT of gemmlowp, fixedpoint/fixedpoint.h.

    Examples
    --------
    >>> rounding_right_shift([5, 6, -6, -5], 2).tolist()  # 1.25, 1.5, -1.5, -1.25
    [1, 2, -2, -1]
    """
    x, shift = _int32(x, "x").astype(np.int64), np.asarray(shift, np.int64)
    if (shift < 0).any() or (shift > 31).any():
        raise ValueError(f"shift must be from 0 to 31: got {shift.min()} to {shift.max()}")
    half = (np.int64(1) << shift) >> 1
    return (np.sign(x) * ((np.abs(x) + half) >> shift)).astype(np.int32)


def requantize_fixed(total, multiplier: FixedPoint, zero_point: int = 0, fmt: IntFormat = UINT8, relu=False):
    """Make codes of sums as gemmlowp and TensorFlow Lite do: in integers alone, rounded twice.

    Parameters
    ----------
    total : int32 array, the bias (`int32_bias`) included
    multiplier : FixedPoint that broadcasts to `total`
    zero_point, fmt, relu : as for `requantize_float`

    Returns
    -------
    codes of `fmt`, shape of `total`

    Notes
    -----
    Source: Jacob et al. 2018, section 2.2; MultiplyByQuantizedMultiplier of TensorFlow Lite. A multiplier of 1 or more
    shifts left first; what then exceeds int32 is saturated here. One below 2**-32 makes every sum zero.

    Examples
    --------
    >>> requantize_fixed(np.array([-500, 50, 150, 5000], np.int32), fixed_point(0.01), zero_point=10)
    array([ 5, 11, 12, 60], dtype=uint8)
    """
    exponent = np.asarray(multiplier.exponent, np.int64)
    left, right = np.clip(exponent, 0, 31), np.clip(-exponent, 0, 31)
    moved = np.clip(_int32(total, "total").astype(np.int64) << left, INT32.min, INT32.max)
    scaled = rounding_right_shift(high_mul(moved, multiplier.mantissa), right)
    return _clip(np.where(exponent < -31, 0, scaled), zero_point, fmt, relu)


def _clip(steps, zero_point: int, fmt: IntFormat, relu: bool) -> np.ndarray:
    zero_point = _check.whole_number(zero_point, "zero_point", fmt.qmin, fmt.qmax)
    lowest = zero_point if _check.yes_or_no(relu, "relu") else fmt.qmin
    return np.clip(steps + zero_point, lowest, fmt.qmax).astype(fmt.dtype)


def _int32(values, name: str) -> np.ndarray:
    values = np.asarray(values)
    bad = ~((values >= INT32.min) & (values <= INT32.max))
    if bad.any():
        raise ValueError(f"{name} must fit int32, {INT32.min} to {INT32.max}: got {values[bad][0]}")
    return values.astype(np.int32)

"""From a sum in int32 back to a code of 8 bits: multiply by scale_x * scale_w / scale_y, round, clip.

Two ways are in use. fbgemm multiplies in float32. gemmlowp and TensorFlow Lite use integers alone: the multiplier is
an int32 and a shift, and both steps round.

    fbgemm      q = clip(rint((sum + bias / scale) * multiplier) + zero_point)               float32 throughout
    gemmlowp    q = clip(rounding_right_shift(high_mul(sum + int32_bias, mantissa), shift) + zero_point)

`scale` is scale_x * scale_w: what 1 in the sum is worth.
"""

import numpy as np

from . import _check
from ._fused import fused_multiply_add
from .bias import bias_steps
from .fixed_point import FixedPoint, high_mul, rounding_right_shift
from .formats import UINT8, IntFormat, as_format
from .integer_matmul import INT32, as_int32, fit_int32


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
        It does not fit int32, or an argument is not as for `quantize_bias`, which clips where this refuses.
    TypeError
        As for `quantize_bias`.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.4. fbgemm keeps the bias in float32 instead, because scale_x need not be known
    when a model is converted (pytorch/pytorch issue 23874, pull request 26057).

    Examples
    --------
    >>> int32_bias([0.5, -0.26], 0.1)
    array([ 5, -3], dtype=int32)
    """
    return fit_int32(bias_steps(bias, scale), "bias / scale")


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

    Raises
    ------
    TypeError
        `total` does not hold integers, or another not real numbers.
    ValueError
        `total` does not fit int32, `bias` is not finite, or `scale` is negative or not finite. A scale of 0 is what
        float32 makes of a product below 1e-45.

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
    total = as_int32(total, "total").astype(np.float32)
    bias = _check.goes_with(as_float32(bias, "bias"), total, "bias")
    scale = _check.goes_with(_not_negative(scale, "scale"), total, "scale")
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

    Raises
    ------
    TypeError
        `total` holds neither integers nor float32.
    ValueError
        An integer does not fit int32, or `multiplier` is negative or not finite. 0 is what float32 makes of one below
        1e-45.

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
    total = _check.as_array(total, "total")
    # Sums are whole until a real bias is in them; that is done in float32, so another float is a mistake.
    sums = total if total.dtype == np.float32 else as_int32(total, "total").astype(np.float32)
    multiplier = _check.goes_with(_not_negative(multiplier, "multiplier"), sums, "multiplier")
    with np.errstate(over="ignore", invalid="ignore"):  # where it exceeds float32 it does not fit either
        scaled = sums * multiplier
    rounded = np.rint(scaled).astype(np.float64)
    fits = np.abs(rounded) < -float(INT32.min)  # NaN does not
    return _clip(np.where(fits, rounded, INT32.min), zero_point, fmt, relu)


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

    Raises
    ------
    TypeError
        `total` does not hold integers, or `multiplier` is no FixedPoint.
    ValueError
        `total` does not fit int32.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.2; MultiplyByQuantizedMultiplier of TensorFlow Lite. A multiplier of 1 or more
    shifts left first; what then exceeds int32 is saturated here. One below 2**-32 makes every sum zero.

    Examples
    --------
    >>> from qviz.numerics import fixed_point
    >>> requantize_fixed(np.array([-500, 50, 150, 5000], np.int32), fixed_point(0.01), zero_point=10)
    array([ 5, 11, 12, 60], dtype=uint8)
    """
    if not isinstance(multiplier, FixedPoint):
        raise TypeError(f"multiplier must be a FixedPoint: got {multiplier!r}; call fixed_point first")
    exponent = multiplier.exponent.astype(np.int64)
    left, right = np.clip(exponent, 0, 31), np.clip(-exponent, 0, 31)
    moved = np.clip(as_int32(total, "total").astype(np.int64) << left, INT32.min, INT32.max)
    scaled = rounding_right_shift(high_mul(moved, multiplier.mantissa), right)
    return _clip(np.where(exponent < -31, 0, scaled), zero_point, fmt, relu)


def _clip(steps, zero_point: int, fmt: IntFormat, relu: bool) -> np.ndarray:
    fmt = as_format(fmt)
    zero_point = _check.whole_number(zero_point, "zero_point", fmt.qmin, fmt.qmax)
    lowest = zero_point if _check.yes_or_no(relu, "relu") else fmt.qmin
    return np.clip(steps + zero_point, lowest, fmt.qmax).astype(fmt.dtype)


def _not_negative(values, name: str) -> np.ndarray:
    values = as_float32(values, name)
    if (values < 0).any():
        raise ValueError(f"{name} must not be negative: got {values.min()}")
    return values


def as_float32(values, name: str) -> np.ndarray:
    """Return real numbers as float32, in which fbgemm computes, if they are finite there.

    Examples
    --------
    >>> as_float32([0.1, 2], "bias")
    array([0.1, 2. ], dtype=float32)
    """
    with np.errstate(over="ignore", under="ignore"):
        return _check.finite(_check.as_float(values, name).astype(np.float32), f"{name}, as float32,")

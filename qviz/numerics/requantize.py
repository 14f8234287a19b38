"""Requantization: from an int32 sum to an 8-bit code, by multiplying with scale_x * scale_w / scale_y.

fbgemm multiplies in float32. gemmlowp and TensorFlow Lite use integers only: the multiplier is an int32 and a shift,
and both steps round.

    fbgemm      q = clip(rint((sum + bias / scale) * multiplier) + zero_point)               float32 throughout
    gemmlowp    q = clip(rounding_right_shift(high_mul(sum + int32_bias, mantissa), shift) + zero_point)

`scale` is scale_x * scale_w, the real value of 1 in the sum.
"""

import numpy as np

from . import _check
from ._fused import fused_multiply_add
from .bias import bias_steps
from .fixed_point import FixedPoint, high_mul, rounding_right_shift
from .formats import UINT8, IntFormat, as_format
from .integer_matmul import INT32, as_int32, fit_int32


def int32_bias(bias, scale) -> np.ndarray:
    """Return a bias in steps of the sum, to which it can then be added: rint(bias / scale).

    Parameters
    ----------
    bias : (out,) real numbers in the units of the layer's output
    scale : float, or (out,) array
        scale_x * scale_w.

    Returns
    -------
    int32 array, shape of `bias`

    Raises
    ------
    ValueError
        The result does not fit int32 (`quantize_bias` clips it instead), or as for `quantize_bias`.
    TypeError
        As for `quantize_bias`.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.4. fbgemm keeps the bias in float32, because scale_x may be unknown when a
    model is converted (pytorch/pytorch issue 23874, pull request 26057).

    Examples
    --------
    >>> int32_bias([0.5, -0.26], 0.1)
    array([ 5, -3], dtype=int32)
    """
    return fit_int32(bias_steps(bias, scale), "bias / scale")


def add_float_bias(total, bias, scale, per_channel: bool) -> np.ndarray:
    """Add a real bias to sums as fbgemm does.

    Parameters
    ----------
    total : int32 array
    bias, scale : float, or arrays that broadcast to `total`
        `scale` is scale_x * scale_w; both are converted to float32.
    per_channel : bool
        Whether each output channel has its own scale. If so, the kernel divides by the scale and adds; otherwise it
        multiplies by 1 / scale and adds with a single rounding.

    Returns
    -------
    float32 array, shape of `total`

    Raises
    ------
    TypeError
        `total` does not hold integers, or `bias` or `scale` does not hold real numbers.
    ValueError
        `total` does not fit int32, `bias` is not finite, or `scale` is negative or not finite. A scale of 0 is allowed:
        in float32, a product below 1e-45 is 0.

    Notes
    -----
    Determined by comparison with the kernel, on biases that put sums next to ties. Source: requantization in FBGEMM,
    src/QuantUtilsAvx2.cc, which contains the reciprocal and the division. Fusing product and sum is not in the source,
    but done by the compiler of torch for Linux; elsewhere the last bit of a sum may differ.

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
    """Requantize sums as fbgemm does: in float32, rounded half to even.

    Parameters
    ----------
    total : int32 array, or float32 if it includes a bias (`add_float_bias`)
    multiplier : float, or array that broadcasts to `total`
        scale_x * scale_w / scale_y; converted to float32.
    zero_point : int
    fmt : IntFormat, or its name such as "uint8"
    relu : bool
        Clip at the zero point instead of at qmin, which fuses a ReLU at no cost.

    Returns
    -------
    codes of `fmt`, shape of `total`

    Raises
    ------
    TypeError
        `total` holds neither integers nor float32.
    ValueError
        An integer does not fit int32, or `multiplier` is negative or not finite. A multiplier of 0 is allowed: in
        float32, one below 1e-45 is 0.

    Notes
    -----
    Equal to the fbgemm kernel bit for bit, including its flaws: float32 keeps 24 bits of a sum, and a product of 2**31
    or more is converted to the integer -2**31 by the processor, so the largest outputs become the lowest code.

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
    # Sums are integers until add_float_bias makes them float32, so float64 is a mistake.
    sums = total if total.dtype == np.float32 else as_int32(total, "total").astype(np.float32)
    multiplier = _check.goes_with(_not_negative(multiplier, "multiplier"), sums, "multiplier")
    with np.errstate(over="ignore", invalid="ignore"):  # a product beyond float32 does not fit int32 either
        scaled = sums * multiplier
    rounded = np.rint(scaled).astype(np.float64)
    fits = np.abs(rounded) < -float(INT32.min)  # NaN does not
    return _clip(np.where(fits, rounded, INT32.min), zero_point, fmt, relu)


def requantize_fixed(total, multiplier: FixedPoint, zero_point: int = 0, fmt: IntFormat = UINT8, relu=False):
    """Requantize sums as gemmlowp and TensorFlow Lite do: with integers only, rounded twice.

    Parameters
    ----------
    total : int32 array, including the bias (`int32_bias`)
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
    shifts left first, which saturates at int32 here. With a multiplier below 2**-32, every sum becomes zero.

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
    """Return real numbers as float32, in which fbgemm computes; they must be finite there.

    Examples
    --------
    >>> as_float32([0.1, 2], "bias")
    array([0.1, 2. ], dtype=float32)
    """
    with np.errstate(over="ignore", under="ignore"):
        return _check.finite(_check.as_float(values, name).astype(np.float32), f"{name}, as float32,")

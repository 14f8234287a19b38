"""The affine map between real numbers and codes: `q = clip(round(x / scale) + zero_point, qmin, qmax)`.

Rounding is half to even and comes before the zero point is added, as in torch. The docstring of `qviz.numerics` lists
how unusual input is handled.
"""

from contextlib import suppress

import numpy as np

from . import _check
from ._blocks import by_blocks
from .qparams import QParams, as_qparams


def quantize(x, qparams: QParams) -> np.ndarray:
    """Map real values to codes: `clip(round_half_even(x / scale) + zero_point, qmin, qmax)`.

    Parameters
    ----------
    x : array of any shape and real dtype
        Infinities are clipped to the ends of the range.
    qparams : QParams

    Returns
    -------
    integers, shape of `x`, of dtype `qparams.fmt.dtype`

    Raises
    ------
    ValueError
        `x` holds NaN; its groups do not match `qparams`; or the scale does not fit float32 and `x` is not float64.
    TypeError
        `x` does not hold real numbers.

    Notes
    -----
    The codes equal those of torch.quantize_per_tensor, except for values within float32's precision of halfway between
    two codes: torch multiplies by 1 / scale, and adds the zero point before it rounds.

    Examples
    --------
    >>> from qviz.numerics import IntFormat
    >>> quantize([-1.0, 0.0, 0.3, 9.0], QParams(0.1, 10, IntFormat(4, signed=False)))
    array([ 0, 10, 13, 15], dtype=uint8)
    """
    return _through_codes(x, qparams, lambda steps, scale, zero: np.add(steps, zero, out=steps), True)


def dequantize(q, qparams: QParams, dtype=np.float32) -> np.ndarray:
    """Map codes to real values: `scale * (q - zero_point)`.

    Parameters
    ----------
    q : integers of any shape, codes of `qparams.fmt`
    qparams : QParams
    dtype : float32 or float64
        dtype of the arithmetic and the result. A scale that does not fit float32 needs float64.

    Returns
    -------
    float array, shape of `q`

    Raises
    ------
    TypeError
        `q` does not hold integers.
    ValueError
        `q` holds a number that is no code, its groups do not match `qparams`, or the scale does not fit `dtype`.

    Examples
    --------
    >>> from qviz.numerics import IntFormat
    >>> dequantize(np.array([0, 10, 13, 15]), QParams(0.5, 10, IntFormat(4, signed=False)))
    array([-5. ,  0. ,  1.5,  2.5], dtype=float32)
    """
    q = _check.codes(q, as_qparams(qparams).fmt, "q")
    with suppress(TypeError):  # not the name of a dtype
        dtype = np.dtype(dtype)
    if dtype not in (np.dtype("float32"), np.dtype("float64")):
        raise ValueError(f"dtype must be float32 or float64: got {dtype}")
    with np.errstate(over="ignore"):  # a level may lie beyond the largest float
        return by_blocks(q, qparams, lambda q, scale, zero: (q.astype(dtype) - zero) * scale, dtype, dtype)


def fake_quantize(x, qparams: QParams) -> np.ndarray:
    """Quantize and dequantize in one step: the values that a quantized network computes with.

    Parameters
    ----------
    x : array of any shape and real dtype
        Infinities are clipped to the ends of the range.
    qparams : QParams

    Returns
    -------
    float array, shape of `x`: float64 where `x` is float64 or an integer wider than 16 bits, else float32

    Raises
    ------
    ValueError
        `x` holds NaN; its groups do not match `qparams`; or the scale does not fit float32 and `x` is not float64.
    TypeError
        `x` does not hold real numbers.

    Notes
    -----
    The values equal those of torch.fake_quantize_per_tensor_affine, except within float32's precision of halfway
    between two levels: torch multiplies by 1 / scale.

    Examples
    --------
    >>> from qviz.numerics import IntFormat
    >>> fake_quantize([-1.0, 0.0, 0.3, 9.0], QParams(0.25, 4, IntFormat(4, signed=False)))
    array([-1.  ,  0.  ,  0.25,  2.75])
    """
    return _through_codes(x, qparams, lambda steps, scale, zero: np.multiply(steps, scale, out=steps), False)


def _through_codes(x, qparams: QParams, finish, to_integers: bool) -> np.ndarray:
    """Round and clip `x`, then apply `finish(q - zero_point, scale, zero_point)`."""
    x, fmt = _check.as_float(x), as_qparams(qparams).fmt

    def step(block, scale, zero):
        steps = np.divide(block, scale)
        np.rint(steps, out=steps)
        np.clip(steps, fmt.qmin - zero, fmt.qmax - zero, out=steps)
        if np.isnan(np.add.reduce(steps, axis=None)):  # after clipping only NaN can make the sum NaN
            bad = _check.describe_bad(x, np.isnan(x))
            raise ValueError(f"x must not hold NaN, which no code represents: got {bad}; replace it first")
        return finish(steps, scale, zero)

    with np.errstate(over="ignore"):  # x / scale may overflow; clipping makes it finite
        return by_blocks(x, qparams, step, x.dtype, fmt.dtype if to_integers else x.dtype)

"""The affine map between real numbers and codes: `q = clip(round(x / scale) + zero_point, qmin, qmax)`.

Rounding is half to even and comes before the zero point is added, as in torch (decision 1 of the house).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from . import _check
from .formats import INT8, IntFormat
from .granularity import Granularity, PerTensor

SCHEMES = ("affine", "symmetric")
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)
# 64k float32 values fit the second-level cache together with their result: measured twice as fast as one pass
# over 4M values, and as fast as any other block size.
_BLOCK = 65_536


@dataclass(frozen=True)
class QParams:
    """A scale and a zero point for each group, with the format and granularity they belong to.

    Parameters
    ----------
    scale : float64 array, () for one group or (n_groups, 1)
        The real distance between neighbouring codes, in the units of x.
    zero_point : int64 array, shape of `scale`
        The code that stands for 0.0.
    fmt : IntFormat
    granularity : PerTensor, PerChannel or PerGroup

    Raises
    ------
    ValueError
        A scale is not positive and finite, a zero point is not a code of `fmt`, or the shapes differ.

    Examples
    --------
    >>> p = QParams(0.5, 0, INT8)
    >>> p.lo, p.hi
    (array(-64.), array(63.5))
    """

    scale: np.ndarray
    zero_point: np.ndarray
    fmt: IntFormat = INT8
    granularity: Granularity = PerTensor()

    def __post_init__(self):
        scale, zero_point = np.asarray(self.scale, np.float64), np.asarray(self.zero_point)
        if scale.shape != zero_point.shape:
            raise ValueError(f"scale and zero_point must have one shape: got {scale.shape} and {zero_point.shape}")
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise ValueError(f"scale must be positive and finite: got {scale.min()}")
        if zero_point.dtype.kind not in "iu":
            raise TypeError(f"zero_point must be a whole number: got dtype {zero_point.dtype}")
        if zero_point.size and not (self.fmt.qmin <= zero_point.min() and zero_point.max() <= self.fmt.qmax):
            raise ValueError(
                f"zero_point must be a code of {self.fmt}, from {self.fmt.qmin} to {self.fmt.qmax}: "
                f"got {zero_point.min()} to {zero_point.max()}"
            )
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero_point.astype(np.int64))

    @property
    def lo(self) -> np.ndarray:
        """The lowest real value that has a code."""
        return np.asarray(self.scale * (self.fmt.qmin - self.zero_point))

    @property
    def hi(self) -> np.ndarray:
        """The highest real value that has a code."""
        return np.asarray(self.scale * (self.fmt.qmax - self.zero_point))

    @property
    def levels(self) -> np.ndarray:
        """All real values that have a code: `(levels,)` for one group, else `(n_groups, levels)`."""
        return self.scale * (np.arange(self.fmt.qmin, self.fmt.qmax + 1) - self.zero_point)


def value_range(x, granularity: Granularity = PerTensor()) -> tuple[np.ndarray, np.ndarray]:
    """Find the least and the greatest value of each group.

    Parameters
    ----------
    x : array of any shape, at least one value in each group
    granularity : PerTensor, PerChannel or PerGroup

    Returns
    -------
    lo, hi : float64 arrays, () for one group or (n_groups, 1), in the units of x

    Raises
    ------
    ValueError
        `x` is empty, or holds NaN or an infinity.

    Examples
    --------
    >>> value_range(np.array([[1.0, -2.0], [3.0, 4.0]]))
    (array(-2.), array(4.))
    """
    groups = granularity.to_groups(_check.as_float(x))
    if groups.size == 0:
        raise ValueError(f"x must hold at least one value to have a range: got shape {np.shape(x)}")
    lo, hi = groups.min(axis=1, keepdims=True), groups.max(axis=1, keepdims=True)
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        _check.finite(np.asarray(x))
    return _one_is_0d(lo.astype(np.float64)), _one_is_0d(hi.astype(np.float64))


def choose_qparams(lo, hi, fmt: IntFormat = INT8, scheme: str = "affine", granularity: Granularity = PerTensor()) -> QParams:
    """Choose the affine map that covers a real range.

    The range is first widened to include 0, so that 0.0 is represented exactly.

    * affine: `scale = (hi - lo) / (qmax - qmin)`, `zero_point = qmin - round(lo / scale)`, clipped to the codes.
    * symmetric: `scale = max(|lo|, |hi|) / qmax`, `zero_point = 0`; the format must be signed.

    A range that is only zero gets scale 1. No scale is less than the smallest normal float32, 1.2e-38: in a
    smaller range every value becomes zero.

    Parameters
    ----------
    lo, hi : float, or (n_groups, 1) arrays, in the units of x
    fmt : IntFormat
    scheme : {"affine", "symmetric"}
    granularity : PerTensor, PerChannel or PerGroup
        What the groups of `lo` and `hi` are; kept in the result.

    Raises
    ------
    ValueError
        `lo` > `hi`, either is not finite, or `scheme` is symmetric and `fmt` unsigned.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.1, with rounding as in torch's MinMaxObserver.

    Examples
    --------
    >>> from qviz.numerics import UINT8
    >>> p = choose_qparams(-1.0, 3.0, UINT8)
    >>> round(float(p.scale), 6), int(p.zero_point)
    (0.015686, 64)
    >>> p = choose_qparams(-1.0, 3.0, INT8, "symmetric")
    >>> round(float(p.scale), 6), int(p.zero_point)
    (0.023622, 0)
    """
    _check.one_of(scheme, SCHEMES, "scheme")
    lo = _one_is_0d(_check.finite(_check.as_float(lo, "lo").astype(np.float64), "lo"))
    hi = _one_is_0d(_check.finite(_check.as_float(hi, "hi").astype(np.float64), "hi"))
    if (lo > hi).any():
        raise ValueError(f"lo must not be above hi: got lo={lo[lo > hi][0]} and hi={hi[lo > hi][0]}")
    lo, hi = np.minimum(lo, 0.0), np.maximum(hi, 0.0)
    if scheme == "symmetric":
        if not fmt.signed:
            raise ValueError(f"scheme 'symmetric' needs a signed format: got {fmt}; use int{fmt.bits}, or scheme='affine'")
        return QParams(_usable(np.maximum(-lo, hi) / fmt.qmax), np.zeros(lo.shape, np.int64), fmt, granularity)
    steps = fmt.qmax - fmt.qmin
    scale = _usable(hi / steps - lo / steps)  # divided first: hi - lo may overflow
    zero_point = np.clip(fmt.qmin - np.rint(lo / scale), fmt.qmin, fmt.qmax)
    return QParams(scale, zero_point.astype(np.int64), fmt, granularity)


def quantize(x, qparams: QParams) -> np.ndarray:
    """Turn real values into codes: `clip(round_half_even(x / scale) + zero_point, qmin, qmax)`.

    Parameters
    ----------
    x : array of any shape and real dtype
        An infinity becomes the nearest end of the range. Empty stays empty.
    qparams : QParams

    Returns
    -------
    integers, shape of `x`, of dtype `qparams.fmt.dtype`

    Raises
    ------
    ValueError
        `x` holds NaN, which no integer stands for, or its groups are not those of `qparams`.
    TypeError
        `x` does not hold real numbers.

    Examples
    --------
    >>> quantize([-1.0, 0.0, 0.3, 9.0], QParams(0.1, 10, IntFormat(4, signed=False)))
    array([ 0, 10, 13, 15], dtype=uint8)
    """
    zero_point = qparams.zero_point

    def to_codes(block, scale, rows):
        block = _round_to_codes(block, scale, zero_point, qparams.fmt, rows)
        np.add(block, _rows(zero_point, rows, block.dtype), out=block)
        return block

    return _by_blocks(x, qparams, to_codes, qparams.fmt.dtype)


def dequantize(q, qparams: QParams) -> np.ndarray:
    """Turn codes back into real values: `scale * (q - zero_point)`.

    Parameters
    ----------
    q : integers of any shape
    qparams : QParams

    Returns
    -------
    float32 array, shape of `q`

    Raises
    ------
    TypeError
        `q` does not hold integers.
    ValueError
        The groups of `q` are not those of `qparams`.

    Examples
    --------
    >>> dequantize(np.array([0, 10, 13, 15]), QParams(0.5, 10, IntFormat(4, signed=False)))
    array([-5. ,  0. ,  1.5,  2.5], dtype=float32)
    """
    q = np.asarray(q)
    if q.dtype.kind not in "iu":
        raise TypeError(f"q must hold integers: got dtype {q.dtype}; call quantize first")
    groups = _groups_of(q, qparams)
    # Wide integers before the subtraction: uint8 codes would wrap around below the zero point.
    steps = groups.astype(np.int64) - qparams.zero_point
    real = steps.astype(np.float32) * qparams.scale.astype(np.float32)
    return qparams.granularity.from_groups(real, q.shape)


def fake_quantize(x, qparams: QParams) -> np.ndarray:
    """Quantize and dequantize in one step: what the quantized network sees of `x`.

    Parameters
    ----------
    x : array of any shape and real dtype
        An infinity becomes the nearest end of the range. Empty stays empty.
    qparams : QParams

    Returns
    -------
    float array, shape of `x`: float64 where `x` is float64 or an integer wider than 16 bits, else float32

    Raises
    ------
    ValueError
        `x` holds NaN, or its groups are not those of `qparams`.
    TypeError
        `x` does not hold real numbers.

    Notes
    -----
    Same values as torch.fake_quantize_per_tensor_affine but for ties: torch multiplies by 1 / scale.

    Examples
    --------
    >>> fake_quantize([-1.0, 0.0, 0.3, 9.0], QParams(0.25, 4, IntFormat(4, signed=False)))
    array([-1.  ,  0.  ,  0.25,  2.75])
    """

    def to_real(block, scale, rows):
        block = _round_to_codes(block, scale, qparams.zero_point, qparams.fmt, rows)
        np.multiply(block, scale, out=block)
        return block

    return _by_blocks(x, qparams, to_real, None)


def _round_to_codes(block, scale, zero_point, fmt: IntFormat, rows: slice) -> np.ndarray:
    """Round to whole steps and clip; the result is `q - zero_point`, in floating point."""
    steps = np.divide(block, scale)
    np.rint(steps, out=steps)
    zero = _rows(zero_point, rows, steps.dtype)
    np.clip(steps, fmt.qmin - zero, fmt.qmax - zero, out=steps)
    if np.isnan(np.add.reduce(steps, axis=None)):  # after clipping only NaN can make the sum NaN
        bad = np.isnan(block)
        raise ValueError(f"x must not hold NaN, which no integer stands for: got {int(bad.sum())} or more; replace them first")
    return steps


def _by_blocks(x, qparams: QParams, step, dtype) -> np.ndarray:
    """Apply `step(block, scale, rows)` to cache-sized blocks of the groups of `x`."""
    x = _check.as_float(x)
    groups = _groups_of(x, qparams)
    out = np.empty(groups.shape, dtype or x.dtype)
    scale = qparams.scale.astype(x.dtype)
    with np.errstate(over="ignore"):  # x / scale may pass the largest float; clipping brings it back
        for rows, columns in _blocks(groups.shape):
            result = step(groups[rows, columns], _rows(scale, rows, x.dtype), rows)
            np.copyto(out[rows, columns], result, casting="unsafe")
    return qparams.granularity.from_groups(out, x.shape)


def _blocks(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Cut `(n_groups, n)` into blocks of about `_BLOCK` values: many short rows, or parts of a long one."""
    n_groups, n = shape
    height = max(1, _BLOCK // max(n, 1))
    for top in range(0, n_groups, height):
        for left in range(0, n, _BLOCK):
            yield slice(top, top + height), slice(left, left + _BLOCK)


def _rows(values: np.ndarray, rows: slice, dtype) -> np.ndarray:
    return (values[rows] if values.ndim else values).astype(dtype, copy=False)


def _groups_of(x: np.ndarray, qparams: QParams) -> np.ndarray:
    groups = qparams.granularity.to_groups(x)
    if qparams.scale.ndim and len(groups) != len(qparams.scale):
        raise ValueError(
            f"x has {len(groups)} groups ({qparams.granularity}, shape {x.shape}), but qparams hold "
            f"{len(qparams.scale)} scales; choose qparams for this shape"
        )
    return groups


def _one_is_0d(values: np.ndarray) -> np.ndarray:
    """One group has plain 0-d parameters, so that `float(p.scale)` works."""
    return values.reshape(()) if values.size == 1 else values


def _usable(scale: np.ndarray) -> np.ndarray:
    return np.where(scale == 0, 1.0, np.maximum(scale, SMALLEST_SCALE))

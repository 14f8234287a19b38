"""Scale and zero point, and how to choose them for a range.

The docstring of `qviz.numerics` lists how unusual input is handled.
"""

from dataclasses import dataclass

import numpy as np

from . import _check
from ._groups import ends_of
from .formats import INT8, IntFormat, as_format
from .granularity import PER_TENSOR, Granularity, as_granularity

SCHEMES = ("affine", "symmetric")
SMALLEST_SCALE = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, eq=False)
class QParams:
    """A scale and a zero point for each group, with the format and granularity they belong to.

    Parameters
    ----------
    scale : float, or (n_groups, 1) array
        Distance between neighbouring levels, in the units of x; stored as a read-only float64 array.
    zero_point : int, or integer array of the shape of `scale`
        Code of 0.0; stored as a read-only int64 array.
    fmt : IntFormat, or its name such as "int8"
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"

    Raises
    ------
    ValueError
        A scale is not positive and finite, a zero point is not a code of `fmt`, or a shape is not one of these.
    TypeError
        A zero point is not a whole number, a scale is not a real number, or `fmt` or `granularity` has the wrong type.

    Examples
    --------
    >>> p = QParams(0.5, 0, INT8)
    >>> p.lo, p.hi
    (array(-64.), array(63.5))
    """

    scale: np.ndarray
    zero_point: np.ndarray
    fmt: IntFormat = INT8
    granularity: Granularity = PER_TENSOR

    def __post_init__(self):
        object.__setattr__(self, "fmt", as_format(self.fmt))
        object.__setattr__(self, "granularity", as_granularity(self.granularity))
        scale = _check.as_float(self.scale, "scale").astype(np.float64)
        zero_point = _check.as_array(self.zero_point, "zero_point")
        if scale.shape != zero_point.shape or not (scale.ndim == 0 or scale.shape[1:] == (1,)):
            raise ValueError(
                "scale and zero_point must both be single numbers or both (n_groups, 1): "
                f"got shapes {scale.shape} and {zero_point.shape}"
            )
        _check_scale(scale)
        _check_zero_point(zero_point, self.fmt)
        zero_point = zero_point.astype(np.int64)
        scale.flags.writeable = zero_point.flags.writeable = False
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero_point)

    def __eq__(self, other) -> bool:
        return _check.same_fields(self, other)

    @property
    def lo(self) -> np.ndarray:
        """The lowest level, shape of `scale`."""
        return self._real(self.fmt.qmin)

    @property
    def hi(self) -> np.ndarray:
        """The highest level, shape of `scale`."""
        return self._real(self.fmt.qmax)

    @property
    def levels(self) -> np.ndarray:
        """The real values of all codes: (levels,) for one group, else (n_groups, levels)."""
        return self._real(np.arange(self.fmt.qmin, self.fmt.qmax + 1))

    def _real(self, codes) -> np.ndarray:
        with np.errstate(over="ignore"):  # a level beyond the largest float64 is infinite
            return np.asarray(self.scale * (codes - self.zero_point))


def as_qparams(qparams, name: str = "qparams") -> QParams:
    """Return `qparams` if it is a QParams; a bare scale and zero point would not determine the format.

    Raises
    ------
    TypeError
        `qparams` is anything else.

    Examples
    --------
    >>> as_qparams(QParams(0.5, 0)).fmt
    IntFormat(bits=8, signed=True, narrow=False)
    """
    return _check.made(qparams, name, QParams, "a QParams, such as QParams(0.1, 0, 'int8') or what calibrate returns")


def value_range(x, granularity: Granularity = PER_TENSOR) -> tuple[np.ndarray, np.ndarray]:
    """Return the minimum and maximum of each group.

    Parameters
    ----------
    x : array of any shape and real dtype, at least one value in each group
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"

    Returns
    -------
    lo, hi : float64 arrays in the units of x, () for one group, else (n_groups, 1)

    Raises
    ------
    ValueError
        `x` is empty, holds NaN or an infinity, or cannot be cut into such groups.
    TypeError
        `x` does not hold real numbers.

    Examples
    --------
    >>> value_range(np.array([[1.0, -2.0], [3.0, 4.0]]))
    (array(-2.), array(4.))
    """
    x = _check.as_float(x)
    groups = as_granularity(granularity).to_groups(x)
    if groups.size == 0:
        raise ValueError(f"x must hold at least one value to have a range: got shape {x.shape}")
    lo, hi = ends_of(groups)
    if not (np.isfinite(lo).all() and np.isfinite(hi).all()):
        _check.finite(x)
    return _one_is_0d(lo), _one_is_0d(hi)


def choose_qparams(
    lo, hi, fmt: IntFormat = INT8, scheme: str = "affine", granularity: Granularity = PER_TENSOR
) -> QParams:
    """Choose scale and zero point for a range of real values.

    The range is first widened to include 0, so that 0.0 is represented exactly.

    * affine: `scale = (hi - lo) / (qmax - qmin)`, `zero_point = qmin - round(lo / scale)`, clipped to the
      codes.
    * symmetric: `scale = max(|lo|, |hi|) / qmax`, `zero_point = 0`; the format must be signed.

    A range that is only zero gets scale 1. No scale is below the smallest normal float32, 1.2e-38, with which all
    values of a much smaller range become zero.

    Parameters
    ----------
    lo, hi : float, or (n_groups, 1) arrays, in the units of x
    fmt : IntFormat, or its name such as "int8"
    scheme : {"affine", "symmetric"}
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"
        The groups of `lo` and `hi`; stored in the result.

    Returns
    -------
    QParams

    Raises
    ------
    TypeError
        `lo` or `hi` is not real, or another argument has the wrong type.
    ValueError
        `lo` > `hi`, either is not finite, `scheme` is unknown, or it is symmetric and the format unsigned.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.1, rounded as in torch's MinMaxObserver. torch divides a symmetric range by
    (qmax - qmin) / 2, and its observers choose no scale below 1.2e-7.

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
    fmt = as_format(fmt)
    lo, hi = checked_range(lo, hi)
    if lo.ndim and lo.shape[1:] != (1,):
        raise ValueError(f"lo and hi must both be single numbers or both (n_groups, 1): got shape {lo.shape}")
    return made_qparams(*scale_and_zero_point(lo, hi, fmt, scheme), fmt, as_granularity(granularity))


def made_qparams(scale: np.ndarray, zero_point: np.ndarray, fmt: IntFormat, granularity: Granularity) -> QParams:
    """Make a QParams without checks and copies; it takes ownership of the float64 and int64 arrays."""
    qparams = object.__new__(QParams)
    scale, zero_point = _one_is_0d(scale), _one_is_0d(zero_point)
    scale.flags.writeable = zero_point.flags.writeable = False
    vars(qparams).update(scale=scale, zero_point=zero_point, fmt=fmt, granularity=granularity)
    return qparams


def scale_and_zero_point(lo: np.ndarray, hi: np.ndarray, fmt: IntFormat, scheme: str) -> tuple[np.ndarray, np.ndarray]:
    """Compute `choose_qparams` for finite float64 arrays of equal shape with lo <= hi."""
    # in place where possible: for many groups, allocating takes longer than the arithmetic
    lo, hi = np.minimum(lo, 0.0)[...], np.maximum(hi, 0.0)[...]
    if scheme == "symmetric":
        if not fmt.signed:
            raise ValueError(
                f"scheme 'symmetric' needs a signed format: got {fmt}; use int{fmt.bits}, or scheme='affine'"
            )
        np.negative(lo, out=lo)
        scale = np.maximum(lo, hi, out=hi)
        scale /= fmt.qmax
        return _usable(scale), np.zeros(scale.shape, np.int64)
    steps = fmt.qmax - fmt.qmin
    hi /= steps  # divided first: hi - lo may overflow
    scale = (lo / steps)[...]
    scale = _usable(np.subtract(hi, scale, out=scale))
    lo /= scale
    np.rint(lo, out=lo)
    np.subtract(fmt.qmin, lo, out=lo)
    np.clip(lo, fmt.qmin, fmt.qmax, out=lo)
    return scale, lo.astype(np.int64)


def _check_scale(scale: np.ndarray) -> None:
    bad = ~(np.isfinite(scale) & (scale > 0))
    if bad.any():
        raise ValueError(f"scale must be positive and finite: got {scale[bad][0]}")


def _check_zero_point(zero_point: np.ndarray, fmt: IntFormat) -> None:
    if zero_point.dtype.kind not in "iu":
        raise TypeError(f"zero_point must be a whole number: got dtype {zero_point.dtype}")
    bad = (zero_point < fmt.qmin) | (zero_point > fmt.qmax)
    if bad.any():
        raise ValueError(f"zero_point must be a code of {fmt}, from {fmt.qmin} to {fmt.qmax}: got {zero_point[bad][0]}")


def checked_range(lo, hi) -> tuple[np.ndarray, np.ndarray]:
    """Return lo and hi as finite float64 arrays of equal shape, 0-d for one group."""
    lo = _check.finite(_check.as_float(lo, "lo").astype(np.float64, copy=False), "lo")
    hi = _check.finite(_check.as_float(hi, "hi").astype(np.float64, copy=False), "hi")
    lo, hi = (_one_is_0d(ends) for ends in np.broadcast_arrays(lo, hi))
    wrong = lo > hi
    if wrong.any():
        raise ValueError(f"lo must not be above hi: got lo={lo[wrong][0]} and hi={hi[wrong][0]}")
    return lo, hi


def _one_is_0d(values: np.ndarray) -> np.ndarray:
    """Return the value of a single group as 0-d, so that `float(p.scale)` works."""
    return values.reshape(()) if values.size == 1 else values


def _usable(scale: np.ndarray) -> np.ndarray:
    if scale.min(initial=1.0) < SMALLEST_SCALE:
        return np.where(scale == 0, 1.0, np.maximum(scale, SMALLEST_SCALE))
    return scale

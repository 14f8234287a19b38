"""How far a quantized tensor is from its original, and where the error comes from."""

import math
from dataclasses import dataclass

import numpy as np

from . import _check
from .affine import QParams, fake_quantize


@dataclass(frozen=True)
class ErrorParts:
    """The mean squared error, split by cause: `rounding + clipping == total`.

    Parameters
    ----------
    rounding : float
        Share of the values inside the range, moved to the nearest level; in squared units of x.
    clipping : float
        Share of the values outside the range, moved to its end; in squared units of x.
    clipped_fraction : float
        How many values lie outside, 0 to 1.
    """

    rounding: float
    clipping: float
    clipped_fraction: float

    @property
    def total(self) -> float:
        """The mean squared error."""
        return self.rounding + self.clipping


def mse(x, y) -> float:
    """Mean squared error of `y` against `x`, in squared units of x; 0 for two empty arrays.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    x, y = _pair(x, y)
    return float(np.mean((x - y) ** 2)) if x.size else 0.0


def sqnr_db(x, y) -> float:
    """Signal-to-quantization-noise ratio of `y` against `x`, in decibels.

    10 log10(sum x**2 / sum (x - y)**2): infinite where nothing changed, minus infinity where all of a zero signal
    is noise.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> sqnr_db([3.0, 4.0], [3.0, 3.5])
    20.0
    """
    x, y = _pair(x, y)
    signal, noise = float(np.vdot(x, x)), float(np.sum((x - y) ** 2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def cosine(x, y) -> float:
    """Cosine of the angle between `x` and `y` taken as vectors, -1 to 1; 1 for two zero vectors, 0 for one.

    Raises
    ------
    ValueError
        The shapes differ.

    Examples
    --------
    >>> cosine([1.0, 0.0], [1.0, 1.0])  # 45 degrees
    0.7071067811865475
    """
    x, y = _pair(x, y)
    norms = math.sqrt(float(np.vdot(x, x))) * math.sqrt(float(np.vdot(y, y)))
    return float(np.vdot(x, y)) / norms if norms else float(not x.any() and not y.any())


def kl_divergence(p, q) -> float:
    """Kullback-Leibler divergence of counts `q` from counts `p`, in nats; each is first scaled to sum 1.

    Infinite where `p` has mass and `q` none. (scipy.stats.entropy(p, q) is the same number.)

    Raises
    ------
    ValueError
        The shapes differ, a count is negative, or a sum is zero.

    Examples
    --------
    >>> round(kl_divergence([1, 1], [1, 3]), 6)
    0.143841
    """
    p, q = _pair(p, q)
    for name, counts in (("p", p), ("q", q)):
        if not counts.size or counts.min() < 0 or counts.sum() <= 0:
            raise ValueError(f"{name} must hold counts of at least 0 whose sum is positive")
    p, q = p / p.sum(), q / q.sum()
    seen = p > 0
    if (q[seen] == 0).any():
        return math.inf
    return float(np.sum(p[seen] * np.log(p[seen] / q[seen])))


def error_parts(x, qparams: QParams) -> ErrorParts:
    """Split the mean squared error of fake-quantizing `x` into rounding and clipping.

    A value is clipped when it lies more than half a step beyond the outermost level; what it loses is clipping
    error, all of it. Every other error is rounding.

    Parameters
    ----------
    x : array of any shape, finite
    qparams : QParams

    Raises
    ------
    ValueError
        `x` is empty or holds NaN or an infinity.

    Notes
    -----
    The split of Banner et al. 2019, "Post training 4-bit quantization", equation 4.

    Examples
    --------
    >>> from qviz.numerics import INT2
    >>> parts = error_parts([0.0, 0.2, 3.0], QParams(1.0, 0, INT2))
    >>> round(parts.rounding, 4), round(parts.clipping, 4), round(parts.clipped_fraction, 2)
    (0.0133, 1.3333, 0.33)
    """
    x = _check.finite(_check.as_float(x))
    if x.size == 0:
        raise ValueError(f"x must hold at least one value to have an error: got shape {x.shape}")
    groups = qparams.granularity.to_groups(x)
    error = groups - qparams.granularity.to_groups(fake_quantize(x, qparams))
    half = qparams.scale / 2
    clipped = (groups < qparams.lo - half) | (groups > qparams.hi + half)
    squared = np.square(error, dtype=np.float64)
    clipping = float(np.sum(squared, where=clipped))
    rounding = float(np.sum(squared, where=~clipped))
    return ErrorParts(rounding / x.size, clipping / x.size, float(clipped.mean()))


def _pair(x, y) -> tuple[np.ndarray, np.ndarray]:
    x, y = _check.as_float(x, "x").astype(np.float64), _check.as_float(y, "y").astype(np.float64)
    if x.shape != y.shape:
        raise ValueError(f"x and y must have one shape: got {x.shape} and {y.shape}")
    return x, y

"""Error metrics of a quantized tensor, and the rounding and clipping parts of its error.

NaN and infinities are refused, because a metric must not hide them.
"""

import math
from dataclasses import dataclass

import numpy as np

from . import _check
from .affine import fake_quantize
from .qparams import QParams, as_qparams


@dataclass(frozen=True)
class ErrorParts:
    """The mean squared error, split by cause: `rounding + clipping == total`.

    Parameters
    ----------
    rounding : float
        Part from values inside the range, in squared units of x.
    clipping : float
        Part from values outside the range, in squared units of x.
    clipped_fraction : float
        Fraction of the values outside the range, 0 to 1.

    Examples
    --------
    >>> ErrorParts(rounding=0.5, clipping=0.25, clipped_fraction=0.1).total
    0.75
    """

    rounding: float
    clipping: float
    clipped_fraction: float

    @property
    def total(self) -> float:
        """The mean squared error."""
        return self.rounding + self.clipping


def mse(x, y) -> float:
    """Return the mean squared error of `y` against `x`.

    It is 0 for empty arrays, and infinite if it exceeds the largest float64.

    Parameters
    ----------
    x, y : arrays of equal shape and real dtype

    Returns
    -------
    float, in squared units of `x`

    Raises
    ------
    ValueError
        The shapes differ, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> mse([1.0, 2.0], [1.0, 4.0])
    2.0
    """
    x, y = _pair(x, y)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.mean((x - y) ** 2)) if x.size else 0.0


def sqnr_db(x, y) -> float:
    """Return the signal-to-quantization-noise ratio of `y` against `x`.

    It is 10 log10(sum x**2 / sum (x - y)**2): infinity if x equals y, minus infinity if only x is zero. A uniform
    signal quantized to b bits has 6.02 b decibels.

    Parameters
    ----------
    x, y : arrays of equal shape and real dtype

    Returns
    -------
    float, in decibels

    Raises
    ------
    ValueError
        The shapes differ, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> round(sqnr_db([3.0, 4.0], [3.0, 3.5]), 6)
    20.0
    """
    x, y = _pair(x, y)
    signal, noise = _log_length(x / 2), _log_length(x / 2 - y / 2)  # halved: the difference may overflow
    return 20 * (signal - noise) if noise > -math.inf else math.inf


def decibels(signal, noise) -> np.ndarray:
    """Return 10 log10(signal / noise).

    Parameters
    ----------
    signal, noise : powers in the same units, float or arrays that broadcast

    Returns
    -------
    float64 array in decibels; infinity where the noise is 0

    Examples
    --------
    >>> decibels([100.0, 0.0, 0.0], [1.0, 0.0, 2.0])
    array([ 20.,  inf, -inf])
    """
    with np.errstate(all="ignore"):
        return np.where(np.equal(noise, 0), np.inf, 10 * np.log10(np.divide(signal, noise)))


def cosine(x, y) -> float:
    """Return the cosine similarity of `x` and `y`, -1 to 1; 1 for two zero vectors, 0 for one.

    Parameters
    ----------
    x, y : arrays of equal shape and real dtype

    Returns
    -------
    float

    Raises
    ------
    ValueError
        The shapes differ, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> round(cosine([1.0, 0.0], [1.0, 1.0]), 6)  # 45 degrees
    0.707107
    """
    x, y = (_unit(vector) for vector in _pair(x, y))
    if not (x.any() and y.any()):
        return float(not x.any() and not y.any())
    return min(1.0, max(-1.0, float(np.vdot(x, y))))


def kl_divergence(p, q) -> float:
    """Return the Kullback-Leibler divergence KL(p || q).

    Counts are normalized to sum 1. The result is infinite if `q` is 0 where `p` is not, and equals
    scipy.stats.entropy(p, q).

    Parameters
    ----------
    p, q : arrays of equal shape, counts or probabilities

    Returns
    -------
    float, in nats

    Raises
    ------
    ValueError
        The shapes differ, a value is NaN, infinite or negative, or a sum is zero.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> round(kl_divergence([1, 1], [1, 3]), 6)
    0.143841
    """
    p, q = _pair(p, q, "p", "q")
    for name, counts in (("p", p), ("q", q)):
        if not counts.any() or counts.min() < 0:
            got = "none" if not counts.size else counts.min() if counts.any() else "only zeros"
            raise ValueError(f"{name} must hold counts of at least 0 whose sum is positive: got {got}")
    p, q = (counts / counts.max() for counts in (p, q))  # the sum of counts may overflow
    p, q = p / p.sum(), q / q.sum()
    seen = p > 0
    if (q[seen] == 0).any():
        return math.inf
    return float(np.sum(p[seen] * (np.log(p[seen]) - np.log(q[seen]))))


def error_parts(x, qparams: QParams, counts=None) -> ErrorParts:
    """Split the mean squared error of fake-quantizing `x` into rounding and clipping.

    A value more than half a step beyond the outermost level is clipped, and its whole error counts as clipping. All
    other error is rounding.

    Parameters
    ----------
    x : array of any shape and real dtype, finite
    qparams : QParams
    counts : array of the shape of x, or None
        How often each value occurs; None means once.

    Returns
    -------
    ErrorParts

    Raises
    ------
    ValueError
        `x` is empty or holds NaN or an infinity, or its groups do not match `qparams`.
    TypeError
        `x` does not hold real numbers.

    Notes
    -----
    Source: Banner et al. 2019, "Post training 4-bit quantization of convolutional networks for rapid-deployment",
    equation 4.

    Examples
    --------
    >>> from qviz.numerics import INT2, QParams
    >>> parts = error_parts([0.0, 0.2, 3.0], QParams(1.0, 0, INT2))
    >>> round(parts.rounding, 4), round(parts.clipping, 4), round(parts.clipped_fraction, 2)
    (0.0133, 1.3333, 0.33)
    """
    x, qparams = _check.finite(_check.as_float(x)), as_qparams(qparams)
    if x.size == 0:
        raise ValueError(f"x must hold at least one value to have an error: got shape {x.shape}")
    groups, quantized = (qparams.granularity.to_groups(v) for v in (x, fake_quantize(x, qparams)))
    half = qparams.scale / 2
    clipped = (groups < qparams.lo - half) | (groups > qparams.hi + half)
    with np.errstate(over="ignore", under="ignore"):
        squared = np.subtract(groups, quantized, dtype=np.float64) ** 2
        times, total = 1, x.size
        if counts is not None:
            times, total = qparams.granularity.to_groups(np.asarray(counts)), np.sum(counts)
            squared *= times
        rounding, clipping = np.sum(squared, where=~clipped), np.sum(squared, where=clipped)
    return ErrorParts(float(rounding) / total, float(clipping) / total, float(np.sum(clipped * times) / total))


def _pair(x, y, first: str = "x", second: str = "y") -> tuple[np.ndarray, np.ndarray]:
    x, y = _check.as_float(x, first).astype(np.float64), _check.as_float(y, second).astype(np.float64)
    if x.shape != y.shape:
        raise ValueError(f"{first} and {second} must have the same shape: got {x.shape} and {y.shape}")
    return _check.finite(x, first), _check.finite(y, second)


def _log_length(x: np.ndarray) -> float:
    """Return log10 of the Euclidean norm, which may itself overflow or underflow."""
    largest = float(np.abs(x).max(initial=0.0))
    return math.log10(largest) + math.log10(np.linalg.norm(x / largest)) if largest else -math.inf


def _unit(x: np.ndarray) -> np.ndarray:
    """Return `x` divided by its Euclidean norm, or zeros."""
    largest = np.abs(x).max(initial=0.0)
    return (x / largest) / np.linalg.norm(x / largest) if largest else x

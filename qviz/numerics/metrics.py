"""How far a quantized tensor is from its original, and where the error comes from.

NaN and infinities are refused everywhere: a number that says how far two tensors differ should never hide one.
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
        Share of the values inside the range, moved to the nearest level; in squared units of x.
    clipping : float
        Share of the values outside the range, moved to its end; in squared units of x.
    clipped_fraction : float
        How many values lie outside, 0 to 1.

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
    """Mean squared error of `y` against `x`, in squared units of x; 0 for two empty arrays.

    Infinite where it is beyond the largest float64.

    Parameters
    ----------
    x, y : arrays of one shape and of real dtype

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
    """Signal-to-quantization-noise ratio of `y` against `x`, in decibels.

    10 log10(sum x**2 / sum (x - y)**2): infinite where nothing changed, minus infinity where all of a zero signal
    is noise. A uniform signal quantized to b bits has 6.02 b decibels.

    Parameters
    ----------
    x, y : arrays of one shape and of real dtype

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
    """Return 10 log10(signal / noise) of two powers, or arrays of them: infinite wherever there is no noise.

    Examples
    --------
    >>> decibels([100.0, 0.0, 0.0], [1.0, 0.0, 2.0])
    array([ 20.,  inf, -inf])
    """
    with np.errstate(all="ignore"):
        return np.where(np.equal(noise, 0), np.inf, 10 * np.log10(np.divide(signal, noise)))


def cosine(x, y) -> float:
    """Cosine of the angle between `x` and `y` taken as vectors, -1 to 1; 1 for two zero vectors, 0 for one.

    Parameters
    ----------
    x, y : arrays of one shape and of real dtype

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
    """Kullback-Leibler divergence of counts `q` from counts `p`, in nats; each is first scaled to sum 1.

    Infinite where `p` has mass and `q` none. (scipy.stats.entropy(p, q) is the same number.)

    Parameters
    ----------
    p, q : arrays of one shape, counts or probabilities

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

    A value is clipped when it lies more than half a step beyond the outermost level; what it loses is clipping
    error, all of it. Every other error is rounding.

    Parameters
    ----------
    x : array of any shape and real dtype, finite
    qparams : QParams
    counts : array of the shape of x, or None
        How often each value occurs; once if it is None.

    Raises
    ------
    ValueError
        `x` is empty or holds NaN or an infinity, or its groups are not those of `qparams`.
    TypeError
        `x` does not hold real numbers.

    Notes
    -----
    The split of Banner et al. 2019, "Post training 4-bit quantization", equation 4.

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
        raise ValueError(f"{first} and {second} must have one shape: got {x.shape} and {y.shape}")
    return _check.finite(x, first), _check.finite(y, second)


def _log_length(x: np.ndarray) -> float:
    """Decimal logarithm of the Euclidean length, whose square or even itself may be no float."""
    largest = float(np.abs(x).max(initial=0.0))
    return math.log10(largest) + math.log10(np.linalg.norm(x / largest)) if largest else -math.inf


def _unit(x: np.ndarray) -> np.ndarray:
    """Return the vector of length 1 in the direction of `x`, or zeros."""
    largest = np.abs(x).max(initial=0.0)
    return (x / largest) / np.linalg.norm(x / largest) if largest else x

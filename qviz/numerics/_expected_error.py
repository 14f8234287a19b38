"""The mean squared error that a range would give, from a histogram: many ranges at once."""

import numpy as np

from .affine import choose_qparams
from .formats import IntFormat
from .observers import Histogram

_BLOCK = 16  # ranges at a time: 16 x 4096 bins stay in the second-level cache


def error_of_ranges(histogram: Histogram, lo, hi, fmt: IntFormat, scheme: str = "affine") -> tuple[np.ndarray, np.ndarray]:
    """Return the rounding and the clipping part of the mean squared error, for each range.

    Every value is taken to lie at the centre of its bin. Where a step spans fewer than four bins that says
    nothing about rounding any more, and the rounding error is the uniform quantizer's scale**2 / 12 instead.

    Parameters
    ----------
    histogram : Histogram
    lo, hi : (n,) floats, in the units of x
    fmt : IntFormat
    scheme : {"affine", "symmetric"}

    Returns
    -------
    rounding, clipping : (n,) float64, in squared units of x

    Examples
    --------
    >>> from qviz.numerics import INT2, Histogram
    >>> h = Histogram.from_counts([1, 0, 0, 1], [-0.5, -0.25, 0.0, 0.25, 0.5])  # values at -0.375 and 0.375
    >>> error_of_ranges(h, [-1.0], [1.0], INT2, "symmetric")  # levels -2, -1, 0, 1: both become 0
    (array([0.140625]), array([0.]))
    """
    lo, hi = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    seen = np.flatnonzero(histogram.counts)
    centers, weights = histogram.centers[seen], histogram.counts[seen] / histogram.count
    qparams = choose_qparams(lo[:, None], hi[:, None], fmt, scheme)
    scale = qparams.scale.reshape(-1, 1)
    least, most = qparams.lo.reshape(-1, 1), qparams.hi.reshape(-1, 1)
    rounding, clipping = np.empty(len(lo)), np.empty(len(lo))
    for start in range(0, len(lo), _BLOCK):
        block = slice(start, start + _BLOCK)
        rounding[block], clipping[block] = _parts(centers, weights, scale[block], least[block], most[block], histogram.width)
    return rounding, clipping


def _parts(centers, weights, scale, least, most, width) -> tuple[np.ndarray, np.ndarray]:
    kept = np.clip(centers, least - scale / 2, most + scale / 2)
    # What lies within half a step of the last level rounds to it; the rest is clipped to the level itself.
    error = centers - np.clip(np.rint(centers / scale) * scale, least, most)
    squared = error * error
    outside = kept != centers
    clipping = np.where(outside, squared, 0.0) @ weights
    rounding = np.where(outside, 0.0, squared) @ weights
    inside = 1.0 - outside @ weights
    fine = scale[:, 0] < 4 * width
    return np.where(fine, inside * scale[:, 0] ** 2 / 12, rounding), clipping

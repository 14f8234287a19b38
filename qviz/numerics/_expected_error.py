"""The mean squared error that a range would give, from a histogram: many ranges at once.

Values are taken to be spread evenly over their bin. Let F(b) be the mean of max(b - u, 0), a piecewise quadratic.
The boundary b between two neighbouring levels lies halfway, so summing by parts over the levels turns

    mean of (u - nearest level)**2   into   mean of (u - highest level)**2 - 2 step * (sum of F over the boundaries)

and a range costs as much as it has levels, however many bins there are. Everything is counted in bins from the left
end of the histogram, so that neither 1e-300 nor 1e300 squares to nonsense.
"""

import numpy as np

from . import _check
from .formats import IntFormat, as_format
from .histogram import Histogram
from .qparams import SCHEMES, checked_range, scale_and_zero_point

_WIDEST = 1e100  # bins; a step wider than any histogram, whose square is still a number
_BLOCK = 1 << 13  # boundaries at a time: they and what is computed from them fit the second-level cache


def error_of_ranges(
    histogram: Histogram, lo, hi, fmt: IntFormat, scheme: str = "affine"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rounding and the clipping part of the mean squared error, for each range.

    Values are taken to be spread evenly over their bin, which overstates the rounding of values that repeat and
    have a level of their own, such as the zeros after a ReLU. Where a step is narrower than a bin, its square / 12 is
    the rounding error, whatever the counts. What lies more than half a step beyond the outermost
    level is clipped.

    Parameters
    ----------
    histogram : Histogram
    lo, hi : (n,) floats, in the units of x
    fmt : IntFormat, or its name such as "int4"
    scheme : {"affine", "symmetric"}

    Returns
    -------
    rounding, clipping : (n,) float64, in squared units of x

    Raises
    ------
    ValueError
        A range or the scheme is one that `choose_qparams` refuses.

    Notes
    -----
    The split of Banner et al. 2019, "Post training 4-bit quantization of convolutional networks for
    rapid-deployment", equation 4, for a piecewise constant density.

    Examples
    --------
    Two values, somewhere in [-1, 0] and in [0, 1], on the levels -2, -1, 0, 1: each is off by 1/4 on average,
    squared and averaged 1/12.

    >>> from qviz.numerics import INT2, Histogram
    >>> h = Histogram.from_counts([1, 1], [-1.0, 0.0, 1.0])
    >>> rounding, clipping = error_of_ranges(h, [-1.0], [1.0], INT2, "symmetric")
    >>> round(float(rounding[0]), 6), float(clipping[0])
    (0.083333, 0.0)
    """
    _check.one_of(scheme, SCHEMES, "scheme")
    lo, hi = (ends.reshape(-1) for ends in checked_range(lo, hi))
    _check.made(histogram, "histogram", Histogram, "a Histogram, as from observe(x)[0]")
    rounding, clipping = ExpectedError(histogram, as_format(fmt), scheme).parts(lo, hi)
    with np.errstate(over="ignore", under="ignore"):
        return tuple(part * histogram.width * histogram.width for part in (rounding, clipping))


class ExpectedError:
    """The error of ranges for one histogram, format and scheme, in squared widths of a bin."""

    def __init__(self, histogram: Histogram, fmt: IntFormat, scheme: str):
        self.fmt, self.scheme = fmt, scheme
        self.width, self.origin = histogram.width, histogram.left / histogram.width
        self.bins = histogram.counts.size
        # An empty bin at the right stands for all that lies there.
        self.density = np.append(histogram.counts / histogram.count, 0.0)
        i = np.arange(self.bins + 1)
        each = self.density * np.array([np.ones(i.size), i + 0.5, i * (i + 1.0) + 1 / 3])
        # The means of 1, u and u**2, as far as u lies left of each edge; the first is the share of the counts.
        self.moments = _prefix(each)
        self.slope = self.moments[0].copy()
        self.f = _prefix(self.slope + self.density / 2)
        self.slope[-1] = self.f[-1] = 0.0  # boundaries beyond the histogram are left out of the sum

    def parts(self, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return rounding and clipping, for (n,) ranges."""
        scale, zero_point = scale_and_zero_point(lo, hi, self.fmt, self.scheme)
        with np.errstate(over="ignore"):
            step = np.minimum(scale / self.width, _WIDEST)
        first, last = self.fmt.qmin - zero_point, self.fmt.qmax - zero_point
        clipping, inside = self._clipping(step, first, last)
        rounding = inside * np.minimum(step, 1.0) ** 2 / 12
        coarse = step > 1
        total = self._by_levels(step[coarse], first[coarse])
        rounding[coarse] = np.maximum(total - clipping[coarse], 0.0)
        return rounding, clipping

    def total(self, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
        """Return the whole error, for (n,) ranges."""
        return sum(self.parts(lo, hi))

    def _clipping(self, step, first, last) -> tuple[np.ndarray, np.ndarray]:
        """Return what the values beyond both ends lose, and the share of those between them."""
        below = self._moments_at(step * (first - 0.5) - self.origin)
        up_to = self._moments_at(step * (last + 0.5) - self.origin)
        clipping = _around(below, step * first - self.origin)
        clipping += _around(self.moments[:, -1:] - up_to, step * last - self.origin)
        return np.maximum(clipping, 0.0), up_to[0] - below[0]

    def _by_levels(self, step, first) -> np.ndarray:
        """Return the whole error: the identity at the top of this file, up to the highest level that is of use."""
        useful = np.ceil((self.bins + self.origin) / step - first - 0.5)
        highest = first + np.clip(useful, 0, self.fmt.levels - 1)
        total = _around(self.moments[:, -1:], step * highest - self.origin)
        halfway = np.arange(self.fmt.levels - 1) + 0.5
        height = max(1, _BLOCK // self.fmt.levels)
        for top in range(0, step.size, height):
            rows = slice(top, top + height)
            boundaries = step[rows, None] * (first[rows, None] + halfway) - self.origin
            total[rows] -= 2 * step[rows] * self._f_at(boundaries).sum(axis=1)
        return total

    def _f_at(self, u: np.ndarray) -> np.ndarray:
        i, rest = self._split(u)
        # In place: these are the largest arrays of the search.
        sums = self.density.take(i)
        sums *= rest / 2
        sums += self.slope.take(i)
        sums *= rest
        sums += self.f.take(i)
        return sums

    def _moments_at(self, u: np.ndarray) -> np.ndarray:
        i, rest = self._split(u)
        part = self.density[i] * rest
        first, second = part * (i + rest / 2), part * (i * (i + rest) + rest * rest / 3)
        return self.moments[:, i] + np.array([part, first, second])

    def _split(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the bin of each point, and how far into it."""
        u = np.maximum(u, 0.0)
        i = np.minimum(u, self.bins).astype(np.intp)
        return i, u - i


def _prefix(values: np.ndarray) -> np.ndarray:
    """Sum all before each position of the last axis."""
    sums = np.cumsum(values, axis=-1)
    return np.concatenate([np.zeros_like(sums[..., :1]), sums[..., :-1]], axis=-1)


def _around(moments: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Turn the means of 1, u and u**2 into that of (u - point)**2."""
    return moments[2] - point * (2 * moments[1] - point * moments[0])

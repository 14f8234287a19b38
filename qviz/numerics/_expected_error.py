"""The expected mean squared error of ranges, from a histogram, for many ranges at once.

Values are assumed uniform within their bin. Let F(b) be the mean of max(b - u, 0), which is piecewise quadratic. The
boundary b between two neighbouring levels is their midpoint, so summation by parts over the levels turns

    mean of (u - nearest level)**2   into   mean of (u - highest level)**2 - 2 step * (sum of F over the boundaries)

and the cost of a range is its number of levels, regardless of the number of bins. All lengths are in bins, from the
left end of the histogram, so that squares of 1e-300 and 1e300 neither underflow nor overflow.
"""

import numpy as np

from . import _check
from ._groups import Groups, prefix_sums
from .formats import IntFormat, as_format
from .histogram import Histogram
from .qparams import SCHEMES, SMALLEST_SCALE, checked_range, scale_and_zero_point

_WIDEST = 1e100  # bins: a step wider than any histogram, whose square is finite
_OUTER = 8  # values at each end of a group, which are tried first, because these are clipped
_OFTEN = 0.6  # a range wanted by more than this share of the groups is computed for all, without selecting columns
_WIDE = 64.0  # bins: with a step wider than this, values are assumed to lie in the middle of their bin
_VALUES, _BLOCK = 1 << 15, 1 << 13  # values, and boundaries, per block, which fits the second-level cache


def error_of_ranges(
    histogram: Histogram, lo, hi, fmt: IntFormat, scheme: str = "affine"
) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected rounding and clipping error of each range, as parts of the mean squared error.

    Values are assumed uniform within their bin, which overestimates the rounding error of repeated values that have a
    level of their own, such as the zeros after a ReLU. If a step is narrower than a bin, the rounding error is its
    square / 12. Values more than half a step beyond the outermost level are clipped.

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
        `choose_qparams` refuses a range or the scheme.

    Notes
    -----
    Source: Banner et al. 2019, "Post training 4-bit quantization of convolutional networks for rapid-deployment",
    equation 4, here for a piecewise constant density.

    Examples
    --------
    Two values, uniform in [-1, 0] and in [0, 1], on the levels -2, -1, 0, 1: the mean squared error is 1/12.

    >>> from qviz.numerics import INT2, Histogram
    >>> h = Histogram.from_counts([1, 1], [-1.0, 0.0, 1.0])
    >>> rounding, clipping = error_of_ranges(h, [-1.0], [1.0], INT2, "symmetric")
    >>> round(float(rounding[0]), 6), float(clipping[0])
    (0.083333, 0.0)
    """
    _check.one_of(scheme, SCHEMES, "scheme")
    lo, hi = (ends.reshape(-1) for ends in checked_range(lo, hi))
    _check.made(histogram, "histogram", Histogram, "a Histogram, as from observe(x)[0]")
    origin = histogram.left / histogram.width
    rounding, clipping = ExpectedError(histogram.counts, origin, histogram.width, as_format(fmt), scheme).parts(lo, hi)
    with np.errstate(over="ignore", under="ignore"):
        return tuple(part * histogram.width * histogram.width for part in (rounding, clipping))


class ExpectedError:
    """The expected error of ranges for one histogram, format and scheme, in squared bin widths."""

    def __init__(self, counts: np.ndarray, origin: float, width: float, fmt: IntFormat, scheme: str):
        self.fmt, self.scheme = fmt, scheme
        self.width, self.origin, self.bins = width, origin, counts.size
        # An empty bin at the right extends to infinity.
        self.density = np.append(counts / counts.sum(), 0.0)
        i = np.arange(self.bins + 1)
        each = self.density * np.array([np.ones(i.size), i + 0.5, i * (i + 1.0) + 1 / 3])
        # The means of 1, u and u**2 over the values left of each edge; the first is their share of the counts.
        self.moments = prefix_sums(each)[:, :-1]
        self.slope = self.moments[0].copy()
        self.f = prefix_sums(self.slope + self.density / 2)[:-1]
        self.slope[-1] = self.f[-1] = 0.0  # boundaries beyond the histogram are left out of the sum

    @classmethod
    def of(cls, groups: Groups, fmt: IntFormat, scheme: str) -> "ExpectedError":
        """Use the only group of `groups`."""
        counts = np.zeros(groups.bins[0, -1] + 1)
        counts[groups.bins[0]] = groups.weights[0]
        return cls(counts, float(groups.origin[0, 0]), float(groups.width[0, 0]), fmt, scheme)

    def parts(self, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rounding and clipping error of (n,) ranges."""
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

    def bounds(self, rows: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return zeros: here a range costs too little for a lower bound to save time."""
        return np.zeros(lo.shape), np.zeros(hi.shape)

    def of_ranges(self, rows, lo, hi, wanted: np.ndarray, least: np.ndarray) -> np.ndarray:
        """Return the error of each wanted range, as `ErrorOfFew` does."""
        errors = np.full(wanted.shape, np.inf)
        row, *at = np.nonzero(wanted)
        errors[row, *at] = sum(self.parts(lo[row, at[0]], hi[row, at[-1]]))
        return errors

    def _clipping(self, step, first, last) -> tuple[np.ndarray, np.ndarray]:
        """Return the clipping error, and the share of values that are not clipped."""
        below = self._moments_at(step * (first - 0.5) - self.origin)
        up_to = self._moments_at(step * (last + 0.5) - self.origin)
        clipping = _around(below, step * first - self.origin)
        clipping += _around(self.moments[:, -1:] - up_to, step * last - self.origin)
        return np.maximum(clipping, 0.0), up_to[0] - below[0]

    def _by_levels(self, step, first) -> np.ndarray:
        """Return the total error by the identity at the top of this file, up to the highest level in use."""
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
        # in place: these are the largest arrays of the search
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
        """Return the bin of each point, and the point's position within it."""
        u = np.maximum(u, 0.0)
        i = np.minimum(u, self.bins).astype(np.intp)
        return i, u - i


class ErrorOfFew:
    """The expected error of ranges for groups of few values, in squared bin widths.

    The model of `ExpectedError`, summed over the values, which are fewer than bins and levels. The results agree to a
    thousandth: here they are in float32, and a step wider than 64 bins uses the middle of a bin.
    """

    def __init__(self, groups: Groups, fmt: IntFormat, scheme: str):
        self.fmt, self.scheme, self.width = fmt, scheme, groups.width[:, 0]
        centers = groups.origin + groups.bins + 0.5  # in bins from zero, ascending along a row
        self.n, self.least, self.most = centers.shape[1], centers[:, :1], centers[:, -1:]
        # One column per group, so that each range is one contiguous row over all groups. The outermost values come
        # first, because these are clipped.
        columns, end = centers.T.astype(np.float32, order="C"), self.n - _OUTER
        self.parts = [columns]
        if self.n > 4 * _OUTER:
            self.parts = [np.concatenate([columns[:_OUTER], columns[end:]]), columns[_OUTER:end].copy()]

    def bounds(self, rows: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return lower bounds of the error of ranges that end at lo, and of those that end at hi, (rows, ends) each.

        The error of the outermost value is at least its distance from the end, less a bin and a step of the widest
        range.
        """
        widest = scale_and_zero_point(lo.min(axis=1), hi.max(axis=1), self.fmt, self.scheme)[0] / self.width[rows]
        width = self.width[rows, None]
        # No scale is below SMALLEST_SCALE, so the levels of tiny ranges extend beyond their ends.
        slack = 1 + np.minimum(widest, _WIDEST)[:, None] + self.fmt.levels * np.minimum(SMALLEST_SCALE / width, _WIDEST)
        beyond = lo / width - self.least[rows] - slack, self.most[rows] - hi / width - slack
        return tuple(np.maximum(excess, 0.0) ** 2 / self.n for excess in beyond)

    def of_ranges(self, rows, lo, hi, wanted: np.ndarray, least: np.ndarray) -> np.ndarray:
        """Return the error of each wanted range; infinity elsewhere, and for some ranges whose error exceeds `least`.

        `wanted` and the result are (rows, ends), or (rows, ends of lo, ends of hi).
        """
        errors = np.full(wanted.shape, np.inf)
        often = wanted.mean(axis=0) > _OFTEN
        often &= len(rows) > 1  # NumPy sums a single column in a different order
        if often.any():
            parts = self.parts if len(rows) == len(self.width) else [part.take(rows, axis=1) for part in self.parts]
            for at in np.argwhere(often):
                of_ranges = self._levels(rows, lo[:, at[0]], hi[:, at[-1]])
                errors[:, *at] = sum(_total(part, *of_ranges) for part in parts) / self.n
            errors[~wanted] = np.inf
        row, *at = np.nonzero(wanted & ~often)
        errors[row, *at] = self._of_pairs(rows[row], lo[row, at[0]], hi[row, at[-1]], least[row])
        return errors

    def _levels(self, row, lo, hi) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return step, first level and last level of (n,) ranges."""
        scale, zero_point = scale_and_zero_point(lo, hi, self.fmt, self.scheme)
        step = np.minimum(scale / self.width[row], _WIDEST)
        return step, self.fmt.qmin - zero_point, self.fmt.qmax - zero_point

    def _of_pairs(self, row: np.ndarray, lo: np.ndarray, hi: np.ndarray, least: np.ndarray) -> np.ndarray:
        """Return the error of (n,) ranges of these rows; infinite where it certainly exceeds `least`."""
        of_ranges = self._levels(row, lo, hi)
        totals = np.zeros(row.size)
        for centers in self.parts:
            left = np.flatnonzero(totals <= least * self.n)
            height = max(2, _VALUES // len(centers))
            for top in range(0, left.size, height):
                some = left[top : top + height]
                if some.size == 1:
                    some = np.repeat(some, 2)  # as in of_ranges: a single column is summed in a different order
                totals[some] += _total(centers.take(row[some], axis=1), *(v[some] for v in of_ranges))
        return np.where(totals <= least * self.n, totals / self.n, np.inf)


def _total(centers: np.ndarray, step: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Sum the mean of (u - level)**2, u uniform within its bin, over each column of ascending bins."""
    narrowest = step.min()
    inverse, last_level, first_level = (v.astype(centers.dtype) for v in (1 / step, last, first))
    off = centers * inverse  # in steps from here on, and in place: these are the largest arrays
    within = off
    if (off[0] < first_level).any() or (off[-1] > last_level).any():
        within = np.minimum(off, last_level)
        np.maximum(within, first_level, out=within)
    level = np.rint(within)
    off -= level
    if within is not off:
        within -= level
    total = step * step * np.multiply(off, off, out=level).sum(axis=0)  # einsum would round differently with FMA
    if narrowest <= _WIDE:
        # Each bin adds 1/12. In a bin that contains a boundary, a part is nearer to the next level, which saves
        # step * part**2. On average that is 1/12 too, so both are omitted if negligible compared with step**2.
        part, whole = np.abs(within, out=within), 0.5 - 0.5 * inverse
        np.maximum(part, whole, out=part)  # NumPy takes twice as long for the maximum with a single number
        part -= whole
        saved = step**3 * np.multiply(part, part, out=part).sum(axis=0)
        total += np.where(step <= _WIDE, len(centers) / 12 - saved, 0.0)
    if narrowest <= 1:
        fine = np.flatnonzero(step <= 1)
        total[fine] = _total_of_fine_steps(*(v[..., fine] for v in (centers, step, first, last)))
    return total


def _total_of_fine_steps(centers, step, first, last) -> np.ndarray:
    """Return the same for steps no wider than a bin: step**2 / 12, plus the clipping error."""
    clipped, beyond = 0.0, 0.0
    for end, sign in ((first, -1.0), (last, 1.0)):
        edge = sign * (centers - step * end) + 0.5  # the outer edge of each bin, from the outermost level on
        outer, inner = np.maximum(edge, step / 2), np.maximum(edge - 1, step / 2)
        clipped = clipped + ((outer**3 - inner**3) / 3).sum(axis=0)
        beyond = beyond + (outer - inner).sum(axis=0)
    return clipped + (len(centers) - beyond) * step**2 / 12


def _around(moments: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return the mean of (u - point)**2 from the means of 1, u and u**2."""
    return moments[2] - point * (2 * moments[1] - point * moments[0])

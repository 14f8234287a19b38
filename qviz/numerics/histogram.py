"""The histogram from which a calibrator chooses a range."""

from dataclasses import dataclass

import numpy as np

from . import _check

_LARGEST = np.finfo(np.float64).max


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts on bins of equal width, with the exact minimum and maximum.

    Parameters
    ----------
    counts : (n_bins,) int64
    left, width : float
        Left edge of the first bin and width of each, in the units of x.
    min, max : float
        Exact, in the units of x.
    mean_min, mean_max : float
        Moving averages of the batches' minima and maxima; `min` and `max` if there was one batch.

    Examples
    --------
    >>> h = Histogram.from_counts([1, 2, 1], [0.0, 1.0, 2.0, 3.0])
    >>> h.count, h.centers
    (4, array([0.5, 1.5, 2.5]))
    """

    counts: np.ndarray
    left: float
    width: float
    min: float
    max: float
    mean_min: float
    mean_max: float

    def __eq__(self, other) -> bool:
        return _check.same_fields(self, other)

    @classmethod
    def from_counts(cls, counts, edges) -> "Histogram":
        """Make a histogram from the result of `np.histogram`; minimum and maximum are the outer edges.

        Parameters
        ----------
        counts : (n_bins,) integers, at least one of them above 0
        edges : (n_bins + 1,) equally spaced, ascending, in the units of x

        Returns
        -------
        Histogram

        Raises
        ------
        TypeError
            `counts` are not integers, or `edges` not real numbers.
        ValueError
            The lengths do not match, all counts are 0, a count is negative, or the bins are not of equal width.

        Examples
        --------
        >>> Histogram.from_counts(*np.histogram([0.0, 1.0, 4.0], bins=2)).counts
        array([2, 1])
        """
        counts, edges = _check.as_array(counts, "counts"), _check.as_float(edges, "edges").astype(np.float64)
        if counts.ndim != 1 or edges.shape != (counts.size + 1,):
            raise ValueError(f"edges must be one more than counts: got shapes {edges.shape} and {counts.shape}")
        _check_counts(counts)
        lo, hi = (float(end) for end in _check.finite(edges, "edges")[[0, -1]])
        width = hi / counts.size - lo / counts.size  # divided first: hi - lo may overflow
        equal = np.linspace(0, counts.size, counts.size + 1)
        # With very many bins, float32 edges are off by a hundredth of a bin.
        if width <= 0 or np.abs(edges / width - lo / width - equal).max() > 0.1:
            raise ValueError("edges must rise by equal steps, as those of np.histogram with a number of bins")
        return cls(counts.astype(np.int64), lo, width, lo, hi, lo, hi)

    @property
    def count(self) -> int:
        """How many values were seen."""
        return int(self.counts.sum())

    @property
    def edges(self) -> np.ndarray:
        """(n_bins + 1,) edges of the bins, in the units of x."""
        return self.value_at(np.arange(self.counts.size + 1))

    @property
    def centers(self) -> np.ndarray:
        """(n_bins,) centres of the bins, in the units of x."""
        return self.value_at(np.arange(self.counts.size) + 0.5)

    def folded(self) -> "Histogram":
        """Return the histogram of |x|, on bins of the same width.

        If zero is not a bin edge, counts of negative values may land one bin off.

        Examples
        --------
        >>> Histogram.from_counts([3, 0, 1, 2], [-2.0, -1.0, 0.0, 1.0, 2.0]).folded().counts
        array([1, 5])
        """
        seen = np.flatnonzero(self.counts)
        bins = np.floor(np.abs(self.left / self.width + seen + 0.5)).astype(np.intp)
        first = int(bins.min())
        counts = np.bincount(bins - first, weights=self.counts[seen]).astype(np.int64)
        lo = max(self.min, -self.max, 0.0)
        hi, mean_hi = max(-self.min, self.max), max(-self.mean_min, self.mean_max)
        return Histogram(counts, first * self.width, self.width, lo, hi, lo, mean_hi)

    def value_at(self, position) -> np.ndarray:
        """Return the real values of positions counted in bins from the left edge.

        Examples
        --------
        >>> float(Histogram.from_counts([3, 1], [0.0, 1.0, 2.0]).value_at(1.5))
        1.5
        """
        return value_at(self.left, self.width, _check.as_float(position, "position"))


def value_at(left, width, position) -> np.ndarray:
    """Compute `Histogram.value_at` for one left edge and width, or for arrays of them."""
    halves = left / 2 + width / 2 * np.asarray(position)  # halved first: the sum may overflow near 1.7e308
    return 2 * np.minimum(halves, _LARGEST / 2)


def _check_counts(counts: np.ndarray) -> None:
    if counts.dtype.kind not in "iu":
        raise TypeError(f"counts must be integers: got dtype {counts.dtype}")
    if not counts.any() or counts.min() < 0:
        raise ValueError("counts must be at least 0 and not all 0: got no values, or a negative count")

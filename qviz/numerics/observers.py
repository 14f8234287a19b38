"""Observers: what was seen of a tensor, in constant memory, batch after batch.

The grid of bins is dyadic: bin edges are whole multiples of a power of two. When the range grows, neighbouring
bins are merged in pairs, which is exact. So the counts do not depend on how the data was split into batches, nor
on the order of the batches: the re-binning error is nil.
"""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from . import _check
from .granularity import Granularity, PerTensor

BINS = 4096
# Measured over 8M float32: large blocks let two threads overlap, because counting alone holds the lock.
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Histogram:
    """Counts on equal bins, with what a calibrator may want to know besides.

    Parameters
    ----------
    counts : (n_bins,) int64
    left, width : float
        Left edge of the first bin and width of each, in the units of x.
    min, max : float
        Exact.
    mean_min, mean_max : float
        Moving averages of the minimum and maximum of each batch; `min` and `max` where there was one batch.

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

    @classmethod
    def from_counts(cls, counts, edges) -> "Histogram":
        """Take over counts from `np.histogram`, whose bins are equal; min and max are the outer edges."""
        counts, edges = np.asarray(counts, np.int64), np.asarray(edges, np.float64)
        if counts.ndim != 1 or edges.shape != (counts.size + 1,):
            raise ValueError(f"edges must be one more than counts: got {edges.shape} and {counts.shape}")
        lo, hi = float(edges[0]), float(edges[-1])
        return cls(counts, lo, (hi - lo) / counts.size, lo, hi, lo, hi)

    @property
    def count(self) -> int:
        """How many values were seen."""
        return int(self.counts.sum())

    @property
    def edges(self) -> np.ndarray:
        """(n_bins + 1,) edges of the bins, in the units of x."""
        return self.left + self.width * np.arange(self.counts.size + 1)

    @property
    def centers(self) -> np.ndarray:
        """(n_bins,) centres of the bins, in the units of x."""
        return self.left + self.width * (np.arange(self.counts.size) + 0.5)

    def folded(self) -> "Histogram":
        """Count magnitudes: the histogram of |x|, starting at 0, on bins of the same width."""
        bins = np.floor(np.abs(self.centers) / self.width).astype(np.intp)
        counts = np.bincount(bins, weights=self.counts).astype(np.int64)
        lo, hi = 0.0, max(abs(self.min), abs(self.max))
        return Histogram(counts, 0.0, self.width, lo, hi, lo, max(abs(self.mean_min), abs(self.mean_max)))


class HistogramObserver:
    """Collect a histogram over batches whose range is not known beforehand.

    Parameters
    ----------
    bins : int
        Capacity, a power of two. Between half of it and all of it are in use, so the resolution is the range
        divided by at least `bins / 2`.
    averaging_constant : float
        Weight of a new batch in the moving averages of minimum and maximum, 0 to 1.

    Notes
    -----
    Memory is `bins` counts, whatever the amount of data. NaN and infinities are refused, since neither belongs to
    a range. Values closer together than 2**-24 of the largest magnitude may share a bin.
    Moving averages follow torch's MovingAverageMinMaxObserver, whose constant is 0.01 too.

    Examples
    --------
    >>> a = HistogramObserver().update([1.0, 2.0]).update([-3.0, 0.5])
    >>> a.min, a.max, a.count
    (-3.0, 2.0, 4)
    >>> b = HistogramObserver().update([-3.0, 0.5, 1.0, 2.0])
    >>> bool((a.histogram().counts == b.histogram().counts).all())
    True
    """

    def __init__(self, bins: int = BINS, averaging_constant: float = 0.01):
        self.bins = _check.whole_number(bins, "bins", 16, 1 << 20)
        if bins & (bins - 1):
            raise ValueError(f"bins must be a power of two: got {bins}; try {1 << bins.bit_length()}")
        if not 0 <= averaging_constant <= 1:
            raise ValueError(f"averaging_constant must be from 0 to 1: got {averaging_constant}")
        self.averaging_constant = averaging_constant
        self.min, self.max, self.count = math.inf, -math.inf, 0
        self._exponent = None  # bins are [i, i + 1) * 2**exponent for i from _first
        self._first = 0
        self._counts = np.zeros(bins, np.int64)
        self._batches: int = 0
        self._first_range = self._mean_range = np.zeros(2)

    def update(self, x) -> "HistogramObserver":
        """Add one batch, an array of any shape and real dtype; an empty batch changes nothing.

        Raises
        ------
        ValueError
            `x` holds NaN or an infinity; what was seen before stays as it was.
        TypeError
            `x` does not hold real numbers.
        """
        x = _check.as_float(x).reshape(-1)
        if x.size == 0:
            return self
        batch = np.array([x.min(), x.max()], np.float64)
        if not np.isfinite(batch).all():
            _check.finite(x)
        self._widen(*batch)
        self._count(x)
        self.count += x.size
        if self._batches == 0:
            self._first_range = self._mean_range = batch
        else:
            self._mean_range = self._mean_range + self.averaging_constant * (batch - self._mean_range)
        self._batches += 1
        return self

    def merge(self, other: "HistogramObserver") -> "HistogramObserver":
        """Return a new observer that has seen what `self` saw and then what `other` saw.

        Counts, minimum, maximum and count are exactly those of one observer over all the data, in any order; the
        moving averages are those of this order.

        Raises
        ------
        ValueError
            The two have another number of bins or another averaging constant.
        """
        if (self.bins, self.averaging_constant) != (other.bins, other.averaging_constant):
            raise ValueError(
                "observers must have the same bins and averaging_constant to merge: got "
                f"{self.bins}, {self.averaging_constant} and {other.bins}, {other.averaging_constant}"
            )
        merged = HistogramObserver(self.bins, self.averaging_constant)
        for part in (self, other):
            if part.count:
                merged._widen(part.min, part.max)
                merged._add(part._counts, part._first, part._exponent)
                merged._join_averages(part)
                merged.count += part.count
        return merged

    def histogram(self) -> Histogram:
        """Return what was seen, trimmed to the bins between minimum and maximum.

        Raises
        ------
        ValueError
            Nothing was seen yet.
        """
        if self.count == 0:
            raise ValueError("nothing was observed yet: call update with at least one value first")
        last = _bin_of(self.max, self._exponent)
        counts = self._counts[: last - self._first + 1].copy()
        width = math.ldexp(1.0, self._exponent)
        return Histogram(counts, self._first * width, width, self.min, self.max, *map(float, self._mean_range))

    def _widen(self, lo: float, hi: float) -> None:
        """Let the grid cover [lo, hi] too."""
        lo, hi = min(self.min, float(lo)), max(self.max, float(hi))
        counts, first, exponent = self._counts, self._first, self._exponent
        self.min, self.max = lo, hi
        self._exponent = _grid_exponent(lo, hi, self.bins)
        self._first = _bin_of(lo, self._exponent)
        if exponent is not None and (exponent, first) != (self._exponent, self._first):
            self._counts = np.zeros(self.bins, np.int64)
            self._add(counts, first, exponent)

    def _add(self, counts: np.ndarray, first: int, exponent: int) -> None:
        """Add counts from a grid that is as fine as this one or finer; pairs of bins merge without error."""
        occupied = np.flatnonzero(counts)
        shift = min(self._exponent - exponent, 62)
        np.add.at(self._counts, ((occupied + first) >> shift) - self._first, counts[occupied])

    def _count(self, x: np.ndarray) -> None:
        if not -100 <= self._exponent <= 0:  # scaled in float32, a small value could vanish and change its bin
            x = x.astype(np.float64)
        parts = [x[i : i + _BLOCK] for i in range(0, x.size, _BLOCK)]
        workers = min(4, os.cpu_count() or 1, len(parts))
        if workers == 1:
            for part in parts:
                self._counts += self._bincount(part)
            return
        with ThreadPoolExecutor(workers) as pool:
            for counts in pool.map(self._bincount, parts):
                self._counts += counts

    def _bincount(self, x: np.ndarray) -> np.ndarray:
        # Scaling by a power of two and floor are exact, so each value has one bin for good.
        steps = np.multiply(x, x.dtype.type(math.ldexp(1.0, -self._exponent)))
        np.floor(steps, out=steps)
        np.subtract(steps, x.dtype.type(self._first), out=steps)
        return np.bincount(steps.astype(np.int32), minlength=self.bins)

    def _join_averages(self, part: "HistogramObserver") -> None:
        if self._batches == 0:
            self._first_range, self._mean_range = part._first_range, part._mean_range
        else:  # the recurrence is linear: only the weight of the part's first batch was another one
            fade = (1 - self.averaging_constant) ** part._batches
            self._mean_range = part._mean_range + fade * (self._mean_range - part._first_range)
        self._batches += part._batches


def observe(x, granularity: Granularity = PerTensor(), batches: int = 1, averaging_constant: float = 0.01) -> list[Histogram]:
    """Observe each group of an array, and return one histogram a group.

    Parameters
    ----------
    x : array of any shape, at least one value in each group
    granularity : PerTensor, PerChannel or PerGroup
    batches : int
        In how many parts, in order, the values arrive; only the moving averages depend on it.
    averaging_constant : float

    Raises
    ------
    ValueError
        `x` is empty, or holds NaN or an infinity.

    Examples
    --------
    >>> from qviz.numerics import PerChannel
    >>> [h.max for h in observe(np.array([[1.0, 2.0], [3.0, 5.0]]), PerChannel(0))]
    [2.0, 5.0]
    """
    _check.whole_number(batches, "batches", 1, 2**31)
    groups = granularity.to_groups(_check.as_float(x))
    if groups.size == 0:
        raise ValueError(f"x must hold at least one value to be observed: got shape {np.shape(x)}")
    histograms = []
    for group in groups:
        observer = HistogramObserver(averaging_constant=averaging_constant)
        for batch in np.array_split(group, min(batches, group.size)):
            observer.update(batch)
        histograms.append(observer.histogram())
    return histograms


def _bin_of(value: float, exponent: int) -> int:
    return math.floor(math.ldexp(value, -exponent))


def _grid_exponent(lo: float, hi: float, bins: int) -> int:
    """Find the least exponent whose grid covers [lo, hi] with `bins` bins; it never falls as the range grows.

    The index of a bin stays within 2**24, so that float32 holds it exactly.
    """
    largest = max(abs(lo), abs(hi))
    floor = max(math.frexp(largest)[1] - 24, -1000) if largest else -1000
    exponent = max(floor, math.frexp(hi - lo)[1] - bins.bit_length() if 0 < hi - lo < math.inf else floor)
    if math.isinf(hi - lo):
        exponent = 1024 - bins.bit_length()
    while _bin_of(hi, exponent) - _bin_of(lo, exponent) >= bins:
        exponent += 1
    return exponent

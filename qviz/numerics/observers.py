"""Observers: collect a histogram of a tensor over batches, in constant memory."""

import math
from collections.abc import Iterator

import numpy as np

from . import _check
from ._grid import Grid
from ._groups import BINS
from .granularity import PER_TENSOR, Granularity, as_granularity
from .histogram import Histogram

# 64k float32 values and intermediate arrays fit the second-level cache. Threads do not help: np.bincount, which takes
# half of the time, holds the interpreter's lock.
_BLOCK = 1 << 16


class HistogramObserver:
    """Collect a histogram over batches whose range is not known in advance.

    Parameters
    ----------
    bins : int
        Capacity, a power of two from 16 to 2**20. The range takes half of the bins or more, so a bin is at most
        1 / (bins / 2 - 1) of it.
    averaging_constant : float
        Weight of a new batch in the moving averages of minimum and maximum, 0 to 1.

    Attributes
    ----------
    min, max : float
        Exact, in the units of x; inf and -inf before the first value.
    count : int
        Number of values seen.

    Raises
    ------
    TypeError, ValueError
        `bins` is not such a power of two, or `averaging_constant` not from 0 to 1.

    Notes
    -----
    Memory is `bins` counts for any amount of data. Values closer together than 2**-24 of the largest magnitude may
    share a bin, and so may all values below 2**-1000. Moving averages follow torch's MovingAverageMinMaxObserver, whose
    constant is also 0.01.

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
        if self.bins & (self.bins - 1):
            raise ValueError(f"bins must be a power of two: got {bins}; try {1 << self.bins.bit_length()}")
        averaging_constant = _check.real_number(averaging_constant, "averaging_constant", "from 0 to 1")
        if not 0 <= averaging_constant <= 1:
            raise ValueError(f"averaging_constant must be from 0 to 1: got {averaging_constant}")
        self.averaging_constant = averaging_constant
        self.min, self.max, self.count = math.inf, -math.inf, 0
        self._grid: Grid | None = None
        self._counts = np.zeros(self.bins, np.int64)
        self._batches = 0
        self._first_range = self._mean_range = np.zeros(2)

    def update(self, x) -> "HistogramObserver":
        """Add one batch.

        Parameters
        ----------
        x : array of any shape and real dtype, finite
            An empty batch changes nothing.

        Returns
        -------
        HistogramObserver
            This observer, so that calls can be chained.

        Raises
        ------
        ValueError
            `x` holds NaN or an infinity; the observer remains unchanged.
        TypeError
            `x` does not hold real numbers.

        Examples
        --------
        >>> HistogramObserver().update([1.0, 2.0]).update([5.0]).max
        5.0
        """
        x = _check.as_float(x)
        if x.size == 0:
            return self
        batch = HistogramObserver(self.bins, self.averaging_constant)
        values = x.reshape(-1)
        for start in range(0, x.size, _BLOCK):
            block = values[start : start + _BLOCK]
            lo, hi = float(block.min()), float(block.max())
            if not (math.isfinite(lo) and math.isfinite(hi)):
                _check.finite(x)
            batch._widen(lo, hi)
            batch._counts += batch._grid.count(block)
        batch.count, batch._batches = x.size, 1
        batch._first_range = batch._mean_range = np.array([batch.min, batch.max])
        self._take_in(batch)
        return self

    def merge(self, other: "HistogramObserver") -> "HistogramObserver":
        """Return a new observer that has seen the data of `self`, then the data of `other`.

        Counts, minimum and maximum are exactly those of a single observer of all the data, in any order; the moving
        averages depend on the order.

        Parameters
        ----------
        other : HistogramObserver
            With the same `bins` and `averaging_constant`.

        Returns
        -------
        HistogramObserver

        Raises
        ------
        ValueError
            `bins` or `averaging_constant` differ.

        Examples
        --------
        >>> a, b = HistogramObserver().update([1.0]), HistogramObserver().update([-2.0, 4.0])
        >>> both = a.merge(b)
        >>> both.min, both.max, both.count
        (-2.0, 4.0, 3)
        """
        if (self.bins, self.averaging_constant) != (other.bins, other.averaging_constant):
            raise ValueError(
                "observers must have the same bins and averaging_constant to merge: got "
                f"{self.bins}, {self.averaging_constant} and {other.bins}, {other.averaging_constant}"
            )
        merged = HistogramObserver(self.bins, self.averaging_constant)
        for part in (self, other):
            merged._take_in(part)
        return merged

    def histogram(self) -> Histogram:
        """Return the histogram, trimmed to the bins between minimum and maximum.

        Returns
        -------
        Histogram

        Raises
        ------
        ValueError
            No value was seen yet.

        Examples
        --------
        >>> h = HistogramObserver(bins=16).update([0.0, 1.0, 1.0, 5.0]).histogram()
        >>> h.counts, h.width
        (array([1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]), 0.5)
        """
        if self.count == 0:
            raise ValueError("no value was observed yet: call update with at least one value first")
        grid = self._grid
        counts = self._counts[: grid.index(self.max) + 1].copy()
        means = (float(v) for v in self._mean_range)
        return Histogram(counts, grid.first * grid.width, grid.width, self.min, self.max, *means)

    def _widen(self, lo: float, hi: float) -> None:
        """Extend the grid to cover [lo, hi]."""
        lo, hi = min(self.min, lo), max(self.max, hi)
        if (lo, hi) == (self.min, self.max):
            return
        grid = Grid.covering(lo, hi, self.bins)
        if self._grid is not None and grid != self._grid:
            self._counts = grid.rebin(self._counts, self._grid)
        self.min, self.max, self._grid = lo, hi, grid

    def _take_in(self, part: "HistogramObserver") -> None:
        """Add the counts and averages of `part`."""
        if part.count == 0:
            return
        self._widen(part.min, part.max)
        self._counts += self._grid.rebin(part._counts, part._grid)
        self.count += part.count
        if self._batches == 0:
            self._first_range, self._mean_range = part._first_range, part._mean_range
        else:  # the recurrence is linear: only the weight of the part's first batch differs
            fade = (1 - self.averaging_constant) ** part._batches
            self._mean_range = part._mean_range + fade * (self._mean_range - part._first_range)
        self._batches += part._batches


def observe(
    x, granularity: Granularity = PER_TENSOR, batches: int = 1, averaging_constant: float = 0.01
) -> list[Histogram]:
    """Return one histogram for each group of an array.

    Parameters
    ----------
    x : array of any shape and real dtype, at least one value in each group
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"
    batches : int
        Number of parts in which the values arrive, in order; only the moving averages depend on it.
    averaging_constant : float
        Weight of a new batch in the moving averages, 0 to 1.

    Returns
    -------
    list of Histogram

    Raises
    ------
    ValueError
        `x` is empty, holds NaN or an infinity, or cannot be cut into such groups.
    TypeError
        `x` does not hold real numbers.

    Examples
    --------
    >>> from qviz.numerics import PerChannel
    >>> [h.max for h in observe(np.array([[1.0, 2.0], [3.0, 5.0]]), PerChannel(0))]
    [2.0, 5.0]
    """
    return list(each_histogram(x, granularity, batches, averaging_constant))


def each_histogram(x, granularity: Granularity, batches: int, averaging_constant: float) -> Iterator[Histogram]:
    """Yield the histograms of `observe` one at a time, so that memory does not grow with the number of groups."""
    _check.whole_number(batches, "batches", 1, 2**31)
    x, groups = rows_of(x, granularity)
    for group in groups:
        observer = HistogramObserver(averaging_constant=averaging_constant)
        for batch in np.array_split(group, min(batches, group.size)):
            try:
                observer.update(batch)
            except ValueError:
                _check.finite(x)  # reports the position in x, not in this batch
                raise
        yield observer.histogram()


def rows_of(x, granularity: Granularity) -> tuple[np.ndarray, np.ndarray]:
    """Return `x` as floats, and its groups as rows of at least one value."""
    x = _check.as_float(x)
    groups = as_granularity(granularity).to_groups(x)
    if groups.size == 0:
        raise ValueError(f"x must hold at least one value to be observed: got shape {x.shape}")
    return x, groups

"""Observers: what was seen of a tensor, in constant memory, batch after batch."""

import math
from collections.abc import Iterator

import numpy as np

from . import _check
from ._grid import Grid
from ._groups import BINS
from .granularity import PER_TENSOR, Granularity, as_granularity
from .histogram import Histogram

# 64k float32 values and what is computed from them fit the second-level cache. Threads do not help: np.bincount,
# half of the time, holds the interpreter's lock.
_BLOCK = 1 << 16


class HistogramObserver:
    """Collect a histogram over batches whose range is not known beforehand.

    Parameters
    ----------
    bins : int
        Capacity, a power of two from 16 to 2**20. About half of it to all of it is in use, so that a bin is at
        most a `bins / 2 - 1`-th of the range.
    averaging_constant : float
        Weight of a new batch in the moving averages of minimum and maximum, 0 to 1.

    Attributes
    ----------
    min, max : float
        Exact, in the units of x; infinite (and in the wrong order) while nothing was seen.
    count : int
        How many values were seen.

    Raises
    ------
    TypeError, ValueError
        `bins` is not such a power of two, or `averaging_constant` not from 0 to 1.

    Notes
    -----
    Memory is `bins` counts, whatever the amount of data. NaN and infinities are refused, since neither belongs
    to a range. Values closer together than 2**-24 of the largest magnitude may share a bin, and so may all
    values below 2**-1000.
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
        """Add one batch, an array of any shape and real dtype; an empty batch changes nothing.

        Returns
        -------
        HistogramObserver
            This one, so that calls can be chained.

        Raises
        ------
        ValueError
            `x` holds NaN or an infinity; what was seen before stays as it was.
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
        """Return a new observer that has seen what `self` saw and then what `other` saw.

        Counts, minimum, maximum and count are exactly those of one observer over all the data, in any order;
        the moving averages are those of this order.

        Raises
        ------
        ValueError
            The two have another number of bins or another averaging constant.

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
        """Return what was seen, trimmed to the bins between minimum and maximum.

        Raises
        ------
        ValueError
            Nothing was seen yet.

        Examples
        --------
        >>> h = HistogramObserver(bins=16).update([0.0, 1.0, 1.0, 5.0]).histogram()
        >>> h.counts, h.width
        (array([1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1]), 0.5)
        """
        if self.count == 0:
            raise ValueError("nothing was observed yet: call update with at least one value first")
        grid = self._grid
        counts = self._counts[: grid.index(self.max) + 1].copy()
        means = (float(v) for v in self._mean_range)
        return Histogram(counts, grid.first * grid.width, grid.width, self.min, self.max, *means)

    def _widen(self, lo: float, hi: float) -> None:
        """Let the grid cover [lo, hi] too."""
        lo, hi = min(self.min, lo), max(self.max, hi)
        if (lo, hi) == (self.min, self.max):
            return
        grid = Grid.covering(lo, hi, self.bins)
        if self._grid is not None and grid != self._grid:
            self._counts = grid.rebin(self._counts, self._grid)
        self.min, self.max, self._grid = lo, hi, grid

    def _take_in(self, part: "HistogramObserver") -> None:
        """Add what `part` saw to what this one saw before."""
        if part.count == 0:
            return
        self._widen(part.min, part.max)
        self._counts += self._grid.rebin(part._counts, part._grid)
        self.count += part.count
        if self._batches == 0:
            self._first_range, self._mean_range = part._first_range, part._mean_range
        else:  # the recurrence is linear: only the weight of the part's first batch was another one
            fade = (1 - self.averaging_constant) ** part._batches
            self._mean_range = part._mean_range + fade * (self._mean_range - part._first_range)
        self._batches += part._batches


def observe(
    x, granularity: Granularity = PER_TENSOR, batches: int = 1, averaging_constant: float = 0.01
) -> list[Histogram]:
    """Observe each group of an array, and return one histogram a group.

    Parameters
    ----------
    x : array of any shape and real dtype, at least one value in each group
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"
    batches : int
        In how many parts, in order, the values arrive; only the moving averages depend on it.
    averaging_constant : float
        Weight of a new batch in the moving averages, 0 to 1.

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
    """Do what `observe` does, one group at a time: a thousand groups need not be in memory at once."""
    _check.whole_number(batches, "batches", 1, 2**31)
    x, groups = rows_of(x, granularity)
    for group in groups:
        observer = HistogramObserver(averaging_constant=averaging_constant)
        for batch in np.array_split(group, min(batches, group.size)):
            try:
                observer.update(batch)
            except ValueError:
                _check.finite(x)  # says where in all of x, not in this batch
                raise
        yield observer.histogram()


def rows_of(x, granularity: Granularity) -> tuple[np.ndarray, np.ndarray]:
    """Return `x` as floats, and its groups as rows of at least one value."""
    x = _check.as_float(x)
    groups = as_granularity(granularity).to_groups(x)
    if groups.size == 0:
        raise ValueError(f"x must hold at least one value to be observed: got shape {x.shape}")
    return x, groups

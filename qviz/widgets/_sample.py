"""A tensor for calibration: an observer sees its first batches, and errors are measured on all of it."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from qviz.data.outliers import add_outliers
from qviz.numerics import Histogram, HistogramObserver, IntFormat, error_of_ranges

from .controls import slider

BATCHES, BATCH = 50, 2_000  # a batch has 2,000 values, or a 50th of a larger tensor: 50 batches are always enough
MANY = 200_000  # values; errors of a larger tensor are measured on its distinct values after rounding
BLOCK = 1 << 16  # values at a time: they and their codes fit in the second-level cache
LOST_BITS = 12  # of the 23 fraction bits of a float32: 12 significant bits are left; float16 has 11, bfloat16 has 8
SHARES = np.geomspace(0.01, 1.0, 160)  # of the largest magnitude: the thresholds of an error curve


def outliers_slider():
    """Declare the field for the share of outliers that are added to the tensor."""
    return slider("Outliers (%)", 0.0, 0.0, 1.0, 0.05, digits=2)


def batches_slider():
    """Declare the field for how many batches the observer sees."""
    return slider("Batches seen", BATCHES, 1, BATCHES)


class Sample:
    """A tensor with outliers added, and what does not depend on its quantization, computed once.

    Parameters
    ----------
    x : array of any shape, with at least one value, all finite
    outliers : float
        Percentage of values that are replaced by 1 to 10 times the largest magnitude; see `qviz.tensor`.

    Examples
    --------
    >>> sample = Sample(np.arange(3000.0))
    >>> sample.seen(1).max, sample.seen(2).max, sample.largest
    (1999.0, 2999.0, 2999.0)
    """

    def __init__(self, x: np.ndarray, outliers: float = 0.0):
        with np.errstate(over="ignore"):  # the observer reports an outlier beyond the largest float
            self.x = add_outliers(np.ravel(x), outliers / 100, seed=0).view()
        self.x.flags.writeable = False
        self.outliers = round(outliers / 100 * self.x.size)
        self.batch = max(BATCH, -(-self.x.size // BATCHES))

    def seen(self, batches: int) -> Histogram:
        """Return the histogram that an observer collects from the first batches."""
        return self._seen[min(batches, len(self._seen)) - 1]

    @cached_property
    def _seen(self) -> list[Histogram]:
        observer = HistogramObserver()
        starts = range(0, self.x.size, self.batch)
        return [observer.update(self.x[start : start + self.batch]).histogram() for start in starts]

    @cached_property
    def histogram(self) -> Histogram:
        """The histogram of all values, as one batch."""
        last = self._seen[-1]
        return replace(last, mean_min=last.min, mean_max=last.max)

    @cached_property
    def measured(self) -> tuple[np.ndarray, np.ndarray | None]:
        """The values that errors are measured on, and how often each occurs; None means once.

        The values of a large tensor are rounded to 12 significant bits, which leaves about ten thousand distinct
        ones. This changes no float16, bfloat16, float8 or 8-bit code, and other values by much less than an 8-bit
        step, so the error is accurate to a thousandth.
        """
        return (self.x, None) if self.x.size <= MANY else _rounded(self.x)

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(-self.histogram.min, self.histogram.max)

    @cached_property
    def error_limits(self) -> tuple[float, float]:
        """The ends of an error axis for 2 to 8 bits and any range.

        Zero is always a level, so no error exceeds the mean square; the curve is lowest with 8 bits.
        """
        values, counts = self.measured
        most = float(np.average(np.square(values, dtype=np.float64), weights=counts))
        if not most:  # all values are zero, and so is every error
            return 1e-8, 1.0
        ends = (self.histogram.min * SHARES, self.histogram.max * SHARES)
        least = float(np.min(sum(error_of_ranges(self.histogram, *ends, IntFormat(8, signed=False)))))
        return max(least / 20, most * 1e-8), most * 20  # the space above is for the legend

    def summary(self, batches: int) -> str:
        """Return in words how many values were seen, and how many outliers were added."""
        seen = f"{self.seen(batches).count:,} of {self.x.size:,} values seen, batches of {self.batch:,}"
        return f"{seen}; {self.outliers:,} outliers added{self.rounded}"

    @property
    def rounded(self) -> str:
        """A note if errors are measured on rounded values, or ""."""
        return "" if self.measured[1] is None else "; errors are those of values rounded to 12 bits"


def _rounded(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round finite float32 values to 12 significant bits; return the distinct ones, read-only, and their counts."""
    counts = np.zeros(1 << (32 - LOST_BITS), np.int64)
    for block in np.array_split(x.view(np.uint32), -(-x.size // BLOCK)):
        codes = (block + np.uint32(1 << (LOST_BITS - 1))) >> np.uint32(LOST_BITS)
        np.add.at(counts, codes.astype(np.intp), 1)  # np.bincount would allocate 8 MB of counts for each block
    codes = np.flatnonzero(counts)
    largest = np.finfo(np.float32).max
    values = np.clip((codes.astype(np.uint32) << np.uint32(LOST_BITS)).view(np.float32), -largest, largest)
    values.flags.writeable = False
    return values, counts[codes]


class Sampled:
    """Mixin that turns the Data and Outliers controls into a Sample, which is kept until one of them moves."""

    _cached: tuple = (None, None, None)

    def sample(self, state) -> Sample:
        """Return the Sample for a State."""
        settings, own, sample = self._cached
        new = state.data, getattr(state, "outliers", 0.0)
        if settings != new or own is not self._own:
            sample = Sample(self.values(state), new[1])
            self._cached = new, self._own, sample
        return sample

    def close(self) -> None:
        """Free the tensor too."""
        super().close()
        self._cached = (None, None, None)

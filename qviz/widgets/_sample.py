"""A tensor for calibration: all of it, which is measured, and the first batches, which are seen."""

from dataclasses import replace
from functools import cached_property

import numpy as np

from qviz.data.outliers import add_outliers
from qviz.numerics import Histogram, HistogramObserver, IntFormat, error_of_ranges

from .controls import slider

BATCHES, BATCH = 50, 2_000  # 2,000 values, or a 50th of a larger tensor: 50 batches hold all of any
MANY = 200_000  # values; the error of more is measured on the few different ones that rounding leaves
BLOCK = 1 << 16  # values at a time: they and their codes fit the second-level cache
LOST_BITS = 12  # of the 23 of a float32's fraction: 12 significant bits stay, as many as float16 and bfloat16 have
SHARES = np.geomspace(0.01, 1.0, 160)  # of the largest magnitude: the thresholds that a curve shows


def outliers_slider():
    """Declare the field that puts outliers into the tensor."""
    return slider("Outliers (%)", 0.0, 0.0, 1.0, 0.05, digits=2)


def batches_slider():
    """Declare the field that says how much the observer sees."""
    return slider("Batches seen", BATCHES, 1, BATCHES)


class Sample:
    """A tensor with outliers added, and what does not depend on how it is quantized; each part is computed once.

    Parameters
    ----------
    x : array of any shape, at least one value, finite
    outliers : float
        Percent of the values replaced by 1 to 10 times the largest magnitude; see `qviz.tensor`.

    Examples
    --------
    >>> sample = Sample(np.arange(3000.0))
    >>> sample.seen(1).max, sample.seen(2).max, sample.largest
    (1999.0, 2999.0, 2999.0)
    """

    def __init__(self, x: np.ndarray, outliers: float = 0.0):
        with np.errstate(over="ignore"):  # an outlier beyond the largest float is told by the observer, as infinite
            self.x = add_outliers(np.ravel(x), outliers / 100, seed=0).view()
        self.x.flags.writeable = False
        self.outliers = round(outliers / 100 * self.x.size)
        self.batch = max(BATCH, -(-self.x.size // BATCHES))

    def seen(self, batches: int) -> Histogram:
        """Return what an observer collects from the first batches, one after the other."""
        return self._seen[min(batches, len(self._seen)) - 1]

    @cached_property
    def _seen(self) -> list[Histogram]:
        observer = HistogramObserver()
        starts = range(0, self.x.size, self.batch)
        return [observer.update(self.x[start : start + self.batch]).histogram() for start in starts]

    @cached_property
    def histogram(self) -> Histogram:
        """Of all values, as one batch."""
        last = self._seen[-1]
        return replace(last, mean_min=last.min, mean_max=last.max)

    @cached_property
    def measured(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the values that errors are measured on, and how often each occurs; None is once.

        All values of a tensor that is not too large. Of a larger one each is rounded to 12 significant bits, which
        leaves some ten thousand different ones. No float16, bfloat16, float8 or 8-bit code changes, and what other
        values change by is far below a step of 8 bits: the error is right to a thousandth.
        """
        return (self.x, None) if self.x.size <= MANY else _rounded(self.x)

    @property
    def largest(self) -> float:
        """The largest magnitude, in the units of x."""
        return max(-self.histogram.min, self.histogram.max)

    @cached_property
    def error_limits(self) -> tuple[float, float]:
        """Return an error axis for 2 to 8 bits, whatever the range.

        Zero is always a level, so no error exceeds the mean square; with 8 bits the curve goes lowest.
        """
        values, counts = self.measured
        most = float(np.average(np.square(values, dtype=np.float64), weights=counts))
        if not most:  # all values are zero, and so is every error
            return 1e-8, 1.0
        ends = (self.histogram.min * SHARES, self.histogram.max * SHARES)
        least = float(np.min(sum(error_of_ranges(self.histogram, *ends, IntFormat(8, signed=False)))))
        return max(least / 20, most * 1e-8), most * 20  # the room above is the legend's

    def told(self, batches: int) -> str:
        """Say how much was seen, and what was put in."""
        seen = f"{self.seen(batches).count:,} of {self.x.size:,} values seen, batches of {self.batch:,}"
        return f"{seen}; {self.outliers:,} outliers added{self.rounded}"

    @property
    def rounded(self) -> str:
        """Words on how errors are measured, where that is not on each value."""
        return "" if self.measured[1] is None else "; errors are those of values rounded to 12 bits"


def _rounded(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round finite float32 values to 12 significant bits; return the different ones, read-only, and their counts."""
    counts = np.zeros(1 << (32 - LOST_BITS), np.int64)
    for block in np.array_split(x.view(np.uint32), -(-x.size // BLOCK)):
        codes = (block + np.uint32(1 << (LOST_BITS - 1))) >> np.uint32(LOST_BITS)
        np.add.at(counts, codes.astype(np.intp), 1)  # np.bincount would make 8 MB of counts for each block
    codes = np.flatnonzero(counts)
    largest = np.finfo(np.float32).max
    values = np.clip((codes.astype(np.uint32) << np.uint32(LOST_BITS)).view(np.float32), -largest, largest)
    values.flags.writeable = False
    return values, counts[codes]


class Sampled:
    """What makes the Data and Outliers controls, where there are any, a Sample that is kept until one of them moves."""

    _kept: tuple = (None, None, None)

    def sample(self, state) -> Sample:
        """Return the Sample of a State."""
        settings, own, sample = self._kept
        new = state.data, getattr(state, "outliers", 0.0)
        if settings != new or own is not self._own:
            sample = Sample(self.values(state), new[1])
            self._kept = new, self._own, sample
        return sample

    def close(self) -> None:
        """Free the tensor too."""
        super().close()
        self._kept = (None, None, None)

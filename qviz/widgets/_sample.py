"""A tensor for calibration: all of it, which is measured, and the first batches, which are seen."""

from functools import cached_property

import numpy as np

from ..data.outliers import add_outliers
from ..numerics import Histogram, HistogramObserver, IntFormat, error_of_ranges
from .controls import slider

BATCH = 2_000  # values; 50 batches hold every tensor of the course
SHARES = np.geomspace(0.01, 1.0, 160)  # of the largest magnitude: the thresholds that a curve shows


def outliers_slider():
    """Declare the field that puts outliers into the tensor."""
    return slider("Outliers (%)", 0.0, 0.0, 1.0, 0.05, digits=2)


def batches_slider():
    """Declare the field that says how much the observer sees."""
    return slider("Batches seen", 50, 1, 50)


class Sample:
    """A tensor with outliers put in, and what does not depend on how it is quantized; each part is computed once.

    Parameters
    ----------
    x : array of any shape, at least one value, finite
    outliers : float
        Percent of the values replaced by 1 to 10 times the largest magnitude; see `qviz.data.tensor`.

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
        self._seen: dict[int, Histogram] = {}

    def seen(self, batches: int) -> Histogram:
        """Return what an observer collects from the first batches, one after the other."""
        if batches not in self._seen:
            observer = HistogramObserver()
            for start in range(0, min(batches * BATCH, self.x.size), BATCH):
                observer.update(self.x[start : start + BATCH])
            self._seen[batches] = observer.histogram()
        return self._seen[batches]

    @cached_property
    def histogram(self) -> Histogram:
        """Of all values."""
        return HistogramObserver().update(self.x).histogram()

    @property
    def largest(self) -> float:
        """The largest magnitude, in the units of x."""
        return max(-self.histogram.min, self.histogram.max)

    @cached_property
    def error_limits(self) -> tuple[float, float]:
        """Return an error axis for 2 to 8 bits, whatever the range.

        Zero is always a level, so no error exceeds the mean square; with 8 bits the curve goes lowest.
        """
        most = float(np.mean(np.square(self.x, dtype=np.float64)))
        if not most:  # all values are zero, and so is every error
            return 1e-8, 1.0
        ends = (self.histogram.min * SHARES, self.histogram.max * SHARES)
        least = float(np.min(sum(error_of_ranges(self.histogram, *ends, IntFormat(8, signed=False)))))
        return max(least / 20, most * 1e-8), most * 20  # the room above is the legend's

    def told(self, batches: int) -> str:
        """Say how much was seen, and what was put in."""
        seen = f"{self.seen(batches).count:,} of {self.x.size:,} values seen, batches of {BATCH:,}"
        return f"{seen}; {self.outliers:,} outliers put in"


class Sampled:
    """What makes an explorer's Data and Outliers controls a Sample, kept until one of the two moves."""

    _kept: tuple = (None, None, None)

    def sample(self, state) -> Sample:
        """Return the Sample of a State with `data` and `outliers`."""
        settings, own, sample = self._kept
        if settings != (state.data, state.outliers) or own is not self._own:
            sample = Sample(self.values(state), state.outliers)
            self._kept = (state.data, state.outliers), self._own, sample
        return sample

    def close(self) -> None:
        """Free the tensor too."""
        super().close()
        self._kept = (None, None, None)

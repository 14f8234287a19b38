"""MSE: the range with the least expected error, found by search."""

from dataclasses import dataclass

import numpy as np

from . import _check
from ._expected_error import ExpectedError
from .formats import INT8, IntFormat
from .histogram import Histogram
from .qparams import SCHEMES


@dataclass(frozen=True)
class MSE:
    """Keep the range with the least mean squared error, rounding and clipping together.

    Parameters
    ----------
    candidates : int
        How many positions of each end the first search tries, evenly spread from zero to what was seen, and the
        square of that where there is one end only. Quarters of quarters, down to a thousandth, come on top, for
        tensors with far outliers. Four finer searches around the best follow.

    Raises
    ------
    TypeError, ValueError
        `candidates` is not a whole number from 4 to 100.

    Notes
    -----
    The aim of torch's HistogramObserver, with a search over whole ranges in place of its greedy one.

    Examples
    --------
    >>> from qviz.numerics import observe
    >>> x = np.random.default_rng(0).standard_normal(100_000)
    >>> lo, hi = MSE().choose_range(observe(x)[0], IntFormat(4), "symmetric")
    >>> round(hi, 1)  # 2.4 standard deviations of 4
    2.4
    """

    candidates: int = 10

    def __post_init__(self):
        _check.whole_number(self.candidates, "candidates", 4, 100)

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Try all pairs of ends, then finer ones around the best pair."""
        lo, hi = min(histogram.min, 0.0), max(histogram.max, 0.0)
        error = ExpectedError(histogram, fmt, _check.one_of(scheme, SCHEMES, "scheme"))
        if scheme == "symmetric":
            (share,) = self._least(lambda s: error.total(-s * max(-lo, hi), s * max(-lo, hi)), 1)
            return -share * max(-lo, hi), share * max(-lo, hi)
        if lo < 0 < hi:
            low, high = self._least(lambda s, t: error.total(s * lo, t * hi), 2)
            return low * lo, high * hi
        (share,) = self._least(lambda s: error.total(s * lo, s * hi), 1)
        return share * lo, share * hi

    def _least(self, error, ends: int) -> list[float]:
        """Return the share of each end, above 0 and at most 1, with the least error; the widest of equals."""
        # A single end can afford as many positions as there are pairs of two.
        many, few = (self.candidates, 5) if ends == 2 else (self.candidates**2, 25)
        even = np.arange(many, 0, -1) / many
        quarters = 0.25 ** np.arange(1, 6)
        axes = [np.concatenate([even, quarters[quarters < even[-1]]])] * ends
        for points in (few, few, few, few, 1):
            grids = [grid.ravel() for grid in np.meshgrid(*axes, indexing="ij")]
            best = np.unravel_index(np.argmin(error(*grids)), [axis.size for axis in axes])
            axes = [_around(axis, i, points) for axis, i in zip(axes, best, strict=True)]
        return [float(axis[0]) for axis in axes]


def _around(values: np.ndarray, i: int, points: int) -> np.ndarray:
    """Return `points` values between the neighbours of values[i], or that one alone."""
    if points == 1:
        return values[[i]]
    return np.linspace(values[max(i - 1, 0)], values[min(i + 1, values.size - 1)], points)

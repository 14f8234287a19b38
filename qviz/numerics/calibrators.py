"""Calibrators: which range to keep, decided from a histogram.

A wide range rounds coarsely, a narrow one clips; each method strikes its own balance. A calibrator is a frozen
dataclass with one method, `choose_range(histogram, fmt, scheme) -> (lo, hi)`. It never sees the data. Whatever was
seen, lo <= hi, both are finite, and the range goes beyond minimum and maximum only to reach zero or, for the
symmetric scheme, to mirror itself.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from . import _check
from ._entropy import least_divergent_window
from .aciq import ACIQ
from .formats import INT8, IntFormat, as_format
from .granularity import PER_TENSOR, Granularity, as_granularity
from .histogram import Histogram
from .least_error import MSE
from .observers import each_histogram
from .qparams import SCHEMES, QParams, choose_qparams


@runtime_checkable
class Calibrator(Protocol):
    """Anything that decides a range from a histogram; a reader's own method needs no more than this.

    Examples
    --------
    >>> class Half:
    ...     def choose_range(self, histogram, fmt, scheme):
    ...         return histogram.min / 2, histogram.max / 2
    >>> p = calibrate([-2.0, 0.0, 4.0], Half())
    >>> round(float(p.hi - p.lo), 6)
    3.0
    """

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Return the lowest and the highest real value to keep, in the units of x."""
        ...


@dataclass(frozen=True)
class MinMax:
    """Keep everything that was seen: nothing is clipped.

    Notes
    -----
    Follows torch's MinMaxObserver.

    Examples
    --------
    >>> from qviz.numerics import observe
    >>> MinMax().choose_range(observe([-1.0, 0.5, 3.0])[0])
    (-1.0, 3.0)
    """

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Return the exact minimum and maximum."""
        return histogram.min, histogram.max


@dataclass(frozen=True)
class MovingAverage:
    """Keep the moving averages of each batch's minimum and maximum: one wild batch counts little.

    The averaging constant belongs to the observer, which sees the batches.

    Notes
    -----
    Follows torch's MovingAverageMinMaxObserver.

    Examples
    --------
    >>> from qviz.numerics import observe
    >>> lo, hi = MovingAverage().choose_range(observe([0.0, 1.0, 0.0, 2.0], batches=2)[0])
    >>> round(hi, 6)  # 1 + 0.01 * (2 - 1)
    1.01
    """

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Return the averaged minimum and maximum."""
        return histogram.mean_min, histogram.mean_max


@dataclass(frozen=True)
class Percentile:
    """Keep the given percentage of the values, and clip the rest.

    Parameters
    ----------
    percentile : float
        Above 0, at most 100. For the affine scheme half of the rest is cut at each end, for the symmetric one
        the largest magnitudes are.

    Raises
    ------
    TypeError, ValueError
        `percentile` is not a number in this range.

    Notes
    -----
    Follows ONNX Runtime's PercentileCalibrater, and interpolates within the bin, so that it agrees with
    `np.percentile` to one bin.

    Examples
    --------
    >>> from qviz.numerics import observe
    >>> h = observe(np.arange(1000.0))[0]
    >>> [round(v) for v in Percentile(98.0).choose_range(h)]
    [10, 989]
    """

    percentile: float = 99.99

    def __post_init__(self):
        number = _check.real_number(self.percentile, "percentile", "above 0 and at most 100")
        object.__setattr__(self, "percentile", number)
        if not 0 < self.percentile <= 100:
            raise ValueError(f"percentile must be above 0 and at most 100: got {self.percentile}")

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Read the range off the cumulative counts."""
        if _check.one_of(scheme, SCHEMES, "scheme") == "symmetric":
            histogram = histogram.folded()
            hi = self._end(histogram, _position(histogram.counts, self.percentile / 100))
            return -hi, hi
        keep, counts = (100 + self.percentile) / 200, histogram.counts
        left, right = counts.size - _position(counts[::-1], keep), _position(counts, keep)
        return self._end(histogram, left), self._end(histogram, right)

    @staticmethod
    def _end(histogram: Histogram, position: float) -> float:
        return float(np.clip(histogram.value_at(position), histogram.min, histogram.max))


@dataclass(frozen=True)
class Entropy:
    """Keep the range whose quantized histogram diverges least from the clipped original (Kullback-Leibler).

    Windows of growing width around zero are tried; see `_entropy.py` for the search.

    Parameters
    ----------
    quantized_bins : int or None
        Into how many bins a window is squeezed, at least 2; None is the number of codes of the format.

    Raises
    ------
    TypeError, ValueError
        `quantized_bins` is not such a number.

    Notes
    -----
    Follows Migacz 2017, "8-bit inference with TensorRT", as written in ONNX Runtime's EntropyCalibrater, and
    gives its threshold to one bin for the same histogram and `quantized_bins` (there 128). More than 1024 bins
    on a side are merged in pairs first. A format with more codes than there are bins leaves nothing to search:
    the range is then that of MinMax.

    Examples
    --------
    One outlier, and the crowd within 5. No window is narrower than `quantized_bins` bins, so that a format with
    more codes stays wider here.

    >>> from qviz.numerics import observe
    >>> x = np.random.default_rng(0).standard_normal(100_000)
    >>> x[0] = 40.0
    >>> [round(Entropy(bins).choose_range(observe(x)[0])[1], 1) for bins in (128, 256)]
    [4.1, 11.3]
    """

    quantized_bins: int | None = None

    def __post_init__(self):
        if self.quantized_bins is not None:
            _check.whole_number(self.quantized_bins, "quantized_bins", 2, 1 << 16)

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Search the windows."""
        return least_divergent_window(histogram, self.quantized_bins or fmt.levels)


CALIBRATORS: dict[str, Calibrator] = {
    "min-max": MinMax(),
    "moving average": MovingAverage(),
    "percentile": Percentile(),
    "entropy": Entropy(),
    "mse": MSE(),
    "aciq": ACIQ(),
}


def as_calibrator(calibrator, name: str = "calibrator") -> Calibrator:
    """Return a calibrator, which may be given by its name or its class: what every function does that takes one.

    Raises
    ------
    ValueError
        The name is unknown.
    TypeError
        It is neither a name nor something with `choose_range`.

    Examples
    --------
    >>> as_calibrator("percentile"), as_calibrator(MinMax)
    (Percentile(percentile=99.99), MinMax())
    """
    if isinstance(calibrator, str):
        return CALIBRATORS[_check.one_of(calibrator, tuple(CALIBRATORS), name)]
    must = "a name in CALIBRATORS, such as 'mse', or a calibrator, an object with choose_range"
    return _check.made(calibrator, name, Calibrator, must)


def calibrate(
    x,
    calibrator: Calibrator | str = "min-max",
    fmt: IntFormat = INT8,
    scheme: str = "affine",
    granularity: Granularity = PER_TENSOR,
    batches: int = 1,
    averaging_constant: float = 0.01,
) -> QParams:
    """Observe an array and choose its qparams: what an observer, a calibrator and choose_qparams do together.

    Parameters
    ----------
    x : array of any shape, at least one value in each group
    calibrator : Calibrator, or a name in CALIBRATORS
    fmt : IntFormat, or its name such as "int8"
    scheme : {"affine", "symmetric"}
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"
    batches : int
        In how many parts the values arrive; only the moving average depends on it.
    averaging_constant : float
        Weight of a new batch in the moving average, 0 to 1.

    Returns
    -------
    QParams
        One scale and zero point for each group.

    Raises
    ------
    ValueError
        `x` is empty or not finite, or cannot be cut into such groups; the name or the scheme is unknown; or the
        scheme is symmetric and the format unsigned.
    TypeError
        `x` does not hold real numbers, or another argument is of another kind.

    Examples
    --------
    >>> p = calibrate([-1.0, 0.2, 3.0], "min-max", "uint8")
    >>> round(float(p.scale), 6), int(p.zero_point)
    (0.015686, 64)
    """
    calibrator, fmt, granularity = as_calibrator(calibrator), as_format(fmt), as_granularity(granularity)
    histograms = each_histogram(x, granularity, batches, averaging_constant)
    ranges = [calibrator.choose_range(histogram, fmt, scheme) for histogram in histograms]
    lo, hi = np.array(ranges).T[:, :, None]
    return choose_qparams(lo, hi, fmt, scheme, granularity)


def _position(counts: np.ndarray, share: float) -> float:
    """Return the least position, in bins, that has at least this share of the counts left of it."""
    cumulative = np.cumsum(counts)
    rank = round(share * int(cumulative[-1]), 6)  # 0.9999 of 10,000 is 9999, whatever binary fractions say
    i = int(np.searchsorted(cumulative, rank))
    return i + (rank - float(cumulative[i] - counts[i])) / float(max(counts[i], 1))

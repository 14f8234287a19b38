"""Calibrators: which range to keep, decided from a histogram.

A wide range rounds coarsely, a narrow one clips; each method strikes its own balance. A calibrator is a frozen
dataclass with one method, `choose_range(histogram, fmt, scheme) -> (lo, hi)`. It never sees the data.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from . import _check
from ._entropy import least_divergent_window
from ._expected_error import error_of_ranges
from .affine import SCHEMES, QParams, choose_qparams
from .formats import INT8, IntFormat
from .granularity import Granularity, PerTensor
from .observers import Histogram, observe


class Calibrator(Protocol):
    """Anything that decides a range from a histogram."""

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
        0 < percentile <= 100. For the affine scheme half of the rest is cut at each end, for the symmetric one
        the largest magnitudes are.

    Raises
    ------
    ValueError
        `percentile` is out of range.

    Notes
    -----
    Follows ONNX Runtime's PercentileCalibrater, and interpolates within the bin, so that it agrees with
    `np.percentile` to one bin.

    Examples
    --------
    >>> h = observe(np.arange(1000.0))[0]
    >>> [round(v) for v in Percentile(98.0).choose_range(h)]
    [10, 990]
    """

    percentile: float = 99.99

    def __post_init__(self):
        if not 0 < self.percentile <= 100:
            raise ValueError(f"percentile must be above 0 and at most 100: got {self.percentile}")

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Read the range off the cumulative counts."""
        if _check.one_of(scheme, SCHEMES, "scheme") == "symmetric":
            (hi,) = _quantiles(histogram.folded(), self.percentile / 100)
            return -hi, hi
        cut = (100 - self.percentile) / 200
        lo, hi = _quantiles(histogram, cut, 1 - cut)
        return lo, hi


@dataclass(frozen=True)
class Entropy:
    """Keep the range whose quantized histogram diverges least from the clipped original (Kullback-Leibler).

    Windows of growing width around zero are tried; see `_entropy.py` for the search.

    Parameters
    ----------
    quantized_bins : int or None
        Into how many bins a window is squeezed; None is the number of codes of the format.

    Notes
    -----
    Follows Migacz 2017, "8-bit inference with TensorRT", as written in ONNX Runtime's EntropyCalibrater, and
    gives its threshold to one bin for the same histogram and `quantized_bins` (there 128). A format with more
    codes than there are bins leaves nothing to search: the range is then that of MinMax.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(100_000)
    >>> x[0] = 40.0  # one outlier
    >>> lo, hi = Entropy().choose_range(observe(x)[0])
    >>> hi < 10
    True
    """

    quantized_bins: int | None = None

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Search the windows."""
        return least_divergent_window(histogram, self.quantized_bins or fmt.levels)


@dataclass(frozen=True)
class MSE:
    """Keep the range with the least mean squared error, rounding and clipping together.

    Parameters
    ----------
    candidates : int
        How many ranges each sweep tries. A second sweep refines the best of the first; for the affine scheme the
        two ends are moved in turn.

    Notes
    -----
    The aim of torch's HistogramObserver, with a search over whole ranges in place of its greedy one.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(100_000)
    >>> lo, hi = MSE().choose_range(observe(x)[0], IntFormat(4), "symmetric")
    >>> round(hi, 1)  # 2.4 standard deviations of 4
    2.4
    """

    candidates: int = 40

    def __post_init__(self):
        _check.whole_number(self.candidates, "candidates", 4, 10_000)

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Sweep, then refine."""
        _check.one_of(scheme, SCHEMES, "scheme")
        if scheme == "symmetric":
            hi = self._sweep(lambda t: (-t, t), max(-histogram.min, histogram.max), histogram, fmt, scheme)
            return -hi, hi
        lo, hi = min(histogram.min, 0.0), max(histogram.max, 0.0)
        widest = lo, hi
        for _ in range(2):
            if widest[1] > 0:
                hi = self._sweep(lambda t, lo=lo: (np.full_like(t, lo), t), widest[1], histogram, fmt, scheme)
            if widest[0] < 0:
                lo = -self._sweep(lambda t, hi=hi: (-t, np.full_like(t, hi)), -widest[0], histogram, fmt, scheme)
        return lo, hi

    def _sweep(self, range_of, widest: float, histogram: Histogram, fmt: IntFormat, scheme: str) -> float:
        """Return the end in (0, widest] with the least error; `range_of` makes ranges of an array of ends."""
        if widest <= 0:
            return 0.0
        step = 1 / self.candidates
        best = 1.0
        for shares in (np.arange(1, self.candidates + 1) * step, np.arange(-8, 9) * step / 8):
            shares = np.clip(shares if shares[0] > 0 else best + shares, step / 8, 1.0)
            total = sum(error_of_ranges(histogram, *range_of(shares * widest), fmt, scheme))
            best = float(shares[np.argmin(total)])
        return best * widest


@dataclass(frozen=True)
class ACIQ:
    """Clip at the analytic optimum for a bell-shaped distribution: no search at all.

    The optimal distance from the mean is a fixed multiple of the spread: b, the mean absolute deviation, for
    Laplace, and the standard deviation for Gaussian. The multiple depends on the number of bits alone.

    Parameters
    ----------
    distribution : {"laplace", "gaussian", "auto"}
        "auto" takes the one whose ratio of standard deviation to mean absolute deviation is nearer: 1.41 for
        Laplace, 1.25 for Gaussian.

    Notes
    -----
    Banner et al. 2019, "Post training 4-bit quantization of convolutional networks for rapid-deployment",
    equations 6 to 10 and, for tensors without negative values, the one-sided form, which has one bit more.
    Mean and spread are read off the bins, and the result never exceeds what was seen.

    Examples
    --------
    >>> [round(ACIQ.multiple("laplace", bits), 2) for bits in (2, 3, 4)]
    [2.83, 3.9, 5.03]
    >>> [round(ACIQ.multiple("gaussian", bits), 2) for bits in (2, 3, 4)]
    [1.71, 2.15, 2.56]
    """

    distribution: str = "auto"

    def __post_init__(self):
        _check.one_of(self.distribution, ("laplace", "gaussian", "auto"), "distribution")

    @staticmethod
    def multiple(distribution: str, bits: int) -> float:
        """Return the optimal clipping distance in units of the spread."""
        steps = 3.0 * 4.0**bits
        if distribution == "laplace":  # a = 3 * 4**bits * exp(-a), from equation 8
            return _root(lambda a: a - steps * math.exp(-a), 0.0, 40.0)
        tail = math.sqrt(2 / math.pi)
        return _root(  # the derivative of equation 10
            lambda a: a * math.erfc(a / math.sqrt(2)) - tail * math.exp(-a * a / 2) + a / steps, 0.0, 40.0
        )

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Multiply the measured spread by the tabulated distance."""
        weights, centers = histogram.counts / histogram.count, histogram.centers
        mean = float(weights @ centers)
        sigma = math.sqrt(float(weights @ (centers - mean) ** 2))
        b = float(weights @ np.abs(centers - mean))
        distribution = self.distribution
        if distribution == "auto":
            distribution = "laplace" if sigma > (math.sqrt(2) + math.sqrt(math.pi / 2)) / 2 * b else "gaussian"
        one_sided = histogram.min >= 0
        distance = self.multiple(distribution, fmt.bits + one_sided) * (b if distribution == "laplace" else sigma)
        middle = 0.0 if one_sided or scheme == "symmetric" else mean
        return max(histogram.min, middle - distance), min(histogram.max, middle + distance)


CALIBRATORS: dict[str, Calibrator] = {
    "min-max": MinMax(),
    "moving average": MovingAverage(),
    "percentile": Percentile(),
    "entropy": Entropy(),
    "mse": MSE(),
    "aciq": ACIQ(),
}


def calibrate(
    x,
    calibrator: Calibrator | str = "min-max",
    fmt: IntFormat = INT8,
    scheme: str = "affine",
    granularity: Granularity = PerTensor(),
    batches: int = 1,
) -> QParams:
    """Observe an array and choose its qparams: what an observer, a calibrator and choose_qparams do together.

    Parameters
    ----------
    x : array of any shape, at least one value in each group
    calibrator : Calibrator, or a name in CALIBRATORS
    fmt : IntFormat
    scheme : {"affine", "symmetric"}
    granularity : PerTensor, PerChannel or PerGroup
    batches : int
        In how many parts the values arrive; only the moving average depends on it.

    Raises
    ------
    ValueError
        `x` is empty or not finite, or the name or the scheme is unknown.

    Examples
    --------
    >>> p = calibrate([-1.0, 0.2, 3.0], "min-max", IntFormat(8, signed=False))
    >>> round(float(p.scale), 6), int(p.zero_point)
    (0.015686, 64)
    """
    if isinstance(calibrator, str):
        calibrator = CALIBRATORS[_check.one_of(calibrator, tuple(CALIBRATORS), "calibrator")]
    ranges = [calibrator.choose_range(h, fmt, scheme) for h in observe(x, granularity, batches)]
    lo, hi = (np.array(ends)[:, None] for ends in zip(*ranges, strict=True))
    # A range may lie off the data by less than a bin, and beyond zero on the far side by as much.
    return choose_qparams(np.minimum(lo, hi), np.maximum(lo, hi), fmt, scheme, granularity)


def _quantiles(histogram: Histogram, *shares: float) -> tuple[float, ...]:
    cumulative = np.concatenate([[0], np.cumsum(histogram.counts)])
    ends = np.interp(np.array(shares) * cumulative[-1], cumulative, histogram.edges)
    return tuple(float(v) for v in np.clip(ends, histogram.min, histogram.max))


def _root(f, low: float, high: float) -> float:
    """Bisect a function that rises from negative to positive."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2

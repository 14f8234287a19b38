"""Calibrators: methods that choose the range to represent from a histogram.

A wide range rounds coarsely and a narrow one clips; each method balances the two differently. A calibrator is a frozen
dataclass with a method `choose_range(histogram, fmt, scheme) -> (lo, hi)`. It never sees the data. For every histogram,
lo <= hi, both are finite, and the range exceeds minimum and maximum only to include zero or, for the symmetric scheme,
to be symmetric.

Weights have up to hundreds of thousands of groups. So the calibrators here also handle many groups at once, with
`choose_ranges(groups, fmt, scheme)`; one that has only `choose_range` is called once per group.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from . import _check
from ._entropy import VARIANTS, least_divergent_windows
from ._groups import PIECE, Groups, OneGroup, blocks, ends_of, in_threads, largest_of
from .aciq import ACIQ
from .formats import INT8, IntFormat, as_format
from .granularity import PER_TENSOR, Granularity, as_granularity
from .histogram import Histogram
from .mse_calibrator import MSE
from .observers import BINS, each_histogram, rows_of
from .qparams import SCHEMES, QParams, choose_qparams, made_qparams, scale_and_zero_point


@runtime_checkable
class Calibrator(Protocol):
    """Any object that chooses a range from a histogram; your own method needs only `choose_range`.

    It is called once per group, unless there is also `choose_ranges(groups, fmt, scheme)`, which returns two
    (n_groups, 1) arrays for thousands of groups at once.

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
        """Return the lowest and the highest value of the range, in the units of x."""
        ...


@dataclass(frozen=True)
class MinMax(OneGroup):
    """Choose the observed minimum and maximum: nothing is clipped.

    Notes
    -----
    Follows torch's MinMaxObserver.

    Examples
    --------
    >>> from qviz.numerics import observe
    >>> MinMax().choose_range(observe([-1.0, 0.5, 3.0])[0])
    (-1.0, 3.0)
    """

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the exact minimum and maximum of each group."""
        return groups.min, groups.max


@dataclass(frozen=True)
class MovingAverage(OneGroup):
    """Choose the moving averages of the batches' minima and maxima, so that one extreme batch has little effect.

    The averaging constant is a parameter of the observer, which sees the batches.

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

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the averaged minimum and maximum of each group."""
        return groups.mean_min, groups.mean_max


@dataclass(frozen=True)
class Percentile(OneGroup):
    """Choose the range that holds the given percentage of the values; the rest is clipped.

    Parameters
    ----------
    percentile : float
        Above 0, at most 100. The affine scheme clips half of the rest at each end, the symmetric one clips the largest
        magnitudes.

    Raises
    ------
    TypeError, ValueError
        `percentile` is not a number in this range.

    Notes
    -----
    Follows ONNX Runtime's PercentileCalibrater, but interpolates within the bin, so it agrees with `np.percentile` to
    within one bin.

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

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the range of each group, from its cumulative counts."""
        weights = np.ones(groups.bins.shape) if groups.weights is None else groups.weights
        if _check.one_of(scheme, SCHEMES, "scheme") == "symmetric":
            first, bins, weights = _magnitudes(groups, weights)
            hi = groups.value_at(first - groups.origin + _position(bins, weights, self.percentile / 100))
            hi = np.clip(hi, np.maximum(np.maximum(groups.min, -groups.max), 0.0), np.maximum(-groups.min, groups.max))
            return -hi, hi
        keep, last = (100 + self.percentile) / 200, groups.bins[:, -1:]
        left = last + 1 - _position((last - groups.bins)[:, ::-1], weights[:, ::-1], keep)
        ends = left, _position(groups.bins, weights, keep)
        return tuple(np.clip(groups.value_at(end), groups.min, groups.max) for end in ends)


@dataclass(frozen=True)
class Entropy(OneGroup):
    """Choose the range whose quantized histogram has the least KL divergence from the clipped original.

    The search tries windows of increasing width around zero; see `_entropy.py`.

    Parameters
    ----------
    quantized_bins : int or None
        Number of bins into which a window is merged, at least 2; None means the number of codes of the format.
    variant : {"nvidia", "textbook", "onnxruntime"}
        Which implementation to follow, see below.

    Raises
    ------
    TypeError, ValueError
        `quantized_bins` is not such a number, or `variant` is unknown.

    Notes
    -----
    Source: Migacz 2017, "8-bit inference with TensorRT". His slides leave details open, in which libraries differ:

    * textbook: a window is cut into runs whose lengths differ by at most one bin, and empty bins stay empty. A window
      whose outermost run holds only outliers is rejected. Of equally good windows, the widest is taken.
    * nvidia: the same, but first the count of zero's bin is replaced by that of the nearest nonempty bin, as NVIDIA's
      pytorch-quantization does (there on magnitudes, and by that of the next bin). The outputs of a ReLU are mostly
      zero, and with that spike the divergence depends on little else, so almost every value would be clipped.
    * onnxruntime: its EntropyCalibrater, with the same threshold to within one bin for the same histogram and
      `quantized_bins`. It keeps the spike, spreads a run's counts over its empty bins too, rounds down to whole counts,
      and leaves the bins after `quantized_bins` equal runs empty in Q. So it favours windows with few of these bins,
      and may clip a maximum that many values share. (Its own default, 128 of 128 bins, leaves a single window.)

    More than 1024 bins on a side are merged in pairs first. If a format has more codes than there are bins, there is no
    window to compare, and the range is that of MinMax.

    Examples
    --------
    Outputs of a ReLU, half of them zero, at 8 bits: nearly all values are kept only if the spike at zero is cut.

    >>> from qviz.numerics import UINT8, observe
    >>> h = observe(np.maximum(np.random.default_rng(0).standard_normal(100_000), 0))[0]
    >>> [round(Entropy(variant=name).choose_range(h, UINT8)[1], 1) for name in ("textbook", "nvidia")]
    [1.5, 4.0]
    """

    quantized_bins: int | None = None
    variant: str = "nvidia"

    def __post_init__(self):
        _check.one_of(self.variant, VARIANTS, "variant")
        if self.quantized_bins is not None:
            _check.whole_number(self.quantized_bins, "quantized_bins", 2, 1 << 16)

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the window of least divergence for each group."""
        return least_divergent_windows(groups, self.quantized_bins or fmt.levels, self.variant)


CALIBRATORS: dict[str, Calibrator] = {
    "min-max": MinMax(),
    "moving average": MovingAverage(),
    "percentile": Percentile(),
    "entropy": Entropy(),
    "mse": MSE(),
    "aciq": ACIQ(),
}


def as_calibrator(calibrator, name: str = "calibrator") -> Calibrator:
    """Return the calibrator given by an instance, a name or a class.

    Raises
    ------
    ValueError
        The name is unknown.
    TypeError
        It is neither a name nor an object with `choose_range`.

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
    """Choose qparams for an array: observe it, calibrate a range, and call choose_qparams.

    Parameters
    ----------
    x : array of any shape, at least one value in each group
    calibrator : Calibrator, or a name in CALIBRATORS
    fmt : IntFormat, or its name such as "int8"
    scheme : {"affine", "symmetric"}
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per channel"
    batches : int
        Number of parts in which the values arrive; only the moving average depends on it.
    averaging_constant : float
        Weight of a new batch in the moving average, 0 to 1.

    Returns
    -------
    QParams
        One scale and zero point for each group.

    Raises
    ------
    ValueError
        `x` is empty, not finite, or cannot be cut into such groups; the name or the scheme is unknown; or the
        scheme is symmetric and the format unsigned.
    TypeError
        `x` does not hold real numbers, or another argument has the wrong type.

    Examples
    --------
    >>> p = calibrate([-1.0, 0.2, 3.0], "min-max", "uint8")
    >>> round(float(p.scale), 6), int(p.zero_point)
    (0.015686, 64)
    """
    calibrator, fmt, granularity = as_calibrator(calibrator), as_format(fmt), as_granularity(granularity)
    _check.whole_number(batches, "batches", 1, 2**31)
    if type(calibrator) is MinMax:
        return _covering(x, fmt, scheme, granularity)
    lo, hi = _choose_ranges(calibrator, x, fmt, scheme, granularity, batches, averaging_constant)
    return choose_qparams(lo, hi, fmt, scheme, granularity)


def _covering(x, fmt: IntFormat, scheme: str, granularity: Granularity) -> QParams:
    """Return the qparams of MinMax, which needs no histogram, computed for blocks of groups in threads."""
    _check.one_of(scheme, SCHEMES, "scheme")
    x, groups = rows_of(x, granularity)
    both = np.empty((2, len(groups), 1))  # one allocation: two of a few MB would return to the system on every call
    scale, zero_point = both[0], both[1].view(np.int64)

    def fill(rows: slice) -> None:
        # The symmetric scheme needs only the largest magnitude, which takes less time than both ends.
        lo, hi = ends_of(groups[rows]) if scheme == "affine" else (np.zeros(()), largest_of(groups[rows]))
        if not np.isfinite([lo.min(), hi.max()]).all():
            _check.finite(x)  # reports the position in x, not in these groups
        scale[rows], zero_point[rows] = scale_and_zero_point(lo, hi, fmt, scheme)

    height = max(1, PIECE // groups.shape[1])
    in_threads(fill, [slice(top, top + height) for top in range(0, len(groups), height)])
    return made_qparams(scale, zero_point, fmt, granularity)


def _choose_ranges(calibrator, x, fmt, scheme, granularity, *how) -> tuple[np.ndarray, np.ndarray]:
    """Choose the range of each group: of many at once if they are small and the calibrator can, else one by one."""
    x, rows = rows_of(x, granularity)
    if rows.shape[1] <= BINS and hasattr(calibrator, "choose_ranges"):
        if not isinstance(calibrator, MinMax | MovingAverage):
            # Fail before a search that may take seconds. The large array allocated here also keeps glibc from returning
            # each block's memory to the system; without it, percentile and ACIQ take twice as long.
            _check.finite(x)

        def ranges_of(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            groups = Groups(block, *how)
            if not (np.isfinite(groups.min).all() and np.isfinite(groups.max).all()):
                _check.finite(x)  # reports the position in x, not in this block
            return calibrator.choose_ranges(groups, fmt, scheme)

        ends = in_threads(ranges_of, blocks(rows))
        lo, hi = (np.concatenate(parts) for parts in zip(*ends, strict=True))
        return lo, hi
    ranges = [calibrator.choose_range(histogram, fmt, scheme) for histogram in each_histogram(x, granularity, *how)]
    lo, hi = np.array(ranges).T[:, :, None]
    return lo, hi


def _position(bins: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Return each row's quantile, in bins; `bins` are ascending, and all rows have the same sum of weights."""
    cumulative = np.cumsum(weights, axis=1)
    rank = round(share * int(cumulative[0, -1]), 6)  # 0.9999 of 10,000 is exactly 9999, despite binary fractions
    i = np.minimum((cumulative < rank).sum(axis=1, keepdims=True), bins.shape[1] - 1)  # rounding may pass the last
    reached = np.take_along_axis(bins, i, axis=1)
    before, within = ((weights * mask).sum(axis=1, keepdims=True) for mask in (bins < reached, bins == reached))
    return reached + (rank - before) / within


def _magnitudes(groups: Groups, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold the bins at zero: return the first bin of |x|, and the ascending bins counted from it, with weights."""
    bins = np.floor(np.abs(groups.origin + groups.bins + 0.5))
    order = np.argsort(bins, axis=1, kind="stable")
    bins, weights = (np.take_along_axis(values, order, axis=1) for values in (bins, weights))
    return bins[:, :1], bins - bins[:, :1], weights

"""Calibrators: which range to keep, decided from a histogram.

A wide range rounds coarsely, a narrow one clips; each method strikes its own balance. A calibrator is a frozen
dataclass with one method, `choose_range(histogram, fmt, scheme) -> (lo, hi)`. It never sees the data. Whatever was
seen, lo <= hi, both are finite, and the range goes beyond minimum and maximum only to reach zero or, for the
symmetric scheme, to mirror itself.

Weights have thousands of channels and hundreds of thousands of groups. The calibrators here therefore decide for many
groups at once, in `choose_ranges(groups, fmt, scheme)`, and `choose_range` is the case of one group. A calibrator that
has `choose_range` alone is called once for each group.
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
    """Anything that decides a range from a histogram; a reader's own method needs no more than this.

    It is asked once for each group. The calibrators of this package have `choose_ranges(groups, fmt, scheme)` as well,
    which returns two (n_groups, 1) arrays, and are asked once for a thousand groups.

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
class MinMax(OneGroup):
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

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the exact minimum and maximum of each group."""
        return groups.min, groups.max


@dataclass(frozen=True)
class MovingAverage(OneGroup):
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

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the averaged minimum and maximum of each group."""
        return groups.mean_min, groups.mean_max


@dataclass(frozen=True)
class Percentile(OneGroup):
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

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Read the range off the cumulative counts."""
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
    """Keep the range whose quantized histogram diverges least from the clipped original (Kullback-Leibler).

    Windows of growing width around zero are tried; see `_entropy.py` for the search.

    Parameters
    ----------
    quantized_bins : int or None
        Into how many bins a window is squeezed, at least 2; None is the number of codes of the format.
    variant : {"nvidia", "textbook", "onnxruntime"}
        Whose details are followed, see below.

    Raises
    ------
    TypeError, ValueError
        `quantized_bins` is not such a number, or `variant` is unknown.

    Notes
    -----
    The idea is that of Migacz 2017, "8-bit inference with TensorRT". His slides leave details open, and libraries
    differ in them:

    * textbook: a window is cut into runs as equal as whole bins allow, and a bin that was empty stays empty. A window
      whose outermost run holds nothing but outliers cannot win. Of equal windows the widest wins.
    * nvidia: the same, but first the count of zero's bin is replaced by that of the nearest filled bin, as NVIDIA's
      pytorch-quantization does (there on magnitudes, and by that of the next bin). The outputs of a ReLU are mostly
      zero. Where that spike is kept, nothing else counts, and almost every value is clipped.
    * onnxruntime: as its EntropyCalibrater, whose threshold it gives to one bin for the same histogram and
      `quantized_bins`. It keeps the spike, gives a run's empty bins a share, counts in whole numbers, and leaves the
      bins that remain after `quantized_bins` equal runs empty in Q. So it favours windows with few of these, and may
      clip a maximum that many values share. (Its own default, 128 of 128 bins, leaves a single window.)

    More than 1024 bins on a side are merged in pairs first. A format with more codes than there are bins leaves
    nothing to search: the range is then that of MinMax.

    Examples
    --------
    The outputs of a ReLU, half of them zero, for 8 bits: only a search that does not see that spike keeps nearly all.

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
        """Search the windows of each group."""
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
    _check.whole_number(batches, "batches", 1, 2**31)
    if type(calibrator) is MinMax:
        return _covering(x, fmt, scheme, granularity)
    lo, hi = _choose_ranges(calibrator, x, fmt, scheme, granularity, batches, averaging_constant)
    return choose_qparams(lo, hi, fmt, scheme, granularity)


def _covering(x, fmt: IntFormat, scheme: str, granularity: Granularity) -> QParams:
    """Keep everything, for which no histogram is needed: scale and zero point of a run of groups at a time."""
    _check.one_of(scheme, SCHEMES, "scheme")
    x, groups = rows_of(x, granularity)
    both = np.empty((2, len(groups), 1))  # in one piece: two of a few megabytes would go back to the system each time
    scale, zero_point = both[0], both[1].view(np.int64)

    def fill(rows: slice) -> None:
        # The symmetric scheme asks for the largest magnitude alone, which is found sooner than both ends.
        lo, hi = ends_of(groups[rows]) if scheme == "affine" else (np.zeros(()), largest_of(groups[rows]))
        if not np.isfinite([lo.min(), hi.max()]).all():
            _check.finite(x)  # says where in all of x, not in these groups
        scale[rows], zero_point[rows] = scale_and_zero_point(lo, hi, fmt, scheme)

    height = max(1, PIECE // groups.shape[1])
    in_threads(fill, [slice(top, top + height) for top in range(0, len(groups), height)])
    return made_qparams(scale, zero_point, fmt, granularity)


def _choose_ranges(calibrator, x, fmt, scheme, granularity, *how) -> tuple[np.ndarray, np.ndarray]:
    """Decide for many groups at once where they are small and the calibrator can, else for one after another."""
    x, rows = rows_of(x, granularity)
    if rows.shape[1] <= BINS and hasattr(calibrator, "choose_ranges"):
        if not isinstance(calibrator, MinMax | MovingAverage):
            # A search that may take seconds is refused at once. The memory of this one large array also stays with the
            # process: without it glibc gives back that of each block, and percentile and ACIQ take twice as long.
            _check.finite(x)

        def ranges_of(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            groups = Groups(block, *how)
            if not (np.isfinite(groups.min).all() and np.isfinite(groups.max).all()):
                _check.finite(x)  # says where in all of x, not in this block
            return calibrator.choose_ranges(groups, fmt, scheme)

        ends = in_threads(ranges_of, blocks(rows))
        lo, hi = (np.concatenate(parts) for parts in zip(*ends, strict=True))
        return lo, hi
    ranges = [calibrator.choose_range(histogram, fmt, scheme) for histogram in each_histogram(x, granularity, *how)]
    lo, hi = np.array(ranges).T[:, :, None]
    return lo, hi


def _position(bins: np.ndarray, weights: np.ndarray, share: float) -> np.ndarray:
    """Return the least position of each row, in bins, that has at least this share of the weights left of it.

    `bins` rise along a row, and all rows have the same sum of weights.
    """
    cumulative = np.cumsum(weights, axis=1)
    rank = round(share * int(cumulative[0, -1]), 6)  # 0.9999 of 10,000 is 9999, whatever binary fractions say
    # Beyond the last one by less than rounding, for a share of 1.
    i = np.minimum((cumulative < rank).sum(axis=1, keepdims=True), bins.shape[1] - 1)
    reached = np.take_along_axis(bins, i, axis=1)
    before, within = ((weights * mask).sum(axis=1, keepdims=True) for mask in (bins < reached, bins == reached))
    return reached + (rank - before) / within


def _magnitudes(groups: Groups, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fold the bins at zero: the first bin of magnitudes, and the bins from it on, rising, with their weights."""
    bins = np.floor(np.abs(groups.origin + groups.bins + 0.5))
    order = np.argsort(bins, axis=1, kind="stable")
    bins, weights = (np.take_along_axis(values, order, axis=1) for values in (bins, weights))
    return bins[:, :1], bins - bins[:, :1], weights

"""Many histograms at once: for groups of few values, the bin of each value instead of counts on all bins.

A histogram has thousands of bins, of which a group of 32 values fills at most 32. So a calibrator that handles many
groups gets rows of sorted bins: on the same grid, and with the same results, as from one `Histogram` per group.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from ._blocks import _cuts
from ._grid import bin_of, covering
from .formats import INT8, IntFormat, as_format
from .histogram import Histogram, value_at

BINS = 4096
_BLOCK, _MOST = 1 << 18, 1 << 12  # values and groups per block: with fewer, threads wait for each other too often
PIECE = 1 << 20  # values that fit the third-level cache while minimum and maximum are computed
_LONG = 128  # from this row length on, clearing sign bits takes longer than computing both minimum and maximum


class Groups:
    """The histograms of several groups with the same number of values.

    Attributes
    ----------
    min, max, mean_min, mean_max, left, width : (n_groups, 1) float64, as in `Histogram`
    bins : (n_groups, n) intp
        The bin of each value, counted from `left`, ascending along a row.
    weights : (n_groups, n) int64, or None
        Number of values in each of `bins`; None means one each.
    """

    def __init__(self, values: np.ndarray, batches: int = 1, averaging_constant: float = 0.01):
        self._values, self.weights = values, None
        ends = [ends_of(part) for part in np.array_split(values, min(batches, values.shape[1]), axis=1)]
        self.min, self.max = (f([end[i] for end in ends], axis=0) for i, f in ((0, np.min), (1, np.max)))
        self.mean_min, self.mean_max = ends[0]
        with np.errstate(invalid="ignore"):  # infinity - infinity; the caller checks minimum and maximum
            for low, high in ends[1:]:
                self.mean_min = low + (1 - averaging_constant) * (self.mean_min - low)
                self.mean_max = high + (1 - averaging_constant) * (self.mean_max - high)

    @classmethod
    def of(cls, *histograms: Histogram) -> "Groups":
        """Return histograms as groups: one, or several of the same number of values, which is at most BINS."""
        groups, (first, *_) = cls.__new__(cls), histograms
        groups.weights = None
        if first.count > BINS:
            seen = np.flatnonzero(first.counts)
            groups.weights, groups.bins = first.counts[None, seen], seen[None]
        else:
            bins = np.arange(max(h.counts.size for h in histograms))
            groups.bins = np.stack([np.repeat(bins[: h.counts.size], h.counts.astype(np.intp)) for h in histograms])
        for name in ("left", "width", "min", "max", "mean_min", "mean_max"):
            setattr(groups, name, np.array([[getattr(h, name)] for h in histograms], np.float64))
        return groups

    @property
    def count(self) -> int:
        """Number of values in each group."""
        return self.bins.shape[1] if self.weights is None else int(self.weights.sum())

    @property
    def origin(self) -> np.ndarray:
        """(n_groups, 1) left edge of the first bin, counted in bins from zero."""
        return self.left / self.width

    @cached_property
    def width(self) -> np.ndarray:
        return np.ldexp(1.0, self._grid[0])

    @cached_property
    def left(self) -> np.ndarray:
        return self._grid[1] * self.width

    @cached_property
    def bins(self) -> np.ndarray:
        exponent, first = self._grid
        return (bin_of(np.sort(self._values, axis=1).astype(np.float64), exponent) - first).astype(np.intp)

    @cached_property
    def _grid(self):
        return covering(self.min, self.max, BINS)

    def value_at(self, position) -> np.ndarray:
        """Return the real values of positions counted in bins from the left edge."""
        return value_at(self.left, self.width, position)


def ends_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and maximum of each row, (n_groups, 1) float64; at least one is NaN if the row holds NaN."""
    low, high = np.empty((2, len(values), 1))
    for rows, first, bits, starts in _rows_as_bits(values):
        lows, highs = (ends.view(values.dtype) for ends in _ends_of_bits(bits, starts))
        low[rows, 0] = lows if first else np.minimum(low[rows, 0], lows)
        high[rows, 0] = highs if first else np.maximum(high[rows, 0], highs)
    return low, high


def largest_of(values: np.ndarray) -> np.ndarray:
    """Return the largest magnitude of each row, (n_groups, 1) float64; NaN if the row holds NaN."""
    if values.shape[1] >= _LONG:
        low, high = ends_of(values)
        return np.maximum(-low, high)
    largest = np.empty((len(values), 1))
    for rows, first, bits, starts in _rows_as_bits(values):
        bits = bits & bits.dtype.type(np.iinfo(bits.dtype).max >> 1)  # clear the signs
        found = np.maximum.reduceat(bits, starts).view(values.dtype)
        largest[rows, 0] = found if first else np.maximum(largest[rows, 0], found)
    return largest


def _rows_as_bits(values: np.ndarray) -> Iterator[tuple[slice, bool, np.ndarray, np.ndarray]]:
    """Yield pieces of the rows: the rows, whether it is their first part, the bits of the floats, and row starts.

    NumPy compares integers in half the time of floats, which it must check for NaN, and on short rows `reduceat` takes
    half the time of a reduction along an axis.
    """
    for rows, columns in _cuts(values.shape, PIECE):
        piece = np.ascontiguousarray(values[rows, columns])
        bits = piece.reshape(-1).view(f"u{piece.itemsize}")
        yield rows, columns.start == 0, bits, np.arange(0, piece.size, piece.shape[1])


def _ends_of_bits(bits: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of minimum and maximum of each run of floats, given as bits.

    Read as an integer, the bits of a float grow with its magnitude, and the top bit is the sign. So the largest signed
    integer is the maximum unless all floats are negative, and the largest unsigned one is the minimum unless none is.
    NaN lies beyond the infinity of its sign.
    """
    low = np.maximum.reduceat(bits, starts)
    high = np.maximum.reduceat(bits.view(f"i{bits.itemsize}"), starts)
    none_negative, all_negative = low.view(high.dtype) >= 0, high < 0
    high = high.view(low.dtype)
    if none_negative.any() or all_negative.any():
        nearest_zero = np.minimum.reduceat(bits, starts)
        np.copyto(low, nearest_zero, where=none_negative)
        np.copyto(high, nearest_zero, where=all_negative)
    return low, high


def prefix_sums(values: np.ndarray) -> np.ndarray:
    """Return float64 sums along the last axis: 0 first, the total last."""
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yield blocks of rows of (n_groups, n) values, so that memory does not grow with n_groups."""
    height = min(max(1, _BLOCK // values.shape[1]), _MOST)
    for top in range(0, len(values), height):
        yield values[top : top + height]


def in_threads(function: Callable, blocks: Iterable) -> list:
    """Apply a function to each block, in threads: NumPy releases the interpreter's lock while it computes."""
    blocks, workers = list(blocks), os.cpu_count() or 1
    if len(blocks) == 1 or workers == 1 or sys.platform == "emscripten":  # a browser has no threads
        return [function(block) for block in blocks]
    with ThreadPoolExecutor(min(workers, len(blocks))) as pool:
        return list(pool.map(function, blocks))


def ranges_of(calibrator, histograms, fmt: IntFormat, scheme: str) -> tuple[np.ndarray, np.ndarray]:
    """Decide for histograms of equally many values, (n, 1) each: at once where those are few and the calibrator can."""
    if histograms[0].count <= BINS and hasattr(calibrator, "choose_ranges"):
        return calibrator.choose_ranges(Groups.of(*histograms), fmt, scheme)
    lo, hi = np.array([calibrator.choose_range(histogram, fmt, scheme) for histogram in histograms]).T[:, :, None]
    return lo, hi


class OneGroup:
    """Base class that derives `choose_range` from `choose_ranges`."""

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Return the lowest and the highest value of the range, in the units of x."""
        lo, hi = self.choose_ranges(Groups.of(histogram), as_format(fmt), scheme)
        return float(lo[0, 0]), float(hi[0, 0])

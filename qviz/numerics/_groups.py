"""Many histograms at once: for groups of few values, the bins that the values lie in, instead of counts on all bins.

A histogram has thousands of bins, and a group of 32 values fills at most 32 of them. So a calibrator that can decide
for many groups gets them as rows of sorted bins: the same grid, and the same answers, as from a `Histogram` each.
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
_BLOCK, _MOST = 1 << 18, 1 << 12  # values and groups at a time: with fewer, threads wait for each other too often
PIECE = 1 << 20  # values, which the third-level cache holds while minimum and maximum are found
_LONG = 128  # values of a row, from where on taking signs away takes longer than finding another end


class Groups:
    """The histograms of several groups, all of the same number of values.

    Attributes
    ----------
    min, max, mean_min, mean_max : (n_groups, 1) float64, as in `Histogram`
    bins : (n_groups, n) intp
        The bin of each value, rising along a row, counted from `left`.
    weights : (n_groups, n) int64, or None
        How many values lie in each of `bins`; None is one each.
    left, width : (n_groups, 1) float64, as in `Histogram`
    """

    def __init__(self, values: np.ndarray, batches: int = 1, averaging_constant: float = 0.01):
        self._values, self.weights = values, None
        ends = [ends_of(part) for part in np.array_split(values, min(batches, values.shape[1]), axis=1)]
        self.min, self.max = (f([end[i] for end in ends], axis=0) for i, f in ((0, np.min), (1, np.max)))
        self.mean_min, self.mean_max = ends[0]
        with np.errstate(invalid="ignore"):  # of infinities, which minimum and maximum tell the caller of
            for low, high in ends[1:]:
                self.mean_min = low + (1 - averaging_constant) * (self.mean_min - low)
                self.mean_max = high + (1 - averaging_constant) * (self.mean_max - high)

    @classmethod
    def of(cls, histogram: Histogram) -> "Groups":
        """Take one histogram as a single group."""
        groups = cls.__new__(cls)
        seen = np.flatnonzero(histogram.counts)
        few = histogram.count <= BINS
        groups.weights = None if few else histogram.counts[None, seen]
        groups.bins = np.repeat(seen, histogram.counts[seen].astype(np.intp))[None] if few else seen[None]
        for name in ("left", "width", "min", "max", "mean_min", "mean_max"):
            setattr(groups, name, np.full((1, 1), getattr(histogram, name)))
        return groups

    @property
    def count(self) -> int:
        """How many values each group has."""
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
        """Turn positions, counted in bins from the left edge, into real values."""
        return value_at(self.left, self.width, position)


def ends_of(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return minimum and maximum of each row of (n_groups, n) floats, (n_groups, 1) float64.

    Where a row holds NaN, at least one of them is NaN.
    """
    low, high = np.empty((2, len(values), 1))
    for rows, first, bits, starts in _rows_as_bits(values):
        lows, highs = (ends.view(values.dtype) for ends in _ends_of_bits(bits, starts))
        low[rows, 0] = lows if first else np.minimum(low[rows, 0], lows)
        high[rows, 0] = highs if first else np.maximum(high[rows, 0], highs)
    return low, high


def largest_of(values: np.ndarray) -> np.ndarray:
    """Return the largest magnitude in each row of (n_groups, n) floats, (n_groups, 1) float64; NaN beyond all."""
    if values.shape[1] >= _LONG:
        low, high = ends_of(values)
        return np.maximum(-low, high)
    largest = np.empty((len(values), 1))
    for rows, first, bits, starts in _rows_as_bits(values):
        bits = bits & bits.dtype.type(np.iinfo(bits.dtype).max >> 1)  # without their signs
        found = np.maximum.reduceat(bits, starts).view(values.dtype)
        largest[rows, 0] = found if first else np.maximum(largest[rows, 0], found)
    return largest


def _rows_as_bits(values: np.ndarray) -> Iterator[tuple[slice, bool, np.ndarray, np.ndarray]]:
    """Cut floats into pieces: which rows, whether their first part, their bits in one run, and where each row begins.

    NumPy compares integers in half the time that floats take, whose NaN it must look for, and `reduceat` begins a
    short row in half the time that a reduction along an axis takes.
    """
    for rows, columns in _cuts(values.shape, PIECE):
        piece = np.ascontiguousarray(values[rows, columns])
        bits = piece.reshape(-1).view(f"u{piece.itemsize}")
        yield rows, columns.start == 0, bits, np.arange(0, piece.size, piece.shape[1])


def _ends_of_bits(bits: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of minimum and maximum of each run of floats, given as bits.

    The bits of floats rise with their magnitude, and the highest is the sign. So the highest as signed integers are
    those of the maximum unless all are negative, and the highest as unsigned ones those of the minimum unless none is.
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


def blocks(values: np.ndarray) -> Iterator[np.ndarray]:
    """Cut (n_groups, n) values into runs of groups, so that memory does not grow with their number."""
    height = min(max(1, _BLOCK // values.shape[1]), _MOST)
    for top in range(0, len(values), height):
        yield values[top : top + height]


def in_threads(function: Callable, blocks: Iterable) -> list:
    """Apply a function to each block, on all processors: NumPy lets go of the interpreter's lock while it computes."""
    blocks, workers = list(blocks), os.cpu_count() or 1
    if len(blocks) == 1 or workers == 1 or sys.platform == "emscripten":  # a browser has no threads
        return [function(block) for block in blocks]
    with ThreadPoolExecutor(min(workers, len(blocks))) as pool:
        return list(pool.map(function, blocks))


class OneGroup:
    """Gives a calibrator that decides for many groups its `choose_range`, the case of one group."""

    def choose_range(self, histogram: Histogram, fmt: IntFormat = INT8, scheme: str = "affine") -> tuple[float, float]:
        """Return the lowest and the highest real value to keep, in the units of x."""
        lo, hi = self.choose_ranges(Groups.of(histogram), as_format(fmt), scheme)
        return float(lo[0, 0]), float(hi[0, 0])

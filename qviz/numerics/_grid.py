"""The dyadic grid: bins whose edges are whole multiples of a power of two.

When the range grows, the exponent grows and neighbouring bins merge in pairs, which is exact. So counts depend neither
on the split into batches nor on their order.
"""

import math
from dataclasses import dataclass

import numpy as np

_LEAST_EXPONENT_OF_FLOAT32 = -127  # values are multiplied by 2**127, which is still a float32
_LEAST_EXPONENT = -1000  # and by 2**1000, which is still a float64


@dataclass(frozen=True)
class Grid:
    """The bins [i, i + 1) * 2**exponent for `bins` integers i from `first` on."""

    exponent: int
    first: int
    bins: int

    @classmethod
    def covering(cls, lo: float, hi: float, bins: int) -> "Grid":
        """Return the finest grid that covers [lo, hi] with |i| at most 2**24, which is exact in float32."""
        exponent, first = covering(np.float64(lo), np.float64(hi), bins)
        return cls(int(exponent), int(first), bins)

    @property
    def width(self) -> float:
        """Width of a bin, in the units of x."""
        return math.ldexp(1.0, self.exponent)

    def index(self, value: float) -> int:
        """Return the bin of a value, from 0."""
        return int(bin_of(value, self.exponent)) - self.first

    def count(self, x: np.ndarray) -> np.ndarray:
        """Return counts of (n,) floats, all within the grid."""
        if x.dtype == np.float32 and self.exponent < _LEAST_EXPONENT_OF_FLOAT32:
            x = x.astype(np.float64)
        # Scaling by a power of two, floor and the subtraction are exact, so the bin of a value is exact.
        steps = np.multiply(x, x.dtype.type(math.ldexp(1.0, -self.exponent)))
        np.floor(steps, out=steps)
        if self.exponent > 0:
            steps[(x < 0) & (steps == 0)] = -1  # the product underflowed
        np.subtract(steps, x.dtype.type(self.first), out=steps)
        return np.bincount(steps.astype(np.intp), minlength=self.bins)

    def rebin(self, counts: np.ndarray, old: "Grid") -> np.ndarray:
        """Return on this grid the counts of `old`, which must lie within it and be at least as fine."""
        seen = np.flatnonzero(counts)
        moved = np.zeros(self.bins, np.int64)
        # NumPy cannot shift further than 62, where every index has become 0 or -1.
        np.add.at(moved, ((seen + old.first) >> min(self.exponent - old.exponent, 62)) - self.first, counts[seen])
        return moved


def covering(lo: np.ndarray, hi: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return exponent and first bin of `Grid.covering`, for arrays of equal shape."""
    largest = np.maximum(np.abs(lo), np.abs(hi))
    exponent = np.where(largest > 0, np.maximum(np.frexp(largest)[1] - 24, _LEAST_EXPONENT), _LEAST_EXPONENT)
    with np.errstate(over="ignore"):  # an infinite difference is replaced by the largest magnitude
        difference = np.minimum(hi - lo, largest)
    # Start too fine, and coarsen.
    exponent = np.where(hi > lo, np.maximum(exponent, np.frexp(difference)[1] - bins.bit_length()), exponent)
    while (too_fine := bin_of(hi, exponent) - bin_of(lo, exponent) >= bins).any():
        exponent = exponent + too_fine
    return exponent, bin_of(lo, exponent)


def bin_of(value, exponent) -> np.ndarray:
    """Return floor(value / 2**exponent), float64."""
    with np.errstate(under="ignore"):
        bin_ = np.floor(np.ldexp(value, -exponent))
    return np.where((value < 0) & (bin_ == 0), -1.0, bin_)  # the product of a negative value underflowed

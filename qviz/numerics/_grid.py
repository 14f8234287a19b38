"""The dyadic grid: bins whose edges are whole multiples of a power of two.

When the range grows, the exponent grows with it and neighbouring bins merge in pairs, which is exact. So the
counts do not depend on how the data was split into batches, nor on their order: there is no re-binning error.
"""

import math
from dataclasses import dataclass

import numpy as np

_LEAST_EXPONENT_OF_FLOAT32 = -127  # 2**127 is still a float32
_LEAST_EXPONENT = -1000  # 2**1000 is still a float64


@dataclass(frozen=True)
class Grid:
    """Bins [i, i + 1) * 2**exponent for i from `first`, as many as `bins`."""

    exponent: int
    first: int
    bins: int

    @classmethod
    def covering(cls, lo: float, hi: float, bins: int) -> "Grid":
        """Find the finest grid that holds [lo, hi]; it depends on nothing else, and never gets finer for more.

        The index of a bin stays within 2**24, so that float32 holds it exactly.
        """
        exponent, first = covering(np.float64(lo), np.float64(hi), bins)
        return cls(int(exponent), int(first), bins)

    @property
    def width(self) -> float:
        """Width of a bin, in the units of x."""
        return math.ldexp(1.0, self.exponent)

    def index(self, value: float) -> int:
        """Return which bin of this grid, from 0, a value lies in."""
        return int(bin_of(value, self.exponent)) - self.first

    def count(self, x: np.ndarray) -> np.ndarray:
        """Count the values of a one-dimensional float array, all of them within the grid."""
        if x.dtype == np.float32 and self.exponent < _LEAST_EXPONENT_OF_FLOAT32:
            x = x.astype(np.float64)
        # Scaling by a power of two, floor and the subtraction are exact, so each value has one bin for good.
        steps = np.multiply(x, x.dtype.type(math.ldexp(1.0, -self.exponent)))
        np.floor(steps, out=steps)
        if self.exponent > 0:
            steps[(x < 0) & (steps == 0)] = -1  # so small that the product vanished
        np.subtract(steps, x.dtype.type(self.first), out=steps)
        return np.bincount(steps.astype(np.intp), minlength=self.bins)

    def rebin(self, counts: np.ndarray, old: "Grid") -> np.ndarray:
        """Move counts here from a grid that is as fine or finer, and lies within this one."""
        seen = np.flatnonzero(counts)
        moved = np.zeros(self.bins, np.int64)
        # Beyond 62 every index has become 0 or -1, and NumPy cannot shift further.
        np.add.at(moved, ((seen + old.first) >> min(self.exponent - old.exponent, 62)) - self.first, counts[seen])
        return moved


def covering(lo: np.ndarray, hi: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return exponent and first bin of `Grid.covering`, for arrays of one shape."""
    largest = np.maximum(np.abs(lo), np.abs(hi))
    exponent = np.where(largest > 0, np.maximum(np.frexp(largest)[1] - 24, _LEAST_EXPONENT), _LEAST_EXPONENT)
    with np.errstate(over="ignore"):  # an infinite difference is cut to the largest magnitude
        difference = np.minimum(hi - lo, largest)
    # A first guess that is too fine.
    exponent = np.where(hi > lo, np.maximum(exponent, np.frexp(difference)[1] - bins.bit_length()), exponent)
    while (too_fine := bin_of(hi, exponent) - bin_of(lo, exponent) >= bins).any():
        exponent = exponent + too_fine
    return exponent, bin_of(lo, exponent)


def bin_of(value, exponent) -> np.ndarray:
    """Return the whole number of bins of width 2**exponent below each value, as float64."""
    with np.errstate(under="ignore"):
        bin_ = np.floor(np.ldexp(value, -exponent))
    # So small and negative that the product vanished.
    return np.where((value < 0) & (bin_ == 0), -1.0, bin_)

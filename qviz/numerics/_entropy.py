"""The Kullback-Leibler search of the Entropy calibrator, all windows at once.

A window is `2 i + 1` bins around zero. P is the histogram inside it, with everything outside added to its two end
bins. Q is the histogram inside it, squeezed into `quantized_bins` runs of equal length and spread out again: each
bin of a run gets the run's sum, divided by how many of its bins P fills. Both are smoothed: zeros become EPS, which
the other bins pay for. The window with the least KL(P, Q) wins, the narrowest of equals.

ONNX Runtime builds P and Q for each window, bin by bin. Here every sum over bins is a difference of two prefix
sums, so a window costs as much as it has quantized bins.
"""

from dataclasses import dataclass

import numpy as np

from .histogram import Histogram

EPS = 1e-4
HALF_BINS = 1024  # bins on each side of zero at most, as in TensorRT; more cost time and change nothing visible


def least_divergent_window(histogram: Histogram, quantized_bins: int) -> tuple[float, float]:
    """Return (lo, hi) of the best window, within minimum and maximum."""
    counts, width = _around_zero(histogram)
    half = counts.size // 2
    if quantized_bins // 2 >= half:
        return histogram.min, histogram.max
    windows = _Windows.of(counts, np.arange(quantized_bins // 2, half + 1))
    best = int(np.argmin(_divergences(counts, windows, quantized_bins)))
    ends = np.array([windows.start[best] - half, windows.end[best] - half]) * width
    lo, hi = np.clip(ends, histogram.min, histogram.max)
    return float(lo), float(hi)


def _around_zero(histogram: Histogram) -> tuple[np.ndarray, float]:
    """Pad the counts so that zero is the middle edge, merge pairs of bins while there are too many, add the width."""
    first = round(histogram.left / histogram.width)
    half = max(-first, first + histogram.counts.size, 1)
    merges = max(0, (half - 1).bit_length() - (HALF_BINS - 1).bit_length())
    half = -(-half >> merges)  # rounded up
    bins = ((first + np.flatnonzero(histogram.counts)) >> merges) + half
    counts = np.bincount(bins, histogram.counts[histogram.counts > 0], minlength=2 * half)
    return counts, histogram.width * 2.0**merges


@dataclass(frozen=True)
class _Windows:
    """All windows [start, end), and what the bins at both ends hold in P, where the outliers join them."""

    start: np.ndarray
    end: np.ndarray
    first: np.ndarray
    last: np.ndarray
    gained_first: np.ndarray  # 1 where outliers fill an end bin that was empty
    gained_last: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, reach: np.ndarray) -> "_Windows":
        half = counts.size // 2
        start, end = half - reach, np.minimum(half + reach + 1, counts.size)
        mass = _prefix(counts)
        first, last = counts[start] + mass[start], counts[end - 1] + mass[-1] - mass[end]
        gained_first, gained_last = (counts[start] == 0) & (first > 0), (counts[end - 1] == 0) & (last > 0)
        return cls(start, end, first, last, gained_first.astype(int), gained_last.astype(int))

    def sums(self, of_bins: np.ndarray) -> np.ndarray:
        """Sum over the bins of each window."""
        prefix = _prefix(of_bins)
        return prefix[self.end] - prefix[self.start]


def _divergences(counts: np.ndarray, windows: _Windows, quantized_bins: int) -> np.ndarray:
    """KL(P, Q) for each window; infinite where Q is empty.

    KL = sum p log p - sum p log q - log of the ratio of the two totals, which smoothing does not change.
    """
    size, total = windows.end - windows.start, counts.sum()
    run = size // quantized_bins  # how many bins share one quantized bin
    cuts = windows.start[:, None] + run[:, None] * np.arange(quantized_bins + 1)
    reaches_end = cuts[:, -1] == windows.end
    holders = np.diff(_prefix(counts > 0)[cuts], axis=1)  # how many bins of a run P fills
    holders[:, 0] += windows.gained_first
    holders[:, -1] += np.where(reaches_end, windows.gained_last, 0)
    filled = windows.sums(counts > 0) + windows.gained_first + windows.gained_last
    paid = EPS * (size - filled) / filled

    p = _mass_of_runs(counts, windows, cuts, reaches_end)
    p += EPS * (run[:, None] - holders) - paid[:, None] * holders
    q_total, log_q = _spread(counts, windows, cuts, holders)
    sums = _sum_p_log_p(counts, windows, paid, size - filled) - (p * log_q).sum(axis=1)
    sums -= (total - p.sum(axis=1)) * np.log(EPS)  # the bins right of the last run, which Q leaves empty
    ratio = np.divide(total, q_total, out=np.ones(size.size), where=q_total > 0)
    return np.where(q_total > 0, sums / total - np.log(ratio), np.inf)


def _mass_of_runs(counts, windows: _Windows, cuts, reaches_end) -> np.ndarray:
    """Return what each run holds in P, before smoothing."""
    mass = np.diff(_prefix(counts)[cuts], axis=1)
    mass[:, 0] += windows.first - counts[windows.start]
    mass[:, -1] += np.where(reaches_end, windows.last - counts[windows.end - 1], 0)
    return mass


def _spread(counts, windows: _Windows, cuts, holders) -> tuple[np.ndarray, np.ndarray]:
    """Return the total of Q, and for each run the logarithm of what one of its bins holds."""
    mass, size, run = _prefix(counts), windows.end - windows.start, cuts[:, 1] - cuts[:, 0]
    sums = np.diff(mass[cuts], axis=1)
    sums[:, -1] += mass[windows.end] - mass[cuts[:, -1]]  # what remains at the right joins the last run
    # ONNX Runtime keeps whole counts, so a thin bin becomes empty
    q = np.where(holders > 0, np.floor(sums / np.maximum(holders, 1)), 0)
    filled = (q > 0).sum(axis=1) * run
    paid = EPS * (size - filled) / np.maximum(filled, 1)
    return q.sum(axis=1) * run, np.log(np.where(q > 0, q - paid[:, None], EPS))


def _sum_p_log_p(counts, windows: _Windows, paid, empty) -> np.ndarray:
    """Sum (p - paid) log(p - paid) over a window, to second order in `paid`: a small part of a count, mostly."""
    logs, inverse, filled = np.log(np.maximum(counts, 1.0)), 1 / np.maximum(counts, 1.0), counts > 0
    p_log_p, log_p, one_over_p, n = (windows.sums(v) for v in (counts * logs, logs, inverse * filled, filled))
    for before, after in ((counts[windows.start], windows.first), (counts[windows.end - 1], windows.last)):
        p_log_p += _x_log_x(after) - _x_log_x(before)
        log_p += np.log(np.maximum(after, 1.0)) - np.log(np.maximum(before, 1.0))
        one_over_p += _inverse(after) - _inverse(before)
        n = n + (after > 0).astype(int) - (before > 0)
    return p_log_p - paid * (log_p + n) + paid * paid / 2 * one_over_p + empty * EPS * np.log(EPS)


def _prefix(values) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(values)])


def _x_log_x(x) -> np.ndarray:
    return x * np.log(np.maximum(x, 1.0))


def _inverse(x) -> np.ndarray:
    return np.where(x > 0, 1 / np.maximum(x, 1.0), 0.0)

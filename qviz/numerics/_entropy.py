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
    sums, holders = _runs(counts, cuts), _runs(counts > 0, cuts)  # holders: how many bins of a run P fills
    rest = windows.sums(counts) - sums.sum(axis=1)  # what remains at the right of the last run
    no_rest = cuts[:, -1] == windows.end
    holders[:, 0] += windows.gained_first
    holders[:, -1] += no_rest * windows.gained_last
    q_total, log_q = _spread(sums, rest, holders, size, run)

    filled = windows.sums(counts > 0) + windows.gained_first + windows.gained_last
    paid = EPS * (size - filled) / filled
    sums[:, 0] += windows.first - counts[windows.start]
    sums[:, -1] += no_rest * (windows.last - counts[windows.end - 1])
    p = sums
    p += EPS * run[:, None]
    p -= (EPS + paid[:, None]) * holders
    result = _sum_p_log_p(counts, windows, paid, size - filled) - np.einsum("ij,ij->i", p, log_q)
    result -= (total - p.sum(axis=1)) * np.log(EPS)  # the bins right of the last run, which Q leaves empty
    ratio = np.divide(total, q_total, out=np.ones(size.size), where=q_total > 0)
    return np.where(q_total > 0, result / total - np.log(ratio), np.inf)


def _runs(of_bins: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """Sum over the bins between neighbouring cuts."""
    return np.diff(_prefix(of_bins).take(cuts), axis=1)


def _spread(sums, rest, holders, size, run) -> tuple[np.ndarray, np.ndarray]:
    """Return the total of Q, and for each run the logarithm of what one of its bins holds."""
    q = sums.copy()
    q[:, -1] = np.where(holders[:, -1] > 0, q[:, -1] + rest, 0)
    q /= np.maximum(holders, 1)
    np.floor(q, out=q)  # ONNX Runtime keeps whole counts, so a thin bin becomes empty
    q_total, empty = q.sum(axis=1) * run, q == 0
    filled = (q.shape[1] - empty.sum(axis=1)) * run
    q -= EPS * ((size - filled) / np.maximum(filled, 1))[:, None]
    np.copyto(q, EPS, where=empty)
    return q_total, np.log(q, out=q)


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
    return np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])


def _x_log_x(x) -> np.ndarray:
    return x * np.log(np.maximum(x, 1.0))


def _inverse(x) -> np.ndarray:
    return np.where(x > 0, 1 / np.maximum(x, 1.0), 0.0)

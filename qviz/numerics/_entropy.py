"""The Kullback-Leibler search of the Entropy calibrator, all windows at once.

A window is `2 i + 1` bins around zero. P is the histogram inside it, with everything outside added to its two end
bins. Q is the same histogram squeezed into `quantized_bins` and spread out again. Both are smoothed: zeros become
EPS, which the other bins pay for. The window with the least KL(P, Q) wins, the narrowest of equals.

ONNX Runtime builds P and Q for each window, bin by bin. Here every sum over bins is a difference of two prefix sums,
so a window costs as much as it has quantized bins.
"""

import numpy as np

from .observers import Histogram

EPS = 1e-4
HALF_BINS = 1024  # bins on each side of zero at most, as in TensorRT; more cost time and change nothing visible


def least_divergent_window(histogram: Histogram, quantized_bins: int) -> tuple[float, float]:
    """Return (lo, hi) of the best window, within minimum and maximum."""
    counts, width = _around_zero(histogram)
    half = counts.size // 2
    if quantized_bins // 2 >= half:
        return histogram.min, histogram.max
    reach = np.arange(quantized_bins // 2, half + 1)
    start, end = half - reach, np.minimum(half + reach + 1, counts.size)
    best = int(np.argmin(_divergences(counts, start, end, quantized_bins)))
    lo, hi = (start[best] - half) * width, (end[best] - half) * width
    return max(float(lo), histogram.min), min(float(hi), histogram.max)


def _around_zero(histogram: Histogram) -> tuple[np.ndarray, float]:
    """Pad the counts so that zero is the middle edge, merge pairs of bins while there are too many, add the width."""
    first = round(histogram.left / histogram.width)
    half = max(-first, first + histogram.counts.size, 1)
    merge = 2 ** max(0, int(np.ceil(np.log2(half / HALF_BINS))))
    half = -(-half // merge) * merge
    counts = np.zeros(2 * half, np.float64)
    counts[half + first : half + first + histogram.counts.size] = histogram.counts
    return counts.reshape(-1, merge).sum(axis=1), merge * histogram.width


def _divergences(counts, start, end, quantized_bins: int) -> np.ndarray:
    """KL(P, Q) for each window [start, end)."""
    total = counts.sum()
    size = end - start
    mass = _prefix(counts)
    # P: the outliers join the end bins.
    first, last = counts[start], counts[end - 1]
    new_first, new_last = first + mass[start], last + total - mass[end]
    filled = _prefix(counts > 0)
    gained = ((first == 0) & (new_first > 0)).astype(int), ((last == 0) & (new_last > 0)).astype(int)
    p_filled = filled[end] - filled[start] + gained[0] + gained[1]
    p_paid = EPS * (size - p_filled) / p_filled

    # Q: windows are cut into quantized_bins runs of `run` bins; what remains at the right joins the last sum,
    # and stays empty itself.
    run = size // quantized_bins
    cuts = start[:, None] + run[:, None] * np.arange(quantized_bins + 1)
    sums = np.diff(mass[cuts], axis=1)
    sums[:, -1] += mass[end] - mass[cuts[:, -1]]
    holders = np.diff(filled[cuts], axis=1)
    holders[:, 0] += gained[0]
    tail = end - cuts[:, -1]
    holders[:, -1] += np.where(tail == 0, gained[1], 0)
    q = np.floor(sums / np.maximum(holders, 1))  # ONNX Runtime keeps whole counts, so a thin bin becomes empty
    q[holders == 0] = 0
    q_empty = ((q == 0).sum(axis=1)) * run + tail
    q_paid = EPS * q_empty / np.maximum(size - q_empty, 1)

    # KL = sum p log p - sum p log q - log of the two totals, which smoothing does not change.
    p_log_p = _sum_p_log_p(counts, start, end, (first, last), (new_first, new_last), p_paid, size - p_filled)
    p_mass = np.diff(mass[cuts], axis=1)
    p_mass[:, 0] += new_first - first
    p_mass[:, -1] += np.where(tail == 0, new_last - last, 0)
    p_mass += EPS * (run[:, None] - holders) - p_paid[:, None] * holders
    log_q = np.log(np.where(q > 0, q - q_paid[:, None], EPS))
    p_tail = mass[end] - mass[cuts[:, -1]] + np.where(tail > 0, new_last - last, 0)
    q_total = (q.sum(axis=1)) * run
    with np.errstate(divide="ignore", invalid="ignore"):
        divergence = (p_log_p - (p_mass * log_q).sum(axis=1) - p_tail * np.log(EPS)) / total - np.log(total / q_total)
    return np.where((q_total > 0) & (q_paid < 1), divergence, np.inf)


def _sum_p_log_p(counts, start, end, old, new, paid, empty) -> np.ndarray:
    """Sum (p - paid) log(p - paid) over a window; first order in `paid`, which is at most thousandths of a count."""
    logs = np.log(np.maximum(counts, 1.0))
    p_log_p, log_p, filled = _prefix(counts * logs), _prefix(logs), _prefix(counts > 0)
    sum_p_log_p, sum_log_p = p_log_p[end] - p_log_p[start], log_p[end] - log_p[start]
    n = filled[end] - filled[start]
    for before, after in zip(old, new, strict=True):
        sum_p_log_p = sum_p_log_p + _x_log_x(after) - _x_log_x(before)
        sum_log_p = sum_log_p + np.log(np.maximum(after, 1.0)) - np.log(np.maximum(before, 1.0))
        n = n + ((before == 0) & (after > 0))
    return sum_p_log_p - paid * (sum_log_p + n) + empty * EPS * np.log(EPS)


def _prefix(values) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(values)])


def _x_log_x(x) -> np.ndarray:
    return x * np.log(np.maximum(x, 1.0))

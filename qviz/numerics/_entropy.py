"""The Kullback-Leibler search of the Entropy calibrator, for many groups at once.

A window is `2 reach + 1` bins around zero. P is the histogram inside it, with all outliers added to its two end bins.
Q is the histogram inside it, merged into `quantized_bins` runs and expanded again: each nonempty bin of P gets the mean
of its run. The window with the least KL(P, Q) wins.

Every sum over bins is a difference of two prefix sums, so the cost of a window is its number of quantized bins. Most
windows are rejected before that: merging bins never increases KL, so three cells, the two end bins and the rest, give a
lower bound.
"""

import numpy as np

from ._groups import Groups, prefix_sums

VARIANTS = ("nvidia", "textbook", "onnxruntime")
HALF_BINS = 1024  # most bins on each side of zero, as in TensorRT; more cost time and change nothing visible
TIED = 1e-9  # divergences this close count as equal; rounding separates equal ones by up to 1e-13
EPS = 1e-4  # what ONNX Runtime moves from filled bins into each empty one
_GROUPS, _WINDOWS = 64, 256  # per block, so that intermediate arrays fit the cache


def least_divergent_windows(groups: Groups, quantized_bins: int, variant: str) -> tuple[np.ndarray, np.ndarray]:
    """Return lo and hi of each group's best window, (n_groups, 1), clipped to its minimum and maximum."""
    lo, hi = groups.min.copy(), groups.max.copy()
    for top in range(0, len(lo), _GROUPS):
        rows = slice(top, top + _GROUPS)
        search = Search(groups, rows, quantized_bins, variant)
        group, reach = search.best()
        for ends, edge in ((lo[rows], -reach), (hi[rows], np.minimum(reach + 1, search.half[group]))):
            ends[group, 0] = edge * search.width[group]
    return np.clip(lo, groups.min, groups.max), np.clip(hi, groups.min, groups.max)


class Search:
    """The histograms around zero of several groups, and the divergences of their windows."""

    def __init__(self, groups: Groups, rows: slice, quantized_bins: int, variant: str):
        self.quantized_bins, self.of_onnxruntime = quantized_bins, variant == "onnxruntime"
        counts, self.half, self.width = around_zero(groups, rows)
        self.zero = counts.shape[1] // 2
        if variant == "nvidia":
            _cut_spike(counts, self.zero)
        self.total = counts.sum(axis=1)
        self.counts, filled = counts, counts > 0
        self.mass, self.filled = prefix_sums(counts), prefix_sums(filled)
        self.p_log_p = prefix_sums(_x_log_x(counts))
        if self.of_onnxruntime:
            self.log_p = prefix_sums(np.log(np.maximum(counts, 1.0)))
            self.one_over_p = prefix_sums(_inverse(counts))

    def windows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return group and reach, ascending, of every window with at least one bin per quantized bin."""
        narrowest = self.quantized_bins // 2
        many = np.maximum(self.half - narrowest + 1, 0)
        group = np.repeat(np.arange(many.size), many)
        return group, narrowest + np.arange(group.size) - np.repeat(np.cumsum(many) - many, many)

    def best(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the groups that have a window, and the reach of each one's best."""
        group, reach = self.windows()
        if self.of_onnxruntime:
            return self._of_least(group, reach, self.divergences(group, reach), 0.0, np.minimum)
        bounds = self._bounds(group, reach)
        # The windows with the least bound, and those that clip nothing, give a threshold that rejects most others.
        probe = (bounds == self._least(group, bounds)[group]) | (reach == self.half[group])
        least = self._least(group[probe], self.divergences(group[probe], reach[probe]))
        left = bounds <= least[group] + TIED
        group, reach = group[left], reach[left]
        return self._of_least(group, reach, self.divergences(group, reach), TIED, np.maximum)

    def _least(self, group: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Return the least value of each group, infinity for a group without values."""
        least = np.full(self.half.size, np.inf)
        np.minimum.at(least, group, values)
        return least

    def _of_least(self, group, reach, divergences, tied: float, narrowest_or_widest) -> tuple[np.ndarray, np.ndarray]:
        """Return each group, and the narrowest or widest of its best windows."""
        good = divergences <= self._least(group, divergences)[group] + tied
        groups, starts = np.unique(group[good], return_index=True)
        return groups, narrowest_or_widest.reduceat(reach[good], starts) if groups.size else reach[good]

    def divergences(self, group: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """Return KL(P, Q) of each window, given as (n,) groups and reaches; infinite where Q is 0 and P is not."""
        parts = [slice(top, top + _WINDOWS) for top in range(0, group.size, _WINDOWS)]
        of = _onnxruntime if self.of_onnxruntime else _textbook
        return np.concatenate([of(self, Windows(self, group[part], reach[part])) for part in parts] or [np.zeros(0)])

    def _bounds(self, group: np.ndarray, reach: np.ndarray) -> np.ndarray:
        """Return a lower bound of each window's divergence, from three cells: first bin, last bin, the rest."""
        w, cells = Windows(self, group, reach), []
        size = w.end - w.start
        second, last = (w.start + size * cut // self.quantized_bins for cut in (1, self.quantized_bins - 1))
        for start, end, p, gained in ((w.start, second, w.first, w.gained_first), (last, w.end, w.last, w.gained_last)):
            q = w.sum(self.mass, start, end) / np.maximum(w.sum(self.filled, start, end) + gained, 1)
            cells.append((p, np.where(p > 0, q, 0.0)))
        lacking = sum(((p > 0) & (q == 0) for p, q in cells), w.inside == 0)
        bounds = np.where(lacking, np.inf, 0.0)
        some = np.flatnonzero(~lacking)
        total, inside = w.total[some], w.inside[some]
        cells = [(p[some], q[some]) for p, q in cells]
        cells.append((total - sum(p for p, _ in cells), np.maximum(inside - sum(q for _, q in cells), 0.0)))
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = [np.where(p > 0, p * np.log(p / q), 0.0) for p, q in cells]
        bounds[some] = sum(terms) / total - np.log(total / inside)
        return bounds


class Windows:
    """Windows [start, end) of several groups, and the counts of their end bins in P, outliers included."""

    def __init__(self, search: Search, group: np.ndarray, reach: np.ndarray):
        self.row = group * (2 * search.zero + 1)
        self.start, self.end = search.zero - reach, search.zero + np.minimum(reach + 1, search.half[group])
        self.total, self.inside = search.total[group], self.sum(search.mass, self.start, self.end)
        self.first_seen, self.last_seen = search.counts[group, self.start], search.counts[group, self.end - 1]
        before = self.sum(search.mass, 0, self.start)
        self.first, self.last = self.first_seen + before, self.last_seen + self.total - self.inside - before
        # 1 where outliers fill an empty end bin.
        self.gained_first = ((self.first_seen == 0) & (self.first > 0)).astype(np.int8)
        self.gained_last = ((self.last_seen == 0) & (self.last > 0)).astype(np.int8)

    def sum(self, prefix: np.ndarray, start, end) -> np.ndarray:
        """Sum over the bins [start, end) of each window's group."""
        return prefix.take(self.row + end) - prefix.take(self.row + start)

    def of_p(self, prefix: np.ndarray, function) -> np.ndarray:
        """Sum function(bin) over the bins of P, from the prefix sums of function(counts)."""
        ends = ((self.first_seen, self.first), (self.last_seen, self.last))
        return self.sum(prefix, self.start, self.end) + sum(
            function(after) - function(before) for before, after in ends
        )

    def runs(self, prefix: np.ndarray, cuts: np.ndarray) -> np.ndarray:
        """Sum over the bins between neighbouring cuts, (n, quantized_bins)."""
        return np.diff(prefix.take(self.row[:, None] + cuts), axis=1)


def _textbook(search: Search, w: Windows) -> np.ndarray:
    """Cut the window into runs whose lengths differ by at most one bin; Q is empty where P is."""
    cuts = w.start[:, None] + (w.end - w.start)[:, None] * np.arange(search.quantized_bins + 1) // search.quantized_bins
    sums, holders = w.runs(search.mass, cuts), w.runs(search.filled, cuts)  # holders: nonempty bins of P in each run
    holders[:, 0] += w.gained_first
    holders[:, -1] += w.gained_last
    lacking = (sums[:, 0] == 0) & (w.first > 0) | (sums[:, -1] == 0) & (w.last > 0)
    q = np.where(sums > 0, sums, 1.0)
    q /= np.maximum(holders, 1)
    sums[:, 0] += w.first - w.first_seen
    sums[:, -1] += w.last - w.last_seen
    with np.errstate(divide="ignore"):
        mean = (w.of_p(search.p_log_p, _x_log_x) - np.einsum("ij,ij->i", sums, np.log(q))) / w.total
        return np.where(lacking, np.inf, mean - np.log(w.total / w.inside))


def _onnxruntime(search: Search, w: Windows) -> np.ndarray:
    """Compute KL as ONNX Runtime does.

    Runs have `size // quantized_bins` bins. The remaining bins at the right add to the sum of the last run, but stay
    empty in Q. All bins of a run get its mean, in whole counts. Zeros become EPS, subtracted from the filled bins.
    """
    size = w.end - w.start
    run = size // search.quantized_bins
    cuts = w.start[:, None] + run[:, None] * np.arange(search.quantized_bins + 1)
    sums, holders = w.runs(search.mass, cuts), w.runs(search.filled, cuts)
    no_rest = cuts[:, -1] == w.end
    holders[:, 0] += w.gained_first
    holders[:, -1] += no_rest * w.gained_last
    q = sums.copy()
    q[:, -1] = np.where(holders[:, -1] > 0, q[:, -1] + w.inside - sums.sum(axis=1), 0)
    q_total, log_q = _whole_and_smooth(q / np.maximum(holders, 1), size, run)

    filled = w.sum(search.filled, w.start, w.end) + w.gained_first + w.gained_last
    paid = EPS * (size - filled) / filled
    sums[:, 0] += w.first - w.first_seen
    sums[:, -1] += no_rest * (w.last - w.last_seen)
    p = sums + EPS * run[:, None] - (EPS + paid[:, None]) * holders
    # (p - paid) log(p - paid), to second order in `paid`, which is usually a small fraction of a count.
    result = w.of_p(search.p_log_p, _x_log_x) + (size - filled) * EPS * np.log(EPS)
    result -= paid * (w.of_p(search.log_p, lambda x: np.log(np.maximum(x, 1.0))) + filled)
    result += paid * paid / 2 * w.of_p(search.one_over_p, _inverse)
    result -= np.einsum("ij,ij->i", p, log_q) + (w.total - p.sum(axis=1)) * np.log(EPS)
    ratio = np.divide(w.total, q_total, out=np.ones(size.size), where=q_total > 0)
    return np.where(q_total > 0, result / w.total - np.log(ratio), np.inf)


def _whole_and_smooth(q: np.ndarray, size: np.ndarray, run: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the total of Q, and the logarithm of each run's value per bin."""
    np.floor(q, out=q)
    q_total, empty = q.sum(axis=1) * run, q == 0
    filled = (q.shape[1] - empty.sum(axis=1)) * run
    q -= EPS * ((size - filled) / np.maximum(filled, 1))[:, None]
    np.copyto(q, EPS, where=empty)
    return q_total, np.log(q, out=q)


def around_zero(groups: Groups, rows: slice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return counts (n, 2 most) on bins whose middle edge is zero, each group's bins per side, and their width.

    Bins are merged in pairs until a side has at most HALF_BINS.
    """
    bins = groups.bins[rows] + np.rint(groups.origin[rows]).astype(np.intp)
    half = np.maximum(np.maximum(-bins[:, 0], bins[:, -1] + 1), 1)
    merges = np.maximum(np.frexp(half - 1.0)[1] - (HALF_BINS - 1).bit_length(), 0)
    half = -(-half >> merges)  # rounded up
    most = int(half.max())
    index = (bins >> merges[:, None]) + (2 * np.arange(len(bins))[:, None] + 1) * most
    weights = None if groups.weights is None else groups.weights[rows].ravel()
    counts = np.bincount(index.ravel(), weights, minlength=len(bins) * 2 * most).astype(np.float64)
    return counts.reshape(-1, 2 * most), half, np.ldexp(groups.width[rows, 0], merges)


def _cut_spike(counts: np.ndarray, zero: int) -> None:
    """Replace the count of zero's bin by that of the nearest nonempty bin, the larger count of two equally near."""
    right, left = counts[:, zero + 1 :], counts[:, :zero][:, ::-1]
    (far_right, many_right), (far_left, many_left) = (_first_filled(side) for side in (right, left))
    nearest = np.where(far_right < far_left, many_right, many_left)
    nearest = np.where(far_right == far_left, np.maximum(many_right, many_left), nearest)
    counts[:, zero] = np.where(nearest > 0, nearest, counts[:, zero])


def _first_filled(side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return index and count of each row's first nonempty bin; infinity and 0 where all are empty."""
    if side.shape[1] == 0:
        return np.full(len(side), np.inf), np.zeros(len(side))
    far = np.argmax(side > 0, axis=1)
    many = side[np.arange(len(side)), far]
    return np.where(many > 0, far, np.inf), many


def _x_log_x(x) -> np.ndarray:
    return x * np.log(np.maximum(x, 1.0))


def _inverse(x) -> np.ndarray:
    return np.where(x > 0, 1 / np.maximum(x, 1.0), 0.0)

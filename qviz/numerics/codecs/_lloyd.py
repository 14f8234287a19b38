"""k-means in one dimension, for many groups at once.

In sorted values, a cell is a run, and its mean follows from differences of prefix sums. Dynamic programming over a
hundred or more short runs finds the initial table, which is the optimum for small groups. Then Lloyd's algorithm moves
the boundaries of the cells between single values.
"""

import numpy as np

from .._groups import prefix_sums

FEW_GROUPS, RUNS, MANY_RUNS = 16, 128, 512  # MANY_RUNS for at most FEW_GROUPS groups
MOST_ROUNDS = 5000  # few values converge in ten rounds, a million in some hundreds
_BLOCK = 1 << 20  # entries per block of the dynamic program's tables
_FEW = 16  # for at most this many midpoints, comparing with each is faster than a search


def count_below(sorted_rows: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return how many entries of its (n_groups, m) row are below each value of `x`, (n_groups, n)."""
    m = sorted_rows.shape[1]
    dtype = np.uint8 if m < 256 else np.uint16
    if m <= _FEW:
        count = np.zeros(x.shape, dtype)
        for column in sorted_rows.T[:, :, None]:  # one iteration per level, not per group
            count += x > column
        return count
    if len(sorted_rows) == 1:
        return np.searchsorted(sorted_rows[0], x, side="left").astype(dtype)
    return _search(sorted_rows, x, np.less).astype(dtype)


def _search(sorted_rows: np.ndarray, x: np.ndarray, before) -> np.ndarray:
    """Return, by bisection, how many entries of each row are `before` each value."""
    m = sorted_rows.shape[1]
    low, high = np.zeros(x.shape, np.intp), np.full(x.shape, m, np.intp)
    for _ in range(m.bit_length()):
        middle = (low + high) // 2
        entry = np.take_along_axis(sorted_rows, np.minimum(middle, m - 1), axis=1)
        inside = before(entry, x) & (middle < high)
        low, high = np.where(inside, middle + 1, low), np.where(inside, high, middle)
    return low


def kmeans(groups: np.ndarray, k: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the k means of each row with the least (weighted) squared error, (n_groups, k) float64, ascending."""
    if len(groups) == 0:
        return np.zeros((0, k))
    if weights is None:
        x = np.sort(groups, axis=1).astype(np.float64)
        w = np.broadcast_to(1.0, x.shape)
    else:
        order = np.argsort(groups, axis=1)
        x, w = (np.take_along_axis(values, order, axis=1).astype(np.float64) for values in (groups, weights))
    middle = (x[:, :1] + x[:, -1:]) / 2  # subtracted, so that squares of sums lose no digits
    mass, moment = prefix_sums(w), prefix_sums(w * (x - middle))
    cuts = _runs(x)
    height = max(1, _BLOCK // cuts.shape[1] ** 2)
    starts = [
        _best_cut(mass[top : top + height], moment[top : top + height], cuts[top : top + height], k)
        for top in range(0, len(x), height)
    ]
    return _descend(x, mass, moment, middle, np.concatenate(starts))


def _runs(x: np.ndarray) -> np.ndarray:
    """Return the boundaries of runs of sorted values: half of them equally long, half of equal width."""
    n, most = x.shape[1], MANY_RUNS if len(x) <= FEW_GROUPS else RUNS
    if n <= most:
        return np.broadcast_to(np.arange(n + 1), (len(x), n + 1))
    long = np.arange(0, most // 2 + 1) * n // (most // 2)
    share = np.arange(1, most // 2) / (most // 2)
    wide = _search(x, x[:, :1] + share * (x[:, -1:] - x[:, :1]), np.less)
    return np.sort(np.concatenate([np.broadcast_to(long, (len(x), long.size)), wide], axis=1), axis=1)


def _best_cut(mass, moment, cuts, k: int) -> np.ndarray:
    """Return the cell boundaries of the best table that splits no run, (n_groups, k + 1) indices.

    The squared error is a constant minus the sum of moment^2 / mass over the cells, which is maximized.
    """
    mass, moment = (np.take_along_axis(sums, cuts, axis=1) for sums in (mass, moment))
    mass, moment = (sums[:, None, :] - sums[:, :, None] for sums in (mass, moment))  # of runs i to j
    gain = np.divide(moment**2, mass, out=np.zeros_like(moment), where=mass > 0)
    gain[:, np.tri(gain.shape[1], k=-1, dtype=bool)] = -np.inf
    best, choices = gain[:, 0], []
    for _ in range(k - 1):
        total = best[:, :, None] + gain
        choices.append(total.argmax(axis=1))
        best = np.take_along_axis(total, choices[-1][:, None], axis=1)[:, 0]
    ends = [np.full((len(gain), 1), gain.shape[1] - 1)]
    for choice in reversed(choices):
        ends.append(np.take_along_axis(choice, ends[-1], axis=1))
    ends.append(np.zeros((len(gain), 1), int))
    return np.take_along_axis(cuts, np.concatenate(ends[::-1], axis=1), axis=1)


def _descend(x, mass, moment, middle, cut) -> np.ndarray:
    """Alternate between cells and means (Lloyd's algorithm) until the cells no longer change."""
    tables = _means(x, mass, moment, middle, cut, np.full((len(x), cut.shape[1] - 1), np.nan))
    active = np.arange(len(x))
    for _ in range(MOST_ROUNDS):
        rows = slice(None) if active.size == len(x) else active
        moved = _cells(x[rows], tables[rows])
        changed = (moved != cut[rows]).any(axis=1)
        if not changed.any():
            break
        active, moved = active[changed], moved[changed]
        rows = slice(None) if active.size == len(x) else active
        cut[rows] = moved
        tables[rows] = _means(x[rows], mass[rows], moment[rows], middle[rows], moved, tables[rows])
    return tables


def _cells(x: np.ndarray, tables: np.ndarray) -> np.ndarray:
    """Return the cell boundaries of each table among the sorted values, (rows, k + 1)."""
    middle = (tables[:, 1:] + tables[:, :-1]) / 2
    if len(x) == 1:
        cut = np.searchsorted(x[0], middle[0], side="right")[None]
    else:
        cut = _search(x, middle, np.less_equal)
    return np.pad(cut, ((0, 0), (1, 1)), constant_values=(0, x.shape[1]))


def _means(x, mass, moment, middle, cut, before) -> np.ndarray:
    """Return the mean of each cell, clipped to the cell against rounding errors.

    An empty cell keeps its level from `before`, or takes the value at its boundary if that is NaN.
    """
    first, last = (np.take_along_axis(x, i, axis=1) for i in (np.minimum(cut[:, :-1], x.shape[1] - 1), cut[:, 1:] - 1))
    mass, moment = (np.diff(np.take_along_axis(sums, cut, axis=1)) for sums in (mass, moment))
    empty = np.where(np.isnan(before), first, before)
    mean = np.divide(moment, mass, out=np.zeros_like(moment), where=mass > 0) + middle
    return np.where(mass > 0, np.clip(mean, first, np.maximum(first, last)), empty)

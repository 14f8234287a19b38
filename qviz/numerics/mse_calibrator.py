"""MSE: a search for the range with the least expected error, for many groups at once."""

from dataclasses import dataclass

import numpy as np

from . import _check
from ._expected_error import ErrorOfFew, ExpectedError
from ._groups import Groups, OneGroup
from .formats import INT8, IntFormat
from .qparams import SCHEMES


@dataclass(frozen=True)
class MSE(OneGroup):
    """Choose the range with the least expected mean squared error, rounding plus clipping.

    Parameters
    ----------
    candidates : int
        Number of positions tried for each end in the first search, evenly spaced from zero to minimum or maximum; its
        square if only one end is free. For far outliers, the powers of 1/4 down to 1/1024 of the range are tried too.
        Four finer searches around the best range follow.

    Raises
    ------
    TypeError, ValueError
        `candidates` is not a whole number from 4 to 100.

    Notes
    -----
    It has the objective of torch's HistogramObserver, but searches over pairs of ends instead of greedily.

    The expected error assumes that values are uniform within their bin. With more than 4096 values, the sum is over the
    levels; with fewer, it is over the values, which are then cheaper. The two agree to a thousandth, so ranges whose
    errors are that close may swap. Ranges whose clipping of the outermost value alone exceeds the error of a better
    range are skipped, which changes no result.

    Examples
    --------
    >>> from qviz.numerics import observe
    >>> x = np.random.default_rng(0).standard_normal(100_000)
    >>> lo, hi = MSE().choose_range(observe(x)[0], IntFormat(4), "symmetric")
    >>> round(hi, 1)  # 2.4 standard deviations; the largest value is beyond 4
    2.4
    """

    candidates: int = 10

    def __post_init__(self):
        _check.whole_number(self.candidates, "candidates", 4, 100)

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the best range of each group: the best of all pairs of ends, refined four times."""
        symmetric = _check.one_of(scheme, SCHEMES, "scheme") == "symmetric"
        lo, hi = np.minimum(groups.min, 0.0), np.maximum(groups.max, 0.0)
        if symmetric:
            hi = np.maximum(-lo, hi)
            lo = -hi
        error = ErrorOfFew(groups, fmt, scheme) if groups.weights is None else ExpectedError.of(groups, fmt, scheme)
        low, high = np.ones(lo.shape), np.ones(hi.shape)
        # The ends of a symmetric range move together; if all values have one sign, the other end is zero.
        both = (lo < 0) & (hi > 0) & (not symmetric)
        for ends, rows in ((1, np.flatnonzero(~both)), (2, np.flatnonzero(both))):
            if rows.size:
                found = self._least(error, rows, lo[rows], hi[rows], ends)
                low[rows], high[rows] = found[0], found[-1]
        return low * lo, high * hi

    def _least(self, error, rows: np.ndarray, lo: np.ndarray, hi: np.ndarray, ends: int) -> list[np.ndarray]:
        """Return each end of the best range as a fraction of `lo` and `hi`; of equally good ranges, the widest."""
        # With one free end, candidates**2 positions take as long as a two-dimensional grid.
        many, few = (self.candidates, 5) if ends == 2 else (self.candidates**2, 25)
        even = np.arange(many, 0, -1) / many
        quarters = 0.25 ** np.arange(1, 6)
        axes = [np.tile(np.concatenate([even, quarters[quarters < even[-1]]]), (rows.size, 1))] * ends
        # The widest range comes first; ranges whose lower bound exceeds the least error so far are not computed.
        least = error.of_ranges(rows, lo, hi, np.ones((rows.size, 1), bool), np.full(rows.size, np.inf))[:, 0]
        first = np.zeros(axes[0].shape, bool)
        first[:, 0] = True
        is_best, tried = [first] * ends, [first] * ends
        for points in (few, few, few, few, 1):
            # Between powers of 1/4, which are not evenly spaced, the best end may be none of the finer ones.
            least = np.where(np.all([mask.any(axis=1) for mask in is_best], axis=0), least, np.inf)
            los, his = axes[0] * lo, axes[-1] * hi
            lost = error.bounds(rows, los, his)
            lost = [np.maximum(*lost)] if ends == 1 else lost
            # Most ends are too narrow for every row; masks for all pairs would take as long as their errors.
            of_use = [((loss <= least[:, None]) | best).any(axis=0) for loss, best in zip(lost, is_best, strict=True)]
            cut = [slice(np.flatnonzero(some)[-1] + 1) for some in of_use]
            lost, is_best, tried = ([v[:, c] for v, c in zip(of, cut, strict=True)] for of in (lost, is_best, tried))
            los, his = los[:, cut[0]], his[:, cut[-1]]
            errors = np.where(_of_all(is_best), least.reshape(-1, *[1] * ends), np.inf)
            lost = lost[0] if ends == 1 else lost[0][:, :, None] + lost[1][:, None]
            wanted = (lost <= least.reshape(-1, *[1] * ends)) & ~_of_all(tried)
            errors = np.minimum(errors, error.of_ranges(rows, los, his, wanted, least))
            flat = errors.reshape(rows.size, -1)
            best = np.argmin(flat, axis=1)
            least = flat[np.arange(rows.size), best]
            places = [i[:, None] for i in np.unravel_index(best, errors.shape[1:])]
            finer = [_around(axis, i, points) for axis, i in zip(axes, places, strict=True)]
            near = [_near(new, axis, i) for new, axis, i in zip(finer, axes, places, strict=True)]
            (is_best, tried), axes = zip(*near, strict=True), finer
        return axes


def _of_all(masks: list[np.ndarray]) -> np.ndarray:
    """Return the mask of all pairs for two axes, or the only mask."""
    return masks[0] if len(masks) == 1 else masks[0][:, :, None] & masks[1][:, None]


def _around(values: np.ndarray, i: np.ndarray, points: int) -> np.ndarray:
    """Return, for each row, `points` values between the neighbours of values[i], or values[i] if `points` is 1."""
    low, best, high = _neighbours(values, i)
    return np.linspace(low[:, 0], high[:, 0], points, axis=1) if points > 1 else best


def _near(new: np.ndarray, values: np.ndarray, i: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which new values equal values[i], and which equal it or a neighbour, whose errors are known."""
    low, best, high = (np.abs(new - value) < 1e-12 for value in _neighbours(values, i))
    return best, low | best | high


def _neighbours(values: np.ndarray, i: np.ndarray) -> list[np.ndarray]:
    near = (np.maximum(i - 1, 0), i, np.minimum(i + 1, values.shape[1] - 1))
    return [np.take_along_axis(values, j, axis=1) for j in near]

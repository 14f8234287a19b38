"""The Pareto front of cost, to be minimized, and score, to be maximized."""

import numpy as np

from . import _check


def pareto_front(cost, score) -> np.ndarray:
    """Return the mask of the points that no other point dominates.

    A point dominates another if it costs no more and scores no less, and is better in one of the two. Equal points do
    not dominate each other.

    Parameters
    ----------
    cost, score : arrays of equal shape and real dtype, without NaN

    Returns
    -------
    bool array, shape of `cost`

    Raises
    ------
    ValueError
        The shapes differ, or a value is NaN.
    TypeError
        A value is not a real number.

    Examples
    --------
    The last point costs as much as the second and scores less.

    >>> pareto_front([1, 2, 3, 2], [0.5, 0.9, 0.7, 0.6])
    array([ True,  True, False, False])
    """
    cost, score = _points(cost, score)
    if cost.size == 0:
        return np.zeros(cost.shape, bool)
    order = np.argsort(cost, axis=None)
    costs, best = cost.ravel()[order], np.maximum.accumulate(score.ravel()[order])
    cheaper, up_to = (np.searchsorted(costs, cost, side) for side in ("left", "right"))  # numbers of points
    beaten = (cheaper > 0) & (best[cheaper - 1] >= score)
    return (best[up_to - 1] <= score) & ~beaten


def dominating(cost, score, at) -> np.ndarray:
    """Return the mask of the points that dominate one of them.

    Parameters
    ----------
    cost, score : as for `pareto_front`
    at : int, or tuple of int
        Index of that point.

    Returns
    -------
    bool array, shape of `cost`; all False for a point on the front

    Raises
    ------
    ValueError, TypeError
        As for `pareto_front`.

    Examples
    --------
    >>> dominating([1, 2, 3, 2], [0.5, 0.9, 0.7, 0.6], at=3)
    array([False,  True, False, False])
    """
    cost, score = _points(cost, score)
    no_worse = (cost <= cost[at]) & (score >= score[at])
    return no_worse & ((cost < cost[at]) | (score > score[at]))


def _points(cost, score) -> tuple[np.ndarray, np.ndarray]:
    cost, score = _check.as_float(cost, "cost"), _check.as_float(score, "score")
    if cost.shape != score.shape:
        raise ValueError(f"cost and score must have the same shape: got {cost.shape} and {score.shape}")
    for name, values in (("cost", cost), ("score", score)):
        if np.isnan(values).any():
            raise ValueError(f"{name} must not hold NaN: got {_check.describe_bad(values, np.isnan(values))}")
    return cost.astype(np.float64), score.astype(np.float64)

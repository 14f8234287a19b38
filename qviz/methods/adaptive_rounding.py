"""Adaptive rounding: learn for each weight whether it is rounded down or up.

Nagel, Amjad, van Baalen, Louizos and Blankevoort, "Up or Down? Adaptive Rounding for Post-Training Quantization",
ICML 2020, arXiv 2004.10568: the objective of equations 21 to 24, here with analytic gradients.
"""

from dataclasses import dataclass

import numpy as np

from qviz.numerics import _check

from ._inputs import gram, matrix_of, weight_of
from .grid import as_grid

ZETA, GAMMA = 1.1, -0.1  # the sigmoid is stretched to this interval, so that it reaches 0 and 1
BETA = 8.0, 2.0  # at the first and the last step
PENALTY = 0.01, 10.0  # weight of the regularizer at the first and the last step; both terms are dimensionless
MOMENTS = 0.9, 0.9  # Adam's betas (Kingma and Ba 2015, algorithm 1); the second is low because the penalty changes
TINY = 1e-14


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss of adaptive rounding: the output error, plus a regularizer that pushes each weight to a level.

    With h(v) = clip(1.2 sigmoid(v) - 0.1, 0, 1) a weight is `below + h(v) * (above - below)`. The first term is the
    mean squared error of the outputs, relative to that of rounding to nearest; the second is the mean of
    1 - |2 h - 1|^beta, which is 0 where every h is 0 or 1.

    Parameters
    ----------
    weight, below, above : float64 (out, k)
    gram : float64 (k, k): mean of x x^T over the samples

    Examples
    --------
    >>> objective = Objective(np.array([[0.25]]), np.array([[0.0]]), np.array([[1.0]]), np.array([[1.0]]))
    >>> v = objective.start()
    >>> objective.soft(v), round(objective(v, penalty=0.0)[0], 12)
    (array([[0.25]]), 0.0)
    """

    weight: np.ndarray
    below: np.ndarray
    above: np.ndarray
    gram: np.ndarray

    def __post_init__(self):
        up = self.weight - self.below > self.above - self.weight
        object.__setattr__(self, "unit", self._error(np.where(up, self.above, self.below))[0] or 1.0)

    def start(self) -> np.ndarray:
        """Return the v for which each soft weight equals `weight`, clipped to the range."""
        gap = self.above - self.below
        share = np.divide(self.weight - self.below, gap, out=np.zeros_like(gap), where=gap > 0)
        sigmoid = (np.clip(share, 0, 1) - GAMMA) / (ZETA - GAMMA)
        return np.log(sigmoid / (1 - sigmoid))

    def soft(self, v: np.ndarray) -> np.ndarray:
        """Return the interpolated weights for `v`."""
        return self.below + rectified_sigmoid(v)[0] * (self.above - self.below)

    def hard(self, v: np.ndarray) -> np.ndarray:
        """Return the nearer of the two levels for each weight."""
        return np.where(rectified_sigmoid(v)[0] >= 0.5, self.above, self.below)

    def __call__(self, v: np.ndarray, beta: float = BETA[1], penalty: float = PENALTY[1]) -> tuple[float, np.ndarray]:
        """Return the loss and its gradient with respect to `v`."""
        h, slope = rectified_sigmoid(v)
        error, by_weight = self._error(self.below + h * (self.above - self.below))
        off = 2 * h - 1
        undecided = np.mean(1 - np.abs(off) ** beta)
        by_h = by_weight * (self.above - self.below) / self.unit
        by_h -= penalty * 2 * beta * np.sign(off) * np.abs(off) ** (beta - 1) / h.size
        return error / self.unit + penalty * float(undecided), by_h * slope

    def _error(self, weight_hat: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the mean over samples of |(W^ - W) x|^2, and its gradient with respect to W^."""
        difference = weight_hat - self.weight
        moved = difference @ self.gram
        return float(np.vdot(moved, difference)), 2 * moved


def rectified_sigmoid(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return h(v), a sigmoid stretched to -0.1 .. 1.1 and clipped to 0 .. 1, and its slope (equation 23).

    Examples
    --------
    >>> h, slope = rectified_sigmoid(np.array([-9.0, 0.0, 9.0]))
    >>> h.round(6).tolist(), slope.round(6).tolist()
    ([0.0, 0.5, 1.0], [0.0, 0.3, 0.0])
    """
    sigmoid = 1 / (1 + np.exp(-v))
    stretched = sigmoid * (ZETA - GAMMA) + GAMMA
    inside = (stretched > 0) & (stretched < 1)
    return np.clip(stretched, 0, 1), np.where(inside, (ZETA - GAMMA) * sigmoid * (1 - sigmoid), 0.0)


def adaptive_round(weight, inputs, grid, *, steps: int = 300, rate: float = 0.1) -> np.ndarray:
    """Round each weight up or down to its grid so that the layer's outputs stay close to those of `weight`.

    Rounding to nearest is best for each weight alone, but not for their sum: the errors of correlated inputs can
    cancel. Each weight may go to either of its two neighbouring levels; Adam learns which.

    Parameters
    ----------
    weight : array (out, in, ...)
    inputs : array (samples, k)
        Layer inputs; k is the number of weights in a row of `weight`.
    grid : QParams of the weights, a format such as "int4", or a Grid
        The quantization levels, fixed beforehand.
    steps : int
        Number of Adam steps, at least 1.
    rate : float
        Learning rate, above 0.

    Returns
    -------
    array, shape and dtype of `weight`

    Raises
    ------
    ValueError
        A shape does not fit, or a value is NaN or infinite.
    TypeError
        An argument has the wrong type.

    Notes
    -----
    The paper minimizes the error after the activation function, with inputs from the layers already quantized. Here it
    is the error before the activation function, so one k x k matrix summarizes all samples and every step uses all of
    them. The regularizer's weight grows during training, so 300 steps are enough, where the paper takes 10,000. Two
    equal weights with equal inputs get the same gradient, and are rounded the same way.

    Examples
    --------
    >>> from qviz.numerics import QParams
    >>> adaptive_round([[0.4, 0.45]], [[1.0, 1.0], [2.0, 2.0]], QParams(1.0, 0, "int4"))
    array([[0., 1.]])
    """
    w = weight_of(weight)
    rows = matrix_of(w)
    below, above = as_grid(grid, w).neighbours(rows)
    objective = Objective(rows, below, above, gram(inputs, rows.shape[1]))
    steps = _check.whole_number(steps, "steps", 1)
    rate = _check.real_number(rate, "rate", "above 0")
    if not 0 < rate < np.inf:
        raise ValueError(f"rate must be a number above 0: got {rate}; 0.1 is usual")
    v = _minimized(objective, steps, rate)
    return objective.hard(v).reshape(w.shape).astype(w.dtype)


def schedule(step: int, steps: int) -> tuple[float, float]:
    """Return beta, which falls along a cosine, and the weight of the regularizer, which grows exponentially.

    Examples
    --------
    >>> schedule(0, 101), schedule(100, 101)
    ((8.0, 0.01), (2.0, 10.0))
    """
    done = step / max(steps - 1, 1)
    beta = BETA[1] + (BETA[0] - BETA[1]) * (1 + np.cos(np.pi * done)) / 2
    return float(beta), PENALTY[0] * (PENALTY[1] / PENALTY[0]) ** done


def _minimized(objective: Objective, steps: int, rate: float) -> np.ndarray:
    """Return v after `steps` steps of Adam."""
    v = objective.start()
    first, second = np.zeros_like(v), np.zeros_like(v)
    for step in range(steps):
        _, gradient = objective(v, *schedule(step, steps))
        first += (1 - MOMENTS[0]) * (gradient - first)
        second += (1 - MOMENTS[1]) * (gradient**2 - second)
        mean, size = (m / (1 - decay ** (step + 1)) for m, decay in zip((first, second), MOMENTS, strict=True))
        v -= rate * mean / (np.sqrt(size) + TINY)
    return v

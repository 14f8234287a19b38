"""The straight-through estimator: round in the forward pass, pass the gradient of a clipped identity backward.

The derivative of `fake_quantize` is 0 wherever it exists, so gradient descent through it learns nothing. The estimator
replaces it by the derivative of the clipped identity: 1 inside the range, 0 where values are clipped.

Source: Bengio, Leonard, Courville 2013, "Estimating or propagating gradients through stochastic neurons", section 4,
with the ends of the range as in torch.fake_quantize_per_tensor_affine. qviz.pytorch.straight_through is its torch
version.
"""

from dataclasses import dataclass

import numpy as np

from . import _check
from ._blocks import by_blocks
from .affine import fake_quantize
from .qparams import QParams, as_qparams

SLOPES = ("straight-through", "true derivative")


def clipped_identity(x, qparams: QParams) -> np.ndarray:
    """Clip to the values that round to a code, without rounding; its derivative is the straight-through gradient.

    Parameters
    ----------
    x : array of any shape and real dtype
    qparams : QParams

    Returns
    -------
    float array, shape of `x`

    Raises
    ------
    ValueError
        The groups of `x` do not match `qparams`.
    TypeError
        `x` does not hold real numbers.

    Examples
    --------
    >>> from qviz.numerics import INT4
    >>> clipped_identity([-9.0, 0.3, 9.0], QParams(0.25, 0, INT4))
    array([-2.125,  0.3  ,  1.875])
    """
    x, fmt = _check.as_float(x), as_qparams(qparams).fmt
    low, high = fmt.qmin - 0.5, fmt.qmax + 0.5
    return by_blocks(x, qparams, lambda x, s, z: np.clip(x, (low - z) * s, (high - z) * s), x.dtype, x.dtype)


def straight_through_slope(x, qparams: QParams) -> np.ndarray:
    """Return the straight-through gradient of `fake_quantize`: 1 inside the range, 0 where values are clipped.

    Parameters
    ----------
    x, qparams : as for `clipped_identity`

    Returns
    -------
    float array, shape of `x`; 0 for NaN

    Raises
    ------
    ValueError, TypeError
        As for `clipped_identity`.

    Examples
    --------
    >>> from qviz.numerics import INT4
    >>> straight_through_slope([-9.0, -2.1, 0.3, 1.8, 1.9], QParams(0.25, 0, INT4))
    array([0., 1., 1., 1., 0.])
    """
    x, fmt = _check.as_float(x), as_qparams(qparams).fmt

    def step(block, scale, zero):
        codes = np.rint(block / scale) + zero
        return (codes >= fmt.qmin) & (codes <= fmt.qmax)

    with np.errstate(over="ignore"):  # x / scale may overflow: such a value is clipped
        return by_blocks(x, qparams, step, x.dtype, x.dtype)


@dataclass(frozen=True, eq=False)
class Descent:
    """Gradient descent of one weight, whose loss depends on the rounded weight.

    Attributes
    ----------
    weights : (steps + 1,) float64
        The weight before each step, and after the last.
    outputs : (steps + 1,) float64
        The rounded weight; the loss is (output - target)**2 / 2.
    slopes : (steps + 1,) float64
        The slope used for rounding.
    target : float
    """

    weights: np.ndarray
    outputs: np.ndarray
    slopes: np.ndarray
    target: float

    @property
    def losses(self) -> np.ndarray:
        """The loss before each step, and after the last: (steps + 1,)."""
        return (self.outputs - self.target) ** 2 / 2

    @property
    def crossings(self) -> np.ndarray:
        """The steps, counted from 1, that changed the output."""
        return np.flatnonzero(np.diff(self.outputs)) + 1


def descend(
    weight: float, target: float, qparams: QParams, lr: float, steps: int, slope: str = "straight-through"
) -> Descent:
    """Train one weight by gradient descent, so that the rounded weight approaches a target.

    Each step is `weight -= lr * (output - target) * slope`, where `output` is the rounded weight.

    Parameters
    ----------
    weight, target : float
    qparams : QParams, per tensor
    lr : float, the learning rate
    steps : int, at least 0
    slope : {"straight-through", "true derivative"}
        Slope used for rounding; the true derivative is 0.

    Returns
    -------
    Descent

    Raises
    ------
    ValueError
        `slope` is unknown, or `steps` is below 0.

    Examples
    --------
    Levels are whole numbers; the third step takes the weight across the boundary at 0.5:

    >>> from qviz.numerics import INT2
    >>> path = descend(0.0, 1.0, QParams(1.0, 0, INT2), lr=0.2, steps=3)
    >>> path.weights.round(2).tolist(), path.outputs.tolist(), path.crossings.tolist()
    ([0.0, 0.2, 0.4, 0.6], [0.0, 0.0, 0.0, 1.0], [3])
    >>> descend(0.0, 1.0, QParams(1.0, 0, INT2), 0.2, 3, "true derivative").weights.tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    _check.one_of(slope, SLOPES, "slope")
    if steps < 0:
        raise ValueError(f"steps must be at least 0: got {steps}")
    seen = np.empty((3, steps + 1))
    for i in range(steps + 1):
        x = np.float64(weight)
        output = float(fake_quantize(x, qparams))
        taken = float(straight_through_slope(x, qparams)) if slope == "straight-through" else 0.0
        seen[:, i] = weight, output, taken
        weight -= lr * (output - target) * taken
    return Descent(*seen, float(target))

"""Quantization levels, fixed before a method begins to choose among them.

GPTQ and AdaRound choose one level for each weight. They need only two operations, which a `Grid` provides: the nearest
level, and the two levels around a value. There is a grid for affine integers and one for any table of levels (NF4, FP4,
a codebook).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from qviz.numerics import Granularity, PerChannel, QParams, _check, calibrate
from qviz.numerics._blocks import groups_of, scale_as
from qviz.numerics.formats import IntFormat, as_format
from qviz.numerics.granularity import as_granularity

EACH_OUTPUT = PerChannel(0)


@runtime_checkable
class Grid(Protocol):
    """The levels of each weight of a matrix (out, k).

    Examples
    --------
    >>> isinstance(as_grid("int4", np.ones((2, 3))), Grid)
    True
    """

    def nearest(self, weight: np.ndarray, columns=slice(None)) -> np.ndarray:
        """Return the nearest level of each of these (out, n) weights, which belong to the given columns."""
        ...

    def neighbours(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels below and above each of (out, k) weights; outside the range, both are the outermost."""
        ...


@dataclass(frozen=True, eq=False)
class IntegerGrid:
    """Equally spaced levels: `scale * q` for integers q from `low` to `high` (codes minus the zero point).

    Parameters
    ----------
    scale, low, high : float64 arrays that broadcast to (out, k)

    Examples
    --------
    >>> grid = IntegerGrid(np.float64([[0.5]]), np.float64([[-2]]), np.float64([[1]]))
    >>> grid.nearest(np.array([[-3.0, 0.2, 0.3]]))
    array([[-1. ,  0. ,  0.5]])
    >>> grid.neighbours(np.array([[-3.0, 0.2, 0.3]]))
    (array([[-1.,  0.,  0.]]), array([[-1. ,  0.5,  0.5]]))
    """

    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def nearest(self, weight: np.ndarray, columns=slice(None)) -> np.ndarray:
        """Round half to even and clip, as `qviz.numerics.fake_quantize` does."""
        scale, low, high = (of_columns(values, columns) for values in (self.scale, self.low, self.high))
        return scale * np.clip(np.rint(weight / scale), low, high)

    def neighbours(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels below and above; outside the range, both are the outermost."""
        steps = np.floor(weight / self.scale)
        below, above = (self.scale * np.clip(q, self.low, self.high) for q in (steps, steps + 1))
        return below, above


@dataclass(frozen=True, eq=False)
class TableGrid:
    """Arbitrary levels: a sorted table for each weight.

    Parameters
    ----------
    levels : float64 array that broadcasts to (out, k, n levels), sorted along the last axis

    Examples
    --------
    >>> grid = TableGrid(np.array([[[-1.0, 0.0, 0.1, 1.0]]]))
    >>> grid.nearest(np.array([[0.07, 0.6, 5.0]]))
    array([[0.1, 1. , 1. ]])
    """

    levels: np.ndarray

    def nearest(self, weight: np.ndarray, columns=slice(None)) -> np.ndarray:
        """Return the nearest level; a tie goes to the lower one."""
        levels = of_columns(self.levels, columns)
        middles = (levels[..., 1:] + levels[..., :-1]) / 2
        return _taken(levels, np.sum(weight[..., np.newaxis] > middles, axis=-1))

    def neighbours(self, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the levels below and above; outside the range, both are the outermost."""
        last = self.levels.shape[-1] - 1
        at = np.sum(weight[..., np.newaxis] >= self.levels, axis=-1)
        return _taken(self.levels, np.maximum(at - 1, 0)), _taken(self.levels, np.minimum(at, last))


def integer_grid(weight, qparams: QParams) -> IntegerGrid:
    """Return the levels of each weight under `qparams`, for the weights as a matrix with one row per output.

    Parameters
    ----------
    weight : array (out, in, ...)
        Only its shape and dtype matter.
    qparams : QParams

    Raises
    ------
    ValueError
        `qparams` do not have one scale for each group of `weight`.

    Examples
    --------
    >>> w = np.array([[0.1, -0.6], [2.0, 1.0]])
    >>> integer_grid(w, calibrate(w, "min-max", "int2", "symmetric", PerChannel(0))).nearest(w)
    array([[ 0. , -0.6],
           [ 2. ,  0. ]])
    """
    w = _check.as_float(weight, "weight")
    groups = groups_of(w, qparams)
    scale = scale_as(qparams, w.dtype).astype(np.float64)  # rounded exactly as in fake_quantize

    def spread(values):
        if np.ndim(values) == 0:
            return np.asarray(values, np.float64).reshape(1, 1)
        whole = qparams.granularity.from_groups(np.broadcast_to(values, groups.shape), w.shape)
        return np.ascontiguousarray(whole, np.float64).reshape(len(w), -1)

    fmt, zero_point = qparams.fmt, qparams.zero_point.astype(np.float64)
    return IntegerGrid(spread(scale), spread(fmt.qmin - zero_point), spread(fmt.qmax - zero_point))


def table_grid(weight, levels, granularity: Granularity = EACH_OUTPUT) -> TableGrid:
    """Return a grid of arbitrary levels, such as NF4's sixteen values times the scale of each group.

    Parameters
    ----------
    weight : array (out, in, ...)
        Only its shape matters.
    levels : (n_groups, n) array, sorted along each row
    granularity : PerTensor, PerChannel or PerGroup, or words such as "per group of 32"

    Raises
    ------
    ValueError
        There is not one row of sorted levels for each group of `weight`.

    Examples
    --------
    >>> w = np.array([[0.3, -0.6], [2.0, 1.0]])
    >>> table_grid(w, [[-0.5, 0.0, 0.5], [-2.0, 0.0, 2.0]]).nearest(w)
    array([[ 0.5, -0.5],
           [ 2. ,  0. ]])
    """
    w = _check.as_float(weight, "weight")
    levels = _check.finite(_check.as_float(levels, "levels"), "levels").astype(np.float64)
    groups = as_granularity(granularity).to_groups(np.arange(w.size).reshape(w.shape))
    if levels.ndim != 2 or len(levels) != len(groups) or not levels.size or (levels[:, 1:] < levels[:, :-1]).any():
        raise ValueError(
            f"levels must be {len(groups)} sorted rows, one for each group of weight: got shape {levels.shape}"
        )
    row_of = np.empty(w.size, np.int64)
    row_of[groups.ravel()] = np.repeat(np.arange(len(groups)), groups.shape[1])
    return TableGrid(levels[row_of].reshape(len(w), -1, levels.shape[1]))


def as_grid(grid, weight, name: str = "grid") -> Grid:
    """Return `grid` as a Grid; it may also be the QParams of the weights, or a format.

    A format, or its name, is calibrated here: symmetric, min-max, one scale for each output.

    Raises
    ------
    TypeError
        `grid` is none of these.

    Examples
    --------
    >>> as_grid("int2", np.array([[1.0, -0.4]])).nearest(np.array([[0.8, -0.4]]))
    array([[ 1., -0.]])
    """
    if isinstance(grid, str | IntFormat) or grid is IntFormat:
        grid = calibrate(weight, "min-max", as_format(grid, name), "symmetric", EACH_OUTPUT)
    if isinstance(grid, QParams):
        return integer_grid(weight, grid)
    must = "the QParams of the weights, a format such as 'int4', or a Grid"
    return _check.made(grid, name, Grid, must)


def of_columns(values: np.ndarray, columns) -> np.ndarray:
    """Return the given columns; a single column stands for all and is returned as it is."""
    return values if values.shape[1] == 1 else values[:, columns]


def _taken(levels: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.take_along_axis(np.broadcast_to(levels, (*at.shape, levels.shape[-1])), at[..., None], axis=-1)[..., 0]

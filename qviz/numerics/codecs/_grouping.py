"""Cut an array into rows, one per group of values that share parameters, and reassemble it.

Unlike in `qviz.numerics`, the last group may be shorter. It is padded by repeating its last value, which does not
change minimum and maximum; in averages, the padding has weight 0.
"""

import math

import numpy as np

from .. import _check
from .._blocks import BLOCK, _cuts
from ..granularity import PER_TENSOR, Granularity, PerGroup, as_granularity


def grouping_of(granularity, natural: int | None) -> Granularity:
    """Return a granularity: None means the codec's natural group size, an int a group size along the last axis."""
    if granularity is None:
        return PER_TENSOR if natural is None else PerGroup(-1, natural)
    if isinstance(granularity, int | np.integer) and not isinstance(granularity, bool):
        return PerGroup(-1, int(granularity))
    return as_granularity(granularity)


def count_groups(shape: tuple[int, ...], granularity: Granularity) -> int:
    """Return the number of groups in an array of this shape, including shorter last ones."""
    if isinstance(granularity, PerGroup):
        length = shape[_check.axis_of(granularity.axis, shape)]
        return math.prod(shape) // max(length, 1) * -(-length // granularity.size)
    return len(granularity.to_groups(np.broadcast_to(np.int8(0), shape)))


def to_groups(x: np.ndarray, granularity: Granularity, whole: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Return (n_groups, n) rows, and weights that are 0 for padding, or None without padding.

    With `whole`, groups have their full size even if the axis is shorter.
    """
    if not isinstance(granularity, PerGroup):
        return granularity.to_groups(x), None
    moved = np.moveaxis(x, _check.axis_of(granularity.axis, x.shape), -1)
    length = moved.shape[-1]
    size = granularity.size if whole else min(granularity.size, length)
    missing = -length % size
    if not missing:
        return moved.reshape(-1, size), None
    edges = [(0, 0)] * (x.ndim - 1) + [(0, missing)]
    real = np.pad(np.ones(length, np.float32), (0, missing))
    weights = np.broadcast_to(real, (*moved.shape[:-1], length + missing))
    return np.pad(moved, edges, mode="edge").reshape(-1, size), weights.reshape(-1, size)


def from_groups(groups: np.ndarray, shape: tuple[int, ...], granularity: Granularity) -> np.ndarray:
    """Undo `to_groups` for an array of this shape."""
    if not isinstance(granularity, PerGroup):
        return granularity.from_groups(groups, shape)
    axis = _check.axis_of(granularity.axis, shape)
    moved = (*shape[:axis], *shape[axis + 1 :])
    padded = groups.reshape(*moved, groups.size // max(math.prod(moved), 1))
    return np.moveaxis(padded[..., : shape[axis]], -1, axis)


def in_blocks(step, rows: np.ndarray, per_group: tuple[np.ndarray, ...], dtype, size: int = BLOCK) -> np.ndarray:
    """Apply `step(block, *parameters of its rows)` to (n_groups, n) rows, in blocks that fit the cache."""
    out = np.empty(rows.shape, dtype)
    for top, left in _cuts(rows.shape, size):
        out[top, left] = step(rows[top, left], *(values[top] for values in per_group))
    return out

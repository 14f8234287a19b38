"""Apply scale and zero point to the groups of an array, in blocks that fit the cache."""

from collections.abc import Callable, Iterator

import numpy as np

# 64k float32 values and their result fit the second-level cache: twice as fast as one pass over 4M values, and no other
# size was faster.
BLOCK = 65_536

Step = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def by_blocks(x: np.ndarray, qparams, step: Step, real, dtype) -> np.ndarray:
    """Apply `step(block, scale, zero_point)` to (rows, columns) blocks of `x`; `real` is the dtype of the qparams."""
    groups = groups_of(x, qparams)
    scale, zero_point = scale_as(qparams, real), qparams.zero_point.astype(real)
    out = np.empty(groups.shape, dtype)
    for rows, columns in _cuts(groups.shape):
        of_rows = (values[rows] if values.ndim else values for values in (scale, zero_point))
        np.copyto(out[rows, columns], step(groups[rows, columns], *of_rows), casting="unsafe")
    return qparams.granularity.from_groups(out, x.shape)


def groups_of(x: np.ndarray, qparams) -> np.ndarray:
    """Return the groups of `x` as rows; their number must match `qparams`."""
    groups = qparams.granularity.to_groups(x)
    if len(groups) != qparams.scale.size:
        raise ValueError(
            f"x has {len(groups)} groups ({qparams.granularity}, shape {x.shape}), but qparams hold "
            f"{qparams.scale.size} scales; choose qparams for this shape"
        )
    return groups


def scale_as(qparams, real) -> np.ndarray:
    """Return the scale as float32 or float64; it must neither overflow nor vanish there."""
    with np.errstate(over="ignore", under="ignore"):
        scale = qparams.scale.astype(real)
    bad = ~(np.isfinite(scale) & (scale > 0))
    if bad.any():
        raise ValueError(
            f"scale must fit {np.dtype(real)}, the dtype of the arithmetic: got {qparams.scale[bad][0]}; use float64"
        )
    return scale


def _cuts(shape: tuple[int, int], size: int = BLOCK) -> Iterator[tuple[slice, slice]]:
    """Cut (n_groups, n) into blocks of about `size` values: many short rows, or part of a long one."""
    n_groups, n = shape
    height = max(1, size // max(n, 1))
    for top in range(0, n_groups, height):
        for left in range(0, n, size):
            yield slice(top, top + height), slice(left, left + size)

"""Horizontal bars of all rows as one patch, because hatching six patches takes six times as long as hatching one."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

NOTHING = Path(np.zeros((1, 2)))


def bars(ax: Axes, **look) -> PathPatch:
    """Add an empty patch for the bars."""
    return ax.add_patch(PathPatch(NOTHING, linewidth=1, **look))


def rectangles(left: np.ndarray, right: np.ndarray, least: float) -> Path:
    """Return one path with a bar per row, from (rows,) `left` to `right`; bars no longer than `least` are left out."""
    rows = np.flatnonzero(right - left > least)
    return boxes(left[rows], right[rows], rows - 0.31, rows + 0.31)


def boxes(left: np.ndarray, right: np.ndarray, bottom: np.ndarray, top: np.ndarray) -> Path:
    """Return (n,) rectangles as one path, without those of no area."""
    seen = np.flatnonzero((right > left) & (top > bottom))
    if not seen.size:
        return NOTHING
    corners = np.array([[left, bottom], [right, bottom], [right, top], [left, top]])[:, :, seen].transpose(2, 0, 1)
    return Path.make_compound_path(*(Path([*box, box[0]], closed=True) for box in corners))

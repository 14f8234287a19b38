"""Many small numbers as one artist: a text artist takes 0.7 ms per paint, and this takes as long for all numbers."""

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextPath, text_to_path
from matplotlib.transforms import Affine2D

from .moving_text import MIDDLE
from .style import FONT_SIZE


def numbers(ax: Axes, color: str) -> PathCollection:
    """Add an empty collection of numbers, which `set_numbers` fills."""
    points_to_pixels = Affine2D().scale(1 / 72) + ax.figure.dpi_scale_trans
    collection = PathCollection([], offset_transform=ax.transData, facecolor=color, linewidth=0)
    collection.set_transform(points_to_pixels)
    ax.add_collection(collection, autolim=False)
    return collection


def set_numbers(collection: PathCollection, values, x, y: float) -> None:
    """Write integers `values` (n,) centred on the points (`x`, `y`), in data units."""
    collection.set_paths([_outline(int(value)) for value in values])
    collection.set_offsets(np.column_stack([x, np.full(len(x), y)]))


def set_spelled(collection: PathCollection, texts, x: float, y) -> None:
    """Write `texts` (n,) right-aligned at the points (`x`, `y`), in data units.

    Each text is assembled from cached outlines of its letters, so a new text takes no longer than a repeated one.
    """
    collection.set_paths([_spelled(text) for text in texts])
    collection.set_offsets(np.column_stack([np.full(len(y), x), y]))


def _spelled(text: str) -> Path:
    """Return the outline of a text in points, right-aligned at the origin and centred vertically."""
    letters = [_letter(letter) for letter in text]
    starts = np.cumsum([0.0, *(advance for *_, advance in letters)])
    corners = [corners + np.array([start, 0.0]) for (corners, *_), start in zip(letters, starts, strict=False)]
    middle = starts[-1], MIDDLE * FONT_SIZE
    return Path(np.concatenate(corners) - middle, np.concatenate([codes for _, codes, _ in letters]))


@cache
def _letter(letter: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Return vertices and codes of the outline of a letter, in points, and its advance width."""
    letter, font = letter.replace("-", "\N{MINUS SIGN}"), FontProperties(size=FONT_SIZE)
    width, _, _ = text_to_path.get_text_width_height_descent(letter, font, False)
    if letter == " ":  # TextPath rejects a text without an outline
        return np.zeros((0, 2)), np.zeros(0, np.uint8), width
    path = TextPath((0, 0), letter, prop=font)
    return path.vertices, path.codes, width


@cache
def _outline(value: int) -> Path:
    """Return the outline of a number in points, centred on the origin."""
    path = TextPath((0, 0), str(value).replace("-", "\N{MINUS SIGN}"), size=FONT_SIZE)
    box = path.get_extents()
    return path.transformed(Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2))

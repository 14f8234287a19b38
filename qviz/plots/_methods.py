"""One row a calibrator, always in the same order, with a star and bold letters at the best."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from ..numerics import CALIBRATORS
from .style import FONT_SIZE

NAMES = tuple(CALIBRATORS)
ROWS = np.arange(len(NAMES))
LABELS = [4 * " " + name for name in NAMES]  # room for the star


def name_rows(ax: Axes) -> Text:
    """Name the rows at the left, and return the words that will cover the name of the best one."""
    ax.set_yticks(ROWS, LABELS)
    ax.tick_params(axis="y", length=0)
    place, _, _ = ax.get_yaxis_text1_transform(3.5)  # where the names themselves stand
    cover = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    best = ax.text(0, 0, "", transform=place, ha="right", va="center", fontsize=FONT_SIZE - 1, bbox=cover)
    best.set(fontweight="bold", clip_on=False, in_layout=False)
    return best


def mark(best: Text, name: str) -> None:
    """Put the star at a name."""
    best.set_text(f"\N{BLACK STAR} {name}")
    best.set_y(NAMES.index(name))

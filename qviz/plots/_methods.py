"""One row a calibrator, always in the same order, with a star and bold letters at the best."""

import numpy as np
from matplotlib.axes import Axes

from ..numerics import CALIBRATORS
from .style import FONT_SIZE
from .words import Words

NAMES = tuple(CALIBRATORS)
ROWS = np.arange(len(NAMES))
LABELS = [4 * " " + name for name in NAMES]  # room for the star


def name_rows(ax: Axes) -> Words:
    """Name the rows at the left, and return the words that will cover the name of the best one."""
    ax.set_yticks(ROWS, LABELS)
    ax.tick_params(axis="y", length=0)
    place, _, _ = ax.get_yaxis_text1_transform(3.5)  # where the names themselves stand
    return Words(ax, place, FONT_SIZE - 1, bold=True, cover="none")


def mark(best: Words, name: str) -> None:
    """Put the star at a name."""
    best.say(f"\N{BLACK STAR} {name}", 0, NAMES.index(name))

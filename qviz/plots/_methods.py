"""Named rows in a fixed order, by default one per calibrator, with the best one in bold and marked by a star."""

import numpy as np
from matplotlib.axes import Axes

from qviz.numerics import CALIBRATORS

from .moving_text import Words
from .style import FONT_SIZE

NAMES = tuple(CALIBRATORS)
ROWS = np.arange(len(NAMES))
INDENT = 4 * " "  # for the star
LABELS = [INDENT + name for name in NAMES]


def name_rows(ax: Axes, names: tuple[str, ...] = NAMES) -> Words:
    """Label the rows at the left, and return the Words that `mark` puts over the label of the best one."""
    ax.set_yticks(range(len(names)), [INDENT + name for name in names])
    ax.tick_params(axis="y", length=0)
    place, _, _ = ax.get_yaxis_text1_transform(3.5)  # the transform of the tick labels
    return Words(ax, place, FONT_SIZE - 1, bold=True, cover="none")


def mark(best: Words, name: str, names: tuple[str, ...] = NAMES) -> None:
    """Mark the row of this name with the star."""
    best.say(f"\N{BLACK STAR} {name}", 0, names.index(name))

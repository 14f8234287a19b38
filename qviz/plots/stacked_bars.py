"""Stacked bars: the parts of each row, in per cent of float32."""

import numpy as np
from matplotlib.axes import Axes

from ._bars import bars, rectangles
from .moving_text import Words
from .panel import Panel
from .style import CLIPPED, FLOAT, FONT_SIZE, QUANTIZED, QUIET, Labels, dress, legend

MOST_ROWS = 6
# One look per part, in order; they differ in hatching too, not only in colour.
LOOKS = (
    {"facecolor": QUANTIZED, "edgecolor": "black"},
    {"facecolor": "white", "edgecolor": CLIPPED, "hatch": "////"},
    {"facecolor": "white", "edgecolor": FLOAT, "hatch": "...."},
    {"facecolor": QUIET, "edgecolor": "black", "hatch": "xx"},
)


class SharesPanel(Panel):
    """One stacked bar per row, in per cent of a reference, with a text at the right.

    Parameters
    ----------
    title, x : str
        Title, and label of the x axis.
    parts : sequence of str
        At most four names.
    limit : float
        Width of the picture, in per cent: the axis ends at 100, and the text needs room beyond the longest bar.
    """

    def __init__(self, title: str, x: str, parts, limit: float = 100.0):
        super().__init__(title)
        self.x, self.parts, self.limit = x, tuple(parts), limit
        self.rows: tuple[str, ...] = ()

    def view(self) -> tuple:
        """Return what the background depends on, which includes the names of the rows."""
        return (*super().view(), *self.rows)

    def build(self, ax: Axes) -> None:
        """Create one patch per part, and the text of each row."""
        dress(ax, Labels(self.title, self.x, ""))
        ax.tick_params(axis="y", length=0)
        self.bars = [self.moving(bars(ax, label=part, **LOOKS[i])) for i, part in enumerate(self.parts)]
        self.words = [Words(ax, ax.transData, FONT_SIZE - 1) for _ in range(MOST_ROWS)]
        for words in self.words:
            self.moving(*words.artists)
        ax.set_xlim(0, self.limit)
        ax.set_xticks(range(0, 101, 20))
        ax.spines["bottom"].set_bounds(0, 100)
        legend(ax, loc="upper right", ncols=len(self.parts), columnspacing=1.0)

    def update(self, rows, shares: np.ndarray, words) -> None:
        """Show one bar per row.

        Parameters
        ----------
        rows : sequence of str, at most 6
        shares : (rows, parts) array, in per cent of the reference
        words : sequence of str: the text at the right of each row
        """
        ends = np.column_stack([np.zeros(len(rows)), np.cumsum(shares, axis=1)])
        for part, shape in enumerate(self.bars):
            shape.set_path(rectangles(ends[:, part], ends[:, part + 1], 0.001 * self.limit))
        for i, label in enumerate(self.words):
            label.visible = i < len(rows)
            if label.visible:
                label.say(words[i], 0.99 * self.limit, i)
        self.rows = tuple(rows)
        self.ax.set_yticks(range(len(rows)), rows)
        self.ax.set_ylim(len(rows) - 0.5, -1.1)
        told = (f"{row} {share:.1f} % ({word})" for row, share, word in zip(rows, ends[:, -1], words, strict=True))
        self.description = f"{self.title}, {self.x}: {'; '.join(told)}."

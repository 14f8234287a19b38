"""What something consists of, row by row, in per cent of what float32 takes."""

import numpy as np
from matplotlib.axes import Axes

from ._bars import bars, rectangles
from .moving_text import Words
from .panel import Panel
from .style import CLIPPED, FLOAT, FONT_SIZE, QUANTIZED, QUIET, Labels, dress, legend

MOST_ROWS = 6
# Of the parts, in their order; told apart by hatching too.
LOOKS = (
    {"facecolor": QUANTIZED, "edgecolor": "black"},
    {"facecolor": "white", "edgecolor": CLIPPED, "hatch": "////"},
    {"facecolor": "white", "edgecolor": FLOAT, "hatch": "...."},
    {"facecolor": QUIET, "edgecolor": "black", "hatch": "xx"},
)


class SharesPanel(Panel):
    """A bar a row, its parts end to end, in per cent of a reference; the row's own figure stands at the right.

    Parameters
    ----------
    title, x : str
        Above the axes, and below.
    parts : sequence of str
        At most four names.
    limit : float
        Width of the picture, in per cent: the axis ends at 100, and words need room beyond the longest bar.
    """

    def __init__(self, title: str, x: str, parts, limit: float = 100.0):
        super().__init__()
        self.title, self.x, self.parts, self.limit = title, x, tuple(parts), limit
        self.rows: tuple[str, ...] = ()

    def view(self) -> tuple:
        """Return what the still part depends on: the names of the rows too."""
        return (*super().view(), *self.rows)

    def build(self, ax: Axes) -> None:
        """Create a shape a part, and the words of each row."""
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
        """Show one bar a row.

        Parameters
        ----------
        rows : sequence of str, at most 6
        shares : (rows, parts) array, in per cent of the reference
        words : sequence of str: the figure at the end of each row
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

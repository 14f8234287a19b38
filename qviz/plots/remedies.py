"""Cumulative remedies: the accuracy after each one, with its interval, and the SQNR of the logits."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from matplotlib.axes import Axes

from .moving_text import Words
from .panel import Panel
from .style import ERROR, FLOAT, FONT_SIZE, QUANTIZED, Labels, dress

RIGHT, DECIBELS = 1.3, 1.56  # right edges of the two columns of numbers; the accuracy axis ends at 1


class RemediesPanel(Panel):
    """One row per remedy, in order: the accuracy with all remedies up to this one, and its interval.

    Parameters
    ----------
    names : sequence of str
        Names of the rows, from the top; the first is the network without any remedy.
    """

    def __init__(self, names: Sequence[str], title: str = "Right answers, each remedy on top of those above"):
        super().__init__(title)
        self.names = tuple(names)

    def build(self, ax: Axes) -> None:
        """Create the dots, their intervals, and two columns of numbers."""
        dress(ax, Labels(self.title, "right, in %, with a 95 % bootstrap interval", ""))
        ax.set_yticks(range(len(self.names)), self.names)
        ax.tick_params(axis="y", length=0)
        ax.set(xlim=(0, DECIBELS + 0.02), ylim=(len(self.names) - 0.4, -1.0))
        ax.set_xticks(np.linspace(0, 1, 6), ["0", "20", "40", "60", "80", "100"])
        ax.grid(axis="x", color="0.9")
        ax.set_axisbelow(True)
        for x, text in ((RIGHT, "right"), (DECIBELS, "logits, dB")):
            ax.text(x, -0.72, text, ha="right", va="center", fontsize=FONT_SIZE - 1)
        self.path = self.moving(*ax.plot([], [], color=ERROR, linewidth=1, linestyle=":"))
        self.intervals = self.moving(*ax.plot([], [], color=QUANTIZED, linewidth=11, alpha=0.4, solid_capstyle="butt"))
        self.dots = self.moving(*ax.plot([], [], "o", color=QUANTIZED, markersize=6, markeredgecolor="black"))
        self.float = self.moving(ax.axvline(1, ymax=0.9, color=FLOAT, linestyle="--", linewidth=1.5))
        ax.text(0.98, -0.72, "float", ha="right", va="center", fontsize=FONT_SIZE - 1, color=FLOAT)
        self.words = [[Words(ax, ax.transData, FONT_SIZE) for _ in range(2)] for _ in self.names]
        for words in chain.from_iterable(self.words):
            self.moving(*words.artists)

    def update(
        self,
        accuracies: Sequence[float],
        intervals: Sequence[tuple[float, float]],
        logits_db: Sequence[float],
        float_accuracy: float,
    ) -> None:
        """Show (rows,) accuracies, 0 to 1, their intervals, and decibels; NaN for a remedy that is off."""
        accuracies, rows = np.asarray(accuracies, float), np.arange(len(self.names))
        on = np.isfinite(accuracies)
        self.dots.set_data(accuracies[on], rows[on])
        self.path.set_data(accuracies[on], rows[on])
        ends = np.column_stack([np.asarray(intervals, float), np.full(len(rows), np.nan)])[on]
        self.intervals.set_data(ends.ravel(), np.repeat(rows[on], 3))
        self.float.set_xdata([float_accuracy] * 2)
        for row, (right, decibels) in enumerate(self.words):
            right.say(f"{accuracies[row]:.1%}" if on[row] else "off", RIGHT, row)
            decibels.say(f"{logits_db[row]:.1f}" if on[row] else "-", DECIBELS, row)
        self.description = f"{self.title}: " + ", ".join(
            f"{name} {accuracy:.1%} ({db:.1f} dB)" if np.isfinite(accuracy) else f"{name} off"
            for name, accuracy, db in zip(self.names, accuracies, logits_db, strict=True)
        )

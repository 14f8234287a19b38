"""The four terms of an integer dot product, and its bias, as a waterfall."""

import numpy as np
from matplotlib.axes import Axes

from .accumulator import powers_around, within, written
from .moving_text import Words
from .panel import Panel
from .style import FLOAT, QUANTIZED, QUIET, Labels, dress

TERMS = (
    "sum of q_x q_w",
    "\N{MINUS SIGN}z_x sum of q_w",
    "\N{MINUS SIGN}z_w sum of q_x",
    "n z_x z_w",
    "bias",
    "total",
)
WIDTH = 1.35  # of the axis: the bars take 1, the rest is for the numbers


class TermsPanel(Panel):
    """A bar for each term, starting where the previous one ends, with the total at the bottom; each with its number.

    As in WalkPanel, lengths are scaled by powers of two, and the line at zero moves.
    """

    title = "Four terms and the bias"

    def build(self, ax: Axes) -> None:
        """Create a bar and a number for each term."""
        dress(ax, Labels(self.title, "", ""))
        rows = np.arange(len(TERMS))
        ax.set_yticks(rows, TERMS)
        ax.set_xticks([])
        ax.set_ylim(rows[-1] + 0.6, -0.6)
        ax.set_xlim(0, WIDTH)
        ax.spines[["bottom", "left"]].set_visible(False)
        ax.tick_params(axis="y", length=0)
        self.zero = self.moving(ax.axvline(0, color=QUIET, linewidth=1))
        self.bars = ax.barh(rows, 0, height=0.6, color=FLOAT, edgecolor="black", linewidth=0.8).patches
        self.bars[-1].set(facecolor=QUANTIZED, hatch="//")
        self.moving(*self.bars)
        self.numbers = [Words(ax, ax.transData, 10) for _ in TERMS]
        for words in self.numbers:
            self.moving(*words.artists)

    def update(self, terms) -> None:
        """Show five integers, in the order of the rows; the last row is their sum."""
        terms = [int(term) for term in terms]
        ends = np.cumsum([0, *terms])
        powers, widths = powers_around(ends), [*terms, int(ends[-1])]
        starts = within(np.array([*ends[:-1], 0]), powers)
        stops = within(np.array([*ends[1:], ends[-1]]), powers)
        for row, (bar, start, stop) in enumerate(zip(self.bars, starts, stops, strict=True)):
            bar.set(x=min(start, stop), width=abs(stop - start))
            self.numbers[row].say(written(widths[row]), 0.99 * WIDTH, row)
        self.zero.set_xdata([within(0, powers)] * 2)
        self.description = f"{self.title}: " + ", ".join(f"{name} {w}" for name, w in zip(TERMS, widths, strict=True))

"""Quantization methods: how each answer affects each method, and the loss of accuracy of each method."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from .moving_text import Words
from .panel import Panel
from .style import CLIPPED, ERROR, FLOAT, FONT_SIZE, QUANTIZED, QUIET, RANGE, ROUNDED, Labels, dress

FINE, COSTS, OUT = "", "costs", "out"
_LONGEST, _EDGE = 20.0, 30.0  # percentage points: the longest bar, and the right edge of the numbers


class VerdictPanel(Panel):
    """A row per method and a column per question, with a symbol for what the answer means for the method.

    The recommended method is framed.

    Parameters
    ----------
    methods, questions : sequences of names of methods and questions
    """

    def __init__(self, methods: Sequence[str], questions: Sequence[str], title: str = "How well does each method fit?"):
        super().__init__(title)
        self.methods, self.questions = list(methods), list(questions)

    def build(self, ax: Axes) -> None:
        """Create the labels, the frame and three sets of symbols."""
        dress(ax, Labels(self.title, "", ""))
        ax.set_xlim(-0.6, len(self.questions) - 0.4)
        ax.set_ylim(len(self.methods) - 0.4, -0.6)
        ax.set_xticks(range(len(self.questions)), self.questions)
        ax.set_yticks(range(len(self.methods)), self.methods)
        ax.tick_params(length=0, labelsize=FONT_SIZE)
        ax.hlines(np.arange(len(self.methods) - 1) + 0.5, -0.6, len(self.questions) - 0.4, color=QUIET, linewidth=0.5)
        self.frame = self.moving(ax.add_patch(_frame(len(self.questions))))
        looks = {FINE: ("o", FLOAT, "fine"), COSTS: ("^", ROUNDED, "at a cost"), OUT: ("X", CLIPPED, "ruled out")}
        self.signs = {}
        for verdict, (marker, color, label) in looks.items():
            (line,) = ax.plot([], [], marker, color=color, markersize=11, markeredgecolor="black", label=label)
            self.signs[verdict] = self.moving(line)
        ax.legend(fontsize=FONT_SIZE - 1, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.08), frameon=False)

    def update(self, verdicts: Mapping[tuple[str, str], str], chosen: str) -> None:
        """Show a verdict for each (method, question): "", "costs" or "out"; and frame the recommended method."""
        at = {key: [] for key in self.signs}
        for (method, question), verdict in verdicts.items():
            at[verdict].append((self.questions.index(question), self.methods.index(method)))
        for verdict, line in self.signs.items():
            line.set_data(*np.array(at[verdict], float).reshape(-1, 2).T)
        self.frame.set_y(self.methods.index(chosen) - 0.45)
        counts = ", ".join(f"{len(at[v])} {line.get_label()}" for v, line in self.signs.items())
        self.description = f"{len(self.methods)} ways, {len(self.questions)} questions: {counts}. Left: {chosen}."


class AnswersLostPanel(Panel):
    """Loss of accuracy of each method as a bar, in percentage points, with a line at the tolerated loss.

    The bar of the recommended method has a different colour. An arrow marks values larger than their bar; methods that
    were not measured have a text instead of a bar.

    Parameters
    ----------
    methods : sequence of names, as in VerdictPanel
    unmeasured : mapping of method to the text shown instead of its bar
    """

    def __init__(
        self, methods: Sequence[str], unmeasured: Mapping[str, str], title: str = "Points lost on our network"
    ):
        super().__init__(title)
        self.methods, self.unmeasured = list(methods), dict(unmeasured)

    def build(self, ax: Axes) -> None:
        """Create the bars, their numbers and the line."""
        dress(ax, Labels(self.title, "loss of accuracy, in percentage points", ""))
        ax.set_xlim(0, _EDGE)
        ax.set_xticks([0, 5, 10, 15, 20])
        ax.set_ylim(len(self.methods) - 0.4, -0.6)
        ax.set_yticks([])
        self.bars = ax.barh(range(len(self.methods)), 0, height=0.55, color=QUANTIZED)
        self.moving(*self.bars)
        self.line = self.moving(ax.axvline(0, color=RANGE, linestyle="--", linewidth=2))
        self.words = [Words(ax, ax.transData, FONT_SIZE, cover="none") for _ in self.methods]
        for words in self.words:
            self.moving(*words.artists)

    def update(self, lost: Mapping[str, float], tolerated: float, chosen: str) -> None:
        """Show the loss of each method (NaN where unmeasured), the tolerated loss, and the recommended method."""
        self.line.set_xdata([tolerated] * 2)
        for row, method in enumerate(self.methods):
            points = lost[method]
            bar, length = self.bars[row], float(np.clip(np.nan_to_num(points), 0, _LONGEST))
            bar.set_width(length)
            bar.set_facecolor(QUANTIZED if method == chosen else ERROR)
            arrow = " \N{RIGHTWARDS ARROW}" if points > _LONGEST else ""
            text = self.unmeasured.get(method, "not measured") if np.isnan(points) else f"{points:.1f}{arrow}"
            self.words[row].say(text, 0.98 * _EDGE, row)
        told = ", ".join(f"{method} {lost[method]:.1f}" for method in self.methods if not np.isnan(lost[method]))
        self.description = f"{self.title}: {told}; {tolerated:.1f} may be lost."


def _frame(columns: int) -> Rectangle:
    return Rectangle((-0.55, 0), columns + 0.1, 0.9, facecolor="none", edgecolor=RANGE, linewidth=2.5)

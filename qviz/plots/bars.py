"""A few numbers as horizontal bars, each with its name and value."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ._bars import NOTHING, boxes
from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .style import CLIPPED, FLOAT, FONT_SIZE, QUANTIZED, QUIET, Labels, dress

DIGITS_WIDTH = 0.24  # share of the axis reserved for the values at the right


class BarsPanel(Panel):
    """One bar per name; the first is float32, the reference for all others.

    Parameters
    ----------
    title, unit : str
    names : tuple of str
        Names of the rows, from the top.
    digits, scale : str
        Format of the values at the bars and of the tick labels, such as "{:.1%}".
    most : float or None
        Upper end of the axis; None is the end of the float32 bar.
    """

    def __init__(
        self,
        title: str = "Right answers",
        unit: str = "share of the test images",
        names: tuple[str, ...] = ("float32", "quantized"),
        digits: str = "{:.2%}",
        scale: str = "{:.0%}",
        most: float | None = 1.0,
    ):
        super().__init__(title)
        self.unit, self.names = unit, names
        self.digits, self.scale, self.most = digits, scale, most

    def build(self, ax: Axes) -> None:
        """Create the bars, their values, and a line at the end of the float32 bar."""
        dress(ax, Labels(self.title, self.unit, ""))
        rows = np.arange(len(self.names))
        ax.set_yticks(rows, self.names)
        ax.tick_params(axis="y", length=0)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: self.scale.format(value)))
        ax.set_ylim(len(self.names) - 0.45, -0.55)
        first = PathPatch(NOTHING, facecolor=FLOAT, linewidth=0)
        others = PathPatch(NOTHING, facecolor=QUANTIZED, edgecolor="white", hatch="//", linewidth=0)
        self.bars = [self.moving(ax.add_patch(patch)) for patch in (first, others)]
        self.float = self.moving(ax.axvline(0, color=QUIET, linewidth=1.2, linestyle="--"))
        self.told = [Words(ax, ax.transData, FONT_SIZE) for _ in rows]
        for words in self.told:
            self.moving(*words.artists)

    def update(self, values: Mapping[str, float]) -> None:
        """Show a value of at least 0 for each name."""
        lengths = np.array([values[name] for name in self.names], float)
        most = self.most or lengths[0]
        self.bars[0].set_path(_rows(lengths[:1], 0))
        self.bars[1].set_path(_rows(lengths[1:], 1))
        self.float.set_xdata([lengths[0]] * 2)
        self.ax.set_xlim(0, most * (1 + DIGITS_WIDTH))
        self.ax.set_xticks([tick for tick in MaxNLocator(4).tick_values(0, most) if tick <= most])
        for row, (words, length) in enumerate(zip(self.told, lengths, strict=True)):
            words.say(self.digits.format(length), most * (1 + DIGITS_WIDTH), row)
        self.description = f"{self.title}: " + ", ".join(
            f"{name} {self.digits.format(length)}" for name, length in zip(self.names, lengths, strict=True)
        )


class LayersPanel(Panel):
    """SQNR of each layer in decibels, for its weights and for its outputs.

    Parameters
    ----------
    names : tuple of str
        Names of the layers, in the order they run.
    """

    TOP = 60.0

    def __init__(self, names: Sequence[str], title: str = "SQNR of each layer"):
        super().__init__(title)
        self.names = names

    def build(self, ax: Axes) -> None:
        """Create two bars per layer."""
        dress(ax, Labels(self.title, "", "SQNR in dB"))
        ax.set_xticks(np.arange(len(self.names)), self.names)
        ax.tick_params(axis="x", length=0)
        ax.set_xlim(-0.6, len(self.names) - 0.4)
        ax.set_ylim(0, self.TOP)
        ax.set_yticks(range(0, 61, 12))
        looks = {
            "weights": {"facecolor": "white", "edgecolor": CLIPPED, "hatch": "////", "linewidth": 1.2},
            "outputs": {"facecolor": QUANTIZED, "edgecolor": "none"},
        }
        patches = {name: PathPatch(NOTHING, label=name, **look) for name, look in looks.items()}
        self.bars = {name: self.moving(ax.add_patch(patch)) for name, patch in patches.items()}
        ax.legend(fontsize=FONT_SIZE - 2, framealpha=0.85, borderpad=0.3, loc="upper right", ncols=2)

    def update(self, weights_db: np.ndarray, outputs_db: np.ndarray) -> None:
        """Show (layers,) decibels each; NaN has no bar, and infinity reaches the top."""
        slots = np.arange(len(self.names))
        for name, decibels, left in (("weights", weights_db, -0.38), ("outputs", outputs_db, 0.02)):
            heights = np.clip(np.nan_to_num(decibels, nan=0.0, posinf=self.TOP, neginf=0.0), 0, self.TOP)
            self.bars[name].set_path(boxes(slots + left, slots + left + 0.36, np.zeros_like(heights), heights))
        told = (f"{n} {o:.1f}" for n, o in zip(self.names, outputs_db, strict=True))
        self.description = f"{self.title}, of its outputs, in dB: {', '.join(told)}"


def _rows(lengths: np.ndarray, first: int) -> Path:
    rows = np.arange(first, first + lengths.size)
    return boxes(np.zeros(lengths.size), lengths, rows - 0.32, rows + 0.32)


def compare_accuracies(accuracies: Mapping[str, float], title: str = "Right answers", size=(900, 320)) -> Picture:
    """Draw accuracies as horizontal bars; the first is that of the float network.

    Parameters
    ----------
    accuracies : mapping of name to share, 0 to 1
    size : (width, height) in pixels

    Examples
    --------
    >>> compare_accuracies({"float32": 0.9889, "W8A8": 0.9861, "W2A2": 0.1})
    Right answers: float32 98.89%, W8A8 98.61%, W2A2 10.00%
    """
    return draw({"bars": (BarsPanel(title, names=tuple(accuracies)), accuracies)}, size=size)

"""The ablation: SQNR of each layer, and accuracy and size of all eight combinations of the switches."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._methods import mark, name_rows
from .moving_text import Words
from .panel import Panel
from .style import ERROR, FLOAT, FONT_SIZE, QUANTIZED, Labels, dress, legend, logarithmic

MARKERS = {"weights": "^", "activations": "o", "biases": "s"}
TICKS = range(0, 61, 12)
BEYOND = 66.0  # dB: the height at which values above 60 are drawn
LEAST = 0.7  # number of wrong images at which 0 is drawn, because the axis is logarithmic


class LayerSqnrPanel(Panel):
    """SQNR of each layer's output as a bar, with a mark for each part alone, which shows where the loss comes from."""

    def __init__(self, layers: Sequence[str], title: str = "SQNR of each layer"):
        super().__init__(title)
        self.layers = tuple(layers)

    def build(self, ax: Axes) -> None:
        """Create the bars and three sets of marks."""
        n = len(self.layers)
        dress(ax, Labels(self.title, "", "SQNR in dB"))
        self.bars = self.moving(ax.stairs(np.zeros(1), [0.0, 1.0], fill=True, color=QUANTIZED, label="this setting"))
        look = {"linestyle": "", "markerfacecolor": "white", "markeredgecolor": "black", "markersize": 7}
        self.marks = {
            part: self.moving(*ax.plot([], [], marker, label=f"{part} alone", **look))
            for part, marker in MARKERS.items()
        }
        ax.set_xticks(range(n), self.layers)
        ax.set_yticks([*TICKS, BEYOND], [*map(str, TICKS), "more"])
        ax.set(xlim=(-0.6, n - 0.4), ylim=(0, 88))
        legend(ax, loc="upper center", ncols=2)

    def update(self, this_db: Sequence[float], alone_db: Sequence[Sequence[float]]) -> None:
        """Show (n layers,) decibels of this setting, and (3, n layers) of each part alone; above 60 is "more"."""
        n = len(self.layers)
        heights = _drawn(this_db)
        edges = (np.arange(n)[:, None] + [-0.4, 0.4]).ravel()
        self.bars.set_data(np.column_stack([heights, np.full(n, np.nan)]).ravel()[:-1], edges)
        for line, decibels, shift in zip(self.marks.values(), alone_db, (-0.25, 0.0, 0.25), strict=True):
            line.set_data(np.arange(n) + shift, _drawn(decibels))
        self.description = f"{self.title}, in dB: " + ", ".join(
            f"{layer} {value:.1f}" for layer, value in zip(self.layers, this_db, strict=True)
        )


class CombinationsPanel(Panel):
    """Number of wrong images for each combination of the switches, and the number expected if the losses added up.

    Parameters
    ----------
    combinations : sequence of tuples of str
        The parts that are on, in the order of the rows: none, each alone, pairs, all.
    """

    def __init__(self, combinations: Sequence[tuple[str, ...]], title: str = "All eight combinations"):
        super().__init__(title)
        self.combinations = tuple(combinations)
        self.names = ["none", *map(", ".join, self.combinations[1:-1]), "all three"]

    def build(self, ax: Axes) -> None:
        """Create a row for each combination."""
        dress(ax, Labels(self.title, "wrong answers", ""))
        logarithmic(ax.xaxis)
        rows = len(self.names)
        self.losses = self.moving(*ax.plot([], [], color=QUANTIZED, linewidth=2))
        self.sums = self.moving(
            *ax.plot([], [], "|", color=ERROR, markersize=15, markeredgewidth=2, label="if the losses added up")
        )
        self.wrong = self.moving(*ax.plot([], [], "o", color=QUANTIZED, markersize=8, label="quantized"))
        self.float = self.moving(ax.axvline(1, ymax=0.88, color=FLOAT, linestyle="--", linewidth=1.5, label="float"))
        self.accuracies, self.sizes = (
            [Words(ax, ax.get_yaxis_transform(), FONT_SIZE - 1) for _ in range(rows)] for _ in range(2)
        )
        self.this = name_rows(ax, self.names)
        for words in (*self.accuracies, *self.sizes, self.this):
            self.moving(*words.artists)
        ax.set_xticks([1, 3, 10, 30, 100, 300], ["1", "3", "10", "30", "100", "300"])
        ax.set_ylim(rows - 0.4, -1.6)
        legend(ax, loc="upper left", ncols=3, columnspacing=1.0, handletextpad=0.4)

    def update(self, right: Sequence[int], images: int, size_bytes: Sequence[int], this: int) -> None:
        """Show (8,) correct images of `images`, the bytes of each network, and the row of this setting."""
        wrong, rows = images - np.asarray(right), np.arange(len(self.names))
        added = np.clip(if_added(wrong, self.combinations), LEAST, images)
        wrong = np.maximum(wrong, LEAST)
        gap = np.full(len(rows), np.nan)
        self.losses.set_data(np.column_stack([np.full(len(rows), wrong[0]), wrong, gap]).ravel(), np.repeat(rows, 3))
        self.wrong.set_data(wrong, rows)
        several = [len(parts) > 1 for parts in self.combinations]
        self.sums.set_data(added[several], rows[several])
        self.float.set_xdata([wrong[0]] * 2)
        self.ax.set_xlim(LEAST * 0.8, images * 30)
        for row, accuracy in enumerate(np.asarray(right) / images):
            self.accuracies[row].say(f"{accuracy:.1%}", 0.78, row)
            self.sizes[row].say(f"{size_bytes[row]:,} B", 0.99, row)
        mark(self.this, self.names[this], self.names)
        self.description = f"{self.title}, right answers of {images}: " + ", ".join(
            f"{name} {n}" for name, n in zip(self.names, right, strict=True)
        )


def if_added(wrong: np.ndarray, combinations: Sequence[tuple[str, ...]]) -> np.ndarray:
    """Return the number of wrong images of each combination if the losses of the parts alone added up.

    Examples
    --------
    >>> if_added(np.array([4, 14, 31, 41]), [(), ("weights",), ("biases",), ("weights", "biases")])
    array([ 4, 14, 31, 41])
    """
    alone = {parts[0]: lost for parts, lost in zip(combinations, wrong - wrong[0], strict=True) if len(parts) == 1}
    return wrong[0] + np.array([sum(alone[part] for part in parts) for parts in combinations])


def _drawn(decibels: Sequence[float]) -> np.ndarray:
    """Return the heights of decibels: everything above 60 at one height, so that the axis does not change."""
    decibels = np.asarray(decibels, np.float64)
    return np.where(decibels > TICKS[-1], BEYOND, np.maximum(decibels, 0))

"""Accuracy against bits, for several methods."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from qviz.numerics.accuracy_interval import accuracy_interval

from ._accuracy import told
from .canvas import Picture, draw
from .panel import Panel
from .style import FLOAT, QUANTIZED, ROUNDED, Labels, dress, legend

LOOKS = (  # one per method, in order
    {"color": ROUNDED, "marker": "s", "linestyle": "--"},
    {"color": QUANTIZED, "marker": "o", "linestyle": "-"},
    {"color": FLOAT, "marker": "^", "linestyle": "-."},
)


class AccuracyByBitsPanel(Panel):
    """One line per method over the bits; if there are several runs, each has its own mark.

    Parameters
    ----------
    methods : names of methods, at most 3
    least : float
        Lower end of the linear axis, 0 to 1.
    images : int or None
        Number of images behind each accuracy; thin vertical lines show the 95 % interval. None shows no intervals.
    """

    def __init__(
        self,
        methods: Sequence[str] = ("PTQ", "QAT"),
        title: str = "Accuracy on the test images",
        least: float = 0.5,
        images: int | None = None,
    ):
        super().__init__(title)
        if not 1 <= len(methods) <= len(LOOKS):
            raise ValueError(f"methods must be 1 to {len(LOOKS)} names: got {len(methods)}")
        self.methods, self.least, self.images = tuple(methods), least, images

    def build(self, ax: Axes) -> None:
        """Create a line for each method, and one for the float network."""
        dress(ax, Labels(self.title, "bits of weights (W) and activations (A)", "right, in %"))
        ax.set_ylim(self.least - 0.02, 1.01)
        ax.yaxis.set_major_formatter(PercentFormatter(1, symbol=None))
        self.float = self.moving(ax.axhline(1, color="black", linestyle=":", linewidth=1.5, label="float network"))
        self.lines, self.marks, self.intervals = [], [], []
        for method, look in zip(self.methods, LOOKS, strict=False):
            marker = {"marker": look["marker"], "markeredgecolor": "black", "markersize": 8}
            line = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 2}
            ax.plot([], [], label=method, **line, **marker)  # for the legend alone
            self.lines += ax.plot([], [], **line)
            self.intervals += ax.plot([], [], color=look["color"], linewidth=1, marker="_", markersize=10)
            self.marks += ax.plot([], [], **{**line, **marker, "linestyle": "none"})
        self.moving(*self.lines, *self.intervals, *self.marks)
        if self.images:
            ax.plot(
                [], [], color="black", linewidth=1, marker="_", label=f"95 % confidence interval, {self.images} images"
            )
        legend(ax, loc="lower left", handlelength=3)

    def update(self, names: Sequence[str], found: Mapping[str, np.ndarray], float_accuracy: float) -> None:
        """Show accuracies, 0 to 1, as (names, runs) for each method, over the names of the bits."""
        x = np.arange(len(names))
        self.ax.set_xticks(x, names)
        self.ax.set_xlim(-0.4, len(names) - 0.6)
        self.float.set_ydata([float_accuracy] * 2)
        said = []
        for at, method in enumerate(self.methods):
            runs = np.asarray(found[method], np.float64).reshape(len(names), -1)
            middle = np.median(runs, axis=1)
            self.lines[at].set_data(x, middle)
            self.marks[at].set_data(np.repeat(x, runs.shape[1]), runs.ravel())
            if self.images:
                ends = np.column_stack([*accuracy_interval(middle, self.images), np.full(len(x), np.nan)])
                aside = 0.06 * (at - (len(self.methods) - 1) / 2)
                self.intervals[at].set_data(np.repeat(x + aside, 3), ends.ravel())
            said.append(f"{method} " + ", ".join(f"{name} {told(m)}" for name, m in zip(names, middle, strict=True)))
        self.description = f"{self.title}: {'; '.join(said)}; float {float_accuracy:.1%}."


def accuracy_by_bits(
    names: Sequence[str],
    found: Mapping[str, np.ndarray],
    float_accuracy: float,
    images: int | None = None,
    size=(900, 400),
) -> Picture:
    """Draw the accuracy of each method against the bits, on a linear axis.

    Parameters
    ----------
    names : sequence of str, such as "W4A8"
    found : mapping of at most 3 methods to accuracies, 0 to 1, (names,) or (names, runs)
        The line goes through the median of the runs; each run is a mark.
    float_accuracy : float, 0 to 1
    images : int or None
        Number of images behind each accuracy, for 95 % intervals around the medians; None for no intervals.
    size : (width, height) in pixels

    Examples
    --------
    >>> accuracy_by_bits(["W8A8", "W2A4"], {"PTQ": [0.98, 0.5], "QAT": [[0.98, 0.99], [0.96, 0.97]]}, 0.985)
    Accuracy on the test images: PTQ W8A8 98.0%, W2A4 50.0%; QAT W8A8 98.5%, W2A4 96.5%; float 98.5%.
    """
    lowest = min(float(np.min(runs)) for runs in found.values())
    panel = AccuracyByBitsPanel(tuple(found), least=min(0.5, np.floor(10 * lowest) / 10), images=images)
    return draw({"accuracy": (panel, names, found, float_accuracy)}, size=size)

"""Accuracy against bits: what each way of quantizing keeps."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from ._accuracy import accuracy_axis, told, wrong
from .canvas import Picture, draw
from .panel import Panel
from .style import FLOAT, QUANTIZED, ROUNDED, Labels, dress, legend

LOOKS = (  # one way each, in order
    {"color": ROUNDED, "marker": "s", "linestyle": "--"},
    {"color": QUANTIZED, "marker": "o", "linestyle": "-"},
    {"color": FLOAT, "marker": "^", "linestyle": "-."},
)


class AccuracyByBitsPanel(Panel):
    """For each way of quantizing a line over the bits; where there are several runs, each is a mark of its own.

    Parameters
    ----------
    ways : names, at most 3
    """

    def __init__(self, ways: Sequence[str] = ("PTQ", "QAT"), title: str = "Digits named right"):
        super().__init__()
        if not 1 <= len(ways) <= len(LOOKS):
            raise ValueError(f"ways must be 1 to {len(LOOKS)} names: got {len(ways)}")
        self.ways, self.title = tuple(ways), title

    def build(self, ax: Axes) -> None:
        """Create a line for each way, and the float network's."""
        dress(ax, Labels(self.title, "bits of weights (W) and activations (A)", "right, in % (stretched near 100)"))
        accuracy_axis(ax)
        self.float = self.moving(ax.axhline(1, color="black", linestyle=":", linewidth=1.5, label="float network"))
        self.lines, self.marks = [], []
        for way, look in zip(self.ways, LOOKS, strict=False):
            marker = {"marker": look["marker"], "markeredgecolor": "black", "markersize": 8}
            line = {"color": look["color"], "linestyle": look["linestyle"], "linewidth": 2}
            ax.plot([], [], label=way, **line, **marker)  # for the legend alone
            self.lines += ax.plot([], [], **line)
            self.marks += ax.plot([], [], **{**line, **marker, "linestyle": "none"})
        self.moving(*self.lines, *self.marks)
        legend(ax, loc="lower left", handlelength=3)

    def update(self, names: Sequence[str], found: Mapping[str, np.ndarray], float_accuracy: float) -> None:
        """Show accuracies, 0 to 1: for each way (names, runs) of them, under the names of the bits."""
        x = np.arange(len(names))
        self.ax.set_xticks(x, names)
        self.ax.set_xlim(-0.4, len(names) - 0.6)
        self.float.set_ydata([wrong(float_accuracy)] * 2)
        said = []
        for way, line, marks in zip(self.ways, self.lines, self.marks, strict=True):
            runs = np.asarray(found[way], np.float64).reshape(len(names), -1)
            middle = np.median(runs, axis=1)
            line.set_data(x, wrong(middle))
            marks.set_data(np.repeat(x, runs.shape[1]), wrong(runs.ravel()))
            said.append(f"{way} " + ", ".join(f"{name} {told(m)}" for name, m in zip(names, middle, strict=True)))
        self.description = f"{self.title}: {'; '.join(said)}; float {float_accuracy:.1%}."


def accuracy_by_bits(
    names: Sequence[str], found: Mapping[str, np.ndarray], float_accuracy: float, size=(900, 400)
) -> Picture:
    """Draw the accuracy of each way of quantizing against the bits.

    Parameters
    ----------
    names : such as W4A8
    found : mapping of each way, at most 3, to its accuracies, 0 to 1, (names,) or (names, runs)
        The line goes through the median of the runs; each run is a mark.
    float_accuracy : float, 0 to 1
    size : (width, height) in pixels

    Examples
    --------
    >>> accuracy_by_bits(["W8A8", "W2A4"], {"PTQ": [0.98, 0.5], "QAT": [[0.98, 0.99], [0.96, 0.97]]}, 0.985)
    Digits named right: PTQ W8A8 98.0%, W2A4 50.0%; QAT W8A8 98.5%, W2A4 96.5%; float 98.5%.
    """
    return draw({"accuracy": (AccuracyByBitsPanel(tuple(found)), names, found, float_accuracy)}, size=size)

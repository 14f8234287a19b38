"""Speed: the speed-up of int8 over float32, and the roofline that limits it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text

from qviz.numerics.roofline import Roof, Work

from ._bars import bars, rectangles
from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .style import CLIPPED, FLOAT, FONT_SIZE, QUANTIZED, QUIET, RANGE, Labels, dress, legend, logarithmic

FASTEST = 5  # log2 of the largest ratio on the axis
NOT_YET = "not measured yet"
MOST_ROWS = 12


@dataclass(frozen=True)
class Ratio:
    """Speed-up of int8 over float32, with its quartiles.

    Attributes
    ----------
    low, median, high : float
    """

    low: float
    median: float
    high: float


class RatioPanel(Panel):
    """One bar per case, from 1 to the ratio: to the right if int8 is faster, hatched to the left if it is slower."""

    title = "How much faster is int8?"

    def build(self, ax: Axes) -> None:
        """Create the bars for faster and slower, the spreads, and the text of each row."""
        dress(ax, Labels(self.title, "times as fast as float32 (line: spread)", ""))
        ax.tick_params(axis="y", length=0)
        self.faster = self.moving(bars(ax, facecolor=QUANTIZED, edgecolor="black", label="faster"))
        lost = {"facecolor": "white", "edgecolor": CLIPPED, "hatch": "////"}
        self.slower = self.moving(bars(ax, label="slower", **lost))
        self.spread = self.moving(*ax.plot([], [], color=RANGE, linewidth=2))
        self.mark = self.moving(*ax.plot([], [], color=RANGE, marker="*", markersize=11, clip_on=False))
        self.words = [Words(ax, ax.transData, FONT_SIZE - 2) for _ in range(MOST_ROWS)]
        for words in self.words:
            self.moving(*words.artists)
        ax.axvline(0, color=QUIET, linewidth=1)
        ticks = range(-2, FASTEST + 1)
        ax.set_xticks(ticks, [f"{2.0**tick:g}x" for tick in ticks])
        ax.set_xlim(-2.6, FASTEST + 0.9)
        legend(ax, loc="upper right", ncols=2)
        self.note = self.moving(_note(ax, 0.69))

    def update(self, rows: Sequence[str], found: Sequence[Ratio | None] | None, chosen: int, note: str = "") -> None:
        """Show at most 12 cases; None: not measured. `chosen` is the row with the star, `note` stands beside it."""
        self.note.set(text=note, visible=bool(note))
        median = self._logs(found, "median")
        for shape, low, high in ((self.faster, 0, median), (self.slower, median, 0)):
            shape.set_path(rectangles(*np.broadcast_arrays(low, high), 0.01) if found else rectangles(*[median] * 2, 1))
        lines = np.column_stack([self._logs(found, "low"), self._logs(found, "high"), np.full(len(median), np.nan)])
        self.spread.set_data(lines.ravel(), np.repeat(np.arange(len(median)), 3))
        self.mark.set_data([-2.45], [chosen])
        for i, words in enumerate(self.words):
            words.visible = i < len(rows) and bool(found[i]) if found else i == chosen
            if words.visible:
                words.say(f"{found[i].median:.2f}x" if found else NOT_YET, FASTEST + 0.85, i)
        self.ax.set_yticks(range(len(rows)), rows)
        self.ax.set_ylim(len(rows) - 0.5, -1.6)
        pairs = zip(rows, found or (), strict=False)
        told = "; ".join(f"{row} {ratio.median:.2f}x" for row, ratio in pairs if ratio) or NOT_YET.capitalize()
        self.description = f"{self.title} Chosen: {rows[chosen]}. {' '.join([*note.split(), told])}."

    def _logs(self, found: Sequence[Ratio | None] | None, name: str) -> np.ndarray:
        return np.clip(np.log2([getattr(ratio, name) if ratio else 1.0 for ratio in found or ()]), -2.4, FASTEST)


def _note(ax: Axes, top: float) -> Text:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 2}
    return ax.text(0.99, top, "", ha="right", va="top", fontsize=FONT_SIZE - 1, transform=ax.transAxes, bbox=box)


@dataclass(frozen=True)
class RooflinePoint:
    """Roofline data of one number format.

    Attributes
    ----------
    work : Work
    roof : Roof, or None if not measured yet
    gops : float: measured speed, NaN if not measured
    """

    work: Work
    roof: Roof | None
    gops: float


class RooflinePanel(Panel):
    """Speed against arithmetic intensity: a roof for each number format, and the chosen case below it."""

    title = "Roofline of the chosen case"

    def build(self, ax: Axes) -> None:
        """Create two roofs, two vertical lines at the intensities, two points, and two marks for the call overhead."""
        dress(ax, Labels(self.title, "operations per byte", "10\u2079 operations a second"))
        logarithmic(ax.xaxis, ax.yaxis)
        ax.set_xlim(0.1, 1e5)  # wider than any case needs, to make room for the legend
        ax.set_ylim(1e-2, 1e4)
        self.roofs, self.uprights, self.points, self.calls = [], [], [], []
        for name, color, dash, marker in (("float32", FLOAT, "--", "s"), ("int8", QUANTIZED, "-", "o")):
            look = {"color": color, "linestyle": dash}
            self.roofs.append(self.moving(*ax.plot([], [], linewidth=2, label=f"{name}: roof", **look)))
            self.uprights.append(self.moving(ax.axvline(1, linewidth=1, **look)))
            call = ax.plot(
                [],
                [],
                color=color,
                marker="_",
                markersize=14,
                markeredgewidth=3,
                linestyle="none",
                label=f"{name}: calls",
            )
            self.calls.append(self.moving(*call))
            point = ax.plot(
                [], [], color=color, marker=marker, markersize=9, linestyle="none", label=f"{name}: measured"
            )
            self.points.append(self.moving(*point))
        self.note = self.moving(_note(ax, 0.97))
        legend(ax, loc="lower right")

    def update(self, points: Sequence[RooflinePoint], case: str, note: str = "") -> None:
        """Show float32 and int8, in this order; the description names the case, and the picture says the `note`."""
        self.note.set(text=note, visible=bool(note))
        told = []
        for i, (name, point) in enumerate(zip(("float32", "int8"), points, strict=True)):
            x = point.work.intensity
            self.uprights[i].set_xdata([x, x])
            for artist in (self.roofs[i], self.calls[i]):
                artist.set_visible(point.roof is not None)
            self.points[i].set_data([x], [point.gops])
            self.points[i].set_visible(point.gops == point.gops)
            told.append(f"{name} has {x:.2f} operations per byte")
            if self.points[i].get_visible():
                told[-1] += f", {point.gops:.3g} Gop/s"
            if point.roof is not None:
                told[-1] += f" of {point.roof.attainable(point.work):.3g} possible"
                self._show(i, point)
        self.description = f"{self.title}, {case}: {'; '.join(told)}."

    def _show(self, i: int, point: RooflinePoint) -> None:
        roof, x = point.roof, point.work.intensity
        corners = np.array([0.01, roof.ridge, 1e5])
        self.roofs[i].set_data(corners, np.minimum(corners * roof.bandwidth, roof.peak))
        self.calls[i].set_data([x], [point.work.operations / roof.call_ms / 1e6])


def speed_ratios(ratios: Mapping[str, tuple[float, float, float]], title: str, size=(900, 330)) -> Picture:
    """Draw the measured speed-up of int8 in a few cases.

    Parameters
    ----------
    ratios : mapping of at most 12 names to the smallest, middle and largest ratio
    title : str, which should name the machine
    size : (width, height) in pixels

    Examples
    --------
    >>> print(" ".join(str(speed_ratios({"small": (0.3, 0.4, 0.5), "large": (3.0, 4.0, 5.0)}, "Once:")).split()))
    Once: Chosen: large. small 0.40x; large 4.00x.
    """
    best = max(range(len(ratios)), key=lambda at: list(ratios.values())[at][1])
    found = [Ratio(*ratio) for ratio in ratios.values()]
    return draw({"ratios": (RatioPanel(title), [f"    {name}" for name in ratios], found, best)}, size=size)

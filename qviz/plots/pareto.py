"""Bytes and time against accuracy: many networks, their Pareto front, and the chosen network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator, NullLocator

from qviz.numerics.pareto import dominating, pareto_front

from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .style import FLOAT, FONT_SIZE, QUANTIZED, QUIET, RANGE, ROUNDED, Labels, dress, legend

SCORES = {"accuracy": "accuracy", "SQNR": "SQNR of the logits in dB"}
_SHARES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
_MOST = 8  # labelled marks of each kind
NOT_YET = ("Not measured yet.", "Press Measure speed.")


@dataclass(frozen=True, eq=False)
class Cloud:
    """Many networks, each with its size and its score.

    Parameters
    ----------
    size_bytes : (n,) array
    score : (n,) array: accuracies, 0 to 1, or decibels; finite
    kind : {"accuracy", "SQNR"}: which of the two
    uniform : mapping of at most 8 names to indices: networks with the same bits in all layers
    chosen : mapping of at most 8 names to indices: further networks to mark
    """

    size_bytes: np.ndarray
    score: np.ndarray
    kind: str = "accuracy"
    uniform: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def front(self) -> np.ndarray:
        """Mask of the Pareto front, (n,) bool."""
        return pareto_front(self.size_bytes, self.score)

    def beating(self, i: int) -> np.ndarray:
        """Return a mask of the networks that dominate network `i`, (n,) bool."""
        return dominating(self.size_bytes, self.score, i)

    @cached_property
    def thousands(self) -> np.ndarray:
        """Sizes in thousands of bytes, as on the x axis."""
        return self.size_bytes / 1000

    @cached_property
    def height(self) -> np.ndarray:
        """Heights on the y axis: decibels, or -log10 of the error rate; 0 errors count as half the lowest rate."""
        return self.height_of(self.score)

    def height_of(self, score):
        """Return the height of a score on the y axis."""
        if self.kind != "accuracy":
            return score
        wrong = 1 - self.score
        return _height_of(np.maximum(1 - score, wrong[wrong > 0].min(initial=1) / 2))


class ParetoPanel(Panel):
    """Networks as dots, the Pareto front as a line, uniform networks as squares, chosen ones as diamonds, one star.

    The box from the star to the upper left contains the networks that dominate it. The accuracy axis is logarithmic in
    the error rate: equal distances are equal factors.
    """

    title = "Better is up and to the left"
    _cloud: Cloud | None = None
    _shown = 0  # number of clouds so far, which `view` uses to detect a new one

    def build(self, ax: Axes) -> None:
        """Create the dots, the front, the marks, and the box."""
        dress(ax, Labels(self.title, "size in thousands of bytes", ""))
        (self.dots,) = ax.plot([], [], ".", color=QUIET, markersize=3, alpha=0.6, label="any bits")
        (self.front,) = ax.plot([], [], color=FLOAT, linewidth=2, drawstyle="steps-post", label="Pareto front")
        mark = {"linestyle": "", "markeredgecolor": "black"}
        (self.uniform,) = ax.plot([], [], marker="s", color=QUANTIZED, markersize=7, label="same bits", **mark)
        (self.chosen,) = ax.plot([], [], marker="D", color=ROUNDED, markersize=8, label="chosen", **mark)
        paper = {"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5}
        words = {
            "fontsize": FONT_SIZE - 1,
            "va": "top",
            "textcoords": "offset points",
            "xytext": (8, -3),
            "bbox": paper,
        }
        self.names = [ax.annotate("", (0, 0), **words) for _ in range(2 * _MOST)]
        box = Rectangle((0, 0), 0, 0, facecolor=ROUNDED, edgecolor=RANGE, linestyle="--", alpha=0.3, label="better")
        self.box = self.moving(ax.add_patch(box))
        (star,) = ax.plot([], [], marker="*", color=RANGE, markersize=17, label="yours", **mark)
        self.star = self.moving(star)

    def update(self, cloud: Cloud, here: int | None = None) -> None:
        """Show a cloud, with a star at the network of index `here`; None for no star."""
        if cloud is not self._cloud:
            self._cloud, self._shown = cloud, self._shown + 1
            self._show_still(cloud)
        for artist in (self.star, self.box):
            artist.set_visible(here is not None)
        self.description = (
            f"{cloud.kind} against size: {cloud.score.size:,} networks, {cloud.front.sum()} on the front."
        )
        if here is not None:
            x, y = cloud.thousands[here], cloud.height[here]
            left, top = self.ax.get_xlim()[0], self.ax.get_ylim()[1]
            self.star.set_data([x], [y])
            self.box.set_bounds(left, y, x - left, top - y)
            better = cloud.beating(here).sum()
            self.description += f" The star has {cloud.size_bytes[here]:,} bytes; {better:,} are better on both sides."

    def view(self) -> tuple:
        """Include the dots, which are part of the background."""
        return (*super().view(), self._shown)

    def _show_still(self, cloud: Cloud) -> None:
        x, y = cloud.thousands, cloud.height
        self.dots.set_data(x, y)
        front = np.flatnonzero(cloud.front)
        front = front[np.argsort(x[front])]
        self.front.set_data([*x[front], 2 * x.max()], [*y[front], y[front].max()])  # extended to the right edge
        for line, marked in ((self.uniform, cloud.uniform), (self.chosen, cloud.chosen)):
            at = list(marked.values())
            line.set_data(x[at], y[at])
        marked = [*cloud.uniform.items(), *cloud.chosen.items()]
        for i, text in enumerate(self.names):
            name, at = marked[i] if i < len(marked) else ("", 0)
            text.set(text=name, visible=bool(name))
            text.xy = x[at], y[at]
        self.ax.set_xlim(*_with_margin(x))
        _set_heights(self.ax, cloud)
        self._explain(cloud)

    def _explain(self, cloud: Cloud) -> None:
        shown = [self.dots, self.front, self.uniform, *([self.chosen] if cloud.chosen else []), self.star, self.box]
        legend(self.ax, loc="lower right", handles=shown)


class LatencyPanel(Panel):
    """The same y axis over latency: a line for float32 and one for int8, with the star on the latter.

    Narrower weights run on the 8-bit kernel, so its time holds for all of them. A band spans the middle half of the
    runs.
    """

    title = "Time on this machine"
    _shown: tuple = (None, None)
    _drawn = 0  # number of clouds and measurements so far

    def build(self, ax: Axes) -> None:
        """Create a line and a band for each kernel, the float network's square, and the star."""
        dress(ax, Labels(self.title, "milliseconds", ""))
        self.bands, self.lines = [], []
        for name, color, dash in (("float32", FLOAT, "--"), ("int8, and fewer bits", QUANTIZED, "-")):
            band = Rectangle((0, 0), 0, 1, transform=ax.get_xaxis_transform(), facecolor=color, alpha=0.3)
            self.bands.append(ax.add_patch(band))
            self.lines.append(ax.axvline(0, color=color, linestyle=dash, linewidth=2, label=name))
        mark = {"linestyle": "", "markeredgecolor": "black"}
        (self.real,) = ax.plot([], [], marker="s", color=FLOAT, markersize=9, **mark)
        (self.star,) = ax.plot([], [], marker="*", color=RANGE, markersize=17, **mark)
        self.moving(self.real, self.star)
        self.words = [Words(ax, ax.transAxes, FONT_SIZE, before=0.5) for _ in NOT_YET]
        for words in self.words:
            self.moving(*words.artists)
        legend(ax, loc="lower right", handles=self.lines)

    def update(
        self,
        cloud: Cloud,
        here: int,
        times: Sequence[tuple[float, float]] | None = None,
        float_score: float | None = None,
    ) -> None:
        """Show the network of index `here`.

        `times` holds median and spread in ms for float32 and for int8; None means not measured yet. Without a
        `float_score`, the float network is not drawn.
        """
        if (cloud, times) != self._shown:
            self._shown, self._drawn = (cloud, times), self._drawn + 1
            _set_heights(self.ax, cloud)
            self._show_times(times)
        self.real.set_visible(times is not None and float_score is not None)
        self.description = f"{self.title}: not measured yet."
        if times is None:
            return
        (real, _), (integer, _) = times
        self.star.set_data([integer], [cloud.height[here]])
        if float_score is not None:
            self.real.set_data([real], [cloud.height_of(float_score)])
        self.description = (
            f"{self.title}: float32 {real:.3f} ms, int8 {integer:.3f} ms; there the star, {cloud.kind} "
            f"{cloud.score[here]:.3f}."
        )

    def view(self) -> tuple:
        """Include the lines, which are part of the background."""
        return (*super().view(), self._drawn)

    def _show_times(self, times: Sequence[tuple[float, float]] | None) -> None:
        for artist in (*self.bands, *self.lines, self.star):
            artist.set_visible(times is not None)
        self.ax.get_legend().set_visible(times is not None)
        for words, text, height in zip(self.words, NOT_YET, (0.54, 0.47), strict=True):
            words.visible = times is None
            words.say(text, 0.5, height)
        self.ax.xaxis.set_major_locator(NullLocator() if times is None else MaxNLocator(4))
        if times is not None:
            for line, band, (median, spread) in zip(self.lines, self.bands, times, strict=True):
                line.set_xdata([median, median])
                band.set_bounds(median - spread / 2, 0, spread, 1)
            self.ax.set_xlim(0, 1.3 * max(median + spread / 2 for median, spread in times))


def _height_of(wrong):
    return -np.log10(wrong)


def _with_margin(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.06 * (high - low) or 0.5
    return low - margin, high + 1.5 * margin


def _set_heights(ax: Axes, cloud: Cloud) -> None:
    """Set the limits, ticks and label of the y axis for a cloud."""
    low, high = _with_margin(cloud.height)
    ax.set_ylim(low, high)
    ax.set_ylabel(SCORES[cloud.kind], fontsize=FONT_SIZE)
    ticks = {10.0 * n: str(10 * n) for n in range(-10, 20)}
    if cloud.kind == "accuracy":
        ticks = {float(_height_of(1 - share)): f"{100 * share:g} %" for share in _SHARES}
    ax.set_yticks([t for t in ticks if low <= t <= high], [ticks[t] for t in ticks if low <= t <= high])


def pareto(cloud: Cloud, here: int | None = None, size=(900, 430)) -> Picture:
    """Draw networks by size and score, with the Pareto front and a star at one of them.

    Parameters
    ----------
    cloud : Cloud
    here : int or None
    size : (width, height) in pixels

    Examples
    --------
    >>> cloud = Cloud(np.array([10, 20, 30]), np.array([0.5, 0.9, 0.8]), uniform={"2 bits": 0, "4 bits": 2})
    >>> pareto(cloud, here=2)
    accuracy against size: 3 networks, 2 on the front. The star has 30 bytes; 1 are better on both sides.
    """
    return draw({"pareto": (ParetoPanel(), cloud, here)}, size=size)

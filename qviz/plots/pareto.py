"""Bytes against accuracy: many networks, those that nothing beats on both sides, and where one of them stands."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ..numerics.pareto import dominating, pareto_front
from .canvas import Picture, draw
from .panel import Panel
from .style import FLOAT, FONT_SIZE, QUANTIZED, QUIET, RANGE, ROUNDED, Labels, dress, legend

SCORES = {"accuracy": "accuracy", "SQNR": "SQNR of the logits in dB"}
_SHARES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999)
_MOST = 8  # names beside marks


@dataclass(frozen=True, eq=False)
class Cloud:
    """Many networks, each with its size and its score.

    Parameters
    ----------
    size_bytes : (n,) array
    score : (n,) array: shares of right answers, 0 to 1, or decibels; finite
    kind : {"accuracy", "SQNR"}: which of the two
    uniform : mapping of name to position, at most 8: networks with the same bits everywhere
    chosen : mapping of name to position, at most 8: others to be marked
    """

    size_bytes: np.ndarray
    score: np.ndarray
    kind: str = "accuracy"
    uniform: Mapping[str, int] = field(default_factory=dict)
    chosen: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def front(self) -> np.ndarray:
        """Which of them nothing dominates, (n,) bool."""
        return pareto_front(self.size_bytes, self.score)

    def beating(self, i: int) -> np.ndarray:
        """Which of them dominate number `i`, (n,) bool."""
        return dominating(self.size_bytes, self.score, i)

    @cached_property
    def thousands(self) -> np.ndarray:
        """Sizes in thousand bytes, as they are drawn."""
        return self.size_bytes / 1000

    @cached_property
    def height(self) -> np.ndarray:
        """How high each is drawn: decibels; or -log10 of the share of wrong answers, half of the least where none."""
        if self.kind != "accuracy":
            return self.score
        wrong = 1 - self.score
        return _height_of(np.maximum(wrong, wrong[wrong > 0].min(initial=1) / 2))


class ParetoPanel(Panel):
    """Each network a dot; the front a line; uniform ones squares, chosen ones diamonds, one of them a star.

    The box from the star to the upper left holds what beats it on both sides. The axis of accuracy is stretched
    towards 100 %: the same distance is the same factor in wrong answers.
    """

    def __init__(self, title: str = "Better is up and to the left"):
        super().__init__()
        self.title = title
        self._cloud: Cloud | None = None
        self._shown = 0  # clouds so far: when there is another one, the still part of the picture is

    def build(self, ax: Axes) -> None:
        """Create the dots, the front, the marks, and the box."""
        dress(ax, Labels(self.title, "size in thousand bytes", ""))
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
        """Show a cloud, and a star at the network at this position; None for no star."""
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
        """Add the dots, which are still."""
        return (*super().view(), self._shown)

    def _show_still(self, cloud: Cloud) -> None:
        x, y = cloud.thousands, cloud.height
        self.dots.set_data(x, y)
        front = np.flatnonzero(cloud.front)
        front = front[np.argsort(x[front])]
        self.front.set_data([*x[front], 2 * x.max()], [*y[front], y[front].max()])  # and on, to the right edge
        for line, marked in ((self.uniform, cloud.uniform), (self.chosen, cloud.chosen)):
            at = list(marked.values())
            line.set_data(x[at], y[at])
        marked = [*cloud.uniform.items(), *cloud.chosen.items()]
        for i, text in enumerate(self.names):
            name, at = marked[i] if i < len(marked) else ("", 0)
            text.set(text=name, visible=bool(name))
            text.xy = x[at], y[at]
        self._set_axes(cloud)
        self._explain(cloud)

    def _set_axes(self, cloud: Cloud) -> None:
        for values, set_limits in ((cloud.thousands, self.ax.set_xlim), (cloud.height, self.ax.set_ylim)):
            low, high = float(values.min()), float(values.max())
            margin = 0.06 * (high - low) or 0.5
            set_limits(low - margin, high + 1.5 * margin)
        self.ax.set_ylabel(SCORES[cloud.kind], fontsize=FONT_SIZE)
        low, high = self.ax.get_ylim()
        ticks = {10.0 * n: str(10 * n) for n in range(-10, 20)}
        if cloud.kind == "accuracy":
            ticks = {float(_height_of(1 - share)): f"{100 * share:g} %" for share in _SHARES}
        self.ax.set_yticks([t for t in ticks if low <= t <= high], [ticks[t] for t in ticks if low <= t <= high])

    def _explain(self, cloud: Cloud) -> None:
        shown = [self.dots, self.front, self.uniform, *([self.chosen] if cloud.chosen else []), self.star, self.box]
        legend(self.ax, loc="lower right", handles=shown)


def _height_of(wrong):
    return -np.log10(wrong)


def pareto(cloud: Cloud, here: int | None = None, size=(900, 430)) -> Picture:
    """Draw networks by size and score, with the front, and a star at one of them.

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

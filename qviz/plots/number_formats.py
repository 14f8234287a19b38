"""Number formats: the levels on the real line, the distribution of errors, and all formats by bits and SQNR."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from qviz.numerics.codecs import FAMILIES, Measured, family_of
from qviz.numerics.pareto import pareto_front

from .histogram import COUNTS, padded, relative
from .moving_text import Words
from .number_line import segments
from .panel import Panel
from .style import (
    CLIPPED,
    ERROR,
    FLOAT,
    FONT_SIZE,
    FURTHER,
    QUANTIZED,
    QUIET,
    RANGE,
    ROUNDED,
    Labels,
    dress,
    legend,
    logarithmic,
)

VALUES, LEVELS = 2, 1  # heights of the two rows
MOST = 64  # values drawn individually
COLUMNS = 1600  # resolution of the line: levels in the same column are drawn as one
SIZES = np.geomspace(1e-5, 10, 121)  # bin edges of the errors, relative to the root mean square of the values
BITS = (0.5, 9.5)  # limits of the axis: with 16 bits on it, all other formats would share one half
LOSSLESS = 150.0  # dB: the height of a lossless format; negative SQNR is drawn at 0
_MARKS = dict(zip(FAMILIES, ("o", "s", "^", "D", "v", "P"), strict=True))
_COLORS = dict(zip(FAMILIES, (FLOAT, QUANTIZED, ROUNDED, CLIPPED, FURTHER, ERROR), strict=True))


class FormatLinePanel(Panel):
    """The levels of a format on the real line, and the level of each of a few values."""

    title = "The levels of one block, and its values"

    def build(self, ax: Axes) -> None:
        """Create the levels, the values, and a line from each value to its level."""
        dress(ax, Labels(self.title, "real value", ""))
        ax.set_ylim(0.45, 2.6)
        ax.set_yticks([LEVELS, VALUES], ["level", "value"])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.axhline(LEVELS, color=QUIET, linewidth=1, zorder=1)
        self.ticks = self.moving(*ax.plot([], [], color=QUANTIZED, linewidth=1.5))
        self.moves = self.moving(*ax.plot([], [], color=FLOAT, linewidth=0.9, alpha=0.7))
        self.values = self.moving(*ax.plot([], [], "o", color=FLOAT, markersize=5))
        self.mark = self.moving(
            *ax.plot([], [], "o-", color=ROUNDED, markersize=9, markeredgecolor="black", linewidth=2)
        )
        self.note = Words(ax, ax.transAxes, FONT_SIZE)
        self.moving(*self.note.artists)

    def update(self, values, values_hat, levels, ends: tuple[float, float], marked: int | None = None) -> None:
        """Show (n,) `values` of a group, their quantized values, and (k,) ascending `levels`, without infinite ones.

        `ends` are the smallest and largest value that the axis must cover; levels may lie beyond. `marked` is the index
        of a value to highlight.
        """
        levels = levels[np.isfinite(levels)].astype(np.float64)
        order = np.argsort(values, kind="stable")
        some = order[np.unique(np.linspace(0, order.size - 1, MOST).round().astype(np.intp))]  # evenly by rank
        shown, shown_hat = values[some].astype(np.float64), values_hat[some].astype(np.float64)
        left, right = padded(*ends, 0.05)
        self.ax.set_xlim(left, right)
        inside = levels[(levels >= left) & (levels <= right)]
        columns = np.unique(np.floor((inside - left) * (COLUMNS / (right - left))), return_index=True)[1]
        ticks = inside[columns]
        self.ticks.set_data(*segments(ticks, ticks, LEVELS - 0.3, LEVELS + 0.3))
        self.values.set_data(shown, np.full(shown.size, VALUES))
        self.moves.set_data(*segments(shown, np.clip(shown_hat, left, right), VALUES, LEVELS + 0.3))
        self.mark.set_visible(marked is not None)
        if marked is not None:
            ends_of_it = np.clip([values[marked], values_hat[marked]], left, right)
            self.mark.set_data(ends_of_it, [VALUES, LEVELS + 0.3])
        used = np.unique(values_hat).size
        said = f"{used:,} of {levels.size:,} levels used by {values.size:,} values"
        self.note.say(said, 0.99, 0.93)
        self.description = f"{self.title}: {said}, from {values.min():.4g} to {values.max():.4g}."


class ErrorSizePanel(Panel):
    """Histogram of error sizes on a logarithmic axis: each bit less shifts it to the right by a factor of two."""

    title = "Size of the errors"

    def build(self, ax: Axes) -> None:
        """Create the outline and the line at the root mean square."""
        dress(ax, Labels(self.title, "|error| / root mean square of the values", COUNTS))
        logarithmic(ax.xaxis)
        self.outline = self.moving(
            ax.stairs(np.zeros(SIZES.size - 1), SIZES, fill=True, facecolor=ROUNDED, edgecolor=ERROR)
        )
        self.middle = self.moving(ax.axvline(1, ymax=0.85, color=RANGE, linestyle="--", linewidth=1.5))
        self.note = Words(ax, ax.transAxes, FONT_SIZE)
        self.moving(*self.note.artists)
        ax.set_xlim(SIZES[0], SIZES[-1])
        ax.set_ylim(0, 1.25)
        ax.yaxis.set_major_locator(NullLocator())

    def update(self, x: np.ndarray, x_hat: np.ndarray) -> None:
        """Show the errors of `x_hat` against `x`, both (n,); errors of zero are reported in the note."""
        x, error = x.astype(np.float64), np.abs(x_hat.astype(np.float64) - x)
        rms = float(np.sqrt(np.mean(np.square(x)))) or 1.0
        error = np.minimum(error, 1e6 * rms)  # infinite errors of values beyond the largest level
        lost = error > 0
        share = np.clip(error[lost] / rms, SIZES[0], SIZES[-1])
        self.outline.set_data(relative(np.histogram(share, SIZES)[0]), SIZES)
        typical = float(np.sqrt(np.mean(np.square(error)))) / rms
        at = min(max(typical, SIZES[0]), SIZES[-1])
        self.middle.set_xdata([at, at])
        exact = float(np.mean(~lost))
        self.note.say(f"root mean square {typical:.2%}; exact: {exact:.1%}", 0.99, 0.93)
        self.description = f"{self.title}: root mean square {typical:.2%} of that of the values; {exact:.1%} are exact."


class FormatsPanel(Panel):
    """All formats by bits per value and SQNR, with the Pareto front and a star at the chosen format."""

    title = "All formats: up and to the left is better"
    _found: Mapping[str, Measured] | None = None
    _drawn = 0

    def build(self, ax: Axes) -> None:
        """Create the marks of each family, the front and the star."""
        dress(ax, Labels(self.title, "bits per value, including scales", "SQNR in dB"))
        ax.set_xticks(range(1, 10))
        (self.front,) = ax.plot([], [], color=QUIET, linewidth=1.5, drawstyle="steps-post")
        self.marks = {
            family: ax.plot(
                [], [], _MARKS[family], color=_COLORS[family], markersize=7, markeredgecolor="white", label=family
            )[0]
            for family in FAMILIES
        }
        (star,) = ax.plot([], [], "*", color=RANGE, markersize=18, markeredgecolor="white")
        self.star = self.moving(star)
        self.name = Words(ax, ax.transAxes, FONT_SIZE, bold=True)
        self.moving(*self.name.artists)
        ax.set_xlim(*BITS)
        legend(ax, loc="upper left", labelspacing=0.15)

    def update(self, found: Mapping[str, Measured], here: str) -> None:
        """Show the measurements of each format, and the star at the format named `here`."""
        if found is not self._found:
            self._found, self._drawn = found, self._drawn + 1
            self._show_all(found)
        i = list(found).index(here)
        m, (low, high) = found[here], self.ax.get_ylim()
        self.star.set_data([min(self._bits[i], BITS[1])], [min(max(self._height[i], low), high)])
        self.name.say(f"{here}: {m.bits_per_value:.2f} bits, {_decibels(m.sqnr_db)}", 0.99, 0.06)
        better = (self._bits <= self._bits[i]) & (self._height > self._height[i])
        listed = ", ".join(name for name, b in zip(found, better, strict=True) if b) or "none"
        self.description = (
            f"{self.title}: {here} has {m.bits_per_value:.2f} bits per value and {_decibels(m.sqnr_db)}; "
            f"better with at most as many bits: {listed}."
        )

    def view(self) -> tuple:
        """Include the marks, which are part of the background."""
        return (*super().view(), self._drawn)

    def _show_all(self, found: Mapping[str, Measured]) -> None:
        self._bits = np.array([m.bits_per_value for m in found.values()])
        self._height = np.array([min(max(m.sqnr_db, 0.0), LOSSLESS) for m in found.values()])
        families = np.array([family_of(name) for name in found])
        for family, mark in self.marks.items():
            mark.set_data(self._bits[families == family], self._height[families == family])
        front = pareto_front(self._bits, self._height)
        order = np.flatnonzero(front)[np.argsort(self._bits[front])]
        self.front.set_data(self._bits[order], self._height[order])
        seen = self._height[self._bits <= BITS[1]]
        self.ax.set_ylim(*padded(float(seen.min(initial=0)), float(seen.max(initial=1)), 0.08))


def _decibels(value: float) -> str:
    return f"{value:.1f} dB" if np.isfinite(value) else "nothing lost" if value > 0 else "beyond its largest value"

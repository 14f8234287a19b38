"""Calibrators compared by the error of the range that each one chooses."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from qviz.numerics import INT8, IntFormat, _check, observe
from qviz.numerics.calibration_results import CalibrationResult, best_of, calibration_results

from ._bars import bars, rectangles
from ._methods import NAMES, mark, name_rows
from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .ranges import RangesPanel
from .style import CLIPPED, FONT_SIZE, QUIET, ROUNDED, Labels, dress, legend

WIDEST = 5.0  # times the smallest error; longer bars are cut off and labelled with their length


class CalibratorPanel(Panel):
    """The error of each calibrator as a stacked bar of rounding and clipping, in multiples of the smallest error."""

    title = "Mean squared error"

    def build(self, ax: Axes) -> None:
        """Create two bars per calibrator, and the labels of bars that are cut off."""
        dress(ax, Labels(self.title, "times the least mean squared error", ""))
        self.rounding = self.moving(bars(ax, facecolor=ROUNDED, edgecolor="black", label="rounding"))
        self.clipping = self.moving(bars(ax, facecolor="white", edgecolor=CLIPPED, hatch="////", label="clipping"))
        self.beyond = [Words(ax, ax.transData, FONT_SIZE - 2, cover="black") for _ in NAMES]
        self.best = name_rows(ax)
        for words in (*self.beyond, self.best):
            self.moving(*words.artists)
        ax.axvline(1, color=QUIET, linewidth=1)
        ax.set_xlim(0, WIDEST)
        ax.set_ylim(len(NAMES) - 0.4, -1.5)
        legend(ax, loc="upper right", ncols=2, columnspacing=1.0)

    def update(self, found: Mapping[str, CalibrationResult]) -> None:
        """Show the result of each calibrator in CALIBRATORS."""
        parts = [found[name].parts for name in NAMES]
        unit = min((p.total for p in parts if p.total > 0), default=1.0)
        rounding = np.array([p.rounding / unit for p in parts])
        total = np.array([p.total / unit for p in parts])
        shown = np.minimum(np.column_stack([np.zeros_like(total), rounding, total]), 2 * WIDEST)
        self.rounding.set_path(rectangles(shown[:, 0], shown[:, 1], 0.002 * WIDEST))
        self.clipping.set_path(rectangles(shown[:, 1], shown[:, 2], 0.002 * WIDEST))
        for row, (words, times, p) in enumerate(zip(self.beyond, total, parts, strict=True)):
            words.visible = times > WIDEST
            if words.visible:
                cause = "rounding" if p.rounding > p.clipping else "clipping"
                words.say(f"{_short(times)}, mostly {cause} \N{RIGHTWARDS ARROW}", WIDEST * 0.985, row)
        best = best_of(found)
        mark(self.best, best)
        self.description = f"{self.title}: {best} is best with {found[best].parts.total:.4g}; " + ", ".join(
            f"{name} {_short(times)}" for name, times in zip(NAMES, total, strict=True) if name != best
        )


def _short(ratio: float) -> str:
    return f"{ratio:.1f}x" if ratio < 100 else f"{ratio:,.0f}x" if ratio < 1e6 else f"{ratio:.0e}x"


def compare_calibrators(x, fmt: IntFormat = INT8, scheme: str = "affine", size=(940, 400)) -> Picture:
    """Draw the range that each calibrator in CALIBRATORS chooses for a tensor, and its error.

    Parameters
    ----------
    x : array of any shape, at least one value, finite
    fmt : IntFormat
    scheme : {"affine", "symmetric"}
    size : (width, height) in pixels

    Raises
    ------
    ValueError
        `x` is empty or not finite, or the format does not support the scheme.

    Examples
    --------
    >>> from qviz.numerics import UINT4
    >>> x = np.random.default_rng(0).exponential(size=10_000)
    >>> print(compare_calibrators(x, UINT4).description.splitlines()[1][:31])
    Mean squared error: mse is best
    """
    x = _check.drawable(x)
    found = calibration_results(x, observe(x)[0], fmt, scheme)
    panels = {"ranges": (RangesPanel(), x, found), "errors": (CalibratorPanel(), found)}
    return draw(panels, size=size, width_ratios=[6, 5])

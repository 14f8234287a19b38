"""The staircase: the quantized value as a function of the input."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from qviz.numerics import QParams, fake_quantize

from .canvas import Picture, draw
from .number_line import is_clipped
from .panel import Panel
from .style import CLIPPED, ERROR, FLOAT, QUANTIZED, QUIET, Labels, dress, legend


class StaircasePanel(Panel):
    """Output against input: steps inside the range, flat where values are clipped."""

    title = "Staircase"

    def build(self, ax: Axes) -> None:
        """Create the identity, the stairs, the clip zones and the marked input."""
        dress(ax, Labels(self.title, "input x", "output x'"))
        ax.axline((0, 0), slope=1, color=QUIET, linewidth=1.5, linestyle="-.", label="unchanged")
        zone = {"facecolor": "none", "edgecolor": CLIPPED, "hatch": "//", "linewidth": 0, "alpha": 0.8}
        self.zones = [
            self.moving(ax.add_patch(Rectangle((0, 0), 0, 1, transform=ax.get_xaxis_transform(), **zone)))
            for _ in range(2)
        ]
        self.zones[0].set_label("clipped")
        self.stairs = self.moving(*ax.plot([], [], color=QUANTIZED, linewidth=2.5, label="quantized"))
        self.guides = self.moving(*ax.plot([], [], color="black", linestyle=":", linewidth=1.5))
        self.error = self.moving(*ax.plot([], [], color=ERROR, linewidth=4, alpha=0.7, label="error"))
        self.start = self.moving(*ax.plot([], [], "o", color=FLOAT, markersize=8, markeredgecolor="black", label="x"))
        self.end = self.moving(
            *ax.plot([], [], "D", color=QUANTIZED, markersize=9, markeredgecolor="black", label="x'")
        )
        legend(ax, loc="upper left", bbox_to_anchor=(1, 1))

    def update(self, qparams: QParams, x: float | None = None, limits: tuple[float, float] | None = None) -> None:
        """Show the staircase of per-tensor `qparams`, and the quantization of one input `x`.

        `limits` are the ends of both axes. By default they are the quantized range plus 50 % on each side, widened if
        needed to include `x`.
        """
        lo, hi, half = float(qparams.lo), float(qparams.hi), float(qparams.scale) / 2
        beyond = (hi - lo) / 2
        left, right = limits or (min(lo - beyond, x or 0), max(hi + beyond, x or 0))
        self.ax.set_xlim(left, right)
        self.ax.set_ylim(left, right)
        edges = (qparams.levels[:-1] + qparams.levels[1:]) / 2
        self.stairs.set_data(np.r_[left, np.repeat(edges, 2), right], np.repeat(qparams.levels, 2))
        for zone, (start, stop) in zip(self.zones, ((left, lo - half), (hi + half, right)), strict=True):
            zone.set_x(start)
            zone.set_width(max(stop - start, 0))
        self.description = f"{self.title}: steps {2 * half:.4g} wide and high from {lo:.4g} to {hi:.4g}, flat outside."
        self._mark(qparams, x, left)

    def _mark(self, qparams: QParams, x: float | None, left: float) -> None:
        for artist in (self.guides, self.error, self.start, self.end):
            artist.set_visible(x is not None)
        if x is None:
            return
        y = float(fake_quantize(np.float64(x), qparams))
        clipped = bool(is_clipped(x, qparams))
        self.guides.set_data([x, x, left], [left, y, y])
        self.error.set_data([x, x], [x, y])
        self.start.set_data([x], [x])
        self.end.set_data([x], [y])
        self.end.set_marker("X" if clipped else "D")
        self.end.set_color(CLIPPED if clipped else QUANTIZED)
        self.end.set_markeredgecolor("black")
        self.description += f" {x:.4g} becomes {y:.4g}{' (clipped)' if clipped else ''}, error {y - x:.4g}."


def staircase(qparams: QParams, x: float | None = None, size=(700, 420)) -> Picture:
    """Draw the quantized value as a function of the input.

    Parameters
    ----------
    qparams : QParams, per tensor
    x : float or None
        One input to mark.
    size : (width, height) in pixels

    Examples
    --------
    >>> from qviz import IntFormat, choose_qparams
    >>> staircase(choose_qparams(-1.0, 2.5, IntFormat(3, signed=False)), 0.8)
    Staircase: steps 0.5 wide and high from -1 to 2.5, flat outside. 0.8 becomes 1, error 0.2.
    """
    return draw({"staircase": (StaircasePanel(), qparams, x)}, size=size)

"""The number line: the levels of a quantizer, and the level to which each value is rounded."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from qviz.numerics import IntFormat, QParams, _check, fake_quantize

from .canvas import Picture, draw
from .histogram import padded
from .panel import Panel
from .small_numbers import numbers, set_numbers
from .style import CLIPPED, FLOAT, QUANTIZED, QUIET, RANGE, Labels, dress, legend

VALUES, LEVELS, CODES = 2, 1, 0  # heights of the three rows
BOX = [(-1.6, -1), (1.6, -1), (1.6, 1), (-1.6, 1), (-1.6, -1)]  # drawn around the zero point


def is_clipped(x: np.ndarray, qparams: QParams) -> np.ndarray:
    """Return which values lie more than half a step beyond the outermost level, for per-tensor `qparams`."""
    x, half = _check.as_float(x), qparams.scale / 2
    return (x < qparams.lo - half) | (x > qparams.hi + half)


class NumberLinePanel(Panel):
    """The levels of a quantizer on the real line, their codes, and the levels of a few values."""

    title = "Number line"

    def build(self, ax: Axes) -> None:
        """Create the range, the levels, their codes and the arrows."""
        dress(ax, Labels(self.title, "real value (the code in the box, the zero point, stands for 0)", ""))
        ax.set_ylim(-0.5, 2.45)
        ax.set_yticks([CODES, LEVELS, VALUES], ["code", "level", "value"])
        ax.tick_params(axis="y", length=0)
        ax.spines["left"].set_visible(False)
        ax.axhline(LEVELS, color=QUIET, linewidth=1, zorder=1)
        self.range = self.moving(Rectangle((0, 0.55), 0, 0.9, facecolor=QUIET, alpha=0.3, edgecolor="none"))
        ax.add_patch(self.range)
        ends = {"color": RANGE, "linestyle": "--", "linewidth": 1.5}
        self.ends = self.moving(*ax.plot([], [], label="range", **ends))
        self.ticks = self.moving(*ax.plot([], [], color=QUANTIZED))
        box = {"marker": BOX, "markersize": 32, "markerfacecolor": "none", "markeredgecolor": RANGE}
        self.zero = self.moving(*ax.plot([], [], **box))
        self.codes = self.moving(numbers(ax, "black"))
        self.arrows = self.moving(*ax.plot([], [], color=FLOAT, linewidth=1.3))
        self.far_arrows = self.moving(*ax.plot([], [], color=CLIPPED, linewidth=1.8, linestyle=":"))
        self.heads = self.moving(*ax.plot([], [], "v", color=QUANTIZED, markersize=8, markeredgecolor="black"))
        self.kept = self.moving(*ax.plot([], [], "o", color=FLOAT, markersize=8, label="value"))
        self.clipped = self.moving(
            *ax.plot([], [], "X", color=CLIPPED, markersize=10, markeredgecolor="black", label="clipped value")
        )
        legend(ax, loc="lower right", bbox_to_anchor=(1, 0.99), ncols=4)

    def update(self, values, qparams: QParams, limits: tuple[float, float] | None = None) -> None:
        """Show real `values`, (n,), and the levels of per-tensor `qparams` to which they are rounded.

        `limits` are the ends of the axis; None derives them from the values and the range.
        """
        values = np.ravel(values).astype(np.float64)
        lo, hi = float(qparams.lo), float(qparams.hi)
        self.ax.set_xlim(*(limits or padded(min(lo, *values, hi), max(lo, *values, hi), 0.05)))
        self._show_levels(qparams, lo, hi)
        targets, clipped = fake_quantize(values, qparams), is_clipped(values, qparams)
        for arrows, marks, which in ((self.arrows, self.kept, ~clipped), (self.far_arrows, self.clipped, clipped)):
            marks.set_data(values[which], np.full(which.sum(), VALUES))
            arrows.set_data(*segments(values[which], targets[which], VALUES - 0.15, LEVELS + 0.42))
        self.heads.set_data(targets, np.full(targets.size, LEVELS + 0.36))
        self.description = (
            f"{self.title}: {qparams.fmt.levels} levels of {qparams.fmt}, {float(qparams.scale):.4g} apart, "
            f"from {lo:.4g} to {hi:.4g}; code {int(qparams.zero_point)} stands for 0."
            + _moves(values, targets, clipped)
        )

    def _show_levels(self, qparams: QParams, lo: float, hi: float) -> None:
        levels, fmt, zero_point = qparams.levels, qparams.fmt, int(qparams.zero_point)
        pixels = self._pixels(float(qparams.scale))
        self.range.set_bounds(lo, LEVELS - 0.45, hi - lo, 0.9)
        self.ends.set_data(*segments([lo, hi], [lo, hi], LEVELS - 0.45, LEVELS + 0.45))
        self.ticks.set_data(*segments(levels, levels, LEVELS - 0.28, LEVELS + 0.28))
        self.ticks.set_linewidth(float(np.clip(0.25 * pixels, 0.4, 2.5)))
        self.zero.set_data([0], [CODES])
        room = 24 + 8 * max(len(str(fmt.qmin)), len(str(fmt.qmax)))
        codes = labelled(fmt, zero_point, int(np.clip(np.ceil(room / pixels), 1, fmt.levels)))
        set_numbers(self.codes, codes, levels[codes - fmt.qmin], CODES)

    def _pixels(self, width: float) -> float:
        """Return the approximate width in pixels; the layout is not solved yet when this is called."""
        left, right = self.ax.get_xlim()
        axes = self.ax.get_subplotspec().get_position(self.ax.figure).width * self.ax.figure.bbox.width
        return axes * width / (right - left)


def labelled(fmt: IntFormat, zero_point: int, apart: int) -> np.ndarray:
    """Return the codes to label, at least `apart` from each other: the zero point, both ends, and some between.

    Examples
    --------
    >>> labelled(IntFormat(4, signed=False), 5, 1).size
    16
    >>> labelled(IntFormat(8, signed=False), 85, 30)
    array([  0,  53,  85, 117, 149, 181, 213, 255])
    """
    stride = 2 ** int(np.ceil(np.log2(apart)))
    codes = np.arange(fmt.qmin, fmt.qmax + 1)
    inner = (codes - zero_point) % stride == 0
    inner &= (codes - fmt.qmin >= apart) & (fmt.qmax - codes >= apart) | (codes == zero_point)
    ends = np.isin(codes, (fmt.qmin, fmt.qmax)) & (np.abs(codes - zero_point) >= apart)
    return codes[inner | ends]


def segments(x0, x1, y0: float, y1: float) -> tuple[np.ndarray, np.ndarray]:
    """Join the points (x0, y0) and (x1, y1) in pairs, as one line with gaps."""
    x = np.column_stack([x0, x1, np.full(len(x0), np.nan)])
    return x.ravel(), np.tile([y0, y1, np.nan], len(x))


def _moves(values, targets, clipped) -> str:
    """Describe the rounding of each value in words."""
    moves = zip(values, targets, clipped, strict=True)
    words = ", ".join(f"{x:.4g} becomes {y:.4g}{' (clipped)' if cut else ''}" for x, y, cut in moves)
    return f" {words}." if words else ""


def number_line(values, qparams: QParams, size=(900, 260)) -> Picture:
    """Draw the levels of a quantizer on the real line, and the level of each value.

    Parameters
    ----------
    values : (n,) floats, only a few
    qparams : QParams, per tensor
    size : (width, height) in pixels

    Examples
    --------
    >>> from qviz import UINT4, choose_qparams
    >>> number_line([-1.3, 0.55, 2.0], choose_qparams(-1, 2, UINT4))
    Number line: 16 levels of uint4, 0.2 apart, from -1 to 2; code 5 stands for 0. -1.3 becomes -1 (clipped), \
0.55 becomes 0.6, 2 becomes 2.
    """
    return draw({"line": (NumberLinePanel(), _check.drawable(values, "values", least=0), qparams)}, size=size)

"""Histograms of a tensor before and after quantization, with the range that is kept."""

import numpy as np
from matplotlib.axes import Axes

from qviz.numerics import QParams, _check, quantize

from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .style import CLIPPED, FLOAT, FONT_SIZE, QUANTIZED, RANGE, Labels, dress, legend, logarithmic

BINS = 160
COUNTS = "number of values\n(tallest = 1)"  # shows the shape, whatever the size of the tensor
LOWEST_SHARE = 1e-5  # of the tallest bar, so that one value in 100,000 is still visible


def relative(counts: np.ndarray) -> np.ndarray:
    """Scale counts so that the tallest is 1."""
    return counts / max(counts.max(initial=0), 1)


# Rounding the zero point shifts the range by up to half a step, a sixth of its width at 2 bits; the axis leaves room.
MARGIN = 0.18


def padded(lo: float, hi: float, share: float = 0.03) -> tuple[float, float]:
    """Widen a range by a share of its width on both sides; an empty range becomes one of width 1 or more."""
    if hi <= lo:
        half = max(0.5, 1e-3 * abs(lo))  # a smaller width would vanish in rounding next to a large number
        return lo - half, hi + half
    margin = share * (hi - lo)
    return lo - margin, hi + margin


class HistogramPanel(Panel):
    """Histogram of a tensor before quantization, with the part that is clipped.

    Parameters
    ----------
    log : bool
        Use a logarithmic axis, which shows tails and outliers.
    """

    def __init__(self, title: str = "Before: float32", log: bool = False):
        super().__init__(title)
        self.log = log
        self._counted: np.ndarray | None = None

    def build(self, ax: Axes) -> None:
        """Create the outline, the clipped part and the ends of the range."""
        dress(ax, Labels(self.title, "value", COUNTS))
        empty = np.zeros(BINS), np.linspace(0, 1, BINS + 1)
        baseline = LOWEST_SHARE if self.log else 0
        self.kept = self.moving(ax.stairs(*empty, fill=True, color=FLOAT, alpha=0.75, baseline=baseline, label="kept"))
        self.clipped = self.moving(
            ax.stairs(
                *empty,
                fill=True,
                facecolor="white",
                edgecolor=CLIPPED,
                hatch="////",
                baseline=baseline,
                label="clipped",
            )
        )
        # The lines end below the legend, which is part of the background and would be drawn over.
        self.ends = [self.moving(ax.axvline(0, ymax=0.8, color=RANGE, linestyle="--", linewidth=1.5)) for _ in range(2)]
        self.ends[0].set_label("range")
        if self.log:
            logarithmic(ax.yaxis)
        ax.set_ylim(LOWEST_SHARE if self.log else 0, 10 if self.log else 1.25)
        legend(ax, loc="upper right", ncols=3, columnspacing=1.0)

    def update(self, x: np.ndarray, lo: float, hi: float, counts: np.ndarray | None = None, half: float = 0.0) -> None:
        """Show `x`, any shape, with the kept range [lo, hi], in the units of x.

        `counts` is how often each value occurs. `half` is half a step: a value less than that beyond an end still
        rounds to it, and does not count as clipped.
        """
        if x is not self._counted:  # a read-only tensor is counted only once
            self._count(np.ravel(x), counts)
            self._counted = None if x.flags.writeable else x
        heights, edges = self._heights, self._edges
        lowest, highest = lo - half, hi + half
        inside = (edges[1:] >= lowest) & (edges[:-1] <= highest)  # a bin that is partly kept counts as kept
        self.kept.set_data(np.where(inside, heights, 0), edges)
        self.clipped.set_data(np.where(inside, 0, heights), edges)
        for line, end in zip(self.ends, (lo, hi), strict=True):
            line.set_xdata([end, end])
        share = float(np.average((x < lowest) | (x > highest), weights=counts))
        least, most = self._ends
        self.description = (
            f"{self.title}: {x.size if counts is None else counts.sum():,} values from {least:.4g} to {most:.4g}; "
            f"range kept {lo:.4g} to {hi:.4g}; {share:.2%} clipped."
        )

    def _count(self, x: np.ndarray, times: np.ndarray | None) -> None:
        self._ends = float(x.min()), float(x.max())
        left, right = padded(*self._ends, MARGIN)
        counts, self._edges = binned(x, left, right, counts=times)
        self._heights = relative(counts)
        self.ax.set_xlim(left, right)


class LevelsPanel(Panel):
    """Histogram of the tensor after quantization: one bar per level."""

    def __init__(self, title: str = "After", log: bool = False):
        super().__init__(title)
        self.log = log

    def build(self, ax: Axes) -> None:
        """Create one bar for each level, as a single line with gaps."""
        dress(ax, Labels(self.title, "value", COUNTS))
        self.bars = self.moving(*ax.plot([], [], color=QUANTIZED, linewidth=1.2))
        self.heads = self.moving(*ax.plot([], [], "o", color=QUANTIZED, markersize=3))
        self.note = Words(ax, ax.transAxes, FONT_SIZE)
        self.moving(*self.note.artists)
        if self.log:
            logarithmic(ax.yaxis)
        ax.set_ylim(LOWEST_SHARE if self.log else 0, 1.5 if self.log else 1.08)

    def update(self, x: np.ndarray, qparams: QParams, counts: np.ndarray | None = None) -> None:
        """Show the codes of `x`, any shape, under per-tensor `qparams`, on the axis of `x`."""
        x = np.ravel(x)
        codes = quantize(x, qparams)
        counts = np.bincount(codes.astype(np.int32) - qparams.fmt.qmin, counts, minlength=qparams.fmt.levels)
        used = np.flatnonzero(counts)
        levels, heights = qparams.levels[used], relative(counts)[used]
        floor = LOWEST_SHARE if self.log else 0
        x_bars = np.repeat(levels, 3)
        self.bars.set_data(
            x_bars, np.column_stack([np.full(used.size, floor), heights, np.full(used.size, np.nan)]).ravel()
        )
        self.heads.set_data(levels, heights)
        self.heads.set_visible(used.size <= 64)
        self.note.say(f"{used.size:,} of {qparams.fmt.levels:,} levels used", 0.98, 0.9)
        self.ax.set_xlim(*padded(float(x.min()), float(x.max()), MARGIN))
        self.description = f"{self.title}: {used.size:,} of {qparams.fmt.levels:,} levels of {qparams.fmt} used."


def binned(x: np.ndarray, left: float, right: float, bins: int = BINS, counts=None) -> tuple[np.ndarray, np.ndarray]:
    """Count `x`, all within [left, right], in equal bins; several times as fast as np.histogram."""
    if not 1e-30 < right - left < 1e30:
        x = x.astype(np.float64)  # intermediate results would overflow float32
    codes = np.minimum(((x - left) * (bins / (right - left))).astype(np.int32), bins - 1)
    return np.bincount(codes, counts, minlength=bins), np.linspace(left, right, bins + 1)


def kept(qparams: QParams, counts: np.ndarray | None = None) -> tuple:
    """Return the arguments of `HistogramPanel.update` after x: lo and hi of per-tensor `qparams`, counts, half a step.

    Examples
    --------
    >>> from qviz.numerics import INT2
    >>> kept(QParams(0.5, 0, INT2))
    (-1.0, 0.5, None, 0.25)
    """
    return float(qparams.lo), float(qparams.hi), counts, float(qparams.scale) / 2


def before_and_after(x, qparams: QParams, log: bool = False, size=(900, 420)) -> Picture:
    """Draw a tensor before and after quantization.

    Parameters
    ----------
    x : array of any shape, finite
    qparams : QParams, per tensor
    log : bool
        Use a logarithmic axis.
    size : (width, height) in pixels

    Examples
    --------
    >>> from qviz import INT4, calibrate
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> before_and_after(x, calibrate(x, "min-max", INT4))
    Before: float32: 1,000 values from -3.899 to 3.066; range kept -3.715 to 3.251; 0.00% clipped.
    After: 16 of 16 levels of int4 used.
    """
    x = _check.drawable(x)
    panels = {
        "before": (HistogramPanel(log=log), x, *kept(qparams)),
        "after": (LevelsPanel(log=log), x, qparams),
    }
    return draw(panels, [["before"], ["after"]], size)

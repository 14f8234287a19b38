"""Pictures of the quantization error: its size, and its split into rounding and clipping."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from qviz.numerics import QParams, _check, fake_quantize

from .canvas import Picture, draw
from .histogram import BINS, COUNTS, binned, relative
from .panel import Panel
from .style import CLIPPED, ERROR, QUANTIZED, RANGE, ROUNDED, Labels, dress, legend, logarithmic


class ErrorHistogramPanel(Panel):
    """Histogram of the errors, in steps of the quantizer; rounding errors are at most half a step."""

    title = "Error of each value"

    def build(self, ax: Axes) -> None:
        """Create the outline and the marks at half a step."""
        dress(ax, Labels(self.title, "error in steps (1 = one scale)", COUNTS))
        self.outline = self.moving(
            ax.stairs(np.zeros(BINS), np.linspace(-1, 1, BINS + 1), fill=True, facecolor=ROUNDED, edgecolor=ERROR)
        )
        for half in (-0.5, 0.5):
            ax.axvline(half, color=RANGE, linestyle="--", linewidth=1.5, label="half a step" if half > 0 else None)
        ax.set_xlim(-1, 1)
        ax.set_ylim(0, 1.25)
        legend(ax, loc="upper right")

    def update(self, x: np.ndarray, x_hat: np.ndarray, scale: float, counts: np.ndarray | None = None) -> None:
        """Show the error of `x_hat` against `x`, of the same shape, for one `scale`; `counts` are optional weights."""
        with np.errstate(over="ignore"):  # a value may be any number of steps away
            steps = np.ravel(x_hat - x) / scale
        near = np.abs(steps) <= 1
        times, edges = binned(steps[near], -1.0, 1.0, counts=None if counts is None else counts[near])
        self.outline.set_data(relative(times), edges)
        beyond = float(np.average(~near, weights=counts))
        self.description = (
            f"{self.title}: one step is {scale:.4g}; {beyond:.2%} of the values are off by more than that."
        )


class ErrorCurvePanel(Panel):
    """Error against the clipping threshold: rounding rises, clipping falls, and their sum has a minimum.

    Both axes are logarithmic, because with outliers the best threshold may be a hundredth of the largest value.
    """

    title = "Error against clipping threshold"

    def build(self, ax: Axes) -> None:
        """Create the three curves and the mark of the choice."""
        dress(ax, Labels(self.title, "threshold (largest magnitude kept)", "mean squared error"))
        self.rounding = self.moving(*ax.plot([], [], color=ROUNDED, linestyle="-.", linewidth=2, label="rounding"))
        self.clipping = self.moving(*ax.plot([], [], color=CLIPPED, linestyle=":", linewidth=2.5, label="clipping"))
        self.total = self.moving(*ax.plot([], [], color=ERROR, linewidth=2, label="both"))
        ring = {"markersize": 15, "markerfacecolor": "none", "markeredgecolor": "black", "markeredgewidth": 1.5}
        self.lowest = self.moving(*ax.plot([], [], "o", label="lowest", **ring))
        self.choice = self.moving(ax.axvline(1, ymax=0.88, color=RANGE, linestyle="--", linewidth=1.5))
        self.mark = self.moving(
            *ax.plot([], [], "D", color=QUANTIZED, markersize=9, markeredgecolor="black", label="chosen")
        )
        logarithmic(ax.xaxis, ax.yaxis)
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.xaxis.set_minor_formatter(NullFormatter())
        legend(ax, loc="upper center", ncols=5, columnspacing=0.6, handlelength=1.4, handletextpad=0.3, markerscale=0.7)

    def update(self, thresholds, rounding, clipping, chosen: tuple[float, float], limits: tuple[float, float]) -> None:
        """Show the curves over (n,) ascending `thresholds`.

        `chosen` is the chosen threshold and its error; `limits` are those of the error axis.
        """
        total = rounding + clipping
        for line, y in ((self.rounding, rounding), (self.clipping, clipping), (self.total, total)):
            line.set_data(thresholds, np.maximum(y, limits[0] / 10))
        threshold, error = chosen
        at = min(max(threshold, thresholds[0]), thresholds[-1])
        self.choice.set_xdata([at, at])
        self.mark.set_data([at], [min(max(error, limits[0]), limits[1])])
        self.ax.set_xlim(float(thresholds[0]) / 1.1, float(thresholds[-1]) * 1.25)
        self.ax.set_ylim(*limits)
        best = int(np.argmin(total))
        self.lowest.set_data([thresholds[best]], [min(max(total[best], limits[0]), limits[1])])
        self.description = (
            f"{self.title}: chosen {threshold:.4g} with error {error:.3g}; "
            f"the lowest point of the curve is {total[best]:.3g} at {thresholds[best]:.4g}."
        )


def error_histogram(x, qparams: QParams, size=(700, 320)) -> Picture:
    """Draw a histogram of the quantization errors.

    Parameters
    ----------
    x : array of any shape, finite
    qparams : QParams, per tensor
    size : (width, height) in pixels

    Examples
    --------
    >>> from qviz import INT4, calibrate
    >>> x = np.random.default_rng(0).standard_normal(1000)
    >>> error_histogram(x, calibrate(x, "min-max", INT4))
    Error of each value: one step is 0.4644; 0.00% of the values are off by more than that.
    """
    x = _check.drawable(x)
    return draw({"error": (ErrorHistogramPanel(), x, fake_quantize(x, qparams), float(qparams.scale))}, size=size)

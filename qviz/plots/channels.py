"""Channels of a weight tensor: the range of each, and the range that its scale covers."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from qviz.numerics import PerChannel, PerTensor, QParams, _check, decibels, fake_quantize, sqnr_db, value_range

from .canvas import Picture, draw
from .histogram import padded
from .panel import Panel
from .style import CLIPPED, FLOAT, QUANTIZED, QUIET, RANGE, Labels, dress, legend

MOST = 64  # bars that can be distinguished from the last row of a lecture room
FEW_LEVELS = 16
MOST_BARS = 512


class ChannelPanel(Panel):
    """For each channel or group: its range as a bar, the range of its scale as an outline, and the levels if few."""

    title = "Range of each scale"
    _measured: np.ndarray | None = None

    def build(self, ax: Axes) -> None:
        """Create the levels, bars and outline."""
        dress(ax, Labels(self.title, "channel", "weight"))
        ax.yaxis.set_major_locator(MaxNLocator(6, steps=[5, 10]))  # both states of the limits get labels of one width
        self.levels = self.moving(*ax.plot([], [], color=QUANTIZED, linewidth=0.8, alpha=0.8, label="levels"))
        empty = np.zeros(1), [0.0, 1.0]
        self.bars = self.moving(ax.stairs(*empty, fill=True, color=FLOAT, label="values"))
        self.covered = self.moving(ax.stairs(*empty, color=QUANTIZED, linewidth=2, label="covered by the scale"))
        ax.axhline(0, color=QUIET, linewidth=0.8, zorder=0)
        legend(ax, loc="upper right", ncols=3)

    def update(self, weights: np.ndarray, qparams: QParams) -> None:
        """Show `weights`, (out channels, ...), and the ranges of `qparams`, of any granularity.

        The first scales are enough, as many as there are bars.
        """
        slots = PerChannel(0) if qparams.granularity == PerTensor() else qparams.granularity
        groups = slots.to_groups(weights[:MOST])  # a channel is at least a group
        shown, n, total = _first(qparams, MOST), min(len(groups), MOST), weights.size // groups.shape[1]
        lows, highs = (np.atleast_1d(np.squeeze(ends)) for ends in value_range(groups[:n], PerChannel(0)))
        levels = np.broadcast_to(np.atleast_2d(shown.levels), (n, qparams.fmt.levels))
        covered = np.stack([levels[:, 0], levels[:, -1]])
        self._show_bars(lows, highs)
        self.covered.set_data(covered[1], np.arange(n + 1) - 0.5, baseline=covered[0])
        self._show_levels(levels)
        self.ax.set_xlim(-0.7, n - 0.3)
        if weights is not self._measured:  # a read-only tensor that was measured is not measured again
            self._largest = max(abs(float(end)) for end in value_range(weights))
            self._measured = None if weights.flags.writeable else weights
        largest = self._largest
        down = 1.4 if covered.min() > -1.4 * largest else 2.05  # symmetric at 2 bits reaches twice as far down
        self.ax.set_ylim(*padded(-down * largest, 1.4 * largest))
        unit = "channel" if slots == PerChannel(0) else "group"
        self.ax.set_xlabel(unit if n == total else f"{unit} (the first {n} of {total:,})")
        widths, spans = covered[1] - covered[0], highs - lows
        self.description = (
            f"{self.title} ({qparams.granularity}, {qparams.fmt}): {total if qparams.scale.ndim else 1:,} scales; "
            f"the values of one {unit} fill {np.median(spans / widths):.0%} of its scale's range (median)."
        )

    def _show_bars(self, lows: np.ndarray, highs: np.ndarray) -> None:
        n = lows.size
        edges = (np.arange(n)[:, None] + [-0.25, 0.25]).ravel()
        gap = np.full(n, np.nan)
        self.bars.set_data(np.column_stack([highs, gap]).ravel()[:-1], edges, np.column_stack([lows, gap]).ravel()[:-1])

    def _show_levels(self, levels: np.ndarray) -> None:
        n, count = levels.shape
        self.levels.set_visible(count <= FEW_LEVELS)
        if count > FEW_LEVELS:
            return
        x = np.repeat(np.arange(n), count)[:, None] + [-0.45, 0.45, np.nan]
        self.levels.set_data(x.ravel(), np.repeat(levels.ravel(), 3))


def _first(qparams: QParams, n: int) -> QParams:
    """Keep only the first n scales, because 100,000 scales with 256 levels each would fill the memory."""
    if qparams.scale.ndim == 0:
        return qparams
    return QParams(qparams.scale[:n], qparams.zero_point[:n], qparams.fmt, qparams.granularity)


class SqnrPanel(Panel):
    """SQNR of each output channel in decibels, one bar each, the worst one hatched.

    If there are more channels than pixels, each bar shows the worst of several neighbouring channels.
    """

    title = "SQNR of each channel"

    def build(self, ax: Axes) -> None:
        """Create the bars, the worst bar and the line for the whole tensor."""
        dress(ax, Labels(self.title, "channel", "SQNR in dB"))
        empty = np.zeros(1), [0.0, 1.0]
        self.bars = self.moving(ax.stairs(*empty, fill=True, color=QUANTIZED))
        worst = {
            "facecolor": "white",
            "edgecolor": CLIPPED,
            "hatch": "////",
            "linewidth": 1.5,
            "label": "worst channel",
        }
        self.worst = self.moving(ax.stairs(*empty, fill=True, **worst))
        self.whole = self.moving(ax.axhline(0, color=RANGE, linestyle="--", linewidth=1.5, label="whole tensor"))
        legend(ax, loc="upper right", ncols=2)

    def update(self, channels_db: np.ndarray, whole_db: float) -> None:
        """Show (n,) decibels, one per channel, and that of the whole tensor; infinity reaches the top."""
        worst, each = int(np.argmin(channels_db)), -(-channels_db.size // MOST_BARS)
        top, n = 36 if max(channels_db.max(), whole_db) < 28 else 60, -(-channels_db.size // each)
        self.ax.set_ylim(0, top)
        self.ax.set_yticks(range(0, top + 1, 12))
        heights = np.clip(np.minimum.reduceat(channels_db, np.arange(0, channels_db.size, each)), 0, top)
        edges = (np.arange(n)[:, None] + [-0.4, 0.4]).ravel() * each
        self.bars.set_data(np.column_stack([heights, np.full(n, np.nan)]).ravel()[:-1], edges)
        bar = worst // each
        self.worst.set_data(heights[[bar]], edges[2 * bar : 2 * bar + 2])
        self.whole.set_ydata([min(whole_db, top)] * 2)
        self.ax.set_xlim(-0.7 * each, (n - 0.3) * each)
        self.ax.set_xlabel("channel" if each == 1 else f"channel (a bar is the worst of {each})")
        self.description = (
            f"{self.title}: {channels_db[worst]:.1f} dB in the worst channel, {worst}; "
            f"{channels_db.max():.1f} dB in the best; {whole_db:.1f} dB in all."
        )


def sqnr_of_channels(weights: np.ndarray, weights_hat: np.ndarray) -> np.ndarray:
    """Return the SQNR of each channel, (n,) in dB, along the first axis.

    Examples
    --------
    >>> sqnr_of_channels(np.array([[3.0, 4.0], [1.0, 0.0]]), np.array([[3.0, 3.5], [1.0, 0.1]]))
    array([20., 20.])
    """
    named = {"weights": weights, "weights_hat": weights_hat}
    x, y = (_check.drawable(np.atleast_1d(_check.as_float(array, name)), name) for name, array in named.items())
    if x.shape != y.shape:
        raise ValueError(f"weights and weights_hat must have one shape: got {x.shape} and {y.shape}")
    x, y = (PerChannel(0).to_groups(array).astype(np.float64) for array in (x, y))
    return decibels(np.sum(x**2, axis=1), np.sum((x - y) ** 2, axis=1))


def channels(weights, qparams: QParams, size=(900, 360)) -> Picture:
    """Draw the range of each channel, the range its scale covers, and its SQNR.

    Parameters
    ----------
    weights : (out channels, ...) floats
    qparams : QParams, of any granularity
    size : (width, height) in pixels

    Examples
    --------
    >>> from qviz import INT4, PerChannel, calibrate
    >>> weights = np.outer([1.0, 0.1], np.linspace(-1, 1, 9))
    >>> channels(weights, calibrate(weights, "min-max", INT4, "symmetric", PerChannel(0)))
    Range of each scale (per channel (axis 0), int4): 2 scales; the values of one channel fill 93% of its \
scale's range (median).
    SQNR of each channel: 23.9 dB in the worst channel, 1; 23.9 dB in the best; 23.9 dB in all.
    """
    weights = _check.drawable(np.atleast_1d(_check.as_float(weights, "weights")), "weights")
    weights_hat = fake_quantize(weights, qparams)
    panels = {
        "ranges": (ChannelPanel(), weights, qparams),
        "sqnr": (SqnrPanel(), sqnr_of_channels(weights, weights_hat), sqnr_db(weights, weights_hat)),
    }
    return draw(panels, size=size, width_ratios=[3, 2])

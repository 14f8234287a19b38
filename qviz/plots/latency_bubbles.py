"""Size, accuracy and latency of networks measured on one machine, as a bubble chart."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from .canvas import Picture, draw
from .panel import Panel
from .style import FLOAT, FONT_SIZE, QUIET, RANGE, Labels, dress

LARGEST = 2500  # square points: the area of the largest bubble
_MOST = 6

Measured = Mapping[str, tuple[float, float, float, int]]


class LatencyBubblesPanel(Panel):
    """Latency on the x axis, accuracy on the y axis, bytes as area; a line spans the middle half of the runs."""

    title = "Measured on this machine: better is up, to the left, and small"

    def build(self, ax: Axes) -> None:
        """Create the bubbles, the spreads and the names."""
        dress(ax, Labels(self.title, "latency in milliseconds", "accuracy in %"))
        self.bubbles = self.moving(ax.scatter([], [], color=FLOAT, alpha=0.5, edgecolor=RANGE))
        self.spreads = self.moving(ax.add_collection(LineCollection([], color=RANGE, linewidth=3)))
        look = {"ha": "center", "fontsize": FONT_SIZE, "textcoords": ("data", "axes fraction")}
        look["arrowprops"] = {"arrowstyle": "-", "color": QUIET}
        self.names = [
            ax.annotate("", (0, 0), (0, 0.94 - 0.07 * row), **look) for row in range(_MOST)
        ]  # each at its own height, so that they do not overlap
        self.moving(*self.names)

    def update(self, measured: Measured) -> None:
        """Show, by name, (median in ms, spread in ms, accuracy 0 to 1, bytes), at most six.

        The description contains no times, because they differ between runs.
        """
        if not 1 <= len(measured) <= _MOST:
            raise ValueError(f"measured must hold 1 to {_MOST} networks: got {len(measured)}")
        ms, spread, accuracy, size = np.array(list(measured.values()), float).T
        self.bubbles.set_offsets(np.column_stack([ms, 100 * accuracy]))
        self.bubbles.set_sizes(LARGEST * size / size.max())
        ends = np.stack([ms - spread / 2, ms + spread / 2])
        self.spreads.set_segments([[(lo, 100 * y), (hi, 100 * y)] for lo, hi, y in zip(*ends, accuracy, strict=True)])
        for text, name in zip(self.names, [*measured, *[""] * (_MOST - len(measured))], strict=True):
            text.set(text=name, visible=bool(name))
        for text, x, y in zip(self.names, ms, 100 * accuracy, strict=False):
            text.xy = x, y
            text.set_x(x)
        self.ax.set_xlim(0, 1.25 * ends.max())
        low, high = 100 * accuracy.min(), 100 * accuracy.max()
        margin = max(0.5 * (high - low), 0.5)
        self.ax.set_ylim(low - margin, high + 3 * margin)  # room for the names
        told = ", ".join(
            f"{name} {a:.2%} with {int(b):,} bytes" for name, a, b in zip(measured, accuracy, size, strict=True)
        )
        self.description = f"Accuracy, size and latency (the times are in the picture alone): {told}."


def latency_bubbles(measured: Measured, size=(900, 380)) -> Picture:
    """Draw measured networks; see `LatencyBubblesPanel.update` for the data.

    Examples
    --------
    >>> latency_bubbles({"float32": (2.0, 0.1, 0.99, 154_000), "int8": (1.1, 0.1, 0.98, 44_000)})
    Accuracy, size and latency (the times are in the picture alone): float32 99.00% with 154,000 bytes, int8 98.00% \
with 44,000 bytes.
    """
    return draw({"latency_bubbles": (LatencyBubblesPanel(), measured)}, size=size)

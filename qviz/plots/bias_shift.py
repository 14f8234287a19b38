"""Mean and spread of the quantization error of each output of a network."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from .ablation import MARKERS
from .canvas import Picture, draw
from .panel import Panel
from .style import ERROR, FLOAT, QUANTIZED, QUIET, Labels, dress, legend

COLOURS = {"weights": FLOAT, "activations": ERROR, "biases": QUANTIZED}


class ShiftPanel(Panel):
    """For each output, the mean error as a mark and its standard deviation as a vertical line."""

    title = "Error of each output: its mean, and how far it spreads"

    def build(self, ax: Axes) -> None:
        """Create lines and marks for weights, activations and biases."""
        dress(ax, Labels(self.title, "output", "quantized minus float"))
        ax.axhline(0, color=QUIET, linewidth=0.8, zorder=0)
        self.spreads, self.means = {}, {}
        for part, marker in MARKERS.items():
            self.spreads[part] = self.moving(*ax.plot([], [], color=COLOURS[part], linewidth=2))
            look = {"linestyle": "", "color": COLOURS[part], "markeredgecolor": "black", "markersize": 8}
            self.means[part] = self.moving(*ax.plot([], [], marker, label=f"{part} alone", **look))
        legend(ax, loc="upper center", ncols=3)

    def update(self, errors: Mapping[str, np.ndarray], reach: float) -> None:
        """Show errors, (inputs, outputs) for each part, in the units of the output, on an axis of +-reach."""
        told = []
        for offset, (part, error) in zip((-0.22, 0.0, 0.22), errors.items(), strict=True):
            mean, spread = error.mean(axis=0), error.std(axis=0)
            x, gap = np.arange(mean.size) + offset, np.full(mean.size, np.nan)
            ends = np.column_stack([mean - spread, mean + spread, gap])
            self.spreads[part].set_data(np.repeat(x, 3), ends.ravel())
            self.means[part].set_data(x, mean)
            told.append(f"{part} {np.abs(mean).mean():.3f} and {spread.mean():.3f}")
        self.ax.set(xlim=(-0.6, mean.size - 0.4), ylim=(-reach, 1.25 * reach), xticks=range(mean.size))
        self.description = f"{self.title}; size of the mean and spread, averaged: {', '.join(told)}."


def shifts(errors: Mapping[str, np.ndarray], size=(900, 340)) -> Picture:
    """Draw the mean and the spread of the error of each output, with each part quantized alone.

    Parameters
    ----------
    errors : mapping of "weights", "activations" and "biases" to (inputs, outputs) arrays
        Quantized minus float.
    size : (width, height) in pixels

    Examples
    --------
    >>> noise = np.tile([[-1.0], [1.0]], (50, 10))
    >>> shifts({"weights": noise + 1, "activations": noise, "biases": 0 * noise + 0.5})
    Error of each output: its mean, and how far it spreads; size of the mean and spread, averaged: weights 1.000 and \
1.000, activations 0.000 and 1.000, biases 0.500 and 0.000.
    """
    reach = max(float((np.abs(e.mean(axis=0)) + e.std(axis=0)).max()) for e in errors.values())
    return draw({"shift": (ShiftPanel(), errors, 1.1 * reach or 1.0)}, size=size)

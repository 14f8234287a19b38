"""Quantization-aware training by epoch: accuracy, loss, and the share of weights whose code changes."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from ._accuracy import accuracy_axis, error_rate
from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .style import FLOAT, FONT_SIZE, QUANTIZED, QUIET, RANGE, ROUNDED, Labels, dress, legend, logarithmic

LAYOUT = [["accuracy", "loss"], ["accuracy", "crossings"]]
LOSSES = (1e-3, 10.0)  # limits of the axis; values beyond are drawn at its ends
SHARES = (1e-4, 1.0)
MOST_NOTES = 3


class AccuracyPanel(Panel):
    """Accuracy after each epoch; before the first one, it is that of post-training quantization."""

    title = "Accuracy on the test images"

    def build(self, ax: Axes) -> None:
        """Create the reference lines, the curve, and the mark of the converted network."""
        dress(ax, Labels(self.title, "epoch", "right, in % (stretched near 100)"))
        accuracy_axis(ax)
        self.float = self.moving(ax.axhline(1, color=FLOAT, linestyle=":", linewidth=2, label="float network"))
        self.ptq = self.moving(ax.axhline(1, color=RANGE, linestyle="--", linewidth=1.5, label="PTQ, no training"))
        self.last = self.moving(ax.axvline(0, color=QUIET, linewidth=1, label="last epoch"))
        self.curve = self.moving(
            *ax.plot([], [], "o-", color=QUANTIZED, linewidth=2, markersize=5, label="QAT, fake-quantized")
        )
        self.converted = self.moving(
            *ax.plot([], [], "D", color="white", markersize=11, markeredgecolor="black", label="QAT, converted")
        )
        self.notes = [Words(ax, ax.transAxes, FONT_SIZE - 1) for _ in range(MOST_NOTES)]
        for words in self.notes:
            self.moving(*words.artists)
        legend(ax, loc="upper left", bbox_to_anchor=(1, 1))

    def update(
        self, accuracies, float_accuracy: float, converted: float, epochs: int, axis: int, notes: Sequence[str] = ()
    ) -> None:
        """Show (n + 1,) accuracies, 0 to 1, from epoch 0 on, of `epochs` in total, on an axis up to `axis` epochs.

        `converted` may be NaN. There may be up to 3 `notes`, because a few short texts are drawn faster than a new long
        one.
        """
        self.ax.set_xlim(-0.5, axis + 0.5)
        done = len(accuracies) - 1
        self.curve.set_data(np.arange(done + 1), error_rate(accuracies))
        self.last.set_xdata([epochs] * 2)
        for line, accuracy in ((self.ptq, accuracies[0]), (self.float, float_accuracy)):
            line.set_ydata([error_rate(accuracy)] * 2)
        self.converted.set_visible(bool(np.isfinite(converted)))
        self.converted.set_data([done], [error_rate(converted)])
        for row, words in enumerate(self.notes):
            words.visible = row < len(notes)
            if words.visible:
                words.say(notes[row], 1.4, 0.64 - 0.06 * row)  # below the legend, where no curve runs
        self.description = (
            f"{self.title}: {accuracies[0]:.2%} by PTQ, {accuracies[-1]:.2%} after {done} of {epochs} epochs; "
            + (f"{converted:.2%} converted; " if np.isfinite(converted) else "")
            + f"{float_accuracy:.2%} by the float network."
        )


class LossPanel(Panel):
    """The mean loss of each epoch, on a logarithmic axis."""

    title = "Loss on the training images"

    def build(self, ax: Axes) -> None:
        """Create the curve."""
        dress(ax, Labels(self.title, "", "loss"))
        self.curve = self.moving(*ax.plot([], [], "s-", color=ROUNDED, markeredgecolor="black", linewidth=2))
        logarithmic(ax.yaxis)
        ax.set_ylim(*LOSSES)

    def update(self, losses, axis: int) -> None:
        """Show (n,) losses, from epoch 1 on, on an axis up to `axis` epochs."""
        self.ax.set_xlim(-0.5, axis + 0.5)
        self.curve.set_data(np.arange(1, len(losses) + 1), np.clip(losses, *LOSSES))
        seen = f"from {losses[0]:.4f} to {losses[-1]:.4f}" if len(losses) else "none yet"
        self.description = f"{self.title}: {seen}."


class CrossingsPanel(Panel):
    """The share of weights that crossed a bin edge in each epoch, on a logarithmic axis."""

    title = "Weights whose code changed"

    def build(self, ax: Axes) -> None:
        """Create the bars."""
        dress(ax, Labels(self.title, "epoch", "share"))
        self.bars = self.moving(
            ax.stairs([0.0], [0.0, 1.0], fill=True, baseline=SHARES[0], facecolor=QUANTIZED, edgecolor="black")
        )
        logarithmic(ax.yaxis)
        ax.set_ylim(*SHARES)
        ax.set_yticks([1e-4, 1e-2, 1], ["0.01 %", "1 %", "100 %"])

    def update(self, crossings, weights: int, axis: int) -> None:
        """Show (n,) counts out of `weights`, from epoch 1 on, on an axis up to `axis` epochs."""
        self.ax.set_xlim(-0.5, axis + 0.5)
        shares = np.asarray(crossings, np.float64) / weights
        heights = np.column_stack([np.clip(shares, *SHARES), np.full(len(shares), np.nan)]).ravel()
        edges = (np.arange(1, len(shares) + 1)[:, None] + [-0.35, 0.35]).ravel()
        self.bars.set_visible(bool(len(shares)))
        seen = "none yet"
        if len(shares):
            self.bars.set_data(heights[:-1], edges)
            seen = f"{crossings[0]:,} of {weights:,} in the first epoch, {crossings[-1]:,} in the last"
        self.description = f"{self.title}: {seen}."


def training(accuracies, losses, crossings, weights: int, float_accuracy: float, size=(940, 420)) -> Picture:
    """Draw a quantization-aware training, epoch by epoch.

    Parameters
    ----------
    accuracies : (n + 1,) floats, 0 to 1, starting before the first epoch
    losses, crossings : (n,) numbers: the mean loss of each epoch, and how many weight codes changed in it
    weights : int: total number of weights
    float_accuracy : float, 0 to 1
    size : (width, height) in pixels

    Examples
    --------
    >>> training([0.5, 0.9, 0.95], [0.8, 0.3], [300, 100], 10_000, 0.98)
    Accuracy on the test images: 50.00% by PTQ, 95.00% after 2 of 2 epochs; 98.00% by the float network.
    Loss on the training images: from 0.8000 to 0.3000.
    Weights whose code changed: 300 of 10,000 in the first epoch, 100 in the last.
    """
    epochs = len(losses)
    panels = {
        "accuracy": (AccuracyPanel(), accuracies, float_accuracy, float("nan"), epochs, epochs),
        "loss": (LossPanel(), losses, epochs),
        "crossings": (CrossingsPanel(), crossings, weights, epochs),
    }
    return draw(panels, LAYOUT, size, width_ratios=[3, 2])

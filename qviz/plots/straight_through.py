"""The straight-through estimator: the slope that it uses, and one weight under gradient descent."""

import numpy as np
from matplotlib.axes import Axes

from qviz.numerics import QParams, fake_quantize
from qviz.numerics.straight_through import Descent, clipped_identity, descend, straight_through_slope

from .canvas import Picture, draw
from .moving_text import Words
from .panel import Panel
from .staircase import StaircasePanel
from .style import CLIPPED, FLOAT, FONT_SIZE, QUANTIZED, QUIET, RANGE, Labels, dress, legend

REACH = 0.35  # half-length of the drawn tangent, as a share of half the axis
FEW_EDGES = 31


class SlopePanel(Panel):
    """The function whose slope is used in the backward pass, and its slope at one weight."""

    title = "Backward: which slope is used"

    def build(self, ax: Axes) -> None:
        """Create the staircase for comparison, the function whose slope is used, and the tangent."""
        dress(ax, Labels(self.title, "weight w", ""))
        self.stairs = self.moving(*ax.plot([], [], color=QUIET, linewidth=1.5, linestyle=":", label="staircase"))
        self.used = self.moving(*ax.plot([], [], color=FLOAT, linewidth=2, label="gives the slope"))
        self.tangent = self.moving(*ax.plot([], [], color=RANGE, linewidth=4, linestyle="--", label="slope at w"))
        self.mark = self.moving(*ax.plot([], [], "o", color=FLOAT, markersize=8, markeredgecolor="black"))
        self.note = Words(ax, ax.transAxes, FONT_SIZE, bold=True, cover="black")
        self.moving(*self.note.artists)
        legend(ax, loc="upper left")

    def update(self, qparams: QParams, weight: float, slope: str, limits: tuple[float, float]) -> None:
        """Show the slope, a name in SLOPES, at `weight` under per-tensor `qparams`; both axes span `limits`."""
        left, right = limits
        self.ax.set_xlim(left, right)
        self.ax.set_ylim(left, right)
        levels = qparams.levels
        stairs = np.r_[left, np.repeat((levels[:-1] + levels[1:]) / 2, 2), right], np.repeat(levels, 2)
        self.stairs.set_data(*stairs)
        estimated = slope == "straight-through"
        ends = np.array([left, *clipped_identity([-1e30, 1e30], qparams), right])
        self.used.set_data(*(ends, clipped_identity(ends, qparams)) if estimated else stairs)
        y = float((clipped_identity if estimated else fake_quantize)(np.float64(weight), qparams))
        value = float(straight_through_slope(np.float64(weight), qparams)) if estimated else 0.0
        reach = REACH * (right - left) / 2 * np.array([-1, 1])
        self.tangent.set_data(weight + reach, y + value * reach)
        self.tangent.set_color(RANGE if value else CLIPPED)
        self.mark.set_data([weight], [y])
        self.note.say(f"slope {value:.0f}", 0.97, 0.06)
        self.description = f"{self.title}: {slope}, which is {value:.0f} at {weight:.4g}."


class DescentPanel(Panel):
    """A weight and its quantized value at each step: the weight changes slowly, and the output jumps."""

    title = "The weight, step by step"

    def build(self, ax: Axes) -> None:
        """Create the bin edges, both curves, the target and the jumps."""
        dress(ax, Labels(self.title, "step", "weight, output"))
        self.edges = self.moving(*ax.plot([], [], color=QUIET, linewidth=1, linestyle=":", label="edges of bins"))
        self.target = self.moving(ax.axhline(0, color=RANGE, linestyle="--", linewidth=1.5, label="target"))
        self.outputs = self.moving(
            *ax.plot([], [], color=QUANTIZED, linewidth=2.5, label="output", drawstyle="steps-mid")
        )
        self.weights = self.moving(*ax.plot([], [], ".-", color=FLOAT, linewidth=1.5, markersize=5, label="weight"))
        self.jumps = self.moving(
            *ax.plot([], [], "D", color=QUANTIZED, markersize=8, markeredgecolor="black", label="edge crossed")
        )
        legend(ax, loc="upper left", bbox_to_anchor=(1, 1))

    def update(self, descent: Descent, qparams: QParams, limits: tuple[float, float], most_steps: int) -> None:
        """Show a descent under per-tensor `qparams`, on axes from 0 to `most_steps` and across `limits`."""
        self.ax.set_xlim(-0.02 * most_steps, 1.02 * most_steps)
        self.ax.set_ylim(*limits)
        steps = np.arange(descent.weights.size)
        edges = (qparams.levels[:-1] + qparams.levels[1:]) / 2
        self.edges.set_visible(edges.size <= FEW_EDGES)
        self.edges.set_data(np.tile([0, most_steps, np.nan], edges.size), np.repeat(edges, 3))
        self.target.set_ydata([descent.target] * 2)
        self.outputs.set_data(steps, descent.outputs)
        self.weights.set_data(steps, descent.weights)
        self.jumps.set_data(descent.crossings, descent.outputs[descent.crossings])
        weights, outputs = descent.weights, descent.outputs
        self.description = (
            f"{self.title}: in {steps[-1]} steps the weight goes from {weights[0]:.4g} to {weights[-1]:.4g}, "
            f"its output from {outputs[0]:.4g} to {outputs[-1]:.4g}, across {descent.crossings.size} edges; "
            f"the target is {descent.target:.4g}."
        )


def straight_through(
    weight: float, target: float, qparams: QParams, lr: float = 0.05, steps: int = 40, size=(940, 600)
) -> Picture:
    """Draw the staircase, the slope used for it, and one weight on its way to a target.

    Parameters
    ----------
    weight, target : float
    qparams : QParams, per tensor
    lr : float, the learning rate
    steps : int
    size : (width, height) in pixels

    Examples
    --------
    >>> from qviz.numerics import INT2
    >>> straight_through(0.0, 1.0, QParams(1.0, 0, INT2), lr=0.2, steps=3)
    Forward: the staircase: steps 1 wide and high from -2 to 1, flat outside. 0 becomes 0, error 0.
    Backward: which slope is used: straight-through, which is 1 at 0.
    The weight, step by step: in 3 steps the weight goes from 0 to 0.6, its output from 0 to 1, across 1 edges; \
the target is 1.
    """
    limits = float(qparams.lo - qparams.scale), float(qparams.hi + qparams.scale)
    panels = {
        "forward": (StaircasePanel("Forward: the staircase"), qparams, weight, limits),
        "backward": (SlopePanel(), qparams, weight, "straight-through", limits),
        "descent": (DescentPanel(), descend(weight, target, qparams, lr, steps), qparams, limits, steps),
    }
    return draw(panels, LAYOUT, size, height_ratios=[1, 1])


LAYOUT = [["forward", "backward"], ["descent", "descent"]]

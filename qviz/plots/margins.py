"""Histogram of the margins of predictions, with the size of the noise that quantization adds."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from qviz.numerics import _check

from .canvas import Picture, draw
from .panel import Panel
from .style import FLOAT, QUANTIZED, ROUNDED, Labels, dress, legend

BINS = 30
LOOKS = ((ROUNDED, ":"), (QUANTIZED, "--"), ("black", "-"))  # one per noise level, in order


class MarginsPanel(Panel):
    """Histogram of margins, with up to three noise levels as vertical lines.

    Parameters
    ----------
    names : names of the noise levels, at most 3
    """

    def __init__(self, names: tuple[str, ...], title: str = "How far is each answer from changing?"):
        super().__init__(title)
        if not 1 <= len(names) <= len(LOOKS):
            raise ValueError(f"names must be 1 to {len(LOOKS)} names of noise levels: got {len(names)}")
        self.names = tuple(names)

    def build(self, ax: Axes) -> None:
        """Create the outline and the lines."""
        dress(ax, Labels(self.title, "margin: largest logit minus second largest", "images"))
        self.bars = self.moving(ax.stairs(np.zeros(1), [0, 1], fill=True, color=FLOAT, alpha=0.75, label="margins"))
        self.lines = []
        for name, (color, dashes) in zip(self.names, LOOKS, strict=False):
            look = {"color": color, "linestyle": dashes, "linewidth": 2.5}
            self.lines.append(self.moving(ax.axvline(0, label=f"errors of the logits, {name}", **look)))
        legend(ax, loc="upper right", handlelength=3)

    def update(self, margins: np.ndarray, noise: Mapping[str, float]) -> None:
        """Show (n,) margins of at least 0, and the root mean square of the noise for each name, in the same units."""
        most = max(1.05 * float(margins.max()), 1e-30)  # a range of subnormal numbers cannot be split into bins
        counts, edges = np.histogram(margins, BINS, (0, most))
        self.bars.set_data(counts, edges)
        self.ax.set(xlim=(0, most), ylim=(0, 1.15 * max(counts.max(), 1)))
        told = []
        for name, line in zip(self.names, self.lines, strict=True):
            line.set_xdata([noise[name]] * 2)
            told.append(
                f"errors with {name} {noise[name]:.1f}, {np.mean(margins < noise[name]):.0%} of the margins below"
            )
        self.description = f"{self.title} {margins.size} margins, median {np.median(margins):.1f}; {'; '.join(told)}."


def margins(values, noise: Mapping[str, float], size=(900, 330)) -> Picture:
    """Draw the margins of predictions, compared with the noise of the logits.

    Parameters
    ----------
    values : (n,) array of margins, at least 0, as from `qviz.experiments.margins.answer_margins`
    noise : mapping of at most three names to the root mean square of the noise of the logits
    size : (width, height) in pixels

    Raises
    ------
    TypeError, ValueError
        A margin is not a real number, not finite or below 0, or there are none.

    Examples
    --------
    >>> margins([1.0, 4.0, 9.0, 12.0], {"4 bits": 0.5, "3 bits": 5.0})
    How far is each answer from changing? 4 margins, median 6.5; errors with 4 bits 0.5, 0% of the margins below; \
errors with 3 bits 5.0, 50% of the margins below.
    """
    values = _check.drawable(values, "values", axes=1)
    if values.min() < 0:
        raise ValueError(f"values must be margins, at least 0: got {values.min():.3g}; answer_margins computes them")
    return draw({"margins": (MarginsPanel(tuple(noise)), values, noise)}, size=size)

"""Saturation: two 8-bit products in a 16-bit sum, what is lost, and the effect on a layer."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from qviz.numerics.saturation import HIGH, LOW, LayerErrors

from .panel import Panel
from .small_numbers import numbers, set_spelled
from .style import CLIPPED, FLOAT, QUANTIZED, QUIET, RANGE, ROUNDED, Labels, dress, legend, logarithmic

FIRST, SECOND, SUM, KEPT = 3, 2, 1, 0  # rows, from the top
FARTHEST = 2 * 255 * 128


class SaturationPanel(Panel):
    """Two products end to end, their sum, and the part that a 16-bit integer can hold."""

    title = "Two products, and their sum"

    def build(self, ax: Axes) -> None:
        """Create the four bars, the part that is lost, the limits of 16 bits and the numbers."""
        dress(ax, Labels(self.title, "sum of products (dashed: limits of a 16-bit number)", ""))
        ax.set(xlim=(-1.1 * FARTHEST, 1.75 * FARTHEST), ylim=(-0.6, 3.6))
        ax.set_xticks([-65_536, LOW, 0, HIGH, 65_536], ["-65,536", "-32,768", "0", "32,767", "65,536"])
        ax.set_yticks([FIRST, SECOND, SUM, KEPT], ["product 1", "product 2", "sum", "result"])
        ax.tick_params(axis="y", length=0)
        ax.axvspan(LOW, HIGH, color=QUIET, alpha=0.2, linewidth=0)
        ax.axvline(0, color=QUIET, linewidth=1)
        colors = {FIRST: FLOAT, SECOND: FLOAT, SUM: ROUNDED, KEPT: QUANTIZED}
        self.bars = {row: self._bar(row, facecolor=color) for row, color in colors.items()}
        self.lost = self._bar(KEPT, facecolor="white", edgecolor=CLIPPED, hatch="////", linewidth=1.5)
        for end in (LOW, HIGH):
            self.moving(ax.axvline(end, color=RANGE, linestyle="--", linewidth=1.5))
        self.numbers = self.moving(numbers(ax, "black"))

    def update(self, products: tuple[int, int], kept: int) -> None:
        """Show two products, and `kept`, the saturated value of their sum."""
        first, second = map(int, products)
        total, kept = first + second, int(kept)
        ends = {FIRST: (0, first), SECOND: (first, total), SUM: (0, total), KEPT: (0, kept)}
        for row, (start, stop) in ends.items():
            self.bars[row].set(x=start, width=stop - start)
        self.lost.set(x=kept, width=total - kept)
        self.lost.set_visible(total != kept)
        lost = f", lost {abs(total - kept):,}" if total != kept else ""
        told = {FIRST: f"{first:,}", SECOND: f"{second:,}", SUM: f"{total:,}", KEPT: f"{kept:,}{lost}"}
        set_spelled(self.numbers, told.values(), 1.72 * FARTHEST, list(told))
        self.description = f"{self.title}: {first:,} and {second:,} are {total:,}; the result is {kept:,}{lost}."

    def _bar(self, row: int, **style) -> Rectangle:
        return self.moving(self.ax.add_patch(Rectangle((0, row - 0.35), 0, 0.7, **style)))


class LayerErrorsPanel(Panel):
    """The error of a layer against the bits of its activations, with 32-bit and with 16-bit sums."""

    title = "Error of a layer"

    def build(self, ax: Axes) -> None:
        """Create the two curves, and the mark at the current setting."""
        dress(ax, Labels(self.title, "bits of the activations", "error / size of the sums"))
        logarithmic(ax.yaxis)
        ax.set(xlim=(8.4, 2.6), ylim=(3e-4, 1))
        ax.set_xticks(range(3, 9))
        self.saturating = self.moving(*ax.plot([], [], "s-", color=CLIPPED, linewidth=2.5, label="16 bits"))
        self.exact = self.moving(*ax.plot([], [], "o--", color=QUANTIZED, linewidth=2, label="32 bits"))
        self.here = self.moving(
            *ax.plot([], [], "o", color="none", markersize=17, markeredgecolor=RANGE, markeredgewidth=2, label="now")
        )
        legend(ax, loc="upper left", ncols=3)

    def update(self, errors: LayerErrors, bits: int, saturate: bool) -> None:
        """Show the errors of a layer, and mark one of them."""
        curves = {True: errors.with_saturation, False: errors.without}
        self.saturating.set_data(errors.activation_bits, curves[True])
        self.exact.set_data(errors.activation_bits, curves[False])
        at = errors.activation_bits.index(bits)
        self.here.set_data([bits], [curves[saturate][at]])
        best = errors.activation_bits[int(np.argmin(curves[True]))]
        self.description = (
            f"{self.title}: at {bits} bits {curves[True][at]:.2%} with 16-bit sums, "
            f"{curves[False][at]:.2%} with 32-bit sums. With 16-bit sums, {best} bits are best."
        )

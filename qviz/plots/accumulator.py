"""A sum of products as a walk: each product is a step, and the last point is the value of the accumulator."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from .moving_text import Words
from .panel import Panel
from .style import FLOAT, FONT_SIZE, QUANTIZED, QUIET, Labels, dress, legend

LABELS = 80  # points of padding left of the axes, for the numbers


class WalkPanel(Panel):
    """The running sum over the inputs, with one product highlighted, and the walk before any change for comparison.

    Sums are scaled by the powers of two that enclose them, and the numbers next to the axes are moving text, so the
    axes never change and the background need not be drawn again.
    """

    title = "The running sum"

    def build(self, ax: Axes) -> None:
        """Create both walks and the marks."""
        dress(ax, Labels(self.title, "products added", "running sum, int32"))
        ax.yaxis.labelpad = LABELS
        ax.set_yticks([])
        ax.set_ylim(0, 1)
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        self.levels = self.moving(*ax.plot([], [], color=QUIET, linewidth=0.8))
        unchanged = {"color": FLOAT, "linestyle": "--", "linewidth": 1.5, "label": "before"}
        self.before = self.moving(*ax.step([], [], where="post", **unchanged))
        self.walk = self.moving(*ax.step([], [], where="post", color=QUANTIZED, linewidth=2, label="now"))
        picked = {"color": "black", "marker": "o", "linewidth": 3, "markersize": 7, "label": "product picked"}
        self.step = self.moving(*ax.plot([], [], **picked))
        end = {"color": QUANTIZED, "markersize": 10, "markeredgecolor": "black", "label": "end"}
        self.end = self.moving(*ax.plot([], [], "D", **end))
        self.numbers = [Words(ax, ax.transAxes, FONT_SIZE - 1) for _ in range(3)]
        for words in self.numbers:
            self.moving(*words.artists)
        legend(ax, loc="lower right", bbox_to_anchor=(1, 0.99), ncols=4)

    def update(self, products: np.ndarray, before: np.ndarray, picked: int) -> None:
        """Show integer `products` (n,) in the order of addition, those `before` a change, and highlight one of them."""
        n, walk, old = products.size, walked(products), walked(before)
        powers = powers_around(np.concatenate([walk, old]))
        heights = within(walk, powers)
        self.before.set_data(np.arange(n + 1), within(old, powers))
        self.walk.set_data(np.arange(n + 1), heights)
        self.step.set_data([picked + 1] * 2, heights[[picked, picked + 1]])
        self.end.set_data([n], [heights[-1]])
        self._label(n, powers)
        self.ax.set_xlim(-0.02 * n, 1.02 * n)
        self.description = (
            f"{self.title}: {n} products, from {walk.min()} at the lowest to {walk.max()} at the highest, end "
            f"{walk[-1]} (before: {old[-1]}); product {picked + 1} goes from {walk[picked]} to {walk[picked + 1]}."
        )

    def _label(self, n: int, powers: tuple[int, int]) -> None:
        heights = within(np.array([-powers[0], 0, powers[1]]), powers)
        self.levels.set_data(np.tile([-0.02 * n, 1.02 * n, np.nan], 3), np.repeat(heights, 3))
        for words, value, height in zip(self.numbers, (-powers[0], 0, powers[1]), heights, strict=True):
            words.say(written(value), -0.01, height)
            words.visible = value != 0 or words is self.numbers[1]


def walked(products: np.ndarray) -> np.ndarray:
    """Return the running sums (n + 1,) of (n,) products, starting with 0.

    Examples
    --------
    >>> walked(np.array([3, -5, 1])).tolist()
    [0, 3, -2, -1]
    """
    return np.concatenate([[0], np.cumsum(products, dtype=np.int64)])


def powers_around(values) -> tuple[int, int]:
    """Return powers of two that bound the values below and above zero; 0 for a side with only small values.

    Examples
    --------
    >>> powers_around([300, -100, 20]), powers_around([300, -1]), powers_around([0])
    ((128, 512), (0, 512), (1, 1))
    """
    low, high = (max(end, 0) for end in (-float(np.min(values)), float(np.max(values))))
    if low == high == 0:
        return 1, 1
    least = max(low, high) / 16
    return tuple(2 ** int(np.ceil(np.log2(end))) if end > least else 0 for end in (low, high))


def within(values: np.ndarray, powers: tuple[int, int]) -> np.ndarray:
    """Map values to heights between 0 and 1, with a margin at both ends.

    Examples
    --------
    >>> within(np.array([-128, 0, 128]), (128, 128)).round(2).tolist()
    [0.08, 0.5, 0.92]
    """
    low, high = powers
    return 0.08 + 0.84 * (values + low) / (low + high)


def written(value: int) -> str:
    """Format an integer with thousands separators and a real minus sign.

    Examples
    --------
    >>> written(54886), len(written(-3))
    ('54,886', 2)
    """
    return f"{value:,}".replace("-", "\N{MINUS SIGN}")

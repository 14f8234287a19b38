"""The digits that a network misclassifies, and the margins of all digits."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from .panel import Panel
from .small_numbers import numbers, set_numbers
from .style import FLOAT, QUANTIZED, RANGE, TITLE_SIZE, Labels, dress, legend

TILE = 11  # pixels per side: a digit of 8 and the gap to the next
LEFT = 1  # pixels of the gap left of and above a digit
COLUMNS = 10
MOST_SHARE = 0.5  # upper end of the y axis, as a share of all digits


class DigitsReadPanel(Panel):
    """A sheet of handwritten digits; misread ones are red, with the wrong answer in the corner."""

    def build(self, ax: Axes) -> None:
        """Create an empty sheet without answers."""
        ax.set_title("Red: misread, with the wrong answer in the corner", fontsize=TITLE_SIZE, loc="left")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_aspect("equal")
        self.sheet = self.moving(ax.imshow(np.ones((1, 1, 3)), interpolation="nearest", extent=(0, 1, 1, 0)))
        self.answers = self.moving(numbers(ax, QUANTIZED))

    def update(self, images: np.ndarray, answers: np.ndarray, labels: np.ndarray) -> None:
        """Show (n, 8, 8) `images`, ink 0 to 1, and mark those whose `answers` (n,) differ from their `labels` (n,)."""
        wrong = answers != labels
        rows = -(-len(images) // COLUMNS)
        paper = np.where(wrong[:, None], 0.3 + 0.7 * np.array([1.0, 0.86, 0.78]), 1.0)
        ink = np.where(wrong[:, None], to_rgb(QUANTIZED), 0.0)
        tiles = np.broadcast_to(paper[:, None, None], (len(images), TILE, TILE, 3)).copy()
        drawn = images[..., None] * (ink - paper)[:, None, None]
        tiles[:, LEFT : LEFT + 8, LEFT : LEFT + 8] += drawn
        sheet = np.ones((rows * COLUMNS, TILE, TILE, 3))
        sheet[: len(tiles)] = tiles
        sheet = sheet.reshape(rows, COLUMNS, TILE, TILE, 3).swapaxes(1, 2).reshape(rows * TILE, COLUMNS * TILE, 3)
        self.sheet.set(data=np.clip(sheet, 0, 1), extent=(0, COLUMNS * TILE, rows * TILE, 0))
        self.ax.set(xlim=(0, COLUMNS * TILE), ylim=(rows * TILE, 0))
        at = np.flatnonzero(wrong)
        set_numbers(self.answers, answers[at], (at % COLUMNS + 0.9) * TILE, 0.0)
        self.answers.set_offsets(np.column_stack([(at % COLUMNS + 0.87) * TILE, (at // COLUMNS + 0.77) * TILE]))
        told = ", ".join(f"{labels[i]} as {answers[i]}" for i in at[:6])
        more = f" and {len(at) - 6} more" if len(at) > 6 else ""
        self.description = f"{len(at)} of these {len(images)} digits are misread" + (
            f": {told}{more}." if told else "."
        )


class RightMarginPanel(Panel):
    """Histogram of margins: the score of the right digit minus the best other score; below 0 the digit is misread.

    Parameters
    ----------
    limits : (lowest, highest) margin shown
    bins : int
    """

    def __init__(self, limits: tuple[float, float] = (-15.0, 30.0), bins: int = 30):
        super().__init__()
        self.edges = np.linspace(*limits, bins + 1)

    def build(self, ax: Axes) -> None:
        """Create both parts of the histogram and the line between them."""
        dress(
            ax,
            Labels(
                "How far is each digit from being misread?",
                "correct digit's logit minus the largest other",
                "digits",
            ),
        )
        empty = np.zeros(len(self.edges) - 1)
        looks = ((FLOAT, "", "read correctly"), (QUANTIZED, "///", "misread"))
        self.parts = [
            self.moving(ax.stairs(empty, self.edges, fill=True, color=color, alpha=0.8, hatch=hatch, label=name))
            for color, hatch, name in looks
        ]
        ax.axvline(0, color=RANGE, linewidth=1.5)
        ax.set_xlim(self.edges[0], self.edges[-1])
        legend(ax, loc="upper right")

    def update(self, margins: np.ndarray) -> None:
        """Show (n,) margins; those beyond the limits are counted in the first or last bin."""
        inside = np.clip(margins, self.edges[0], self.edges[-1])
        for part, chosen in zip(self.parts, (margins > 0, margins <= 0), strict=True):
            part.set_data(np.histogram(inside[chosen], self.edges)[0], self.edges)
        self.ax.set_ylim(0, MOST_SHARE * len(margins))
        self.description = (
            f"Logit of the correct digit minus the largest other, {len(margins)} digits: half are above "
            f"{np.median(margins):.1f}, and {np.count_nonzero(margins <= 0)} are not above 0."
        )

"""The range that each calibrator chooses for a tensor."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from qviz.numerics.calibration_results import CalibrationResult, best_of

from ._methods import LABELS, NAMES, ROWS, mark, name_rows
from .histogram import BINS, COUNTS, LOWEST_SHARE, binned, padded, relative
from .panel import Panel
from .style import FLOAT, QUIET, RANGE, Labels, dress

# Rows count downwards from 0; the histogram is above them, with its baseline at GROUND.
GROUND = -1.0
HEIGHT = 6.5


class RangesPanel(Panel):
    """The range that each calibrator keeps, below the histogram of the tensor, on the same axis."""

    title = "The tensor, and the range kept"
    _counted: np.ndarray | None = None

    def build(self, ax: Axes) -> None:
        """Create the histogram, and below it a line per calibrator."""
        dress(ax, Labels(self.title, "value", COUNTS))
        edges = np.linspace(0, 1, BINS + 1)
        self.outline = self.moving(
            ax.stairs(np.full(BINS, GROUND), edges, fill=True, color=FLOAT, alpha=0.75, baseline=GROUND)
        )
        self.bars = self.moving(*ax.plot([], [], color=RANGE, linewidth=4, solid_capstyle="butt"))
        self.ends = self.moving(*ax.plot([], [], "|", color=RANGE, markersize=13, markeredgewidth=2))
        self.best = name_rows(ax)
        self.moving(*self.best.artists)
        ax.axhline(GROUND, color=QUIET, linewidth=1)
        shares = np.array([1e-4, 1e-2, 1.0])
        ax.set_yticks([*_height(shares), *ROWS], [*(f"{share:g}" for share in shares), *LABELS])
        ax.set_ylim(len(NAMES) - 0.4, GROUND - HEIGHT - 0.3)
        ax.yaxis.set_label_coords(-0.22, 0.75)  # next to the histogram, not next to the names

    def update(self, x: np.ndarray, found: Mapping[str, CalibrationResult], counts: np.ndarray | None = None) -> None:
        """Show `x`, any shape, and the range of each calibrator, in the units of x."""
        if x is not self._counted:  # a read-only tensor is counted only once
            self._count(np.ravel(x), counts)
            self._counted = None if x.flags.writeable else x
        kept = np.array([[float(found[name].qparams.lo), float(found[name].qparams.hi)] for name in NAMES])
        gap = np.full((len(NAMES), 1), np.nan)
        self.bars.set_data(np.hstack([kept, gap]).ravel(), np.repeat(ROWS, 3))
        self.ends.set_data(kept.ravel(), np.repeat(ROWS, 2))
        best = best_of(found)
        mark(self.best, best)
        self.description = f"{self.title}: " + "; ".join(
            f"{name} {lo:.4g} to {hi:.4g}" for name, (lo, hi) in zip(NAMES, kept, strict=True)
        )

    def _count(self, x: np.ndarray, times: np.ndarray | None) -> None:
        left, right = padded(float(x.min()), float(x.max()))
        counts, edges = binned(x, left, right, counts=times)
        self.outline.set_data(_height(relative(counts)), edges)
        self.ax.set_xlim(left, right)


def _height(shares: np.ndarray) -> np.ndarray:
    """Return the heights of bars, given as shares of the tallest, on a logarithmic scale."""
    return GROUND - HEIGHT * (1 - np.log10(np.maximum(shares, LOWEST_SHARE)) / np.log10(LOWEST_SHARE))

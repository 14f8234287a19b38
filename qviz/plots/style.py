"""The only colours, by role, and the few settings that make a picture readable from the last row.

The colours are from Okabe and Ito's palette, which people with any common colour blindness can tell apart. They
differ in lightness too, and no role is told by colour alone: lines differ in dashes, areas in hatching.
"""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import NullLocator

FLOAT = "#0072B2"  # blue: before quantization
QUANTIZED = "#D55E00"  # vermilion: after
CLIPPED = "#7A4E7E"  # dark purple, hatched: lost by clipping
ROUNDED = "#E69F00"  # orange: lost by rounding
ERROR = "#4D4D4D"  # dark grey: any error, in all
RANGE = "#000000"  # black, dashed: the range that is kept
FURTHER = "#009E73"  # bluish green: where there are more things side by side than roles
QUIET = "#9A9A9A"  # light grey: what is there for orientation only

FONT_SIZE = 11
TITLE_SIZE = 12
DPI = 100


@dataclass(frozen=True)
class Labels:
    """The words around one axes."""

    title: str
    x: str
    y: str


def dress(ax: Axes, labels: Labels) -> None:
    """Give one axes its words, sizes and a quiet frame."""
    ax.set_title(labels.title, fontsize=TITLE_SIZE, loc="left")
    ax.set_xlabel(labels.x, fontsize=FONT_SIZE)
    ax.set_ylabel(labels.y, fontsize=FONT_SIZE)
    ax.tick_params(labelsize=FONT_SIZE - 1)
    ax.spines[["top", "right"]].set_visible(False)


def logarithmic(*axes: Axis) -> None:
    """Make axes logarithmic, with ticks at whole powers alone: each small tick costs a text when all is drawn."""
    for axis in axes:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_minor_locator(NullLocator())


def legend(ax: Axes, **options) -> None:
    """Add a legend that hides nothing under it: see-through, small, out of the way."""
    ax.legend(fontsize=FONT_SIZE - 2, framealpha=0.85, borderpad=0.3, **options)

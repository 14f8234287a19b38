"""The colours, by role, and the settings that make a picture readable from the last row of a lecture room.

The colours are from Okabe and Ito's palette, which people with any common colour blindness can distinguish. They also
differ in lightness, and colour is never the only difference: lines differ in dashes, areas in hatching.
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
FURTHER = "#009E73"  # bluish green: for a picture that compares more things than there are roles
QUIET = "#9A9A9A"  # light grey: reference lines and other background

FONT_SIZE = 11
TITLE_SIZE = 12
DPI = 100


@dataclass(frozen=True)
class Labels:
    """The title and axis labels of one axes."""

    title: str
    x: str
    y: str


def dress(ax: Axes, labels: Labels) -> None:
    """Set labels and font sizes, and remove the top and right spines."""
    ax.set_title(labels.title, fontsize=TITLE_SIZE, loc="left")
    ax.set_xlabel(labels.x, fontsize=FONT_SIZE)
    ax.set_ylabel(labels.y, fontsize=FONT_SIZE)
    ax.tick_params(labelsize=FONT_SIZE - 1)
    ax.spines[["top", "right"]].set_visible(False)


def logarithmic(*axes: Axis) -> None:
    """Make axes logarithmic, without minor ticks, because drawing them takes time."""
    for axis in axes:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_minor_locator(NullLocator())


def legend(ax: Axes, **options) -> None:
    """Add a small, slightly transparent legend."""
    ax.legend(fontsize=FONT_SIZE - 2, framealpha=0.85, borderpad=0.3, **options)

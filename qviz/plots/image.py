"""A photograph at b bits, where the quantization error is visible."""

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from qviz.numerics import IntFormat, _check, choose_qparams, fake_quantize

from .canvas import Picture, draw
from .panel import Panel
from .style import TITLE_SIZE

# The four RGBA bytes of each grey as one uint32, so that converting an image is a single look-up.
_COLOURS = np.repeat(np.arange(256, dtype=np.uint8), 4).reshape(256, 4)
_COLOURS[:, 3] = 255
_COLOURS = _COLOURS.view(np.uint32).ravel()


class Pixels(Artist):
    """A greyscale image that fills its axes, without interpolation.

    It draws the same pixels as `imshow` with interpolation "nearest", in a tenth of its 3.5 ms.
    """

    def __init__(self):
        super().__init__()
        self.greys = np.zeros((1, 1), np.uint8)

    def draw(self, renderer) -> None:
        """Copy the nearest image pixel to each screen pixel of the axes."""
        left, bottom, right, top = np.rint(self.axes.bbox.extents).astype(int)
        rows, columns = self.greys.shape
        across, down = nearest(columns, right - left), nearest(rows, top - bottom)[::-1]  # Agg counts from below
        shown = _COLOURS[self.greys][:, across][down]
        context = renderer.new_gc()
        renderer.draw_image(context, left, bottom, shown.view(np.uint8).reshape(*shown.shape, 4))
        context.restore()
        self.stale = False


def nearest(pixels: int, dots: int) -> np.ndarray:
    """Return, for each of `dots` screen pixels along one side, the index of the image pixel under its centre.

    Examples
    --------
    >>> nearest(3, 7)
    array([0, 0, 1, 1, 1, 2, 2])
    """
    return (2 * np.arange(dots) + 1) * pixels // (2 * dots)


class ImagePanel(Panel):
    """A greyscale image; the values for black and white are arguments, not the image's own minimum and maximum.

    Parameters
    ----------
    title : str
    still : bool
        Draw the image as part of the cached background, for an image that seldom changes.
    """

    def __init__(self, title: str = "Original", still: bool = False):
        super().__init__(title)
        self.still = still
        self._changes = 0

    def build(self, ax: Axes) -> None:
        """Create the image, black at first."""
        self._shape: tuple[int, ...] | None = None
        ax.set_title(self.title, fontsize=TITLE_SIZE, loc="left")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_aspect("equal")
        for spine in ax.spines.values():
            spine.set(zorder=-1, linewidth=2)  # the outer half of the line frames the image
        self.pixels = Pixels()
        ax.add_artist(self.pixels)
        if not self.still:
            self.moving(self.pixels)

    def update(self, values: np.ndarray, lo: float = 0.0, hi: float = 1.0) -> None:
        """Show (rows, columns) `values`; `lo` is black and `hi` is white."""
        rows, columns = values.shape
        with np.errstate(over="ignore"):  # overflow is clipped to white
            greys = np.rint(np.clip((values - lo) * (255 / ((hi - lo) or 1)), 0, 255)).astype(np.uint8)
        if not np.array_equal(greys, self.pixels.greys):
            self.pixels.greys = greys
            self._changes += 1
        if greys.shape != self._shape:  # setting limits takes a millisecond, even those that they are
            self._shape = rows, columns
            self.ax.set_xlim(0, columns)
            self.ax.set_ylim(rows, 0)
        shades = np.count_nonzero(np.bincount(greys.ravel(), minlength=256))
        self.description = f"{self.title}: {rows} x {columns} pixels, {shades} different greys."

    def view(self) -> tuple:
        """Return what the background depends on, which includes the image if it is still."""
        return (*super().view(), self._changes if self.still else 0)


def cropped(image: np.ndarray) -> np.ndarray:
    """Cut out the middle third of the rows and columns, so that single pixels become visible.

    Examples
    --------
    >>> cropped(np.zeros((256, 384))).shape
    (86, 128)
    """
    image = _check.real_array(image, "image")
    if image.ndim != 2:
        raise ValueError(f"image must be (rows, columns): got shape {image.shape}")
    rows, columns = image.shape
    return image[rows // 3 : -(-2 * rows // 3), columns // 3 : -(-2 * columns // 3)]


def photograph_at(image, bits: int, zoom: bool = False, size=(900, 330)) -> Picture:
    """Draw a greyscale image next to its quantized version.

    Parameters
    ----------
    image : (rows, columns) floats from 0 to 1
    bits : int, 2 to 16
    zoom : bool
        Show only the middle.
    size : (width, height) in pixels

    Examples
    --------
    >>> ramp = np.tile(np.linspace(0, 1, 256), (64, 1))
    >>> photograph_at(ramp, 3)
    Original, 32-bit float: 64 x 256 pixels, 256 different greys.
    At 3 bits: 64 x 256 pixels, 8 different greys.
    """
    image = _check.drawable(image, "image", axes=2)
    quantized = fake_quantize(image, choose_qparams(0.0, 1.0, IntFormat(bits, signed=False)))
    cut = cropped if zoom else np.asarray
    panels = {
        "original": (ImagePanel("Original, 32-bit float"), cut(image)),
        "quantized": (ImagePanel(f"At {bits} bits"), cut(quantized)),
    }
    return draw(panels, size=size)

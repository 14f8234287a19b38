"""A photograph at b bits: the loss that everybody can see."""

import numpy as np
from matplotlib.axes import Axes

from ..numerics import IntFormat, choose_qparams, fake_quantize
from .canvas import Picture, draw
from .panel import Panel
from .style import TITLE_SIZE

COLOURS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 4, axis=1) | np.array([0, 0, 0, 255], np.uint8)


class ImagePanel(Panel):
    """A grey picture; which values are black and white is said, not taken from its own least and greatest.

    Parameters
    ----------
    title : str
    still : bool
        The picture changes seldom; when it does, all is drawn anew.
    """

    def __init__(self, title: str = "Original", still: bool = False):
        super().__init__()
        self.title, self.still = title, still
        self._greys: np.ndarray | None = None
        self._changes = 0

    def build(self, ax: Axes) -> None:
        """Create the picture, black."""
        ax.set_title(self.title, fontsize=TITLE_SIZE, loc="left")
        ax.set_xticks([])
        ax.set_yticks([])
        self.image = ax.imshow(np.zeros((1, 1, 4), np.uint8), interpolation="nearest")
        if not self.still:
            self.moving(self.image)

    def update(self, values: np.ndarray, lo: float = 0.0, hi: float = 1.0) -> None:
        """Show (rows, columns) `values`; `lo` is black and `hi` is white."""
        rows, columns = values.shape
        greys = np.rint(np.clip((values - lo) * (255 / ((hi - lo) or 1)), 0, 255)).astype(np.uint8)
        if np.array_equal(greys, self._greys):
            return
        self._greys = greys
        self._changes += 1
        # Whole bytes of colour: matplotlib then neither scales nor looks up colours, which takes as long again.
        self.image.set_data(COLOURS[greys])
        self.image.set_extent((-0.5, columns - 0.5, rows - 0.5, -0.5))
        shades = np.count_nonzero(np.bincount(greys.ravel(), minlength=256))
        self.description = f"{self.title}: {rows} x {columns} pixels, {shades} different greys."

    def view(self) -> tuple:
        """Return what the still part depends on: the picture too, where it is still."""
        return (*super().view(), self._changes if self.still else 0)


def cropped(image: np.ndarray) -> np.ndarray:
    """Cut out the middle, a third of the rows and of the columns: large enough to see single pixels."""
    rows, columns = image.shape
    return image[rows // 3 : max(-(-2 * rows // 3), 1), columns // 3 : max(-(-2 * columns // 3), 1)]


def photograph_at(image, bits: int, zoom: bool = False, size=(900, 330)) -> Picture:
    """Draw a grey picture beside what is left of it at some bits.

    Parameters
    ----------
    image : (rows, columns) floats from 0 to 1
    bits : int, 2 to 16
    zoom : bool
        Show the middle alone.
    size : (width, height) in pixels

    Examples
    --------
    >>> ramp = np.tile(np.linspace(0, 1, 256), (64, 1))
    >>> photograph_at(ramp, 3)
    Original, 32-bit float: 64 x 256 pixels, 256 different greys.
    At 3 bits: 64 x 256 pixels, 8 different greys.
    """
    image = np.asarray(image)
    quantized = fake_quantize(image, choose_qparams(0.0, 1.0, IntFormat(bits, signed=False)))
    cut = cropped if zoom else np.asarray
    panels = {
        "original": (ImagePanel("Original, 32-bit float"), cut(image)),
        "quantized": (ImagePanel(f"At {bits} bits"), cut(quantized)),
    }
    return draw(panels, size=size)

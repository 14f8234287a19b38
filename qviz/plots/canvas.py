"""Figure to PNG, fast: the static background is cached, and only the artists that move are drawn again."""

import base64
import struct
import threading
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from qviz.numerics._groups import in_threads

from .panel import Panel
from .style import DPI

BANDS = 4  # of a sharp picture, whatever the machine, so that a picture is the same bytes everywhere

# Agg's glyph cache and font manager are shared by the whole process and not thread-safe.
_PAINTING = threading.Lock()


class Canvas:
    """Panels laid out in one figure.

    Parameters
    ----------
    panels : mapping of name to Panel
    layout : list of lists of names, or None
        Rows of columns, as in `matplotlib.figure.Figure.subplot_mosaic`; None puts all panels side by side.
    size : (width, height) in pixels
    width_ratios, height_ratios : relative sizes of the columns and rows of the layout

    Examples
    --------
    >>> import numpy as np
    >>> from qviz.plots import HistogramPanel
    >>> canvas = Canvas({"before": HistogramPanel()}, size=(400, 300))
    >>> canvas.update({"before": (np.linspace(-1, 1, 100), -1.0, 1.0)})
    >>> canvas.png()[1:4]
    b'PNG'
    """

    def __init__(
        self,
        panels: Mapping[str, Panel],
        layout: list[list[str]] | None = None,
        size: tuple[int, int] = (900, 350),
        **ratios,
    ):
        self.panels = dict(panels)
        self.size = size
        self.figure = Figure(figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI)
        self._agg = FigureCanvasAgg(self.figure)
        self._background = None
        self._view = None
        self._room = [-1] * len(self.panels)
        with _PAINTING:
            axes = self.figure.subplot_mosaic(layout or [list(self.panels)], **ratios)
            for name, panel in self.panels.items():
                panel.attach(axes[name])

    def stack(self, width: int) -> None:
        """Arrange the panels in one column for a narrow screen; call this before the first `update`.

        Parameters
        ----------
        width : pixels
            Text keeps its size, so a picture designed for a large screen is legible on a phone.

        Examples
        --------
        >>> from qviz.plots import ErrorCurvePanel, HistogramPanel
        >>> canvas = Canvas({"tensor": HistogramPanel(), "error": ErrorCurvePanel()}, size=(940, 380))
        >>> canvas.stack(420)
        >>> canvas.size
        (420, 480)
        """
        tallest, least = 260, 480  # pixels: of one panel, of all together
        height = min(tallest * len(self.panels), max(least, 200 * len(self.panels)))
        self.size = width, height
        with _PAINTING:
            self.figure.clear()
            self.figure.set_size_inches(width / DPI, height / DPI)
            axes = self.figure.subplot_mosaic([[name] for name in self.panels])
            for name, panel in self.panels.items():
                panel.artists.clear()
                panel.attach(axes[name])

    def update(self, data: Mapping[str, tuple]) -> None:
        """Give each panel its data: a mapping of panel name to the arguments of its `update`."""
        with _PAINTING:
            for name, arguments in data.items():
                self.panels[name].update(*arguments)

    def png(self, dots: int = 1) -> bytes:
        """Paint the figure and return it as a PNG file, with `dots` device pixels per pixel of `size` and direction."""
        with _PAINTING:
            if self.figure.dpi != DPI * dots:
                self.figure.set_dpi(DPI * dots)
                self._view = None
            return _encode(self._paint(), sharp=dots > 1)

    @property
    def description(self) -> str:
        """The content of the picture in words, one line per panel."""
        return "\n".join(panel.description for panel in self.panels.values() if panel.description)

    def _paint(self) -> np.ndarray:
        view = [panel.view() for panel in self.panels.values()]
        if view != self._view:
            self._capture_background()
            self._view = view
        self._agg.restore_region(self._background)
        for panel in self.panels.values():
            for artist in panel.artists:
                if artist.get_visible():
                    panel.ax.draw_artist(artist)
        return np.asarray(self._agg.buffer_rgba())

    def _capture_background(self) -> None:
        self._agg.draw()  # skips the animated artists
        room = [panel.label_width() for panel in self.panels.values()]
        if any(new > old for new, old in zip(room, self._room, strict=True)):
            # Solving the layout takes as long as all the drawing, so do it only when labels need more room.
            self.figure.set_layout_engine("constrained")
            self._agg.draw()
            self.figure.set_layout_engine("none")
            self._room = room
        self._background = self._agg.copy_from_bbox(self.figure.bbox)


class Picture:
    """A finished picture for a notebook: a PNG, and a description in words for readers who cannot see it.

    Parameters
    ----------
    canvas : Canvas that has been updated
    """

    def __init__(self, canvas: Canvas):
        self.figure = canvas.figure
        self.description = canvas.description
        self._png = canvas.png()

    def save(self, path) -> Path:
        """Write the PNG file, and return its path."""
        path = Path(path)
        path.write_bytes(self._png)
        return path

    def __repr__(self) -> str:
        return self.description

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {"text/plain": self.description, "image/png": base64.b64encode(self._png).decode()}


def draw(panels: Mapping[str, tuple], layout: list[list[str]] | None = None, size=(900, 350), **ratios) -> Picture:
    """Draw panels once, given as a mapping of name to (panel, *arguments of its update)."""
    canvas = Canvas({name: panel for name, (panel, *_) in panels.items()}, layout, size, **ratios)
    canvas.update({name: tuple(arguments) for name, (_, *arguments) in panels.items()})
    return Picture(canvas)


def _encode(rgba: np.ndarray, sharp: bool = False) -> bytes:
    """Write an (height, width, 4) array as a PNG file without alpha.

    Pillow tries five filters for each row; plain rows at zlib's fastest level take about 60 % of its time. In a sharp
    picture most rows are like the one above, so the difference is written.
    """
    height, width = rgba.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row starts with its filter: 0, none
    pixels = rows[:, 1:].reshape(height, width, 3)
    for channel in range(3):  # three strided copies take a third of the time of one copy of triples
        pixels[:, :, channel] = rgba[:, :, channel]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = _compressed(_less_row_above(rows)) if sharp else zlib.compress(rows, 1)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _less_row_above(rows: np.ndarray) -> np.ndarray:
    """Apply the filter that PNG calls up."""
    filtered = rows.copy()
    filtered[:, 0] = 2
    filtered[1:, 1:] -= rows[:-1, 1:]
    return filtered


def _compressed(rows: np.ndarray) -> bytes:
    """Write rows that are mostly zeros as zlib does, four bands of them at the same time; runs are all it looks for."""
    bands = np.array_split(rows, BANDS)

    def deflated(number: int) -> bytes:
        band = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_RLE)
        last = number == BANDS - 1
        return band.compress(bands[number]) + band.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)

    return b"\x78\x01" + b"".join(in_threads(deflated, range(BANDS))) + struct.pack(">I", zlib.adler32(rows))


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

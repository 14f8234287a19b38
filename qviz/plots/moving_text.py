"""Words that move, drawn fast: a text artist costs 0.7 to 1.5 ms at each paint, a kept outline a tenth of it."""

from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D, ScaledTranslation, Transform

_PADDING = 2.5  # points between words and the edge of their cover
_MIDDLE = 0.36  # of the size, above the baseline: where capital letters have their middle


class Words:
    """A few words that end at a point, or stand around it, with a white cover behind them if need be.

    Parameters
    ----------
    ax : Axes
    place : Transform
        What the point is given in, such as `ax.transAxes`.
    size : float
        Of the letters, in points.
    bold : bool
    cover : str or None
        Colour of the edge of the cover, "none" for a cover without an edge, None for no cover.
    before : float
        Share of the words that stands before the point: 1 where they end there, 0.5 where they stand around it.
    """

    def __init__(
        self,
        ax: Axes,
        place: Transform,
        size: float,
        bold: bool = False,
        cover: str | None = None,
        before: float = 1.0,
    ):
        self.text = ""
        self._place, self._look = place, (size, bold, before)
        self._letters = PathPatch(Path([(0, 0)]), facecolor="black", linewidth=0)
        self._cover = PathPatch(Path([(0, 0)]), facecolor="white", edgecolor=cover or "none", linewidth=0.8)
        self._points = Affine2D().scale(1 / 72) + ax.figure.dpi_scale_trans
        self.artists = [self._cover, self._letters] if cover else [self._letters]
        for artist in self.artists:
            ax.add_artist(artist)
            artist.set(clip_on=False, in_layout=False)

    def say(self, text: str, x: float, y: float) -> None:
        """Show `text` at the point (`x`, `y`)."""
        self.text = text
        letters, cover = _outlines(text, *self._look)
        self._letters.set_path(letters)
        self._cover.set_path(cover)
        place = self._points + ScaledTranslation(x, y, self._place)
        for artist in self.artists:
            artist.set_transform(place)

    @property
    def visible(self) -> bool:
        """Whether they are shown."""
        return self._letters.get_visible()

    @visible.setter
    def visible(self, visible: bool) -> None:
        for artist in self.artists:
            artist.set_visible(visible)


@lru_cache(maxsize=128)
def _outlines(text: str, size: float, bold: bool, before: float = 1.0) -> tuple[Path, Path]:
    """Return the outline of the letters, which end at or stand around the origin, and their box, in points."""
    path = TextPath((0, 0), text, size=size, prop=FontProperties(weight="bold" if bold else "normal"))
    width = path.vertices[:, 0].max()  # get_extents would follow each curve, five times as slow
    letters = path.transformed(Affine2D().translate(-before * width, -_MIDDLE * size))
    left, right, half = -before * width - _PADDING, (1 - before) * width + _PADDING, size / 2 + _PADDING
    return letters, Path([(left, -half), (right, -half), (right, half), (left, half), (left, -half)], closed=True)

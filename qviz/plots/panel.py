"""The base class of all panels, which are built once and then only updated."""

from abc import ABC, abstractmethod

from matplotlib.artist import Artist
from matplotlib.axes import Axes


class Panel(ABC):
    """A plot in one matplotlib axes.

    A subclass builds its artists once and sets their data at each update. It registers the artists that change with
    `moving`, so that a canvas can cache the rest of the figure. Axis limits should depend on the input data only, so
    that the axes stay still while a control moves; when they do change, the canvas draws everything again.
    """

    title = ""  # of a subclass: its default

    def __init__(self, title: str | None = None):
        if title is not None:
            self.title = title
        self.ax: Axes | None = None
        self.artists: list[Artist] = []
        self.description = ""

    def attach(self, ax: Axes) -> None:
        """Build the artists into `ax`, once."""
        self.ax = ax
        self.build(ax)

    def moving(self, *artists: Artist) -> Artist:
        """Register artists that change at each update, in drawing order; return the first."""
        for artist in artists:
            artist.set_animated(True)
            self.artists.append(artist)
        return artists[0]

    def view(self) -> tuple:
        """Return what the background depends on; when it changes, the canvas draws everything again."""
        ax = self.ax
        texts = ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()
        return (*ax.get_xlim(), *ax.get_ylim(), *texts, *ax.get_xticks(), *ax.get_yticks())

    def label_width(self) -> int:
        """Return the number of characters of the widest label of the y axis."""
        return max((len(label.get_text()) for label in self.ax.get_yticklabels()), default=0)

    @abstractmethod
    def build(self, ax: Axes) -> None:
        """Create every artist, empty."""

    @abstractmethod
    def update(self, *data) -> None:
        """Show new data, and set `self.description` to the content of the picture in words."""

"""What every picture has in common: built once, then only updated."""

from abc import ABC, abstractmethod

from matplotlib.artist import Artist
from matplotlib.axes import Axes


class Panel(ABC):
    """One picture in one axes.

    A subclass builds its artists once and sets their data at each update. What moves is announced with `moving`,
    so that a canvas can leave the rest of the figure as it is. Limits change only where the input does, so that
    axes do not jump under the reader; a canvas notices when they did.
    """

    def __init__(self):
        self.ax: Axes | None = None
        self.artists: list[Artist] = []
        self.description = ""

    def attach(self, ax: Axes) -> None:
        """Build the artists into `ax`, once."""
        self.ax = ax
        self.build(ax)

    def moving(self, *artists: Artist) -> Artist:
        """Announce artists that change at each update, in drawing order; return the first."""
        for artist in artists:
            artist.set_animated(True)
            self.artists.append(artist)
        return artists[0]

    def view(self) -> tuple:
        """Return what the still part of the picture depends on; when it changes, all is drawn anew."""
        ax = self.ax
        texts = ax.get_title(loc="left"), ax.get_xlabel(), ax.get_ylabel()
        return (*ax.get_xlim(), *ax.get_ylim(), *texts, *ax.get_xticks(), *ax.get_yticks())

    def label_width(self) -> int:
        """Return how many characters the numbers beside the axes are wide."""
        return max((len(label.get_text()) for label in self.ax.get_yticklabels()), default=0)

    @abstractmethod
    def build(self, ax: Axes) -> None:
        """Create every artist, empty."""

    @abstractmethod
    def update(self, *data) -> None:
        """Show new data, and set `self.description` to what the picture says in words."""

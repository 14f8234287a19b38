"""All explorers on one page, one at a time, without the text and code of the course."""

import inspect
import pkgutil
import warnings

import ipywidgets as widgets

from ._layout import family
from ._rerun_cells import note
from ._stored import RUN, show
from .controls import controls_of
from .explorer import Explorer
from .links import read_link


class Gallery(widgets.VBox):
    """A list of explorers, and the chosen one.

    An explorer is created when it is chosen, and freed when another one is. If it cannot run here, for instance
    because it needs torch, a message is shown instead.

    Parameters
    ----------
    kinds : list of Explorer classes, or None for all of qviz.widgets

    Examples
    --------
    >>> from qviz.widgets import PhotoExplorer, QuantizeExplorer
    >>> gallery = Gallery([PhotoExplorer, QuantizeExplorer])
    >>> gallery.choose("QuantizeExplorer")
    >>> gallery.explorer.bits
    8
    >>> gallery.close()
    """

    def __init__(self, kinds: list[type[Explorer]] | None = None):
        kinds = kinds or all_explorers()
        self._kinds = {kind.__name__: kind for kind in kinds}
        self.explorer: Explorer | None = None
        self._list = widgets.Dropdown(
            options=[(summary(kind), name) for name, kind in self._kinds.items()],
            description="Explorer",
            layout={"width": "700px", "max_width": "100%"},
        )
        self._place = widgets.VBox()
        super().__init__([self._list, self._place])
        self._list.observe(lambda change: self._show(change.new), "value")
        self._show(self._list.value)
        note(self)

    def choose(self, name: str) -> None:
        """Show the explorer with this class name."""
        self._list.value = name

    def _show(self, name: str) -> None:
        self._free()
        kind = self._kinds[name]
        try:
            self.explorer = kind(*_source_of(kind))
            self._place.children = [self.explorer]
        except (ImportError, OSError) as error:
            self._place.children = [widgets.HTML(f'<p role="status">{name} cannot run here: {error}</p>')]

    def _ipython_display_(self) -> None:
        note(self)
        shown = self.explorer
        show(self, shown.readout if shown else "", RUN, shown.png if shown else b"")

    def close(self) -> None:
        """Free everything."""
        self._free()
        for widget in family(self):
            if widget is not self:
                widget.close()
        super().close()

    def _free(self) -> None:
        self._place.children = []
        if self.explorer is not None:
            self.explorer.close()
        self.explorer = None


def all_explorers() -> list[type[Explorer]]:
    """Return all explorer classes of this package, the one with the fewest controls first."""
    ours = [kind for kind in Explorer.__subclasses__() if kind.__module__.startswith(f"{__package__}.")]
    return sorted(ours, key=lambda kind: len(controls_of(kind.State)))


def open_link(address: str) -> Explorer:
    """Return the explorer of a link, as the site would open it.

    An invalid setting causes a warning, and the default is used.

    Parameters
    ----------
    address : str
        A link as from `Explorer.link`, or only the part after its #.

    Raises
    ------
    ValueError
        The link names no explorer.

    Examples
    --------
    >>> explorer = open_link("explore.html#explorer=PhotoExplorer&bits=3")
    >>> explorer.bits
    3
    >>> explorer.close()
    """
    kinds = {kind.__name__: kind for kind in all_explorers()}
    link = read_link(address.partition("#")[2] or address, kinds)
    if not link.kind:
        raise ValueError(" ".join(link.notes))
    for sentence in link.notes:
        warnings.warn(sentence, stacklevel=2)
    kind = kinds[link.kind]
    explorer = kind(*_source_of(kind), **link.settings)
    explorer.hide(*link.hidden)
    return explorer


def _source_of(kind: type[Explorer]) -> list:
    """Return the source of an explorer in a list, which is empty if it needs none or can do without a missing one."""
    try:
        return [pkgutil.resolve_name(kind.source)()] if kind.source else []
    except (ImportError, OSError):
        if kind.source_optional:
            return []
        raise


def summary(kind: type[Explorer]) -> str:
    """Return the name of an explorer, and the first sentence of its docstring.

    Examples
    --------
    >>> from qviz.widgets import PhotoExplorer
    >>> summary(PhotoExplorer)
    'Photo: a picture before and after quantization'
    """
    first = inspect.getdoc(kind).split("\n\n")[0].splitlines()[0].rstrip(".")
    return f"{kind.__name__.removesuffix('Explorer')}: {first[0].lower()}{first[1:]}"

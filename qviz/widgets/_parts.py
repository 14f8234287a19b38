"""What an explorer is put together from, besides its controls."""

import ipywidgets as widgets
import traitlets


class NamedImage(widgets.Image):
    """An image whose tooltip is its title, and so its name for a screen reader.

    ipywidgets 8.1 asks every widget with a tooltip for the length of its description; an Image has none, and would
    show a JavaScript error in place of the picture.
    """

    description = traitlets.Unicode("").tag(sync=True)


def family(widget: widgets.Widget) -> list[widgets.Widget]:
    """Return a widget and every one it owns: children, layouts, styles."""
    found = [widget]
    for owned in (
        *getattr(widget, "children", ()),
        getattr(widget, "layout", None),
        getattr(widget, "style", None),
    ):
        if isinstance(owned, widgets.Widget):
            found += family(owned)
    return found

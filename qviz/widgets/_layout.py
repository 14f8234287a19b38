"""What an explorer is put together from, besides its controls."""

from contextlib import contextmanager

import ipywidgets as widgets
import traitlets

LABELLED = {"style": {"description_width": "110px"}}
ROW = {"width": "auto", "max_width": "100%", "margin": "0"}


class _InOneLine:
    """An error whose sentence is all that a notebook shows: the fault is in the call, not in the code below it."""

    def _render_traceback_(self) -> list[str]:
        return [f"{self.__class__.__name__}: {self}"]


class SettingError(_InOneLine, ValueError):
    """A setting that a control cannot take."""


class SettingNameError(_InOneLine, TypeError, AttributeError):
    """A setting that there is none of."""


@contextmanager
def setting_errors():
    """Turn what is wrong with the reader's data into one sentence without the code that found it."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise SettingError(str(error)) from None


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

"""What explorers share besides their controls: layouts, errors of settings, and an image widget."""

from contextlib import contextmanager

import ipywidgets as widgets
import traitlets

LABELLED = {"style": {"description_width": "110px"}}
ROW = {"width": "auto", "max_width": "100%", "margin": "0"}


class _InOneLine:
    """An error that a notebook shows as one sentence, without a traceback: the mistake is in the reader's call."""

    def _render_traceback_(self) -> list[str]:
        return [f"{self.__class__.__name__}: {self}"]


class SettingError(_InOneLine, ValueError):
    """A value that a control does not accept."""


class SettingNameError(_InOneLine, TypeError, AttributeError):
    """The name of a control that does not exist."""


@contextmanager
def setting_errors():
    """Turn an error in the reader's data into a SettingError, which is shown without a traceback."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise SettingError(str(error)) from None


class NamedImage(widgets.Image):
    """An image with its title as tooltip, which is also its name for screen readers.

    ipywidgets 8.1 reads the length of the description of every widget with a tooltip. An Image has none, so without
    this trait it would show a JavaScript error instead of the picture.
    """

    description = traitlets.Unicode("").tag(sync=True)


def family(widget: widgets.Widget) -> list[widgets.Widget]:
    """Return a widget and all widgets that it owns: children, layouts, styles."""
    found = [widget]
    for owned in (
        *getattr(widget, "children", ()),
        getattr(widget, "layout", None),
        getattr(widget, "style", None),
    ):
        if isinstance(owned, widgets.Widget):
            found += family(owned)
    return found

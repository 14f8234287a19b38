"""The panel above the picture: the main controls, the rest behind More, and below them key figures and buttons."""

from collections.abc import Callable, Mapping

import ipywidgets as widgets

from ._readout import STYLE, html_of_figures
from .controls import Control

WIDTH = "940px"  # of the widest picture
_GRID = "repeat(auto-fit, minmax(min(100%, 320px), 1fr))"  # two columns next to a sidebar, one on a phone


class ControlPanel(widgets.VBox):
    """All controls of an explorer, laid out.

    Parameters
    ----------
    rows : mapping of name to (control, its row, the widgets in the row that hold its value)
    buttons : mapping of label to (tooltip, click handler)
    below : widgets to show below the buttons, such as a list of tensors
    """

    def __init__(
        self,
        rows: Mapping[str, tuple[Control, widgets.Widget, list[widgets.Widget]]],
        buttons: Mapping[str, tuple[str, Callable]],
        below: list[widgets.Widget],
    ):
        self._rows = rows
        self._behind_more = [name for name, (control, *_) in rows.items() if control.more]
        self._changed = 0
        first, self._more = (
            widgets.GridBox(
                [row for control, row, _ in rows.values() if control.more is more],
                layout={"grid_template_columns": _GRID, "grid_gap": "0 14px", "width": "auto", "max_width": WIDTH},
            )
            for more in (False, True)
        )
        self._more.layout.display = "none"
        self._figures = widgets.HTML()
        self._more_button = _button("More", "Show the other controls", self._toggle) if self._behind_more else None
        self.buttons = widgets.HBox(
            [*filter(None, [self._more_button]), *(_button(k, *v) for k, v in buttons.items())],
            layout={"flex_flow": "row wrap"},
        )
        bar = widgets.HBox(
            [self._figures, self.buttons],
            layout={"flex_flow": "row wrap", "justify_content": "space-between", "max_width": WIDTH},
        )
        style = widgets.HTML(STYLE, layout={"display": "none"})
        super().__init__([first, self._more, bar, *below, style])

    def add(self, widget: widgets.Widget) -> None:
        """Add a widget next to the buttons."""
        self.buttons.children += (widget,)

    def show_figures(self, figures: Mapping[str, str]) -> None:
        """Show the key figures."""
        self._figures.value = html_of_figures(figures)

    def mark(self, idle: Mapping[str, str], changed: set[str]) -> None:
        """Disable idle controls, with the reason as tooltip, and show on More how many behind it are changed."""
        for name, (control, _, linked) in self._rows.items():
            reason = idle.get(name, "")
            for widget in linked:
                widget.disabled = bool(reason)
                widget.tooltip = f"{control.label}: {reason}" if reason else control.label
        self._changed = len(changed.intersection(self._behind_more))
        if self._more_button:
            self._label_more()

    def _toggle(self, _button) -> None:
        self._more.layout.display = None if self._more.layout.display == "none" else "none"
        self._label_more()

    def _label_more(self) -> None:
        hidden, n = self._more.layout.display == "none", self._changed
        self._more_button.description = (f"More ({n} changed)" if n else "More") if hidden else "Fewer"


def _button(label: str, hint: str, action: Callable) -> widgets.Button:
    button = widgets.Button(description=label, tooltip=hint, layout={"width": "auto"})
    button.on_click(action)
    return button

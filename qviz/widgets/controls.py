"""The controls of an explorer, declared as fields of its State.

A State is a frozen dataclass; each field says its default, and which control moves it:

    @dataclass(frozen=True)
    class State:
        bits: int = slider("Bits", 4, 2, 8)
        scheme: str = choice("Scheme", ("affine", "symmetric"))

Every control has a label. A slider comes with a number box of the same label, because the handle of a slider has no
name that a screen reader could say (ipywidgets issue 2650), and because a number can be typed. A ladder, a slider over
names, comes with their list for the same reason.
"""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import ipywidgets as widgets
import numpy as np
import traitlets

from ..data import TENSORS

YOURS = "your own"
_LABEL_WIDTH = "110px"
_ROW = {"width": "430px", "margin": "1px 0"}
_KEYS_STAY = (
    "const output = this.closest('.jp-OutputArea-output'), keep = e => { "
    "const command = e.shiftKey || e.ctrlKey || e.altKey || e.metaKey; "
    "e.target.toggleAttribute('data-lm-suppress-shortcuts', !command); "
    "if (e.type === 'keydown' && !command) e.stopPropagation(); }; "
    "for (const type of ['focusin', 'keydown', 'keyup']) output?.addEventListener(type, keep)"
)


def _handle(**options) -> widgets.IntSlider:
    """Return a labelled slider without its own readout: what stands beside it shows the value."""
    style, layout = {"description_width": _LABEL_WIDTH}, {"flex": "1 1 auto", "width": "auto"}
    return widgets.IntSlider(**options, readout=False, style=style, layout=layout)


class _OfNumPy:
    """A trait that takes NumPy's numbers too, and keeps Python's."""

    def validate(self, obj, value):
        return super().validate(obj, value.item() if isinstance(value, np.generic) else value)


class _Whole(_OfNumPy, traitlets.Int):
    pass


class _YesOrNo(_OfNumPy, traitlets.Bool):
    pass


class _OneOf(_OfNumPy, traitlets.Enum):
    pass


class _Rounded(_OfNumPy, traitlets.Float):
    """A float with some digits after the point."""

    def __init__(self, default, *, digits: int, **options):
        super().__init__(default, **options)
        self.digits = digits

    def validate(self, obj, value) -> float:
        return round(super().validate(obj, value), self.digits)


@dataclass(frozen=True)
class Slider:
    """A whole number or a real one between two ends.

    The handle of a real number counts whole steps. A FloatSlider sends back what it is told, off in the last digit
    (0.4 in steps of 0.05 from -2 as 0.3999999999999999), and sends it late: that would undo a later move.
    """

    label: str
    low: float
    high: float
    step: float
    digits: int

    def trait(self, default) -> traitlets.TraitType:
        """Return the trait that holds the value, and refuses one out of range."""
        if self.digits:
            return _Rounded(default, min=self.low, max=self.high, digits=self.digits)
        return _Whole(default, min=self.low, max=self.high)

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets whose `value` is to be linked to the trait."""
        name = {"description": self.label, "tooltip": self.label}  # without one, ipywidgets 8.1 shows "null"
        limits = {"min": self.low, "max": self.high, "step": self.step} | name
        steps = {"min": 0, "max": self._steps(self.high), "step": 1} | name
        box_kind = widgets.BoundedFloatText if self.digits else widgets.BoundedIntText
        slider = _handle(**(steps if self.digits else limits))
        # Its label takes no room: the eye reads the slider's, a screen reader needs this one.
        box = box_kind(**limits, style={"description_width": "0px"}, layout={"width": "84px"})
        return widgets.HBox([slider, box], layout=_ROW), [slider, box]

    def shown_as(self, widget: widgets.Widget, value):
        """Return what a widget holds for a value of the trait."""
        return self._steps(value) if self._counts(widget) else value

    def taken_from(self, widget: widgets.Widget, value):
        """Return the value of the trait for what a widget holds."""
        return self.low + value * self.step if self._counts(widget) else value

    def _counts(self, widget: widgets.Widget) -> bool:
        return bool(self.digits) and isinstance(widget, widgets.IntSlider)

    def _steps(self, value: float) -> int:
        return round((value - self.low) / self.step)


class _AsItIs:
    """A control whose widget holds just the value of the trait."""

    def shown_as(self, _widget: widgets.Widget, value):
        """Return the value."""
        return value

    taken_from = shown_as


@dataclass(frozen=True)
class Choice(_AsItIs):
    """One of several names, or of several numbers."""

    label: str
    options: tuple[str | int, ...]

    def trait(self, default) -> traitlets.TraitType:
        """Return the trait that holds the value, and refuses a name not on the list."""
        return _OneOf(self.options, default)

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to be linked."""
        dropdown = widgets.Dropdown(
            options=self.options,
            description=self.label,
            style={"description_width": _LABEL_WIDTH},
            layout=_ROW,
        )
        return dropdown, [dropdown]


@dataclass(frozen=True)
class Ladder(Choice):
    """One of several names that have an order, such as memories from near to far: a slider, and its list of names."""

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to be linked."""
        name = {"description": self.label, "tooltip": self.label}
        slider = _handle(**name, max=len(self.options) - 1)
        names = widgets.Dropdown(
            options=self.options, **name, style={"description_width": "0px"}, layout={"width": "124px"}
        )
        return widgets.HBox([slider, names], layout=_ROW), [slider, names]

    def shown_as(self, widget: widgets.Widget, value):
        """Return the place of a name for the slider, and the name for the list."""
        return self.options.index(value) if isinstance(widget, widgets.IntSlider) else value

    def taken_from(self, widget: widgets.Widget, value):
        """Return the name."""
        return self.options[value] if isinstance(widget, widgets.IntSlider) else value


@dataclass(frozen=True)
class Toggle(_AsItIs):
    """Yes or no."""

    label: str

    def trait(self, default) -> traitlets.TraitType:
        """Return the trait that holds the value."""
        return _YesOrNo(default)

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to be linked."""
        box = widgets.Checkbox(description=self.label, style={"description_width": _LABEL_WIDTH}, layout=_ROW)
        return box, [box]


Control = Slider | Choice | Toggle


def slider(label: str, default: float, low: float, high: float, step: float = 1, digits: int = 0):
    """Declare a field moved by a slider; `digits` after the point, 0 for whole numbers."""
    return dataclasses.field(default=default, metadata={"control": Slider(label, low, high, step, digits)})


def choice(label: str, options: Iterable[str | int], default: str | int | None = None):
    """Declare a field chosen from a list; the default is the first."""
    options = tuple(options)
    return dataclasses.field(default=default or options[0], metadata={"control": Choice(label, options)})


def ladder(label: str, options: Iterable[str], default: str):
    """Declare a field chosen from names that have an order."""
    return dataclasses.field(default=default, metadata={"control": Ladder(label, tuple(options))})


def tensor_choice(default: str, names: Iterable[str] = tuple(TENSORS)):
    """Declare the Data field: tensors of qviz.data by name, and the reader's own."""
    return choice("Data", (*names, YOURS), default)


def toggle(label: str, default: bool = False):
    """Declare a field that is on or off."""
    return dataclasses.field(default=default, metadata={"control": Toggle(label)})


def keys_stay_here() -> widgets.HTML:
    """Return what keeps keys pressed inside an output from JupyterLab and Notebook 7; it shows nothing.

    They take keys on a drop-down for their own: an arrow leaves the cell, "m", for "mse", makes it Markdown, and the
    explorer is gone. Keys with Shift, Ctrl, Alt or Meta still reach them: Shift+Enter runs the cell. JupyterLab hears
    a key after the output, which can stop it; Notebook 7 before, and passes by only where Lumino's attribute says so.
    """
    return widgets.HTML(f'<style onload="{_KEYS_STAY}"></style>', layout={"display": "none"})


def controls_of(state_type: type) -> dict[str, tuple[Control, object]]:
    """Return the control and the default of each field of a State, in order."""
    return {f.name: (f.metadata["control"], f.default) for f in dataclasses.fields(state_type)}

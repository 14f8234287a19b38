"""The controls of an explorer, declared as fields of its State.

A State is a frozen dataclass; each field declares its default and its control:

    @dataclass(frozen=True)
    class State:
        bits: int = slider("Bits", 4, 2, 8)
        scheme: str = choice("Scheme", ("affine", "symmetric"))

Every control has a label. A slider comes with a number box with the same label, because the handle of a slider has no
accessible name (ipywidgets issue 2650), and because readers may want to type a number. A ladder, which is a slider over
names, comes with a drop-down for the same reason.
"""

import dataclasses
import html
import json
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral, Real

import ipywidgets as widgets
import numpy as np
import traitlets

from qviz.data._limits import suggest
from qviz.tensors import TENSORS

from ._layout import LABELLED, ROW, SettingError
from ._readout import BUSY, SENDING

YOURS = "your own"
_KEYS_STAY = (
    "const output = this.closest('.jp-OutputArea-output'), keep = e => { "
    "const command = e.shiftKey || e.ctrlKey || e.altKey || e.metaKey; "
    "e.target.toggleAttribute('data-lm-suppress-shortcuts', !command); "
    "if (e.type === 'keydown' && !command) e.stopPropagation(); }; "
    "for (const type of ['focusin', 'keydown', 'keyup']) output?.addEventListener(type, keep)"
)
_REPORT_PIXEL_RATIO = (
    "const explorer = this.closest('.qviz-explorer'), tell = tries => { "
    "const box = explorer?.querySelector('.qviz-dots input'); "
    "if (box) { box.value = devicePixelRatio; box.dispatchEvent(new Event('change', {bubbles: true})); } "
    "else if (tries) setTimeout(tell, 100, tries - 1); }; tell(50)"
)
_DROP = (
    "const root = this.closest('.qviz-explorer');"
    "const look = on => { root.style.outline = on ? '3px dashed #0072B2' : ''; };"
    "root?.addEventListener('dragover', event => { if (event.dataTransfer.types.includes('Files')) {"
    " event.preventDefault(); event.stopPropagation(); look(true); } });"
    "root?.addEventListener('dragleave', event => { if (!root.contains(event.relatedTarget)) look(false); });"
    "root?.addEventListener('drop', event => { if (!event.dataTransfer.files.length) return;"
    " event.preventDefault(); event.stopPropagation(); look(false);"
    " const input = HTMLInputElement.prototype, click = input.click, files = new DataTransfer();"
    " files.items.add(event.dataTransfer.files[0]);"
    " input.click = function () { this.files = files.files; this.dispatchEvent(new Event('change')); };"
    " try { root.querySelector('.widget-upload').click(); } finally { input.click = click; } });"
)
# The file input fires "change" when a file is chosen; the explorer becomes busy when the file has arrived.
_SHOW_UPLOAD = (
    "const root = this.closest('.qviz-explorer');"
    f"const send = () => root.classList.add('{SENDING}');"
    "root?.addEventListener('click', event => { if (!event.target.closest('.widget-upload')) return;"
    " const input = HTMLInputElement.prototype, click = input.click, pressed = function () {"
    " input.click = click; this.addEventListener('change', send, {once: true}); click.call(this); };"
    " input.click = pressed; setTimeout(() => { if (input.click === pressed) input.click = click; }); }, true);"
    "if (root) new MutationObserver(changes => {"
    f" const came = [root.className, ...changes.map(change => change.oldValue)].some(now => now.includes('{BUSY}'));"
    # removing an absent class is a change too, and would call this observer again without end
    f" if (came && root.classList.contains('{SENDING}')) root.classList.remove('{SENDING}'); }}"
    ").observe(root, {attributes: true, attributeFilter: ['class'], attributeOldValue: true})"
)

_SPEAK = (
    "const explorer = this.closest('.qviz-explorer'), values = JSON.parse(this.dataset.values), "
    "name = slider => slider.querySelector('.widget-label')?.textContent, say = (handle, how) => { "
    "const at = +handle.getAttribute('aria-valuenow'), text = typeof how[0] === 'string' ? how[Math.round(at)] : "
    "how[1] ? (how[0] + Math.round(at) * how[1]).toFixed(how[2]) : `${Math.round(at)}`; "
    "if (handle.getAttribute('aria-valuetext') !== text) handle.setAttribute('aria-valuetext', text); }, "
    "find = tries => { let left = 0; for (const slider of explorer?.querySelectorAll('.widget-slider') ?? []) { "
    "const handle = slider.querySelector('.noUi-handle'), how = values[name(slider)]; if (!how) continue; "
    "if (!handle) { left += 1; continue; } if (handle.hasAttribute('aria-label')) continue; "
    "handle.setAttribute('aria-label', name(slider)); say(handle, how); "
    "new MutationObserver(() => say(handle, how)).observe(handle, {attributes: true, "
    "attributeFilter: ['aria-valuenow', 'aria-valuetext']}); } "
    "if (tries && (left || tries > 45)) setTimeout(find, 100, tries - 1); }; find(50)"
)


def _handle(**options) -> widgets.IntSlider:
    """Return a labelled slider without a readout: the widget next to it shows the value."""
    return widgets.IntSlider(**options, readout=False, **LABELLED, layout={"flex": "1 1 auto", "width": "auto"})


class Setting(traitlets.TraitType):
    """A trait that accepts what its control accepts, and explains in one sentence why it rejects a value."""

    def __init__(self, control: "Control", default):
        super().__init__(default)
        self.control = control

    def validate(self, obj, value):
        """Return the value as the control stores it, or raise a SettingError."""
        return self.control.check(self.name, value)


@dataclass(frozen=True)
class Slider:
    """A whole or real number within limits.

    For a real number, the handle counts steps. A FloatSlider sends the value that it was given back with an error in
    the last digit (0.4 in steps of 0.05 from -2 becomes 0.3999999999999999), and so late that it would undo a later
    change.
    """

    label: str
    low: float
    high: float
    step: float
    digits: int
    more: bool = False  # show it only behind More

    def check(self, name: str, value):
        """Return the rounded value, or raise a SettingError."""
        kind, called = (Real, "a number") if self.digits else (Integral, "a whole number")
        if isinstance(value, kind) and not isinstance(value, bool):
            value = round(float(value), self.digits) if self.digits else int(value)
            if self.low <= value <= self.high:
                return value
        raise SettingError(f"{name} must be {called} from {self.low} to {self.high}: got {value!r}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets whose `value` is linked to the trait."""
        name = {"description": self.label, "tooltip": self.label}  # without one, ipywidgets 8.1 shows "null"
        limits = {"min": self.low, "max": self.high, "step": self.step} | name
        steps = {"min": 0, "max": self._steps(self.high), "step": 1} | name
        box_kind = widgets.BoundedFloatText if self.digits else widgets.BoundedIntText
        slider = _handle(**(steps if self.digits else limits))
        # This label has no width: it is for screen readers, and the label of the slider is visible.
        box = box_kind(**limits, style={"description_width": "0px"}, layout={"width": "84px"})
        return widgets.HBox([slider, box], layout=ROW), [slider, box]

    def trait_value(self, widget: widgets.Widget, value):
        """Return the value of the trait for the value of a widget."""
        return self.low + value * self.step if self._counts(widget) else value

    def show(self, widget: widgets.Widget, value) -> None:
        """Show a value of the trait in a widget."""
        widget.value = self._steps(value) if self._counts(widget) else value

    def _counts(self, widget: widgets.Widget) -> bool:
        return bool(self.digits) and isinstance(widget, widgets.IntSlider)

    def _steps(self, value: float) -> int:
        return round((value - self.low) / self.step)


class _SameValue:
    """A control whose widget has the same value as the trait."""

    def show(self, widget: widgets.Widget, value) -> None:
        """Show the value in a widget."""
        widget.value = value

    def trait_value(self, _widget: widgets.Widget, value):
        """Return the value."""
        return value


@dataclass(frozen=True)
class Choice(_SameValue):
    """One of several names or numbers."""

    label: str
    options: tuple[str | int | float, ...]
    open: bool = False  # accepts other positive integers too; `compute` rejects those that do not fit
    more: bool = False

    def check(self, name: str, value):
        """Return the option that equals the value, or raise a SettingError."""
        if isinstance(value, str | Real) and not isinstance(value, bool):
            if value in self.options:
                return self.options[self.options.index(value)]
            if self.open and isinstance(value, Integral) and value > 0:
                return int(value)
        raise SettingError(f"{name} must be on its list: got {value!r}; {suggest(value, self.options)}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to link."""
        dropdown = widgets.Dropdown(
            options=self.options,
            description=self.label,
            **LABELLED,
            layout=ROW,
        )
        return dropdown, [dropdown]

    def show(self, widget: widgets.Widget, value) -> None:
        """Show a value in the list, which gets an additional entry if necessary."""
        if value not in widget.options:
            fill(widget, {*widget.options, value}, value)
        widget.value = value


@dataclass(frozen=True)
class Ladder(Choice):
    """One of several ordered names, such as memories from near to far: a slider and a drop-down."""

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to link."""
        name = {"description": self.label, "tooltip": self.label}
        slider = _handle(**name, max=len(self.options) - 1)
        names = widgets.Dropdown(
            options=self.options, **name, style={"description_width": "0px"}, layout={"width": "124px"}
        )
        return widgets.HBox([slider, names], layout=ROW), [slider, names]

    def show(self, widget: widgets.Widget, value) -> None:
        """Show the position of a name in the slider, or the name in the drop-down."""
        widget.value = self.options.index(value) if isinstance(widget, widgets.IntSlider) else value

    def trait_value(self, widget: widgets.Widget, value):
        """Return the name."""
        return self.options[value] if isinstance(widget, widgets.IntSlider) else value


@dataclass(frozen=True)
class Typed(Choice):
    """A short text: one of a few examples, or anything that the reader types; `compute` interprets it."""

    most: int = 60  # characters

    def check(self, name: str, value):
        """Return the text without surrounding spaces, or raise a SettingError."""
        if isinstance(value, str) and value.strip().isprintable() and 0 < len(value.strip()) <= self.most:
            return value.strip()
        raise SettingError(f"{name} must be text of 1 to {self.most} characters: got {value!r}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to link; the text is read on Enter, or when the box loses the focus."""
        box = widgets.Combobox(
            options=self.options, description=self.label, continuous_update=False, **LABELLED, layout=ROW
        )
        return box, [box]

    def show(self, widget: widgets.Widget, value) -> None:
        """Show a text in the box."""
        widget.value = value


@dataclass(frozen=True)
class Toggle(_SameValue):
    """A check box."""

    label: str
    more: bool = False

    def check(self, name: str, value):
        """Return the value as a bool, or raise a SettingError."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise SettingError(f"{name} must be True or False: got {value!r}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to link."""
        box = widgets.Checkbox(description=self.label, **LABELLED, layout=ROW)
        return box, [box]


Control = Slider | Choice | Toggle


def fill(listed: widgets.Dropdown, options: Iterable[float], value: float) -> None:
    """Replace the numbers of a list, sorted, and select one of them."""
    options = tuple(sorted(options))
    if listed.options != options:
        with listed.hold_sync():
            listed.options, listed.value = options, value


def fit(widget: widgets.Widget, control: "Slider", low: float, high: float, value: float) -> None:
    """Change the ends of a slider or its number box, and show a value between them."""
    ends = (control._steps(low), control._steps(high)) if control._counts(widget) else (low, high)
    if (widget.min, widget.max) != ends:
        with widget.hold_sync():
            widget.max = max(widget.max, ends[1])
            widget.min, widget.max = ends
            control.show(widget, value)


def slider(label: str, default: float, low: float, high: float, step: float = 1, digits: int = 0):
    """Declare a field with a slider; `digits` is the number of decimals, 0 for whole numbers."""
    return dataclasses.field(default=default, metadata={"control": Slider(label, low, high, step, digits)})


def choice(label: str, options: Iterable[str | int | float], default: str | float | None = None, open: bool = False):
    """Declare a field with a list, by default at its first option; an open list accepts other integers too."""
    options = tuple(options)
    default = options[0] if default is None else default
    return dataclasses.field(default=default, metadata={"control": Choice(label, options, open)})


def ladder(label: str, options: Iterable[str], default: str):
    """Declare a field with a list of ordered names."""
    return dataclasses.field(default=default, metadata={"control": Ladder(label, tuple(options))})


def typed(label: str, examples: Iterable[str], default: str):
    """Declare a field for any short text, with a few examples to choose from."""
    return dataclasses.field(default=default, metadata={"control": Typed(label, tuple(examples))})


def tensor_choice(default: str, names: Iterable[str] = tuple(TENSORS)):
    """Declare the Data field: the named tensors, and the reader's own."""
    return choice("Data", (*names, YOURS), default)


def told_data(data: str) -> str:
    """Return a choice of the Data field as a readout says it.

    Examples
    --------
    >>> told_data("Gaussian"), told_data(YOURS)
    ('Gaussian', 'your own data')
    """
    return f"{data} data" if data == YOURS else data


def toggle(label: str, default: bool = False):
    """Declare a field with a check box."""
    return dataclasses.field(default=default, metadata={"control": Toggle(label)})


def more(declared):
    """Put a declared field behind More, which hides controls that are rarely needed."""
    control = dataclasses.replace(declared.metadata["control"], more=True)
    return dataclasses.field(default=declared.default, metadata={"control": control})


def keys_stay_here() -> widgets.HTML:
    """Return a hidden widget that keeps JupyterLab and Notebook 7 from handling keys pressed inside an output.

    They treat keys pressed in a drop-down as commands: an arrow leaves the cell, and "m", for "mse", turns it into
    Markdown, so the explorer is gone. Keys with Shift, Ctrl, Alt or Meta still reach them: Shift+Enter runs the cell.
    JupyterLab gets a key after the output, which can stop it; Notebook 7 gets it before, and ignores it only if
    Lumino's attribute is set.
    """
    return _hidden_script(_KEYS_STAY)


def pixel_ratio() -> tuple[widgets.FloatText, widgets.HTML]:
    """Return a hidden box for the device pixel ratio, and a hidden widget that makes the browser fill it in."""
    box = widgets.FloatText(1.0, description="Dots a pixel", layout={"display": "none"})
    box.add_class("qviz-dots")
    return box, _hidden_script(_REPORT_PIXEL_RATIO)


def copy_to_clipboard(text: str) -> str:
    """Return HTML that copies a text to the clipboard; a browser allows this only right after a click."""
    return _on_load(f"navigator.clipboard?.writeText({html.escape(json.dumps(text))})")


def files_dropped() -> widgets.HTML:
    """Return a hidden widget that handles a file dropped on an explorer as if it had been chosen with the button.

    ipywidgets 8.1 keeps the input of its upload button outside the page, and clicks it when the button is pressed. For
    one press, this click is replaced by one that assigns the dropped file.
    """
    return _hidden_script(_DROP)


def files_being_sent() -> widgets.HTML:
    """Return a hidden widget that marks an explorer while a file is being sent to the kernel."""
    return _hidden_script(_SHOW_UPLOAD)


def spoken_values(controls: Iterable[Control]) -> widgets.HTML:
    """Return a hidden widget that gives screen readers the name and the value of each slider's handle.

    In ipywidgets 8.1 a handle has no name (issue 2650), and its value is the number of a step.
    """
    values = {
        control.label: list(control.options)
        if isinstance(control, Ladder)
        else [control.low, control.step if control.digits else 0, control.digits]
        for control in controls
        if isinstance(control, Slider | Ladder)
    }
    return _hidden_script(_SPEAK, json.dumps(values))


def _hidden_script(script: str, values: str = "") -> widgets.HTML:
    """Return a hidden widget that runs a script in the browser when it is displayed."""
    return widgets.HTML(_on_load(script, values), layout={"display": "none"})


def _on_load(script: str, values: str = "") -> str:
    return f'<style onload="{script}" data-values="{html.escape(values)}"></style>'


def controls_of(state_type: type) -> dict[str, tuple[Control, object]]:
    """Return the control and the default of each field of a State."""
    return {f.name: (f.metadata["control"], f.default) for f in dataclasses.fields(state_type)}

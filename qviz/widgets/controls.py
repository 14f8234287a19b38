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
_TELL_DOTS = (
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
# The input that is pressed says when it has a file; the class of an explorer that computes, that the file has come.
_SAY_SENDING = (
    "const root = this.closest('.qviz-explorer');"
    f"const send = () => root.classList.add('{SENDING}');"
    "root?.addEventListener('click', event => { if (!event.target.closest('.widget-upload')) return;"
    " const input = HTMLInputElement.prototype, click = input.click, pressed = function () {"
    " input.click = click; this.addEventListener('change', send, {once: true}); click.call(this); };"
    " input.click = pressed; setTimeout(() => { if (input.click === pressed) input.click = click; }); }, true);"
    "if (root) new MutationObserver(changes => {"
    f" const came = [root.className, ...changes.map(change => change.oldValue)].some(now => now.includes('{BUSY}'));"
    # removing what is not there is a change too, which would be heard again without end
    f" if (came && root.classList.contains('{SENDING}')) root.classList.remove('{SENDING}'); }}"
    ").observe(root, {attributes: true, attributeFilter: ['class'], attributeOldValue: true})"
)

_SPEAK = (
    "const explorer = this.closest('.qviz-explorer'), told = JSON.parse(this.dataset.told), "
    "name = slider => slider.querySelector('.widget-label')?.textContent, say = (handle, how) => { "
    "const at = +handle.getAttribute('aria-valuenow'), text = typeof how[0] === 'string' ? how[Math.round(at)] : "
    "how[1] ? (how[0] + Math.round(at) * how[1]).toFixed(how[2]) : `${Math.round(at)}`; "
    "if (handle.getAttribute('aria-valuetext') !== text) handle.setAttribute('aria-valuetext', text); }, "
    "find = tries => { let left = 0; for (const slider of explorer?.querySelectorAll('.widget-slider') ?? []) { "
    "const handle = slider.querySelector('.noUi-handle'), how = told[name(slider)]; if (!how) continue; "
    "if (!handle) { left += 1; continue; } if (handle.hasAttribute('aria-label')) continue; "
    "handle.setAttribute('aria-label', name(slider)); say(handle, how); "
    "new MutationObserver(() => say(handle, how)).observe(handle, {attributes: true, "
    "attributeFilter: ['aria-valuenow', 'aria-valuetext']}); } "
    "if (tries && (left || tries > 45)) setTimeout(find, 100, tries - 1); }; find(50)"
)


def _handle(**options) -> widgets.IntSlider:
    """Return a labelled slider without its own readout: what stands beside it shows the value."""
    return widgets.IntSlider(**options, readout=False, **LABELLED, layout={"flex": "1 1 auto", "width": "auto"})


class Setting(traitlets.TraitType):
    """A trait that holds what its control takes, and says in a sentence why it does not take the rest."""

    def __init__(self, control: "Control", default):
        super().__init__(default)
        self.control = control

    def validate(self, obj, value):
        """Return the value as the control keeps it, or raise a SettingError."""
        return self.control.check(self.name, value)


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
    more: bool = False  # behind More, as seldom needed

    def check(self, name: str, value):
        """Return the value, rounded, or say which ones there are."""
        kind, called = (Real, "a number") if self.digits else (Integral, "a whole number")
        if isinstance(value, kind) and not isinstance(value, bool):
            value = round(float(value), self.digits) if self.digits else int(value)
            if self.low <= value <= self.high:
                return value
        raise SettingError(f"{name} must be {called} from {self.low} to {self.high}: got {value!r}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets whose `value` is to be linked to the trait."""
        name = {"description": self.label, "tooltip": self.label}  # without one, ipywidgets 8.1 shows "null"
        limits = {"min": self.low, "max": self.high, "step": self.step} | name
        steps = {"min": 0, "max": self._steps(self.high), "step": 1} | name
        box_kind = widgets.BoundedFloatText if self.digits else widgets.BoundedIntText
        slider = _handle(**(steps if self.digits else limits))
        # Its label takes no room: the eye reads the slider's, a screen reader needs this one.
        box = box_kind(**limits, style={"description_width": "0px"}, layout={"width": "84px"})
        return widgets.HBox([slider, box], layout=ROW), [slider, box]

    def taken_from(self, widget: widgets.Widget, value):
        """Return the value of the trait for what a widget holds."""
        return self.low + value * self.step if self._counts(widget) else value

    def show(self, widget: widgets.Widget, value) -> None:
        """Let a widget show a value of the trait."""
        widget.value = self._steps(value) if self._counts(widget) else value

    def _counts(self, widget: widgets.Widget) -> bool:
        return bool(self.digits) and isinstance(widget, widgets.IntSlider)

    def _steps(self, value: float) -> int:
        return round((value - self.low) / self.step)


class _AsItIs:
    """A control whose widget holds just the value of the trait."""

    def show(self, widget: widgets.Widget, value) -> None:
        """Let a widget show the value."""
        widget.value = value

    def taken_from(self, _widget: widgets.Widget, value):
        """Return the value."""
        return value


@dataclass(frozen=True)
class Choice(_AsItIs):
    """One of several names, or of several numbers."""

    label: str
    options: tuple[str | int | float, ...]
    open: bool = False  # other whole numbers from 1 are taken too; `compute` says whether they fit
    more: bool = False

    def check(self, name: str, value):
        """Return the option that equals the value, or say which ones there are."""
        if isinstance(value, str | Real) and not isinstance(value, bool):
            if value in self.options:
                return self.options[self.options.index(value)]
            if self.open and isinstance(value, Integral) and value > 0:
                return int(value)
        raise SettingError(f"{name} must be on its list: got {value!r}; {suggest(value, self.options)}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to be linked."""
        dropdown = widgets.Dropdown(
            options=self.options,
            description=self.label,
            **LABELLED,
            layout=ROW,
        )
        return dropdown, [dropdown]

    def show(self, widget: widgets.Widget, value) -> None:
        """Let the list show a value, with an entry of its own if need be."""
        if value not in widget.options:
            fill(widget, {*widget.options, value}, value)
        widget.value = value


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
        return widgets.HBox([slider, names], layout=ROW), [slider, names]

    def show(self, widget: widgets.Widget, value) -> None:
        """Let the slider show the place of a name, and the list the name."""
        widget.value = self.options.index(value) if isinstance(widget, widgets.IntSlider) else value

    def taken_from(self, widget: widgets.Widget, value):
        """Return the name."""
        return self.options[value] if isinstance(widget, widgets.IntSlider) else value


@dataclass(frozen=True)
class Typed(Choice):
    """A short text: one of a few that are offered, or whatever the reader types; `compute` says whether it fits."""

    most: int = 60  # characters

    def check(self, name: str, value):
        """Return the text without spaces at its ends, or say what it must be."""
        if isinstance(value, str) and value.strip().isprintable() and 0 < len(value.strip()) <= self.most:
            return value.strip()
        raise SettingError(f"{name} must be text of 1 to {self.most} characters: got {value!r}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to be linked; it is read on Enter, or when it is left."""
        box = widgets.Combobox(
            options=self.options, description=self.label, continuous_update=False, **LABELLED, layout=ROW
        )
        return box, [box]

    def show(self, widget: widgets.Widget, value) -> None:
        """Let the box show a text."""
        widget.value = value


@dataclass(frozen=True)
class Toggle(_AsItIs):
    """Yes or no."""

    label: str
    more: bool = False

    def check(self, name: str, value):
        """Return the value, if it is yes or no."""
        if isinstance(value, bool | np.bool_):
            return bool(value)
        raise SettingError(f"{name} must be True or False: got {value!r}")

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to be linked."""
        box = widgets.Checkbox(description=self.label, **LABELLED, layout=ROW)
        return box, [box]


Control = Slider | Choice | Toggle


def fill(listed: widgets.Dropdown, options: Iterable[float], value: float) -> None:
    """Give a list other numbers, in order, and let it show one of them."""
    options = tuple(sorted(options))
    if listed.options != options:
        with listed.hold_sync():
            listed.options, listed.value = options, value


def fit(widget: widgets.Widget, control: "Slider", low: float, high: float, value: float) -> None:
    """Give a slider or its number box other ends, and let it show a value between them."""
    ends = (control._steps(low), control._steps(high)) if control._counts(widget) else (low, high)
    if (widget.min, widget.max) != ends:
        with widget.hold_sync():
            widget.max = max(widget.max, ends[1])
            widget.min, widget.max = ends
            control.show(widget, value)


def slider(label: str, default: float, low: float, high: float, step: float = 1, digits: int = 0):
    """Declare a field moved by a slider; `digits` after the point, 0 for whole numbers."""
    return dataclasses.field(default=default, metadata={"control": Slider(label, low, high, step, digits)})


def choice(label: str, options: Iterable[str | int | float], default: str | float | None = None, open: bool = False):
    """Declare a field chosen from a list; the default is the first. An open list takes other whole numbers too."""
    options = tuple(options)
    default = options[0] if default is None else default
    return dataclasses.field(default=default, metadata={"control": Choice(label, options, open)})


def ladder(label: str, options: Iterable[str], default: str):
    """Declare a field chosen from names that have an order."""
    return dataclasses.field(default=default, metadata={"control": Ladder(label, tuple(options))})


def typed(label: str, examples: Iterable[str], default: str):
    """Declare a field that takes any short text; a few are offered."""
    return dataclasses.field(default=default, metadata={"control": Typed(label, tuple(examples))})


def tensor_choice(default: str, names: Iterable[str] = tuple(TENSORS)):
    """Declare the Data field: tensors of qviz.data by name, and the reader's own."""
    return choice("Data", (*names, YOURS), default)


def toggle(label: str, default: bool = False):
    """Declare a field that is on or off."""
    return dataclasses.field(default=default, metadata={"control": Toggle(label)})


def more(declared):
    """Put a declared field behind More: for controls that are seldom needed, so that the first ones are few."""
    control = dataclasses.replace(declared.metadata["control"], more=True)
    return dataclasses.field(default=declared.default, metadata={"control": control})


def keys_stay_here() -> widgets.HTML:
    """Return what keeps keys pressed inside an output from JupyterLab and Notebook 7; it shows nothing.

    They take keys on a drop-down for their own: an arrow leaves the cell, "m", for "mse", makes it Markdown, and the
    explorer is gone. Keys with Shift, Ctrl, Alt or Meta still reach them: Shift+Enter runs the cell. JupyterLab hears
    a key after the output, which can stop it; Notebook 7 before, and passes by only where Lumino's attribute says so.
    """
    return _acting(_KEYS_STAY)


def dots_of_the_screen() -> tuple[widgets.FloatText, widgets.HTML]:
    """Return a hidden box for how many dots the screen has a pixel, and what makes the browser write it there."""
    box = widgets.FloatText(1.0, description="Dots a pixel", layout={"display": "none"})
    box.add_class("qviz-dots")
    return box, _acting(_TELL_DOTS)


def copying(text: str) -> str:
    """Return HTML that puts a text into the reader's clipboard; the browser allows that just after a press."""
    return _run(f"navigator.clipboard?.writeText({html.escape(json.dumps(text))})")


def files_dropped() -> widgets.HTML:
    """Return what lets an explorer take a file that is dropped on it as if it had been picked; it shows nothing.

    ipywidgets 8.1 keeps the input of its upload button outside the page, and a press of the button clicks it: for that
    one press, a click gives it the file instead of asking for one.
    """
    return _acting(_DROP)


def files_under_way() -> widgets.HTML:
    """Return what lets an explorer show that a file is on its way to the kernel; it shows nothing itself."""
    return _acting(_SAY_SENDING)


def spoken_values(controls: Iterable[Control]) -> widgets.HTML:
    """Return what names the handle of each slider, and lets it say its value in the units of the control.

    ipywidgets 8.1 gives a handle no name (issue 2650), and lets it say the number of its step.
    """
    told = {
        control.label: list(control.options)
        if isinstance(control, Ladder)
        else [control.low, control.step if control.digits else 0, control.digits]
        for control in controls
        if isinstance(control, Slider | Ladder)
    }
    return _acting(_SPEAK, json.dumps(told))


def _acting(script: str, told: str = "") -> widgets.HTML:
    """Return what runs a script of ours in the browser, once it is there; it shows nothing."""
    return widgets.HTML(_run(script, told), layout={"display": "none"})


def _run(script: str, told: str = "") -> str:
    return f'<style onload="{script}" data-told="{html.escape(told)}"></style>'


def controls_of(state_type: type) -> dict[str, tuple[Control, object]]:
    """Return the control and the default of each field of a State, in order."""
    return {f.name: (f.metadata["control"], f.default) for f in dataclasses.fields(state_type)}

"""Explorer: controls -> State -> compute -> Result -> picture and readout. Data flows in one direction."""

import base64
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import ipywidgets as widgets
import numpy as np
from IPython import get_ipython

from qviz.data._limits import suggest
from qviz.plots import Canvas
from qviz.tensors import tensor

from ._layout import NamedImage, SettingError, SettingNameError, family
from ._moves_first import answer_before_cells
from ._own_data import OpenFile, Own, TensorList, own_data
from ._panel import WIDTH, ControlPanel
from ._readout import BUSY, LINE_PX, html_of
from ._rerun_cells import note
from ._stored import RUN, show
from ._waiting import waiting_sign
from .controls import (
    YOURS,
    Choice,
    Setting,
    controls_of,
    copy_to_clipboard,
    files_being_sent,
    files_dropped,
    fill,
    fit,
    keys_stay_here,
    pixel_ratio,
    spoken_values,
)
from .links import PAGE, site_address, write_link


class Screen(NamedTuple):
    """The screen to paint for: device pixels per pixel, and the width of a single column of panels, 0 for none."""

    dots: int = 1
    column: int = 0


DESK = Screen()


def dots_for(ratio: float) -> int:
    """Return the device pixels per pixel, 1 or 2, to paint for a screen with this ratio."""
    return 2 if ratio > 1 else 1


class Explorer(widgets.VBox):
    """An interactive picture; each control is also a trait, so code can set it.

    A subclass is thin. It defines `State`, a frozen dataclass whose fields are the controls, and four methods:
    `compute(state)` returns a Result, `canvas()` the panels, `views(state, result)` the data of each panel, and
    `describe(state, result)` the same in words. `compute` is pure: it knows nothing of plots and widgets.

    Parameters
    ----------
    source : callable, positional only
        Only for an explorer whose class names one in `source`: it computes the results, as a lab in `qviz.pytorch.labs`
        does. So this package does not import torch.
    data : name in the Data control, or the reader's own array or file (see `qviz.data.read_array`)
        Only for an explorer with a Data control. If a file or a folder has several arrays, a list of them is shown.
    tensor : name of an array in that file, by default its first matrix
    **settings
        Initial values of controls.

    Raises
    ------
    TypeError
        There is no control of that name, or the source is missing.
    ValueError
        A value is out of range or not on its list, or the reader's data cannot be shown.

    Examples
    --------
    >>> from qviz.widgets import QuantizeExplorer
    >>> explorer = QuantizeExplorer(bits=4)
    >>> explorer.bits = 3  # the same as moving the slider
    >>> explorer.code
    'qviz.widgets.QuantizeExplorer(bits=3)'
    >>> explorer.close()
    """

    State: ClassVar[type]
    source: ClassVar[str] = ""  # full name of the class that the source is an instance of
    source_optional: ClassVar[bool] = False  # whether the explorer also works without one
    readout_lines: ClassVar[int] = 5  # visible lines; a longer text scrolls, so the height is fixed
    last_error: Exception | None = None
    result: Any = None

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, (control, default) in controls_of(cls.State).items():
            trait = Setting(control, default)
            setattr(cls, name, trait)
            trait.class_init(cls, name)

    def __init__(self, source=None, /, _screen=DESK, **settings):
        self._source = source
        if callable(source) != bool(self.source) and not (self.source_optional and source is None):
            raise TypeError(
                f"{type(self).__name__} must be created as {self._constructor()}: got {source!r} as its source"
            )
        self._controls = controls_of(self.State)
        self._own: Own | None = None
        self._text, self._holding, self._showing = "", True, 0
        self._moved_by_reader: dict[str, Any] = {}
        super().__init__(layout={"width": "auto"})
        self.add_class("qviz-explorer")
        values, own = self._checked(settings)
        self._build_controls(settings)
        self._dots, self._canvas = _screen.dots, self.canvas()
        if _screen.column:
            self._canvas.stack(_screen.column)
        width, height = self._canvas.size
        name = inspect.getdoc(type(self)).splitlines()[0]
        self._image = NamedImage(
            format="png",
            width=width,
            height=height,
            tooltip=name,
            layout={"max_width": "100%", "height": "auto", "margin": "0"},
        )
        height = f"{self.readout_lines * LINE_PX + 6}px"
        self._readout = widgets.HTML(layout={"width": "auto", "max_width": WIDTH, "height": height})
        self._readout.add_class("qviz-readout")
        self.children = [self._panel_of_controls, self._image, self._readout]
        self._apply(values, own, settings)
        if not self._image.value:
            self._start_over()
        self._start = {name: getattr(self, name) for name in self._controls}
        self._start |= {"tensor": self.tensor} if self.tensor else {}
        self.observe(self._moved, list(self._controls))
        answer_before_cells()
        note(self)

    def __setattr__(self, name, value):
        if not (name.startswith("_") or hasattr(type(self), name)):
            raise self._no_such(name)
        if self._is_own(name, value):
            self.set(**{name: value})
        else:
            super().__setattr__(name, value)

    # Defined by subclasses

    def compute(self, state) -> Any:
        """Return the Result of a State: arrays and numbers, without side effects."""
        raise NotImplementedError

    def canvas(self) -> Canvas:
        """Return the canvas with all panels."""
        raise NotImplementedError

    def views(self, state, result) -> dict[str, tuple]:
        """Return the arguments of each panel's update, by the name of the panel."""
        raise NotImplementedError

    def describe(self, state, result) -> str:
        """Return the Result in words: a few short lines, with fixed decimals."""
        raise NotImplementedError

    def figures(self, state, result) -> dict[str, str]:
        """Return one or two key figures by name; they are shown in large type above the picture."""
        return {}

    def offers(self, state) -> dict[str, tuple]:
        """Return the options of lists and the ends of sliders that depend on the State, by the name of the control."""
        return {}

    def idle(self, state) -> dict[str, str]:
        """Return the controls without effect in this State, each with the reason as a short sentence."""
        return {}

    # For code and buttons

    @property
    def state(self):
        """The current State."""
        return self.State(**{name: getattr(self, name) for name in self._controls})

    @property
    def readout(self) -> str:
        """The text below the picture."""
        return self._text

    @property
    def code(self) -> str:
        """Python code that creates this explorer with its current settings."""
        own = repr(self._own.path) if self._own and self._own.path else "my_data"
        arguments = [
            f"{name}={own if value == YOURS else repr(value)}"
            for name, (_, default) in self._controls.items()
            if (value := getattr(self, name)) != default
        ]
        return self._constructor(*arguments, *([f"tensor={self.tensor!r}"] if self.tensor else []))

    @property
    def link(self) -> str:
        """The URL of this explorer on the site with its current settings; relative if the site's address is unknown.

        It never contains the reader's own data, but the default instead.
        """
        settings = {name: getattr(self, name) for name in self._controls}
        return f"{site_address()}{PAGE}#{write_link(type(self), settings)}"

    @property
    def png(self) -> bytes:
        """The picture as the bytes of a PNG file, the same on every screen."""
        return bytes(self._image.value) if self._dots == 1 else self._canvas.png()

    @property
    def tensor(self) -> str:
        """The name of the array that is shown, if its file has several, else ""; it can be set."""
        return self._own.name if self._own and self._own.several and getattr(self, "data", "") == YOURS else ""

    @tensor.setter
    def tensor(self, name: str) -> None:
        self.set(tensor=name)

    def set(self, **settings) -> None:
        """Set several controls and paint once; if one value is invalid, nothing changes."""
        with self._busy():
            values, own = self._checked(settings)
            self._apply(values, own, settings)

    def reset(self, **settings) -> None:
        """Restore the initial settings, except those given here, and paint once.

        Without arguments it keeps what the reader has changed, so a page can call it after its own steps.
        """
        start = self._start | ({} if settings else self._moved_by_reader)
        if "data" in settings or not (self._own and start.get("tensor") in self._own.arrays):
            start.pop("tensor", None)
        self.set(**start | settings)

    def hide(self, *names: str) -> None:
        """Hide these controls, and show all others."""
        for name in names:
            if name not in self._controls:
                raise self._no_such(name)
        for name, row in self._rows.items():
            row.layout.display = "none" if name in names else None

    def save(self, path=None) -> Path:
        """Write the picture to a PNG file, and return its path.

        By default its name is made from the settings, with a number if such a file exists already.
        """
        if path is not None:
            Path(path).write_bytes(self.png)
            return Path(path)
        settings = self.code.removeprefix("qviz.widgets.").replace(f"{self._named_source()}()", "")
        name = re.sub(r"[^\w.=-]+", "-", settings).strip("-")
        for number in count(1):
            path = Path(f"{name}.png" if number == 1 else f"{name}-{number}.png")
            try:
                with path.open("xb") as file:
                    file.write(self.png)
                return path
            except FileExistsError:
                continue

    def refresh(self) -> None:
        """Compute, paint and describe the State; on an error, show it in the readout and keep the last picture."""
        try:
            state = self.state
            self.result = self.compute(state)
            self._canvas.update(self.views(state, self.result))
            self._image.value = self._canvas.png(self._dots)
            self._panel_of_controls.show_figures(self.figures(state, self.result))
            self._say(self.describe(state, self.result))
            self.last_error = None
        except Exception as error:
            self._fail(error)

    def values(self, state) -> np.ndarray:
        """Return the tensor that the Data control names: the reader's own or one of `qviz.tensors`."""
        return tensor(state.data) if state.data != YOURS else self.own()

    def own(self) -> np.ndarray:
        """Return the reader's array as float32, in its original shape."""
        if self._own is None:
            call = f"{self._variable()}.set"
            raise ValueError(
                f"no data of your own yet. In a cell: {call}(data=my_array), or {call}(data='my_file.npy')"
            )
        return self._own.values

    def close(self) -> None:
        """Free the widgets, the figure and the data."""
        for widget in family(self):
            if widget is not self:
                widget.close()
        super().close()
        self._canvas = self._own = self.result = self._source = None

    # Implementation

    def _named_source(self) -> str:
        return "" if self.source_optional and self._source is None else self.source

    def _constructor(self, *arguments: str) -> str:
        source = [f"{self._named_source()}()"] if self._named_source() else []
        return f"qviz.widgets.{type(self).__name__}({', '.join([*source, *arguments])})"

    def _variable(self) -> str:
        """Return the name of the reader's variable that holds this explorer."""
        names = getattr(get_ipython(), "user_ns", {}).items()
        return next((name for name, value in names if value is self and not name.startswith("_")), "explorer")

    def _no_such(self, name: str) -> Exception:
        names = [*self._controls, *(["tensor"] if self._takes_data else [])]
        return SettingNameError(f"{type(self).__name__} has no control {name!r}; {suggest(name, names)}")

    def _build_controls(self, settings: dict) -> None:
        rows, self._rows, self._linked = {}, {}, {}
        for name, (control, _) in self._controls.items():
            self._rows[name], self._linked[name] = control.build()
            self._connect(name, self._linked[name])
            rows[name] = control, self._rows[name], self._linked[name]
        self._tensors = TensorList(self._on_tensor) if self._takes_data else None
        self._code = widgets.Textarea(
            description="Code", layout={"width": "auto", "max_width": WIDTH, "height": "60px", "display": "none"}
        )
        box, hook = pixel_ratio()
        box.observe(self._on_dots, "value")
        buttons = {
            "Reset": ("Restore the initial settings", self._on_reset),
            "Settings as code": (
                "Show or hide Python code that creates this explorer with its current settings",
                self._on_code,
            ),
            "Save picture": ("Save the picture as a new PNG file next to the notebook", self._on_save),
        }
        if site_address() and (not self.source or self.source_optional):  # the site runs no torch
            buttons["Copy link"] = ("Copy a link that opens this explorer with its current settings", self._on_link)
        spoken = spoken_values(control for control, _ in self._controls.values())
        self._copied = widgets.HTML(layout={"display": "none"})
        hidden = widgets.HBox([box, hook, keys_stay_here(), spoken, self._copied, waiting_sign()])
        tensors = [self._tensors] if self._tensors else []
        self._panel_of_controls = ControlPanel(rows, buttons, [*tensors, self._code, hidden])
        if self._takes_data:
            self._panel_of_controls.add(OpenFile(self._on_file))
            hidden.children = (*hidden.children, files_dropped(), files_being_sent())

    def _connect(self, name: str, linked: list[widgets.Widget]) -> None:
        """Keep a trait and its widgets in sync; the trait decides, for instance when it rounds a value."""
        control, _ = self._controls[name]

        def show(_change=None) -> None:
            self._showing += 1
            for widget in linked:
                control.show(widget, getattr(self, name))
            self._showing -= 1

        def take(change) -> None:
            if not self._showing:  # otherwise the change is ours, not the reader's
                setattr(self, name, control.trait_value(change.owner, change.new))
                self._moved_by_reader[name] = getattr(self, name)
                show()

        self.observe(show, name)
        show()
        for widget in linked:
            widget.observe(take, "value")

    @property
    def _takes_data(self) -> bool:
        return any(isinstance(control, Choice) and YOURS in control.options for control, _ in self._controls.values())

    def _is_own(self, name: str, value) -> bool:
        """Return whether a setting is the reader's own array or file rather than a name on the Data list."""
        return (
            name == "data"
            and self._takes_data
            and not (isinstance(value, str) and value in self._controls["data"][0].options)
        )

    def _checked(self, settings: dict) -> tuple[dict, Own | None]:
        """Return the validated settings and the reader's array, without changing anything."""
        values, own = dict(settings), self._own
        tensor = values.pop("tensor", None) if self._takes_data else None
        for name in values:
            if name not in self._controls:
                raise self._no_such(name)
        new = None
        if self._is_own("data", values.get("data", YOURS)):
            new, values["data"] = values["data"], YOURS
        values = {name: self._controls[name][0].check(name, value) for name, value in values.items()}
        if new is not None:
            own = own_data(new, tensor, self._controls["data"][0].options[:-1])
        elif tensor is not None:
            own, values["data"] = (own or Own(np.zeros(1))).choose(tensor), YOURS
        return values, own

    def _apply(self, values: dict, own: Own | None, named: Iterable[str]) -> None:
        """Set the controls, and paint once."""
        self._own, self._holding = own, True
        try:
            for name, value in values.items():
                setattr(self, name, value)
            self._offer(named)
        finally:
            self._holding = False
        if self._tensors:
            self._tensors.show(own if self.data == YOURS else None)
        self._mark_idle()
        self._write_code()
        self.refresh()

    def _offer(self, named: Iterable[str]) -> None:
        """Update options and ends that depend on the State, and values that no longer fit unless they are `named`."""
        try:
            offers = self.offers(self.state)
        except ValueError:  # missing or unsuitable data, which `refresh` reports
            return
        for name, options in offers.items():
            value = getattr(self, name)
            if not isinstance(self._controls[name][0], Choice):
                self._limit(name, *options, name in named)
                continue
            if value not in options and name not in named:
                value = min(options, key=lambda option: abs(option - value))
                setattr(self, name, value)
            self._showing += 1
            for listed in self._linked[name]:
                fill(listed, {*options, value}, value)
            self._showing -= 1

    def _limit(self, name: str, low: float, high: float, keep: bool) -> None:
        """Change the ends of a slider; a value beyond them is moved to the nearest end, unless it is to be kept."""
        value = getattr(self, name)
        if not keep:
            value = min(max(value, low), high)
            setattr(self, name, value)
        self._showing += 1
        for widget in self._linked[name]:
            fit(widget, self._controls[name][0], min(low, value), max(high, value), value)
        self._showing -= 1

    def _mark_idle(self) -> None:
        """Disable controls without effect."""
        changed = {name for name, (_, default) in self._controls.items() if getattr(self, name) != default}
        try:
            idle = self.idle(self.state)
        except ValueError:  # missing or unsuitable data, which `refresh` reports
            idle = {}
        self._panel_of_controls.mark(idle, changed)

    def _start_over(self) -> None:
        """Show the default settings because the given ones cannot be shown, and say why."""
        error = self.last_error
        self._apply({name: default for name, (_, default) in self._controls.items()}, self._own, ())
        if self._image.value:
            self._fail(error, "The explorer was reset to its initial settings.")
        else:
            self._image.value = self._canvas.png()

    def _moved(self, change) -> None:
        if not self._holding:
            with self._busy():
                self._apply({}, self._own, [change.name])

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Mark this explorer as busy, which the browser shows after 0.3 s.

        The message leaves the kernel at once, because another thread sends it.
        """
        self.add_class(BUSY)
        try:
            yield
        finally:
            self.remove_class(BUSY)

    def _say(self, text: str, note: str = "") -> None:
        self._text = text
        self._readout.value = html_of(text, note)

    def _fail(self, error: Exception, note: str = "The picture still shows the last valid setting.") -> None:
        """Show an error in the readout; one that no reader can cause is a bug, and must not disappear in a log."""
        sentence = f"{error}"
        if not isinstance(error, ValueError | TypeError | MemoryError | OSError):
            sentence = f"Something is wrong in {type(self).__name__}: {error!r}. Please report it."
        self.last_error = error
        self._say(f"Not shown: {sentence}\n{note if self._image.value else 'There is no valid setting yet.'}")

    def _on_file(self, path: str, name: str) -> None:
        """Show an array of a file that the reader opened, under its original name instead of the path of the copy."""
        with self._busy():
            try:
                values, own = self._checked({"data": path})
            except SettingError as error:
                self._fail(SettingError(str(error).replace(path, name)))
            else:
                self._apply(values, replace(own, path=name), ["data"])

    def _on_tensor(self, name: str) -> None:
        try:
            self.set(tensor=name)
        except SettingError as error:
            self._fail(error)
            self._tensors.filter()

    def _on_dots(self, change) -> None:
        """Paint at the resolution of the screen."""
        dots = dots_for(change.new)
        if dots != self._dots and self._canvas is not None:
            self._dots = dots
            self._image.value = self._canvas.png(dots)

    def _on_reset(self, _button) -> None:
        self._moved_by_reader.clear()
        self.reset()

    def _on_code(self, _button) -> None:
        self._code.layout.display = "none" if self._code.layout.display is None else None
        self._write_code()

    def _write_code(self) -> None:
        """Write the current settings into the code box if it is open."""
        if self._code.layout.display is not None:
            return
        modules = ["qviz.widgets", *filter(None, [self._named_source().rpartition(".")[0]])]
        self._code.value = "\n".join([*(f"import {module}" for module in modules), self.code])

    def _on_link(self, _button) -> None:
        self._code.value = self.link
        self._code.layout.display = None
        self._copied.value = ""  # so that a second click copies again
        self._copied.value = copy_to_clipboard(self.link)

    def _on_save(self, _button) -> None:
        try:
            saved = f"Saved as {self.save()}"
        except OSError as error:
            saved = f"Not saved: {error}"
        self._say(self._text, saved)

    def __repr__(self) -> str:
        return self.readout

    def _ipython_display_(self) -> None:
        note(self)
        show(self, self.readout, RUN, self.png)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        note(self)
        bundle = super()._repr_mimebundle_(include=include, exclude=exclude)
        return {**bundle, "text/plain": self.readout, "image/png": base64.b64encode(self.png).decode()}

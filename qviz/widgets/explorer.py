"""Explorer: controls -> State -> compute -> Result -> picture and readout. Data flows one way."""

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
    copying,
    dots_of_the_screen,
    files_dropped,
    files_under_way,
    fill,
    fit,
    keys_stay_here,
    spoken_values,
)
from .links import PAGE, site_address, write_link


class Screen(NamedTuple):
    """What pictures are painted for: dots a pixel in each direction; how wide a single column is, 0 for none."""

    dots: int = 1
    column: int = 0


DESK = Screen()


def dots_for(ratio: float) -> int:
    """Return how many dots are painted for a pixel where the screen has so many: two in each direction, or one."""
    return 2 if ratio > 1 else 1


class Explorer(widgets.VBox):
    """A picture that answers to controls; each control is a trait too, so code can move it.

    A subclass is thin. It says `State`, a frozen dataclass whose fields are the controls, and four methods:
    `compute(state)` returns a Result, `canvas()` the panels, `views(state, result)` what each panel shows, and
    `describe(state, result)` the same in words. `compute` is pure: it knows no plot and no widget.

    Parameters
    ----------
    source : callable, first and without a name
        Only for an explorer whose class names one in `source`: what its numbers come from, such as a laboratory of
        torch. So this room needs no torch.
    data : name in the Data control, or the reader's own array or file (see `qviz.data.read_array`)
        Only for an explorer with a Data control. A file or a folder with several arrays shows a list of them.
    tensor : name of an array in that file
        The first matrix if it is left out.
    **settings
        The start value of any control.

    Raises
    ------
    TypeError
        A setting has no control of that name, or the source is missing.
    ValueError
        A value is out of range or not on the list, or the reader's data cannot be shown.

    Examples
    --------
    >>> from qviz.widgets import QuantizeExplorer
    >>> explorer = QuantizeExplorer(bits=4)
    >>> explorer.bits = 3  # what the mouse does
    >>> explorer.code
    'qviz.widgets.QuantizeExplorer(bits=3)'
    >>> explorer.close()
    """

    State: ClassVar[type]
    source: ClassVar[str] = ""  # the full name of what makes its source, called without arguments
    source_optional: ClassVar[bool] = False  # whether it shows something without one, too
    readout_lines: ClassVar[int] = 5  # of the text in sight; more of it scrolls, so that nothing jumps
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
            raise TypeError(f"{type(self).__name__} is made by {self._made()}: got {source!r} where its source stands")
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

    # What a subclass says

    def compute(self, state) -> Any:
        """Return the Result of a State: arrays and numbers. Pure."""
        raise NotImplementedError

    def canvas(self) -> Canvas:
        """Return the panels, laid out."""
        raise NotImplementedError

    def views(self, state, result) -> dict[str, tuple]:
        """Return, for each panel by name, the arguments of its update."""
        raise NotImplementedError

    def describe(self, state, result) -> str:
        """Return the Result in words: a few short lines, with fixed decimals."""
        raise NotImplementedError

    def figures(self, state, result) -> dict[str, str]:
        """Return the one or two figures that matter most, by name: they stand large above the picture."""
        return {}

    def offers(self, state) -> dict[str, tuple]:
        """Return what depends on the State: options of choices, such as sizes that fit the data; ends of sliders."""
        return {}

    def idle(self, state) -> dict[str, str]:
        """Return those controls that have no effect in this State, each with the reason in a short sentence."""
        return {}

    # What code and buttons do

    @property
    def state(self):
        """The State now."""
        return self.State(**{name: getattr(self, name) for name in self._controls})

    @property
    def readout(self) -> str:
        """The text under the picture."""
        return self._text

    @property
    def code(self) -> str:
        """Python that builds this explorer as it stands."""
        own = repr(self._own.path) if self._own and self._own.path else "my_data"
        arguments = [
            f"{name}={own if value == YOURS else repr(value)}"
            for name, (_, default) in self._controls.items()
            if (value := getattr(self, name)) != default
        ]
        return self._made(*arguments, *([f"tensor={self.tensor!r}"] if self.tensor else []))

    @property
    def link(self) -> str:
        """The address that opens this explorer on the site as it stands; without the site's own where that is unknown.

        The reader's own data stay here: the link names the default instead.
        """
        settings = {name: getattr(self, name) for name in self._controls}
        return f"{site_address()}{PAGE}#{write_link(type(self), settings)}"

    @property
    def png(self) -> bytes:
        """The picture, as a PNG file; the same on every screen."""
        return bytes(self._image.value) if self._dots == 1 else self._canvas.png()

    @property
    def tensor(self) -> str:
        """The name of the array shown, of a file with several; it can be set. Empty for anything else."""
        return self._own.name if self._own and self._own.several and getattr(self, "data", "") == YOURS else ""

    @tensor.setter
    def tensor(self, name: str) -> None:
        self.set(tensor=name)

    def set(self, **settings) -> None:
        """Move several controls, and paint once; nothing moves if one of them cannot."""
        with self._busy():
            values, own = self._checked(settings)
            self._apply(values, own, settings)

    def reset(self, **but) -> None:
        """Put every control back to where it was at first, but for those named here, and paint once.

        Called without any, it keeps what the reader has moved: a page's own steps end with it.
        """
        start = self._start | ({} if but else self._moved_by_reader)
        if "data" in but or not (self._own and start.get("tensor") in self._own.arrays):
            start.pop("tensor", None)
        self.set(**start | but)

    def hide(self, *names: str) -> None:
        """Show every control but these, which a reader need not see."""
        for name in names:
            if name not in self._controls:
                raise self._no_such(name)
        for name, row in self._rows.items():
            row.layout.display = "none" if name in names else None

    def save(self, path=None) -> Path:
        """Write the picture as a PNG file, and return its path.

        Without a path it is named after the settings, with a number where a file of that name is there already.
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
        """Compute, paint and describe the State; an error is told in the readout, and the last picture stays."""
        try:
            state = self.state
            self.result = self.compute(state)
            self._canvas.update(self.views(state, self.result))
            self._image.value = self._canvas.png(self._dots)
            self._panel_of_controls.tell(self.figures(state, self.result))
            self._say(self.describe(state, self.result))
            self.last_error = None
        except Exception as error:
            self._fail(error)

    def values(self, state) -> np.ndarray:
        """Return the values that the Data control names: the reader's own, or one of qviz.data's."""
        return tensor(state.data) if state.data != YOURS else self.own()

    def own(self) -> np.ndarray:
        """Return the reader's own array, float32, in its own shape."""
        if self._own is None:
            call = f"{self._called()}.set"
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

    # How it is put together

    def _named_source(self) -> str:
        return "" if self.source_optional and self._source is None else self.source

    def _made(self, *arguments: str) -> str:
        source = [f"{self._named_source()}()"] if self._named_source() else []
        return f"qviz.widgets.{type(self).__name__}({', '.join([*source, *arguments])})"

    def _called(self) -> str:
        """Return the reader's own name for this explorer."""
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
        box, hook = dots_of_the_screen()
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
            hidden.children = (*hidden.children, files_dropped(), files_under_way())

    def _connect(self, name: str, linked: list[widgets.Widget]) -> None:
        """Keep a trait and its widgets at one value; the trait has the last word, for instance when it rounds."""
        control, _ = self._controls[name]

        def show(_change=None) -> None:
            self._showing += 1
            for widget in linked:
                control.show(widget, getattr(self, name))
            self._showing -= 1

        def take(change) -> None:
            if not self._showing:  # what it was just told is no move of the reader's
                setattr(self, name, control.taken_from(change.owner, change.new))
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
        """Return whether this is the reader's own array or file rather than a name on the Data list."""
        return (
            name == "data"
            and self._takes_data
            and not (isinstance(value, str) and value in self._controls["data"][0].options)
        )

    def _checked(self, settings: dict) -> tuple[dict, Own | None]:
        """Return the values that controls will take and the reader's array; nothing has moved if this raises."""
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
        """Move the controls, and paint once."""
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
        """Offer the options that fit the State; a value that no longer fits gives way, unless it was asked for."""
        try:
            offers = self.offers(self.state)
        except ValueError:  # of data that is missing or does not fit, which `refresh` tells
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

    def _limit(self, name: str, low: float, high: float, asked: bool) -> None:
        """Give a slider other ends; a value beyond them gives way, unless it was asked for."""
        value = getattr(self, name)
        if not asked:
            value = min(max(value, low), high)
            setattr(self, name, value)
        self._showing += 1
        for widget in self._linked[name]:
            fit(widget, self._controls[name][0], min(low, value), max(high, value), value)
        self._showing -= 1

    def _mark_idle(self) -> None:
        """Disable what has no effect now."""
        changed = {name for name, (_, default) in self._controls.items() if getattr(self, name) != default}
        try:
            idle = self.idle(self.state)
        except ValueError:  # of data that is missing or does not fit, which `refresh` tells
            idle = {}
        self._panel_of_controls.rest(idle, changed)

    def _start_over(self) -> None:
        """Show the settings of a new explorer where the first ones cannot be shown, and say why."""
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
        """Tell the browser that an answer is under way; it shows that after 0.3 s, if the answer is not there by then.

        What is sent leaves the kernel at once, on a thread of its own, while this one computes.
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
        """Tell an error; one that no reader can bring about is a fault of ours, and must not vanish in a log."""
        sentence = f"{error}"
        if not isinstance(error, ValueError | TypeError | MemoryError | OSError):
            sentence = f"Something is wrong in {type(self).__name__}: {error!r}. Please report it."
        self.last_error = error
        self._say(f"Not shown: {sentence}\n{note if self._image.value else 'There is no valid setting yet.'}")

    def _on_file(self, path: str, name: str) -> None:
        """Show an array of a file that the reader opened; its own name is told, not where it is kept."""
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
            self._tensors.narrow()

    def _on_dots(self, change) -> None:
        """Paint as sharp as the screen can show."""
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
        """Let the field, where it is open, hold the settings as they are."""
        if self._code.layout.display is not None:
            return
        modules = ["qviz.widgets", *filter(None, [self._named_source().rpartition(".")[0]])]
        self._code.value = "\n".join([*(f"import {module}" for module in modules), self.code])

    def _on_link(self, _button) -> None:
        self._code.value = self.link
        self._code.layout.display = None
        self._copied.value = ""  # so that a second press copies once more
        self._copied.value = copying(self.link)

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

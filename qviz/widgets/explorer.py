"""Explorer: controls -> State -> compute -> Result -> picture and readout. Data flows one way."""

import base64
import html
import inspect
import re
from pathlib import Path
from typing import Any, ClassVar

import ipywidgets as widgets
import numpy as np

from .. import data
from ..plots import Canvas
from ._parts import NamedImage, family
from .controls import YOURS, Choice, controls_of, keys_stay_here

_READOUT_STYLE = "margin:4px 0;font-size:14px;line-height:1.35;white-space:pre-wrap"


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
        Only for an explorer with a Data control.
    **settings
        The start value of any control.

    Raises
    ------
    TypeError
        A setting has no control of that name, or the source is missing.
    traitlets.TraitError
        A value is out of range or not on the list.

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

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name, (control, default) in controls_of(cls.State).items():
            trait = control.trait(default)
            setattr(cls, name, trait)
            trait.class_init(cls, name)

    def __init__(self, source=None, /, **settings):
        if bool(self.source) != callable(source):
            kind = type(self).__name__
            raise TypeError(f"{kind} is made by {self._made()}: got {source!r} where its source stands")
        self._source = source
        self._controls = controls_of(self.State)
        unknown = sorted(set(settings) - set(self._controls))
        if unknown:
            raise TypeError(f"{type(self).__name__} has no control {unknown[0]!r}; it has {', '.join(self._controls)}")
        self._own: np.ndarray | None = None
        self._holding = True
        self.last_error: Exception | None = None
        self.result: Any = None
        super().__init__(layout={"width": "auto"})
        self._build_controls(settings)
        self._canvas = self.canvas()
        width, height = self._canvas.size
        name = inspect.getdoc(type(self)).splitlines()[0]
        self._image = NamedImage(
            format="png", width=width, height=height, tooltip=name, layout={"max_width": "100%", "height": "auto"}
        )
        self._readout = widgets.HTML()
        self._code = widgets.Textarea(description="Code", layout={"width": "100%", "height": "60px", "display": "none"})
        self.children = [self._panel_of_controls, self._image, self._readout, self._code]
        for name, value in settings.items():
            self._set(name, value)
        self._start = {name: getattr(self, name) for name in self._controls}
        self._holding = False
        self.refresh()
        self.observe(self._moved, list(self._controls))

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
        arguments = [
            f"{name}={'my_data' if value == YOURS else repr(value)}"
            for name, (_, default) in self._controls.items()
            if (value := getattr(self, name)) != default
        ]
        return self._made(*arguments)

    @property
    def png(self) -> bytes:
        """The picture, as a PNG file."""
        return bytes(self._image.value)

    def set(self, **settings) -> None:
        """Move several controls, and paint once."""
        self._holding = True
        try:
            for name, value in settings.items():
                self._set(name, value)
        finally:
            self._holding = False
            self.refresh()

    def reset(self, **but) -> None:
        """Put every control back to where it was at first, but for those named here, and paint once."""
        self.set(**self._start | but)

    def save(self, path=None) -> Path:
        """Write the picture as a PNG file, named after the settings, and return its path."""
        settings = self.code.removeprefix("qviz.widgets.").replace(f"{self.source}()", "")
        path = Path(path or re.sub(r"[^\w.=-]+", "-", settings).strip("-") + ".png")
        path.write_bytes(self.png)
        return path

    def refresh(self) -> None:
        """Compute, paint and describe the State; an error is told in the readout, and the last picture stays."""
        try:
            state = self.state
            self.result = self.compute(state)
            self._canvas.update(self.views(state, self.result))
            self._image.value = self._canvas.png()
            self._say(self.describe(state, self.result))
            self.last_error = None
        except Exception as error:
            self._fail(error)

    def tensor(self, state) -> np.ndarray:
        """Return the values that the Data control names: the reader's own, or one of qviz.data's."""
        return data.tensor(state.data) if state.data != YOURS else self.own()

    def own(self) -> np.ndarray:
        """Return the reader's own array, float32, in its own shape."""
        if self._own is None:
            raise ValueError("no data of your own yet. In a cell: explorer.set(data=my_array), or data='my_file.npy'")
        return self._own

    def close(self) -> None:
        """Free the widgets, the figure and the data."""
        for widget in family(self):
            if widget is not self:
                widget.close()
        super().close()
        self._canvas = self._own = self.result = self._source = None

    # How it is put together

    def _made(self, *arguments: str) -> str:
        source = [f"{self.source}()"] if self.source else []
        return f"qviz.widgets.{type(self).__name__}({', '.join([*source, *arguments])})"

    def _build_controls(self, settings: dict) -> None:
        rows = []
        for name, (control, _) in self._controls.items():
            row, linked = control.build()
            self._connect(name, linked)
            rows.append(row)
        buttons = []
        for label, hint, action in (
            ("Reset", "Put every control back", self._on_reset),
            ("Settings as code", "Show Python that builds this explorer as it stands", self._on_code),
            ("Save picture", "Write the picture to a PNG file beside the notebook", self._on_save),
        ):
            button = widgets.Button(description=label, tooltip=hint, layout={"width": "auto"})
            button.on_click(action)
            buttons.append(button)
        grid = widgets.Box(rows, layout={"flex_flow": "row wrap", "width": "900px", "max_width": "100%"})
        self._panel_of_controls = widgets.VBox([grid, widgets.HBox(buttons), keys_stay_here()])

    def _connect(self, name: str, linked: list[widgets.Widget]) -> None:
        """Keep a trait and its widgets at one value; the trait has the last word, for instance when it rounds."""
        control, _ = self._controls[name]
        showing: list[bool] = []

        def show(_change=None) -> None:
            showing.append(True)
            for widget in linked:
                widget.value = control.shown_as(widget, getattr(self, name))
            showing.pop()

        def take(change) -> None:
            if not showing:  # what it was just told is no move of the reader's
                setattr(self, name, control.taken_from(change.owner, change.new))
                show()

        self.observe(show, name)
        show()
        for widget in linked:
            widget.observe(take, "value")

    def _set(self, name: str, value) -> None:
        if name not in self._controls:
            raise TypeError(f"{type(self).__name__} has no control {name!r}; it has {', '.join(self._controls)}")
        control, _ = self._controls[name]
        if (
            isinstance(control, Choice)
            and YOURS in control.options
            and not (isinstance(value, str) and value in control.options)
        ):
            value = self._take(value)
        setattr(self, name, value)

    def _take(self, source) -> str:
        """Keep the reader's own array, and return its name on the Data list."""
        with np.errstate(over="ignore"):
            own = np.array(data.read_array(source), np.float32, order="C")  # a copy: the reader may change theirs
        if own.size == 0 or not np.isfinite(own).all():
            raise ValueError(
                "data must hold at least one value, and no NaN, infinity or number beyond 3.4e38, the largest "
                f"float32: got shape {own.shape}"
            )
        self._own = own
        return YOURS

    def _moved(self, change) -> None:
        if not self._holding:
            self.refresh()

    def _say(self, text: str) -> None:
        self._text = text
        self._readout.value = (
            f'<pre role="status" aria-live="polite" style="{_READOUT_STYLE}">{html.escape(text)}</pre>'
        )

    def _fail(self, error: Exception) -> None:
        """Tell an error; one that no reader can bring about is a fault of ours, and must not vanish in a log."""
        sentence = f"{error}"
        if not isinstance(error, ValueError | TypeError | MemoryError | OSError):
            sentence = f"Something is wrong in {type(self).__name__}: {error!r}. Please report it."
        self.last_error = error
        self._say(f"Not shown: {sentence}\nThe picture is that of the last setting that worked.")

    def _on_reset(self, _button) -> None:
        self.reset()

    def _on_code(self, _button) -> None:
        modules = ["qviz.widgets", *filter(None, [self.source.rpartition(".")[0]])]
        self._code.value = "\n".join([*(f"import {module}" for module in modules), self.code])
        self._code.layout.display = None

    def _on_save(self, _button) -> None:
        try:
            self._say(f"{self.readout}\nSaved as {self.save()}")
        except OSError as error:
            self._say(f"Not saved: {error}")

    def __repr__(self) -> str:
        return self.readout

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        bundle = super()._repr_mimebundle_(include=include, exclude=exclude)
        return {**bundle, "text/plain": self.readout, "image/png": base64.b64encode(self.png).decode()}

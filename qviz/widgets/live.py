"""Explorers on a page without a kernel: the messages between the page's script and Python.

The script sends one JSON message at a time, and gets JSON and a picture back. It draws the controls from
`controls_as_data`, so a new explorer needs no JavaScript.
"""

import json
from dataclasses import fields
from types import SimpleNamespace

from ._layout import SettingError, SettingNameError
from .controls import YOURS, Choice, Ladder, Slider, Toggle, Typed, controls_of
from .explorer import Explorer, Screen, dots_for
from .gallery import all_explorers
from .links import Link, read_link, write_link

NARROW = 560  # pixels: below this width, all panels are in one column
COLUMN = 520  # pixels: the width of that column


def live_explorers() -> dict[str, type[Explorer]]:
    """Return the explorers that work without torch, by name.

    Examples
    --------
    >>> "CalibrationExplorer" in live_explorers(), "QATExplorer" in live_explorers()
    (True, False)
    """
    return {kind.__name__: kind for kind in all_explorers() if not kind.source or kind.source_optional}


def controls_as_data(kind: type[Explorer]) -> list[dict]:
    """Return the controls of an explorer as JSON-compatible data, for the script that draws them.

    Examples
    --------
    >>> from qviz.widgets import PhotoExplorer
    >>> controls_as_data(PhotoExplorer)[1]
    {'name': 'bits', 'label': 'Bits', 'kind': 'slider', 'low': 2, 'high': 8, 'step': 1, 'more': False, 'start': 8}
    """
    return [_control(name, *declared) for name, declared in controls_of(kind.State).items()]


def _control(name: str, control, default) -> dict:
    data = {"name": name, "label": control.label}
    if isinstance(control, Slider):
        data |= {"kind": "slider", "low": control.low, "high": control.high, "step": control.step}
    elif isinstance(control, Toggle):
        data |= {"kind": "toggle"}
    else:
        options = [option for option in control.options if option != YOURS]
        kind = "ladder" if isinstance(control, Ladder) else "typed" if isinstance(control, Typed) else "choice"
        data |= {"kind": kind, "options": options}
    return data | {"more": control.more, "start": default}


def state_as_data(explorer: Explorer) -> dict:
    """Return all that an explorer shows, except its picture, as JSON-compatible data.

    Returns
    -------
    dict
        "explorer": its class, "state", "readout", "figures": the key figures, "words": the alt text of the picture,
        "link", "offers": the options of lists and the ends of sliders that depend on the state, "idle": controls
        without effect, each with the reason.

    Examples
    --------
    >>> from qviz.widgets import PhotoExplorer
    >>> explorer = PhotoExplorer(bits=3)
    >>> state_as_data(explorer)["link"]
    'explorer=PhotoExplorer&bits=3'
    >>> explorer.close()
    """
    state = {f.name: getattr(explorer, f.name) for f in fields(explorer.State)}
    return {
        "explorer": type(explorer).__name__,
        "state": state,
        "readout": explorer.readout,
        "figures": explorer.figures(explorer.state, explorer.result) if explorer.last_error is None else {},
        "words": explorer._canvas.description,
        "offers": _offers(explorer),
        "idle": _idle(explorer),
        "link": write_link(type(explorer), state),
    }


class LivePage:
    """The explorers of one page.

    Examples
    --------
    >>> page = LivePage()
    >>> answer = page.answer('{"key": 0, "kind": "PhotoExplorer", "settings": {"bits": 3}}')
    >>> json.loads(answer)["state"]["bits"], page.picture[1:4]
    (3, b'PNG')
    >>> page.close()
    """

    def __init__(self):
        self._open: dict[int, Explorer] = {}
        self.picture = b""

    def answer(self, message: str) -> str:
        """Handle a message, and return the new state of its explorer; the picture is in `picture`.

        Parameters
        ----------
        message : JSON: {"key": the number of the explorer on the page, ...} and any of
            "kind", "settings": create it, with these settings
            "link": create it from this link, or from "kind" and "settings" if the link names no explorer
            "reset": true: restore the initial settings
            "move": settings to change
            "dots": device pixels per pixel, 1 or 2
            "width": pixels available for the picture; if they are too few, its panels are in one column

        Returns
        -------
        str
            JSON: the data of `state_as_data`, and "notes": a sentence for each setting that was rejected.
        """
        asked = json.loads(message)
        link = read_link(asked["link"], live_explorers()) if "link" in asked else Link("", {})
        explorer = self._explorer(asked, link)
        explorer._on_dots(SimpleNamespace(new=asked.get("dots", 1)))
        notes = [*link.notes, *_change(explorer, asked)]
        self.picture = bytes(explorer._image.value)
        return json.dumps(state_as_data(explorer) | {"notes": notes})

    def close(self) -> None:
        """Free every explorer."""
        while self._open:
            self._open.popitem()[1].close()

    def _explorer(self, asked: dict, link: Link) -> Explorer:
        """Return the explorer of a message, which is created first if the message asks for that."""
        kind, settings = (link.kind, link.settings) if link.kind else (asked.get("kind"), asked.get("settings", {}))
        if kind:
            if old := self._open.pop(asked["key"], None):
                old.close()
            screen = Screen(dots_for(asked.get("dots", 1)), COLUMN if asked.get("width", NARROW) < NARROW else 0)
            self._open[asked["key"]] = live_explorers()[kind](_screen=screen, **settings)
        return self._open[asked["key"]]


def _change(explorer: Explorer, asked: dict) -> list[str]:
    """Change the settings of an explorer; return a sentence if they are rejected."""
    try:
        if asked.get("reset"):
            explorer.reset()
        if asked.get("move"):
            explorer.set(**asked["move"])
    except (SettingError, SettingNameError) as error:
        return [str(error)]
    return []


def _offers(explorer: Explorer) -> dict[str, list]:
    """Return the options of lists and the ends of sliders that depend on the State; they include the current value."""
    try:
        offers = explorer.offers(explorer.state)
    except ValueError:
        return {}
    values = {name: sorted({*options, getattr(explorer, name)}) for name, options in offers.items()}
    lists = {name for name, (control, _) in controls_of(explorer.State).items() if isinstance(control, Choice)}
    return {name: listed if name in lists else [listed[0], listed[-1]] for name, listed in values.items()}


def _idle(explorer: Explorer) -> dict[str, str]:
    """Return the controls without effect, each with the reason."""
    try:
        return explorer.idle(explorer.state)
    except ValueError:
        return {}

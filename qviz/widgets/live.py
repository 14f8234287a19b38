"""Explorers on a page without a kernel: what the page's script may ask of Python, and what it is answered.

The script sends one message at a time, plain JSON; the answer is JSON too, and a picture. It draws the controls from
`controls_as_data`, so an explorer that is new needs no line of JavaScript.
"""

import json
from dataclasses import fields
from types import SimpleNamespace

from ._layout import SettingError, SettingNameError
from .controls import YOURS, Choice, Ladder, Slider, Toggle, Typed, controls_of
from .explorer import Explorer, Screen, dots_for
from .gallery import all_explorers
from .links import Link, read_link, write_link

NARROW, COLUMN = 560, 520  # pixels: from where a picture for a desk is legible; how wide one for a phone is drawn


def live_explorers() -> dict[str, type[Explorer]]:
    """Return the explorers that need no torch, by name.

    Examples
    --------
    >>> "CalibrationExplorer" in live_explorers(), "QATExplorer" in live_explorers()
    (True, False)
    """
    return {kind.__name__: kind for kind in all_explorers() if not kind.source or kind.source_optional}


def controls_as_data(kind: type[Explorer]) -> list[dict]:
    """Return what a page has to know to draw the controls of an explorer, as JSON can say it.

    Examples
    --------
    >>> from qviz.widgets import PhotoExplorer
    >>> controls_as_data(PhotoExplorer)[1]
    {'name': 'bits', 'label': 'Bits', 'kind': 'slider', 'low': 2, 'high': 8, 'step': 1, 'more': False, 'start': 8}
    """
    return [_control(name, *declared) for name, declared in controls_of(kind.State).items()]


def _control(name: str, control, default) -> dict:
    told = {"name": name, "label": control.label}
    if isinstance(control, Slider):
        told |= {"kind": "slider", "low": control.low, "high": control.high, "step": control.step}
    elif isinstance(control, Toggle):
        told |= {"kind": "toggle"}
    else:
        options = [option for option in control.options if option != YOURS]
        kind = "ladder" if isinstance(control, Ladder) else "typed" if isinstance(control, Typed) else "choice"
        told |= {"kind": kind, "options": options}
    return told | {"more": control.more, "start": default}


def state_as_data(explorer: Explorer) -> dict:
    """Return how an explorer stands, all but its picture, as JSON can say it.

    Returns
    -------
    dict
        "explorer": its class, "state", "readout", "figures": those that stand large, "words": the picture in words,
        "link", "offers": the options of lists and the ends of sliders that depend on the state, "idle": controls
        without effect now, each with the reason.

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
    >>> told = page.answer('{"key": 0, "kind": "PhotoExplorer", "settings": {"bits": 3}}')
    >>> json.loads(told)["state"]["bits"], page.picture[1:4]
    (3, b'PNG')
    >>> page.close()
    """

    def __init__(self):
        self._open: dict[int, Explorer] = {}
        self.picture = b""

    def answer(self, message: str) -> str:
        """Do what a message asks, and say how its explorer stands; the picture is in `picture`.

        Parameters
        ----------
        message : JSON: {"key": which explorer of the page, ...} and
            "kind", "settings": make it anew, with these settings
            "link": make it anew as this link asks, or by "kind" and "settings" if it names no explorer
            "reset": true: put all controls back to where they were at first
            "move": settings
            "dots": dots of the picture for a pixel of the page, 1 or 2
            "width": pixels that a picture may be wide; one that is made for more has its panels in one column

        Returns
        -------
        str
            JSON: what `state_as_data` returns, and "notes": sentences on what could not be done.
        """
        asked = json.loads(message)
        link = read_link(asked["link"], live_explorers()) if "link" in asked else Link("", {})
        explorer = self._meant(asked, link)
        explorer._on_dots(SimpleNamespace(new=asked.get("dots", 1)))
        notes = [*link.notes, *_moved(explorer, asked)]
        self.picture = bytes(explorer._image.value)
        return json.dumps(state_as_data(explorer) | {"notes": notes})

    def close(self) -> None:
        """Free every explorer."""
        while self._open:
            self._open.popitem()[1].close()

    def _meant(self, asked: dict, link: Link) -> Explorer:
        """Return the explorer that a message is about, made anew where it asks for that."""
        kind, settings = (link.kind, link.settings) if link.kind else (asked.get("kind"), asked.get("settings", {}))
        if kind:
            if old := self._open.pop(asked["key"], None):
                old.close()
            screen = Screen(dots_for(asked.get("dots", 1)), COLUMN if asked.get("width", NARROW) < NARROW else 0)
            self._open[asked["key"]] = live_explorers()[kind](_screen=screen, **settings)
        return self._open[asked["key"]]


def _moved(explorer: Explorer, asked: dict) -> list[str]:
    """Move it, and return a sentence if that cannot be."""
    try:
        if asked.get("reset"):
            explorer.reset()
        if asked.get("move"):
            explorer.set(**asked["move"])
    except (SettingError, SettingNameError) as error:
        return [str(error)]
    return []


def _offers(explorer: Explorer) -> dict[str, list]:
    """Return what depends on the State: the options of a list, or the ends of a slider; the value is within them."""
    try:
        offers = explorer.offers(explorer.state)
    except ValueError:
        return {}
    found = {name: sorted({*options, getattr(explorer, name)}) for name, options in offers.items()}
    lists = {name for name, (control, _) in controls_of(explorer.State).items() if isinstance(control, Choice)}
    return {name: listed if name in lists else [listed[0], listed[-1]] for name, listed in found.items()}


def _idle(explorer: Explorer) -> dict[str, str]:
    """Return the controls that have no effect now, each with the reason."""
    try:
        return explorer.idle(explorer.state)
    except ValueError:
        return {}

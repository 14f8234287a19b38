"""Explorers on a page without a kernel: what the page's script may ask of Python, and what it is answered.

The script sends one message at a time, plain JSON; the answer is JSON too, and a picture. It draws the controls from
`controls_as_data`, so an explorer that is new needs no line of JavaScript.
"""

import json
from dataclasses import fields
from types import SimpleNamespace

from ._layout import SettingError, SettingNameError
from .controls import YOURS, Ladder, Slider, Toggle, controls_of
from .explorer import Explorer
from .gallery import all_explorers
from .links import Link, read_link, write_link


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
    {'name': 'bits', 'label': 'Bits', 'kind': 'slider', 'low': 2, 'high': 8, 'step': 1, 'start': 8}
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
        told |= {"kind": "ladder" if isinstance(control, Ladder) else "choice", "options": options}
    return told | {"start": default}


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
        message : JSON: {"key": which explorer of the page, ...}, and any of
            "kind", "settings": make it, with these settings
            "link": make it, or move it, as a link asks
            "move": settings; {"reset": true}: all controls as at first
            "dots": dots of the picture for a pixel of the page, 1 or 2

        Returns
        -------
        str
            JSON: {"state", "readout", "words", "link", "offers", "size", "notes", "hidden"}.
        """
        asked = json.loads(message)
        link = read_link(asked["link"], live_explorers()) if "link" in asked else None
        explorer, notes = self._moved(asked, link)
        self.picture = bytes(explorer._image.value)
        state = {f.name: getattr(explorer, f.name) for f in fields(explorer.State)}
        told = {
            "state": state,
            "readout": explorer.readout,
            "words": explorer._canvas.description,
            "size": explorer._canvas.size,
            "offers": _offers(explorer),
            "link": write_link(type(explorer), state),
            "notes": [*(link.notes if link else ()), *notes],
            "hidden": link.hidden if link else [],
        }
        return json.dumps(told)

    def close(self) -> None:
        """Free every explorer."""
        while self._open:
            self._open.popitem()[1].close()

    def _moved(self, asked: dict, link: Link | None) -> tuple[Explorer, list[str]]:
        """Return the explorer that is meant, as it now stands, and a sentence where a setting cannot be."""
        key, kind = asked["key"], link.kind if link else asked.get("kind")
        explorer = self._open.get(key)
        if explorer is None or (kind and kind != type(explorer).__name__):
            explorer = self._opened(key, kind, link.settings if link else asked.get("settings", {}))
        elif link:
            explorer.set(
                **{name: default for name, (_, default) in controls_of(explorer.State).items()} | link.settings
            )
        explorer._on_dots(SimpleNamespace(new=asked.get("dots", 1)))
        try:
            if asked.get("reset"):
                explorer.reset()
            elif asked.get("move"):
                explorer.set(**asked["move"])
        except (SettingError, SettingNameError) as error:
            return explorer, [str(error)]
        return explorer, []

    def _opened(self, key: int, kind: str, settings: dict) -> Explorer:
        if key in self._open:
            self._open.pop(key).close()
        explorer = self._open[key] = live_explorers()[kind](**settings)
        return explorer


def _offers(explorer: Explorer) -> dict[str, list]:
    """Return the options of those lists that depend on the State."""
    try:
        offers = explorer.offers(explorer.state)
    except ValueError:
        return {}
    return {name: sorted({*options, getattr(explorer, name)}) for name, options in offers.items()}

"""Convert a State to a URL fragment, such as `explorer=QuantizeExplorer&bits=3`, and back.

Anyone can write a link, so everything in it is validated: an invalid setting is replaced by its default, with a note
that says so. Nothing in a link is executed.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from qviz.data._limits import suggest

from ._layout import SettingError
from .controls import YOURS, Choice, Control, Slider, Toggle, Typed, controls_of

PAGE = "explore.html"  # the page of the site that opens any explorer
MOST_CHARACTERS = 2000  # more than all controls of any explorer need
_YES_NO = {"yes": True, "no": False}
_KIND, _HIDDEN = "explorer", "hide"


@dataclass(frozen=True)
class Link:
    """The contents of a link.

    Attributes
    ----------
    kind : str
        Name of an explorer, or "" if there is no explorer of that name.
    settings : dict
        The valid settings; the others keep their defaults.
    hidden : tuple of str
        Controls to hide, for instance those that a teacher does not need.
    notes : tuple of str
        A sentence for each invalid part of the link.
    """

    kind: str
    settings: Mapping[str, object]
    hidden: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_link(kind: type, settings: Mapping[str, object], hidden: Iterable[str] = ()) -> str:
    """Return the URL fragment, without #, that opens an explorer with these settings.

    Parameters
    ----------
    kind : an Explorer class
    settings : mapping of control to value
        Defaults are omitted, and so are the reader's own data, which no link can contain.
    hidden : names of controls to hide

    Examples
    --------
    >>> from qviz.widgets import QuantizeExplorer
    >>> write_link(QuantizeExplorer, {"bits": 3, "data": "conv2 weights"}, hidden=["scheme"])
    'explorer=QuantizeExplorer&data=conv2+weights&bits=3&hide=scheme'
    """
    controls = controls_of(kind.State)
    parts = {_KIND: kind.__name__}
    for name, (_, default) in controls.items():
        value = settings.get(name, default)
        if value not in (default, YOURS):
            parts[name] = _text(value)
    if hidden := [name for name in controls if name in set(hidden)]:
        parts[_HIDDEN] = ",".join(hidden)
    return urlencode(parts, safe=",")


def read_link(text: str, kinds: Mapping[str, type]) -> Link:
    """Return the contents of a link, with a note for each invalid part.

    Parameters
    ----------
    text : str
        The part of a URL after # or ?.
    kinds : mapping of name to the Explorer classes that may be opened

    Examples
    --------
    >>> from qviz.widgets import QuantizeExplorer
    >>> link = read_link("explorer=QuantizeExplorer&bits=99", {"QuantizeExplorer": QuantizeExplorer})
    >>> link.settings, link.notes
    ({}, ('bits must be a whole number from 2 to 8: got 99. The default, 8, is shown.',))
    """
    parts, notes = _parts(text)
    kind = parts.pop(_KIND, "")
    if kind not in kinds:
        return Link("", {}, (), (*notes, f"No explorer here is called {_short(kind)}; {suggest(_cut(kind), kinds)}."))
    controls = controls_of(kinds[kind].State)
    hidden, settings = [], {}
    for name in filter(None, parts.pop(_HIDDEN, "").split(",")):
        if name in controls:
            hidden.append(name)
        else:
            notes.append(f"{kind} has no control {_short(name)} to hide; {suggest(_cut(name), controls)}.")
    for name, value in parts.items():
        if name not in controls:
            notes.append(f"{kind} has no control {_short(name)}; {suggest(_cut(name), controls)}.")
            continue
        control, default = controls[name]
        try:
            settings[name] = control.check(name, _value(control, value))
        except SettingError as error:
            notes.append(f"{error}. The default, {default}, is shown.")
    return Link(kind, settings, tuple(dict.fromkeys(hidden)), tuple(notes))


@cache
def site_address() -> str:
    """Return the URL of the site, with a final /, from `site` in pyproject.toml; "" if it is not set."""
    try:
        settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError:  # installed from a wheel
        return ""
    address = settings.get("tool", {}).get("qviz", {}).get("site", "")
    return address and address.rstrip("/") + "/"


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    """Split a link into names and values; if a name occurs twice, the last value counts."""
    if len(text) > MOST_CHARACTERS:
        return {}, [f"The link is too long to be one of ours: {len(text):,} characters of at most {MOST_CHARACTERS:,}."]
    return dict(parse_qsl(text.lstrip("#?"), keep_blank_values=True)), []


def _text(value) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _value(control: Control, text: str):
    """Return the value of a control that this text represents, or else the text, which the control then rejects."""
    if isinstance(control, Typed):
        return text
    text = _cut(text)
    if isinstance(control, Toggle):
        return _YES_NO.get(text, text)
    if isinstance(control, Choice):
        listed = {_text(option): option for option in control.options if option != YOURS}
        if text in listed:
            return listed[text]
        if not control.open:
            return text if text != YOURS else "data of your own, which no link can carry"
    try:
        return float(text) if isinstance(control, Slider) and control.digits else int(text)
    except ValueError:
        return text


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _short(text: str) -> str:
    return repr(_cut(text))

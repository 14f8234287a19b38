"""A State as the end of a web address, and back: `explorer=QuantizeExplorer&bits=3`.

Anybody can write a link, so nothing in one is trusted: what is not a setting that its control takes is left out, the
default stands in its place, and a sentence says so. Nothing is ever run.
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
MOST_CHARACTERS = 2000  # more than every control of every explorer needs
_YES_NO = {"yes": True, "no": False}
_KIND, _HIDDEN = "explorer", "hide"


@dataclass(frozen=True)
class Link:
    """What a link asks for.

    Attributes
    ----------
    kind : str
        Name of an explorer; "" where there is none of that name.
    settings : dict
        Those values that their controls take; for the others the default holds.
    hidden : tuple of str
        Controls that are not shown, as a teacher may wish.
    notes : tuple of str
        A sentence for each part of the link that could not be followed.
    """

    kind: str
    settings: Mapping[str, object]
    hidden: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def write_link(kind: type, settings: Mapping[str, object], hidden: Iterable[str] = ()) -> str:
    """Return what follows the # of an address that opens an explorer in this state.

    Parameters
    ----------
    kind : an Explorer class
    settings : mapping of control to value
        Defaults are left out; so are the reader's own data, which no link can carry.
    hidden : names of controls that are not to be shown

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
    """Return what a link asks for, with a sentence for each part that cannot be followed.

    Parameters
    ----------
    text : str
        What follows the # or the ? of an address.
    kinds : mapping of name to Explorer class: those that may be opened

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
    """Return where the site is published, with a / at its end: `site` in pyproject.toml; "" where that is not known."""
    try:
        settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    except OSError:  # installed from a wheel
        return ""
    address = settings.get("tool", {}).get("qviz", {}).get("site", "")
    return address and address.rstrip("/") + "/"


def _parts(text: str) -> tuple[dict[str, str], list[str]]:
    """Split a link into names and values; the last one of a name counts."""
    if len(text) > MOST_CHARACTERS:
        return {}, [f"The link is too long to be one of ours: {len(text):,} characters of at most {MOST_CHARACTERS:,}."]
    return dict(parse_qsl(text.lstrip("#?"), keep_blank_values=True)), []


def _text(value) -> str:
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _value(control: Control, text: str):
    """Return the value that a control would write so; else the text, which its control refuses in a sentence."""
    if isinstance(control, Typed):
        return text
    text = _cut(text)
    if isinstance(control, Toggle):
        return _YES_NO.get(text, text)
    listed = {_text(option): option for option in control.options if option != YOURS} if _lists(control) else {}
    if text in listed:
        return listed[text]
    if _lists(control) and not control.open:
        return text if text != YOURS else "data of your own, which no link can carry"
    try:
        return float(text) if isinstance(control, Slider) and control.digits else int(text)
    except ValueError:
        return text


def _lists(control: Control) -> bool:
    return isinstance(control, Choice)


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _short(text: str) -> str:
    return repr(_cut(text))

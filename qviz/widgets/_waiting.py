"""What explorers say while a cell takes long: a kernel does one thing at a time, so a move may have to wait for it."""

import sys
import threading
import weakref

import ipywidgets as widgets
from IPython import get_ipython

from ._readout import WAITING

AFTER_S = 1.0

_signs: weakref.WeakSet[widgets.HTML] = weakref.WeakSet()
_lock = threading.Lock()  # of the set and of what the signs say: a timer's thread changes that too
_timer: threading.Timer | None = None


def waiting_sign() -> widgets.HTML:
    """Return a hidden widget, part of an explorer, that says so from one second after a cell began until its end."""
    sign = widgets.HTML(layout={"display": "none"})
    events = getattr(get_ipython(), "events", None)
    if events is not None and sys.platform != "emscripten":  # a browser's Python has no threads
        with _lock:
            _signs.add(sign)
        if _begin not in events.callbacks["pre_run_cell"]:
            events.register("pre_run_cell", _begin)
            events.register("post_run_cell", _end)
    return sign


def _begin(_info) -> None:
    global _timer
    _end(None)
    _timer = threading.Timer(AFTER_S, _show)
    _timer.daemon = True
    _timer.start()


def _show() -> None:
    with _lock:
        if threading.current_thread() is _timer:  # or the cell has ended meanwhile
            _say(WAITING)


def _end(_result) -> None:
    global _timer
    with _lock:
        if _timer is not None:
            _timer.cancel()
        _timer = None
        _say("")


def _say(text: str) -> None:
    for sign in _signs:
        sign.value = text

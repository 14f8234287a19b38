"""A sign on explorers while a long cell runs: a kernel does one thing at a time, so a moved control has to wait."""

import sys
import threading
import weakref

import ipywidgets as widgets
from IPython import get_ipython

from ._readout import WAITING

AFTER_S = 1.0

_signs: weakref.WeakSet[widgets.HTML] = weakref.WeakSet()
_lock = threading.Lock()  # for the set and the values of its signs, which the timer's thread changes too
_timer: threading.Timer | None = None


def waiting_sign() -> widgets.HTML:
    """Return a hidden widget that shows the sign on its explorer from one second after a cell starts until it ends."""
    sign = widgets.HTML(layout={"display": "none"})
    events = getattr(get_ipython(), "events", None)
    if events is not None and sys.platform != "emscripten":  # a browser's Python has no threads
        with _lock:
            _signs.add(sign)
        events.register("pre_run_cell", _begin)  # IPython registers a function only once
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
        if threading.current_thread() is _timer:  # otherwise the cell has ended in the meantime
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

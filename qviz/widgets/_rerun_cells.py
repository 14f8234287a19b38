"""When a cell runs again, free the widgets that its previous run showed, unless they are used elsewhere.

ipywidgets keeps every widget until it is closed, and IPython keeps every result in `Out`. So a cell that ran ten times
would keep ten explorers with their data, although nine of them are no longer visible.
"""

import gc
import weakref

import ipywidgets as widgets
from IPython import get_ipython

from ._layout import family

_runs: dict[str, dict[str, weakref.WeakSet]] = {}  # cell -> run -> the widgets that it created or showed


def note(widget: widgets.Widget) -> None:
    """Record that the running cell created or showed `widget`."""
    cell, run = _now()
    if cell:
        get_ipython().events.register("post_run_cell", _ended)  # IPython registers a function only once
        _runs.setdefault(cell, {}).setdefault(run, weakref.WeakSet()).add(widget)


def _now() -> tuple[str | None, str]:
    """Return the id of the running cell, if the front end sends one as JupyterLab does, and the id of this run."""
    request = getattr(get_ipython(), "get_parent", dict)()
    return request.get("metadata", {}).get("cellId"), request.get("header", {}).get("msg_id", "")


def _ended(_result) -> None:
    """Release the widgets that only earlier runs of this cell showed."""
    cell, run = _now()
    runs = _runs.get(cell, {})
    past = {widget for former in [each for each in runs if each != run] for widget in runs.pop(former)}
    roots = list(past - {widget for others in _runs.values() for shown in others.values() for widget in shown})
    past.clear()
    if roots:
        release(roots)


def release(roots: list[widgets.Widget]) -> None:
    """Free the widgets that only ipywidgets and IPython's history refer to; the list is emptied.

    To find these, both references are removed; the widgets that survive a garbage collection are registered again.
    """
    _drop_from_history(roots)
    members = [(weakref.ref(member), member.comm) for root in roots for member in family(root) if member.comm]
    roots.clear()
    for _, comm in members:
        comm.on_msg(None)
        widgets.widget._instances.pop(comm.comm_id, None)
    gc.collect()  # a widget closes its comm when it is deleted
    for member, comm in members:
        if (alive := member()) is not None and alive.comm is comm:
            widgets.widget._instances[comm.comm_id] = alive
            comm.on_msg(alive._handle_msg)
        del alive


def _drop_from_history(roots: list) -> None:
    """Remove widgets from `Out`, `_`, `_12` and similar variables."""
    shell = get_ipython()
    results, hook = shell.user_ns.get("_oh", {}), shell.displayhook
    for number in [number for number, result in results.items() if any(result is root for root in roots)]:
        del results[number]
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [name for name in names if name.startswith("_")]:
            if any(names[name] is root for root in roots):
                names[name] = ""
    for name in ("_", "__", "___"):
        if any(getattr(hook, name, None) is root for root in roots):
            setattr(hook, name, "")

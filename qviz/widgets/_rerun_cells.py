"""Which cells show a widget. A cell that runs again frees what its last run showed, unless it is used elsewhere.

ipywidgets keeps every widget until it is closed, and IPython every result in `Out`. So a cell run ten times would keep
ten explorers with their data, though nobody can see nine of them.
"""

import gc
import weakref

import ipywidgets as widgets
from IPython import get_ipython

from ._layout import family

_runs: dict[str, dict[str, weakref.WeakSet]] = {}  # of each cell: what each run made or showed


def note(widget: widgets.Widget) -> None:
    """Remember that the cell that runs now made or showed `widget`."""
    cell, run = _now()
    if cell:
        events = get_ipython().events
        if _ended not in events.callbacks["post_run_cell"]:
            events.register("post_run_cell", _ended)
        _runs.setdefault(cell, {}).setdefault(run, weakref.WeakSet()).add(widget)


def _now() -> tuple[str | None, str]:
    """Return the identity of the cell that runs, as JupyterLab and its kin send it, and that of the run."""
    request = getattr(get_ipython(), "get_parent", dict)()
    return request.get("metadata", {}).get("cellId"), request.get("header", {}).get("msg_id", "")


def _ended(_result) -> None:
    """Let go of what only former runs of this cell showed."""
    cell, run = _now()
    runs = _runs.get(cell, {})
    past = {widget for former in [each for each in runs if each != run] for widget in runs.pop(former)}
    roots = list(past - {widget for others in _runs.values() for shown in others.values() for widget in shown})
    past.clear()
    if roots:
        release(roots)


def release(roots: list[widgets.Widget]) -> None:
    """Free those that no one but ipywidgets and IPython's history of results holds; the others stay. Empties the list.

    Whether someone else holds them is tried out: both let go, and what is alive after a collection is taken back.
    """
    _drop_from_history(roots)
    members = [(weakref.ref(member), member.comm) for root in roots for member in family(root) if member.comm]
    roots.clear()
    for _, comm in members:
        comm.on_msg(None)
        widgets.widget._instances.pop(comm.comm_id, None)
    gc.collect()  # a widget that goes closes its comm
    for member, comm in members:
        if (alive := member()) is not None and alive.comm is comm:
            widgets.widget._instances[comm.comm_id] = alive
            comm.on_msg(alive._handle_msg)
        del alive


def _drop_from_history(roots: list) -> None:
    """Take results out of `Out`, `_`, `_12` and the like."""
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

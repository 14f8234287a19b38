"""What a reader moves while later cells still wait to run is answered before the next of them.

A kernel takes messages in their order, so after Run All a moved slider would stand behind every cell. Widgets' messages
(comm_open, comm_msg, comm_close) are taken out of that order here; cells and all else keep theirs.
"""

from IPython import get_ipython

OF_WIDGETS = ("comm_open", "comm_msg", "comm_close")


def answer_moves(*_progress) -> None:
    """Let explorers answer what the reader has moved meanwhile, in the middle of a cell that takes long.

    Handles the messages of widgets that wait; within a kernel only, in the thread that runs cells.

    Parameters
    ----------
    *_progress : anything
        Not looked at, so that it can be the `progress` of a training: it is then called after each epoch.

    Examples
    --------
    >>> answer_moves()  # nothing waits here
    """
    kernel = getattr(get_ipython(), "kernel", None)
    stream, queue = (getattr(kernel, name, None) for name in ("shell_stream", "msg_queue"))
    if stream is None or queue is None:
        return
    stream.flush()
    waiting = [queue.get_nowait() for _ in range(queue.qsize())]
    moves = [entry for entry in waiting if _kind(kernel, entry) in OF_WIDGETS]
    for entry in waiting:
        if not any(entry is move for move in moves):
            queue.put_nowait(entry)
    for _, _, (frames,) in moves:
        _handle(kernel, frames)
    if moves:
        kernel._publish_status("busy", "shell")  # the cell goes on


def answer_before_cells() -> None:
    """Do so before each cell from now on."""
    events = getattr(get_ipython(), "events", None)
    if events is not None and _before not in events.callbacks["pre_run_cell"]:
        events.register("pre_run_cell", _before)


def _before(_info) -> None:
    answer_moves()


def _kind(kernel, entry) -> str:
    """Return the type of a waiting message; empty for what is no message of the shell."""
    _, dispatch, arguments = entry
    if dispatch != kernel.dispatch_shell:
        return ""
    _, (_signature, header, *_rest) = kernel.session.feed_identities(arguments[0], copy=False)
    return kernel.session.unpack(header.bytes)["msg_type"]


def _handle(kernel, frames) -> None:
    """Do what the kernel does with such a message; the front end waits for "idle" before it sends the next move."""
    identities, rest = kernel.session.feed_identities(frames, copy=False)
    message = kernel.session.deserialize(rest, content=True, copy=False)
    kernel._publish_status("busy", "shell", parent=message)
    kernel.shell_handlers[message["header"]["msg_type"]](kernel.shell_stream, identities, message)
    kernel._publish_status("idle", "shell", parent=message)

"""Handle the controls that a reader moves before the next queued cell runs.

A kernel handles messages in order, so after Run All a moved slider would have to wait for every cell. The messages of
widgets (comm_open, comm_msg, comm_close) are handled first here; cells and all other messages keep their order.
"""

from IPython import get_ipython

WIDGET_MESSAGES = ("comm_open", "comm_msg", "comm_close")


def answer_moves(*_progress) -> None:
    """Handle waiting widget messages in the middle of a long cell, so that explorers stay responsive.

    Call it in the thread that runs cells. Outside a kernel it does nothing.

    Parameters
    ----------
    *_progress : anything
        Ignored, so that the function can be the `progress` of a training, which is called after each epoch.

    Examples
    --------
    >>> answer_moves()  # nothing is waiting here
    """
    kernel = getattr(get_ipython(), "kernel", None)
    stream, queue = (getattr(kernel, name, None) for name in ("shell_stream", "msg_queue"))
    if stream is None or queue is None:
        return
    stream.flush()
    waiting = [queue.get_nowait() for _ in range(queue.qsize())]
    moves = [entry for entry in waiting if _kind(kernel, entry) in WIDGET_MESSAGES]
    for entry in waiting:
        if not any(entry is move for move in moves):
            queue.put_nowait(entry)
    for _, _, (frames,) in moves:
        _handle(kernel, frames)
    if moves:
        kernel._publish_status("busy", "shell")  # the cell is still running


def answer_before_cells() -> None:
    """Handle waiting widget messages before each cell from now on."""
    events = getattr(get_ipython(), "events", None)
    if events is not None:
        events.register("pre_run_cell", answer_moves)  # IPython registers a function only once


def _kind(kernel, entry) -> str:
    """Return the type of a queued message, or "" if it is not for the shell."""
    _, dispatch, arguments = entry
    if dispatch != kernel.dispatch_shell:
        return ""
    _, (_signature, header, *_rest) = kernel.session.feed_identities(arguments[0], copy=False)
    return kernel.session.unpack(header.bytes)["msg_type"]


def _handle(kernel, frames) -> None:
    """Handle a message as the kernel does; the front end waits for "idle" before it sends the next one."""
    identities, rest = kernel.session.feed_identities(frames, copy=False)
    message = kernel.session.deserialize(rest, content=True, copy=False)
    kernel._publish_status("busy", "shell", parent=message)
    kernel.shell_handlers[message["header"]["msg_type"]](kernel.shell_stream, identities, message)
    kernel._publish_status("idle", "shell", parent=message)

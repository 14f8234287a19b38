"""Results that stay folded until the reader has answered the question above them.

In a running notebook they unfold automatically. For readers of a static page, on a site or a code host, text is stored
in a <details> element; pictures are stored unfolded.
"""

import base64
import html
import io
import sys
from collections.abc import Callable, Mapping

import ipywidgets as widgets
from IPython import get_ipython
from IPython.display import display

from qviz.widgets._stored import AGAIN, VIEW, show

CLOSED = "Folded until you have answered the question above."
SUMMARY = "Make your guess, then open the result."
_PRE = '<pre style="white-space:pre-wrap;margin:0">{}</pre>'


def details(summary: str, body: str) -> str:
    """Return HTML in a <details> element with a summary.

    Examples
    --------
    >>> details("The answer", "4 times")
    '<details><summary>The answer</summary>4 times</details>'
    """
    return f"<details><summary>{html.escape(summary)}</summary>{body}</details>"


class Folded(widgets.HTML):
    """One output of a cell, hidden until the reader has answered.

    Parameters
    ----------
    data : mapping of MIME type to content, as in a notebook
    visible : function that returns whether the output may be shown
    """

    def __init__(self, data: Mapping[str, str], visible: Callable[[], bool]):
        super().__init__()
        self._data, self._visible = dict(data), visible
        self.refresh()

    def refresh(self) -> None:
        """Show the output if it may be shown now."""
        self.value = self._opened() if self._visible() else f'<div role="status"><em>{CLOSED}</em></div>'

    def _opened(self) -> str:
        words = html.escape(self._data.get("text/plain", ""), quote=True)
        if png := self._data.get("image/png"):
            return f'<img alt="{words}" style="max-width:100%" src="data:image/png;base64,{png}">'
        return self._data.get("text/html") or _PRE.format(words)

    def _ipython_display_(self) -> None:
        png = self._data.get("image/png")
        stored = {"png": base64.b64decode(png)} if png else {"words": details(SUMMARY, self._opened())}
        show(self, self._data.get("text/plain", ""), AGAIN, **stored)


class Folding:
    """Fold everything that a cell prints and displays from here to its end, except widgets such as explorers.

    Parameters
    ----------
    shell : the IPython shell of a Jupyter kernel
    visible : function that returns whether outputs may be shown
    tell : function that is called with each Folded, to refresh it later
    """

    def __init__(self, shell, visible: Callable[[], bool], tell: Callable[[Folded], None]):
        self._shell, self._visible, self._tell = shell, visible, tell
        self._text, self._stdout = io.StringIO(), sys.stdout
        self._showing = False  # do not fold our own output again

    def begin(self) -> None:
        """Redirect the output until the cell ends."""
        sys.stdout = self._text
        sys.displayhook = _show_last  # IPython restores its own after the cell
        self._shell.display_pub.register_hook(self._on_message)
        self._shell.events.register("post_execute", self._end)

    def _end(self) -> None:
        self._shell.events.unregister("post_execute", self._end)
        self._shell.display_pub.unregister_hook(self._on_message)
        sys.stdout = self._stdout
        self._show_text()

    def _on_message(self, message: dict) -> dict | None:
        """Fold displayed data; pass on widgets and all other messages."""
        data = message["content"].get("data", {})
        if self._showing:
            return message
        self._show_text()
        if not data or VIEW in data or "qviz-stored" in data.get("text/html", ""):
            return message
        self._show(data)
        return None

    def _show_text(self) -> None:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        if text.strip():
            self._show({"text/plain": text.rstrip("\n")})

    def _show(self, data: Mapping[str, str]) -> None:
        folded = Folded(data, self._visible)
        self._tell(folded)
        self._showing = True
        display(folded)
        self._showing = False


def _show_last(value) -> None:
    """Display the value of a cell's last line, as IPython does."""
    if value is not None:
        display(value)


def kernel_shell():
    """Return the shell of the running notebook, or None if its outputs cannot be folded."""
    shell = get_ipython()
    return shell if hasattr(getattr(shell, "display_pub", None), "register_hook") else None

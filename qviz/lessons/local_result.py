"""Results that depend on the reader's machine: computed and shown there, never stored in the notebook."""

import html
from collections.abc import Callable

import ipywidgets as widgets

from qviz.numerics.unavailable import Unavailable
from qviz.widgets._stored import AGAIN, show

_STYLE = "margin:4px 0;font-size:14px;line-height:1.35;white-space:pre-wrap"
_STYLE += ";border-left:4px solid #9A9A9A;padding:4px 10px"


class LocalResult(widgets.HTML):
    """A result that differs from machine to machine, such as a time.

    Parameters
    ----------
    question : str
        The question; only this is stored in the notebook.
    answer : function without arguments that returns a str or a `qviz.plots.Picture`
        If it raises Unavailable, or a library is missing, the message is shown instead. Any other error is a bug in
        the page and stops it.

    Examples
    --------
    >>> LocalResult("What is the time?", lambda: "half past two")
    What is the time? Run this page to see the result on your machine.
    """

    def __init__(self, question: str, answer: Callable[[], str]):
        self.question = question
        try:
            self.answer = answer()
        except (Unavailable, ModuleNotFoundError) as error:  # a missing library or kernel must not stop Run All
            self.answer = f"No result on this machine: {error}"
        told = html.escape(f"{self.answer!s}")
        text = f"<strong>On your machine.</strong> {html.escape(question)}\n{told}"
        super().__init__(f'<pre style="{_STYLE}">{text}</pre>{_picture(self.answer)}')

    def __repr__(self) -> str:
        return f"{self.question} Run this page to see the result on your machine."

    def _ipython_display_(self) -> None:
        show(self, repr(self), AGAIN)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict:
        return {**super()._repr_mimebundle_(include=include, exclude=exclude), "text/plain": repr(self)}


def _picture(answer) -> str:
    """Return the answer as an HTML image if it is a picture, else ""."""
    if not hasattr(answer, "_repr_mimebundle_"):
        return ""
    png, words = answer._repr_mimebundle_()["image/png"], html.escape(f"{answer!s}", quote=True)
    return f'<img alt="{words}" style="max-width:100%" src="data:image/png;base64,{png}">'

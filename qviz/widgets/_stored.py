"""What a page shows when the kernel of a widget is gone: the stored picture and text, and how to restore the widget.

JupyterLab and Notebook 7 show "Error displaying widget: model not found" instead of a widget whose kernel is gone,
whatever else its output contains. So a widget is displayed as two or three outputs: a picture, its text with one line
of advice, and the widget. A style sheet in the text shows the first ones only if the widget is not alive.
"""

import base64
import html
import os

import ipywidgets as widgets
from IPython.display import display

RUN = "Run this cell to make the explorer interactive."
ANSWER = "Run this cell to answer."
AGAIN = "Run this cell to see it again."
VIEW = "application/vnd.jupyter.widget-view+json"
# Visual Studio Code, Colab and Voila ignore the style sheet or need no stored output.
ONE_OUTPUT_ONLY = ("VSCODE_PID", "COLAB_RELEASE_TAG", "VOILA_BASE_URL")

_OUTPUT = ".jp-OutputArea-child"
_ALIVE = ".qviz-alive:not(.jupyter-widgets-disconnected)"
_WORDS = f"{_OUTPUT}:has(.qviz-stored)"
_PICTURE = f"{_OUTPUT}:has(+ {_OUTPUT} .qviz-with-picture)"
# The delay keeps the stored output from flashing up while a widget is being created.
_STYLE = (
    "<style>@keyframes qviz-late{from{position:absolute;visibility:hidden}}"
    f"{_PICTURE},{_WORDS}{{animation:qviz-late .7s steps(1)}}"
    f"{_PICTURE}:has(+ * + * {_ALIVE}),{_WORDS}:has(+ * {_ALIVE}),"
    f"{_WORDS} + {_OUTPUT}:not(:has({_ALIVE})){{display:none}}</style>"
)


def show(widget: widgets.Widget, text: str, advice: str, png: bytes = b"", words: str | None = None) -> None:
    """Show a widget in a notebook, and store what to show when its kernel is gone.

    Parameters
    ----------
    text : what is stored as plain text
    advice : one line on how to restore the widget
    png : a picture, as the bytes of its file
    words : `text` as HTML; None for preformatted text
    """
    view = widgets.DOMWidget._repr_mimebundle_(widget)[VIEW]
    picture = {"image/png": base64.b64encode(png).decode()} if png else {}
    if any(name in os.environ for name in ONE_OUTPUT_ONLY):
        display({VIEW: view, "text/plain": text, **picture}, raw=True)
        return
    widget.add_class("qviz-alive")
    words = words or f'<pre style="font-family:monospace;white-space:pre-wrap">{html.escape(text)}</pre>'
    kind = "qviz-stored qviz-with-picture" if png else "qviz-stored"
    stored = f'<div class="{kind}">{words}<p><em>{advice}</em></p></div>{_STYLE}'
    if png:
        display({"text/plain": text, **picture}, raw=True)
    display({"text/html": stored, **({} if png else {"text/plain": text})}, raw=True)
    display({VIEW: view}, raw=True)

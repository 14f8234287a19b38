"""What a notebook keeps of a widget: picture and words beside it, so that they are there without a kernel."""

import base64
import re

import ipywidgets
import pytest

from qviz.lessons import Prediction
from qviz.widgets import Gallery, QuantizeExplorer, _stored


@pytest.fixture
def published(monkeypatch):
    """Return the list of what is shown; no front end's environment is taken for this one's."""
    for name in _stored.ONE_OUTPUT_ONLY:
        monkeypatch.delenv(name, raising=False)
    found = []
    monkeypatch.setattr(_stored, "display", lambda data, raw: found.append(data))
    return found


def test_picture_words_and_widget_are_three_outputs(shown, published):
    explorer = shown(QuantizeExplorer)
    explorer._ipython_display_()
    picture, words, view = published
    assert picture == {"text/plain": explorer.readout, "image/png": base64.b64encode(explorer.png).decode()}
    assert list(words) == ["text/html"] and list(view) == [_stored.VIEW]  # a view without a kernel shows nothing
    assert view[_stored.VIEW]["model_id"] == explorer.model_id
    told = re.sub("<[^>]*>", "", words["text/html"].split("<style>")[0])
    assert told == f"{explorer.readout}{_stored.RUN}"
    assert "qviz-alive" in explorer._dom_classes  # what the style asks for


def test_words_alone_are_stored_as_text_too(published):
    guess = Prediction("<b>?", ["a", "b"])
    reveal = guess.reveal("a", "because")
    guess._ipython_display_()
    reveal._ipython_display_()
    assert [list(data) for data in published] == [["text/html", "text/plain"], [_stored.VIEW]] * 2
    assert published[0]["text/plain"] == "<b>? (a / b) not attempted yet" and "&lt;b&gt;?" in published[0]["text/html"]
    assert "because" in published[2]["text/plain"]
    folded = published[2]["text/html"].split("<details>")[1].split("</details>")[0]
    assert "because" in folded and published[2]["text/html"].count("because") == 1  # it spoils no guess
    reveal.close()


def test_a_gallery_comes_back_as_the_explorer_it_showed(published):
    gallery = Gallery([QuantizeExplorer])
    gallery._ipython_display_()
    assert published[0]["text/plain"] == gallery.explorer.readout
    gallery.close()


@pytest.mark.parametrize("name", _stored.ONE_OUTPUT_ONLY)
def test_front_ends_that_would_show_all_of_them_get_one(name, published, monkeypatch):
    monkeypatch.setenv(name, "1")
    _stored.show(box := ipywidgets.HTML(), "text", "advice", b"png")
    assert [list(data) for data in published] == [[_stored.VIEW, "text/plain", "image/png"]]
    box.close()

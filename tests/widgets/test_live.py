"""What a page without a kernel asks, and what it is answered; the same code runs in the browser."""

import json

import pytest

from qviz.plots import Canvas
from qviz.widgets import QuantizeExplorer
from qviz.widgets.controls import YOURS, controls_of
from qviz.widgets.live import COLUMN, LivePage, controls_as_data, live_explorers


@pytest.fixture
def page():
    """Return a page, to be closed at the end."""
    page = LivePage()
    yield page
    page.close()


@pytest.fixture
def ask(page):
    """Return a function that asks the page in JSON."""
    return lambda **message: json.loads(page.answer(json.dumps(message)))


@pytest.mark.parametrize("name", live_explorers())
def test_every_control_is_told(name):
    kind = live_explorers()[name]
    told = json.loads(json.dumps(controls_as_data(kind)))
    assert [control["name"] for control in told] == list(controls_of(kind.State))
    assert all(control["kind"] in ("slider", "toggle", "choice", "ladder", "typed") for control in told)
    assert all(YOURS not in control.get("options", ()) for control in told)
    assert [control["start"] for control in told] == [default for _, default in controls_of(kind.State).values()]


def test_it_opens_moves_and_goes_back(page, ask):
    native = QuantizeExplorer(bits=5)
    told = ask(key=0, kind="QuantizeExplorer", settings={"bits": 5})
    assert (told["readout"], page.picture) == (native.readout, native.png)
    assert told["words"] == native._canvas.description
    native.bits = 3
    told = ask(key=0, move={"bits": 3})
    assert (told["readout"], told["state"]["bits"], page.picture) == (native.readout, 3, native.png)
    assert told["link"] == "explorer=QuantizeExplorer&bits=3"
    assert ask(key=0, reset=True)["state"]["bits"] == 5
    native.close()


def test_the_figures_that_matter_are_told(ask):
    native = QuantizeExplorer(bits=5)
    assert ask(key=0, kind="QuantizeExplorer", settings={"bits": 5})["figures"] == native.figures(
        native.state, native.result
    )
    native.close()


def test_each_explorer_of_a_page_is_its_own(ask):
    ask(key=0, kind="QuantizeExplorer", settings={"bits": 5})
    ask(key=1, kind="PhotoExplorer")
    ask(key=1, move={"bits": 3})
    assert ask(key=0)["state"]["bits"] == 5
    assert ask(key=0, kind="PhotoExplorer")["explorer"] == "PhotoExplorer"  # instead of the old one


def test_a_move_that_cannot_be_is_told_and_nothing_moves(ask):
    ask(key=0, kind="QuantizeExplorer")
    told = ask(key=0, move={"bits": 99, "scheme": "symmetric"})
    assert told["notes"] == ["bits must be a whole number from 2 to 8: got 99"]
    assert (told["state"]["bits"], told["state"]["scheme"]) == (8, "affine")
    assert "no control 'size'" in ask(key=0, move={"size": 1})["notes"][0]


def test_a_link_counts_before_the_settings_of_the_page(ask):
    told = ask(key=0, kind="PhotoExplorer", settings={"bits": 5}, link="explorer=QuantizeExplorer&bits=3")
    assert (told["explorer"], told["state"]["bits"], told["notes"]) == ("QuantizeExplorer", 3, [])
    told = ask(key=0, kind="PhotoExplorer", settings={"bits": 5}, link="explorer=x")
    assert (told["explorer"], told["state"]["bits"]) == ("PhotoExplorer", 5)
    assert told["notes"][0].startswith("No explorer here is called 'x'")


def test_a_sharp_screen_gets_twice_as_many_dots(page, ask):
    ask(key=0, kind="PhotoExplorer")
    once = page.picture[16:24]  # width and height of a PNG file
    ask(key=0, dots=2.6)
    assert [2 * int.from_bytes(once[i : i + 4], "big") for i in (0, 4)] == [
        int.from_bytes(page.picture[16 + i : 20 + i], "big") for i in (0, 4)
    ]


def test_a_list_that_depends_on_the_state_offers_what_fits(ask):
    told = ask(key=0, kind="GranularityExplorer")
    assert told["offers"] and all(told["state"][name] in offered for name, offered in told["offers"].items())


@pytest.mark.parametrize("name", live_explorers())
def test_a_phone_gets_one_column_and_the_same_text(name, page, ask):
    wide = ask(key=0, kind=name)
    narrow = ask(key=1, kind=name, width=358)
    assert narrow["readout"] == wide["readout"] and narrow["words"] == wide["words"]
    assert page._open[1]._canvas.size[0] == COLUMN and page._open[1].last_error is None
    assert int.from_bytes(page.picture[16:20], "big") == COLUMN
    assert {ax.get_position().x0 < 0.5 for ax in page._open[1]._canvas.figure.axes} == {True}


def test_the_first_picture_is_painted_once(ask, monkeypatch):
    """On a phone it is the dearest second of all."""
    painted, png = [], Canvas.png
    monkeypatch.setattr(
        Canvas, "png", lambda *canvas_and_dots: painted.append(canvas_and_dots) or png(*canvas_and_dots)
    )
    ask(key=0, kind="PhotoExplorer", width=358, dots=2.6)
    assert [(canvas.size[0], dots) for canvas, dots in painted] == [(COLUMN, 2)]


def test_a_slider_gets_the_ends_that_fit_and_what_has_no_effect_is_told(ask):
    told = ask(key=0, kind="IntegerWalkExplorer", settings={"layer": "conv1"})
    assert told["offers"]["channel"] == [0, 15]  # conv1 has 16 output channels
    told = ask(key=1, kind="CalibrationExplorer", settings={"method": "mse"})
    assert told["idle"]["percentile"] and ask(key=1, move={"method": "percentile"})["idle"] == {}

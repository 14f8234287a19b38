"""The explorer of names: any text that is typed, and where the bits go."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.numerics.codecs import CODECS, explain_name
from qviz.widgets import FormatNameExplorer
from qviz.widgets.format_name import EXAMPLES, State, compute
from qviz.widgets.links import read_link, write_link
from qviz.widgets.live import LivePage


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = FormatNameExplorer()
    yield explorer
    explorer.close()


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_piece_of_an_example_is_known(name):
    told = compute(State(name)).explanation
    assert told.parts and all(part.meaning != "not known" for part in told.parts)


@pytest.mark.parametrize(
    ("name", "code", "scales", "words"),
    [
        ("W4A16 g128", 4, 0.125, "4 + 0.125 = 4.125 bits"),  # one float16 for 128 weights
        ("Q4_K", 4, 0.5, "4 + 0.5 = 4.5 bits"),  # 144 bytes for 256 weights
        ("MXFP4", 4, 0.25, "4 + 0.25 = 4.25 bits"),  # 8 bits for 32
        ("W4A16", 4, 0, "4 bits, and scales"),
        ("Q4_K_M", 0, 0, "the name does not say"),
        ("BF16", 16, 0, "16 bits"),
        ("IQ2_XXS", 2.0625, 0, "2.062 bits in all"),
    ],
)
def test_where_the_bits_go(name, code, scales, words):
    row = compute(State(name)).rows[0]
    assert row == ("this format", code, pytest.approx(scales, abs=1e-6), words)


@pytest.mark.parametrize("name", CODECS)
def test_a_known_format_has_the_bits_that_its_codec_counts(name):
    told = explain_name(name)
    if told.codec:
        assert told.code_bits == CODECS[told.codec].bits


def test_readout_is_a_table_with_heads(explorer):
    explorer.name = "NVFP4"
    assert explorer.readout.html.count('scope="col"') == 2 and explorer.readout.html.count('scope="row"') == 1
    assert explorer.readout.splitlines()[-1] == "bits per weight, including scales: 4.5"


def test_a_name_that_says_nothing_keeps_the_picture(explorer):
    before = explorer.png
    explorer.name = "quux"
    assert "no piece of which is known" in explorer.readout and explorer.png == before
    explorer.name = "  E5M2 "
    assert explorer.name == "E5M2" and explorer.last_error is None


@pytest.mark.parametrize("name", ["", "   ", "x" * 61, 4, None, "a\nb"])
def test_what_is_no_short_text_is_refused(explorer, name):
    with pytest.raises(ValueError, match="name must be text of 1 to 60 characters"):
        explorer.name = name
    assert explorer.name == "W4A16 g128"


@settings(deadline=None)
@given(st.text(st.characters(codec="latin-1", exclude_categories=["C", "Z"]), min_size=1, max_size=60))
def test_any_text_is_answered_and_comes_back_by_link(name):
    link = read_link(write_link(FormatNameExplorer, {"name": name}), {"FormatNameExplorer": FormatNameExplorer})
    assert {"name": "W4A16 g128"} | link.settings == {"name": name} and link.notes == ()
    explorer = FormatNameExplorer(name=name)
    assert explorer.last_error is None or "no piece of which is known" in str(explorer.last_error)
    explorer.close()


def test_it_is_typed_on_the_site_too():
    page = LivePage()
    told = json.loads(page.answer('{"key": 0, "kind": "FormatNameExplorer", "move": {"name": "E4M3"}}'))
    assert told["state"] == {"name": "E4M3"} and "largest value 448" in told["readout"]
    told = json.loads(page.answer('{"key": 0, "move": {"name": "what is this"}}'))
    assert "no piece of which is known" in told["readout"]
    page.close()


def test_the_box_is_read_on_enter(explorer):
    (box,) = explorer._linked["name"]
    assert not box.continuous_update and tuple(box.options) == EXAMPLES
    box.value = "FP8"
    assert explorer.name == "FP8" and "FP8" in explorer.code

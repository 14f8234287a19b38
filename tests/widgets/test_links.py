"""A link opens what it was written for; whatever else it holds is refused in a sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import qviz.widgets
from qviz.widgets import Explorer, PhotoExplorer, QuantizeExplorer, open_link
from qviz.widgets import links as links_module
from qviz.widgets._layout import family
from qviz.widgets.controls import YOURS, Slider, Toggle, controls_of
from qviz.widgets.links import MOST_CHARACTERS, read_link, write_link

KINDS = {
    name: kind
    for name in qviz.widgets.__all__
    if isinstance(kind := getattr(qviz.widgets, name), type) and issubclass(kind, Explorer) and kind is not Explorer
}


def values(control):
    if isinstance(control, Slider):
        steps = st.integers(0, round((control.high - control.low) / control.step))
        return steps.map(lambda n: control.check("it", _number(control, control.low + n * control.step)))
    return st.booleans() if isinstance(control, Toggle) else st.sampled_from([o for o in control.options if o != YOURS])


def _number(control, value):
    return float(value) if control.digits else int(value)


@given(st.data(), st.sampled_from(sorted(KINDS)))
def test_every_state_comes_back(data, name):
    controls = controls_of(KINDS[name].State)
    state = {control: data.draw(values(declared)) for control, (declared, _) in controls.items()}
    hidden = data.draw(st.sets(st.sampled_from(sorted(controls))))
    link = read_link(write_link(KINDS[name], state, hidden), KINDS)
    defaults = {control: default for control, (_, default) in controls.items()}
    assert (link.kind, defaults | link.settings, link.notes) == (name, state, ())
    assert set(link.hidden) == hidden


@given(st.text(), st.sampled_from([*sorted(KINDS), "", "x"]), st.text(), st.text())
def test_nothing_in_a_link_can_do_harm(text, kind, name, value):
    for link in (text, f"explorer={kind}&{text}", f"explorer={kind}&{name}={value}", f"explorer={kind}&bits={value}"):
        found = read_link(link, KINDS)
        assert found.kind in {*KINDS, ""}
        for setting, taken in found.settings.items():
            control = controls_of(KINDS[found.kind].State)[setting][0]
            assert control.check(setting, taken) == taken and taken != YOURS
        assert all(len(note) < 1000 for note in found.notes)


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("bits=99", "bits must be a whole number from 2 to 8: got 99. The default, 8, is shown."),
        ("bits=3.5", "bits must be a whole number from 2 to 8: got '3.5'. The default, 8, is shown."),
        ("bits=True", "bits must be a whole number from 2 to 8: got 'True'. The default, 8, is shown."),
        ("bits=", "bits must be a whole number from 2 to 8: got ''. The default, 8, is shown."),
        ("bits=" + "9" * 1000, "bits must be a whole number from 2 to 8: got '" + "9" * 39 + "…'. The default, 8, "),
        ("data=your+own", "data must be on its list: got 'data of your own, which no link can carry'; "),
        ("size=3", "QuantizeExplorer has no control 'size'; "),
        ("hide=size", "QuantizeExplorer has no control 'size' to hide; "),
    ],
)
def test_each_fault_has_a_sentence(part, sentence):
    link = read_link(f"explorer=QuantizeExplorer&{part}", KINDS)
    assert link.kind == "QuantizeExplorer" and link.settings == {} and link.hidden == ()
    assert link.notes[0].startswith(sentence)


def test_an_explorer_that_there_is_not():
    link = read_link("explorer=Photo&bits=3", KINDS)
    assert (link.kind, link.settings) == ("", {})
    assert link.notes[0].startswith("No explorer here is called 'Photo'; did you mean 'PhotoExplorer'")


def test_a_link_has_a_length():
    link = read_link("explorer=PhotoExplorer&bits=3&" + "x" * MOST_CHARACTERS, KINDS)
    assert link.kind == "" and link.notes[0].startswith("The link is too long")


def test_links_are_text_that_any_program_keeps_whole():
    link = write_link(QuantizeExplorer, {"data": "conv2 weights", "bits": 3})
    assert link == "explorer=QuantizeExplorer&data=conv2+weights&bits=3"


def test_a_link_is_opened_in_a_notebook(monkeypatch):
    monkeypatch.setattr(links_module, "site_address", lambda: "https://a.example/")
    first = PhotoExplorer(bits=3, zoom=True)
    second = open_link(first.link + "&hide=zoom")
    assert (second.state, second.readout) == (first.state, first.readout)
    assert [name for name, row in second._rows.items() if row.layout.display == "none"] == ["zoom"]
    first.close(), second.close()


def test_a_link_that_is_wrong_warns_and_opens():
    with pytest.warns(UserWarning, match="bits must be a whole number from 2 to 8: got 99"):
        explorer = open_link("explorer=PhotoExplorer&bits=99")
    assert explorer.bits == 8
    explorer.close()
    with pytest.raises(ValueError, match="No explorer here is called 'x'"):
        open_link("explorer=x")


def test_copy_link_is_offered_where_the_site_is_known(monkeypatch):
    for address, offered in (("", False), ("https://a.example/", True)):
        monkeypatch.setattr("qviz.widgets.explorer.site_address", lambda address=address: address)
        explorer = PhotoExplorer(bits=3)
        buttons = [w for w in family(explorer) if getattr(w, "description", "") == "Copy link"]
        assert bool(buttons) is offered
        if offered:
            buttons[0].click()
            assert explorer._code.value == "https://a.example/explore.html#explorer=PhotoExplorer&bits=3"
            assert explorer._code.layout.display is None
        explorer.close()


def test_the_address_of_the_site_ends_with_a_slash(monkeypatch, tmp_path):
    site_address = links_module.site_address
    for line, address in (('site = "https://a.example/qviz"', "https://a.example/qviz/"), ('site = ""', ""), ("", "")):
        (tmp_path / "pyproject.toml").write_text(f"[tool.qviz]\n{line}\n", encoding="utf-8")
        monkeypatch.setattr(links_module, "__file__", str(tmp_path / "qviz" / "widgets" / "links.py"))
        site_address.cache_clear()
        assert site_address() == address
    (tmp_path / "pyproject.toml").unlink()
    site_address.cache_clear()
    assert site_address() == ""
    site_address.cache_clear()

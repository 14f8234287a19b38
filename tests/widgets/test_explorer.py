"""What every explorer does: controls and code are one, errors are told, nothing is left behind."""

import base64
import gc
import html
import os
import re
import struct
import weakref
from types import SimpleNamespace

import ipywidgets
import numpy as np
import pytest

import qviz.widgets
from qviz.numerics import choose_qparams
from qviz.widgets import (
    ArenaExplorer,
    CalibrationExplorer,
    IntegerWalkExplorer,
    MappingExplorer,
    PhotoExplorer,
    QuantizeExplorer,
)
from qviz.widgets.controls import Slider, Toggle, controls_of


def family(widget):
    """Yield a widget and all that are shown in it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from family(child)


def control(explorer, label, kind):
    (found,) = [w for w in family(explorer) if type(w) is kind and w.description == label]
    return found


def one_move(explorer_type):
    """Return the first slider, at an end where it does not start; without one, the first toggle or list, elsewhere."""
    controls = [(name, c, start) for name, (c, start) in controls_of(explorer_type.State).items()]
    for name, control, start in controls:
        if isinstance(control, Slider):
            return {name: control.low if start != control.low else control.high}
    for name, control, start in controls:
        if isinstance(control, Toggle):
            return {name: not start}
    return next({name: next(o for o in control.options if o != start)} for name, control, start in controls)


def click(explorer, label):
    control(explorer, label, ipywidgets.Button).click()


def text_below(explorer):
    (found,) = [w for w in family(explorer) if isinstance(w, ipywidgets.HTML) and "<pre" in w.value]
    return found.value


class Sourced(QuantizeExplorer):
    """Quantizes what its source gives."""

    source = "test.of.source"

    def values(self, state):
        return self._source()


# Controls and code


def test_an_explorer_of_a_source_is_told_by_it(tmp_path, monkeypatch):
    with pytest.raises(
        TypeError, match=r"created as qviz\.widgets\.Sourced\(test\.of\.source\(\)\): got None as its source"
    ):
        Sourced(bits=3)
    with pytest.raises(TypeError, match=r"created as qviz\.widgets\.ArenaExplorer\(\): got <built-in function max>"):
        ArenaExplorer(max)
    monkeypatch.chdir(tmp_path)
    explorer = Sourced(lambda: np.arange(5.0), bits=3)
    assert explorer.code == "qviz.widgets.Sourced(test.of.source(), bits=3)"
    assert "Sourced-bits=3" in explorer.save().name
    click(explorer, "Settings as code")
    assert control(explorer, "Code", ipywidgets.Textarea).value.splitlines()[:2] == [
        "import qviz.widgets",
        "import test.of",
    ]
    explorer.close()


def test_a_trait_moves_its_control(shown):
    explorer = shown(QuantizeExplorer)
    explorer.bits, explorer.scheme = 3, "symmetric"
    assert control(explorer, "Bits", ipywidgets.IntSlider).value == 3
    assert control(explorer, "Bits", ipywidgets.BoundedIntText).value == 3
    assert control(explorer, "Scheme", ipywidgets.Dropdown).value == "symmetric"
    assert explorer.readout.startswith("Gaussian as int3, ")


def test_a_control_moves_its_trait(shown):
    explorer = shown(QuantizeExplorer)
    picture = explorer.png
    for kind, value in ((ipywidgets.IntSlider, 5), (ipywidgets.BoundedIntText, 2)):
        control(explorer, "Bits", kind).value = value
        assert explorer.bits == value
        assert explorer.readout.startswith(f"Gaussian as uint{value}, ")
    assert control(explorer, "Bits", ipywidgets.IntSlider).value == 2  # the slider follows its box
    control(explorer, "Range", ipywidgets.Dropdown).value = "mse"
    assert explorer.method == "mse"
    assert explorer.png != picture


def test_a_toggle_moves_its_trait(shown):
    explorer = shown(PhotoExplorer)
    control(explorer, "Zoom into the middle", ipywidgets.Checkbox).value = True
    assert explorer.zoom is True


def test_a_typed_number_is_rounded_and_kept_in_range(shown):
    explorer = shown(CalibrationExplorer)
    box = control(explorer, "Percentile", ipywidgets.BoundedFloatText)
    for typed, kept in ((99.123, 99.12), (1000.0, 100.0), (-5.0, 90.0)):
        box.value = typed
        assert explorer.percentile == box.value == kept


def test_the_handle_of_a_real_number_counts_steps_and_changes_no_typed_number(shown):
    explorer = shown(CalibrationExplorer)
    handle = control(explorer, "Outliers (%)", ipywidgets.IntSlider)
    handle.value = 3
    assert explorer.outliers == 0.15
    explorer.outliers = 0.13  # between two steps of the handle
    assert explorer.outliers == 0.13 and handle.value == 3
    assert control(explorer, "Outliers (%)", ipywidgets.BoundedFloatText).value == 0.13


def test_every_control_has_a_name(explorer_type, shown):
    explorer = shown(explorer_type)
    kinds = (ipywidgets.IntSlider, ipywidgets.BoundedIntText, ipywidgets.BoundedFloatText)
    kinds += (ipywidgets.Dropdown, ipywidgets.Combobox, ipywidgets.Checkbox, ipywidgets.Button, ipywidgets.Textarea)
    widgets = [w for w in family(explorer) if isinstance(w, kinds)]
    assert all(w.description for w in widgets)
    assert {label for label in (c.label for c, _ in explorer._controls.values())} <= {w.description for w in widgets}


def test_each_move_paints_once_and_set_paints_once(shown, monkeypatch):
    explorer = shown(QuantizeExplorer)
    painted = []
    monkeypatch.setattr(explorer._canvas, "png", lambda whole=explorer._canvas.png: painted.append(1) or whole())
    explorer.bits = 3
    assert len(painted) == 1
    control(explorer, "Bits", ipywidgets.IntSlider).value = 4
    assert len(painted) == 2
    explorer.set(bits=5, scheme="symmetric", method="mse", data="Laplace")
    assert len(painted) == 3
    explorer.bits = 5  # as it was
    assert len(painted) == 3


def test_reset(explorer_type, shown, extremes_of):
    moved = one_move(explorer_type)
    explorer = shown(explorer_type, **moved)
    start, readout = explorer.state, explorer.readout
    for name, (control_, _) in explorer._controls.items():
        setattr(explorer, name, next(v for v in extremes_of(control_) if v != getattr(start, name)))
    click(explorer, "Reset")
    assert explorer.state == start  # what it was at first, not the defaults
    assert {name: getattr(explorer, name) for name in moved} == moved
    assert explorer.readout == readout


def test_settings_as_code(explorer_type, shown, extremes_of):
    explorer = shown(explorer_type)
    source = f"{explorer_type.source}()" if explorer_type.source and not explorer_type.source_optional else ""
    assert explorer.code == f"qviz.widgets.{explorer_type.__name__}({source})"
    for name, (control_, _) in explorer._controls.items():
        was = getattr(explorer, name)
        setattr(explorer, name, [v for v in extremes_of(control_) if v != "your own"][-1])
        if explorer.last_error:  # a new explorer would not start with what does not work
            setattr(explorer, name, was)
    click(explorer, "Settings as code")
    (box,) = [w for w in family(explorer) if isinstance(w, ipywidgets.Textarea)]
    assert box.layout.display is None  # it is seen now
    *imports, call = box.value.splitlines()
    names = {}
    exec("\n".join(imports), names)
    again = eval(call, names)
    try:
        assert again.state == explorer.state
        assert again.readout == explorer.readout
    finally:
        again.close()


def test_settings_as_code_with_data_of_your_own(shown):
    explorer = shown(ArenaExplorer, data=np.arange(10.0), bits=3)
    assert explorer.code == "qviz.widgets.ArenaExplorer(data=my_data, bits=3)"
    again = eval(explorer.code, {"qviz": qviz, "my_data": np.arange(10.0)})
    assert again.readout == explorer.readout
    again.close()


def test_save_picture(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer = shown(QuantizeExplorer, bits=3, data="conv2 weights")
    click(explorer, "Save picture")
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == explorer.png
    assert file.suffix == ".png"
    assert "bits=3" in file.name
    assert f"<pre>Saved as {file.name}</pre>" in text_below(explorer).replace("<span>", "").replace("</span>", "")
    assert "Saved" not in explorer.readout
    assert explorer.save(tmp_path / "mine.png").read_bytes() == explorer.png


def test_a_saved_picture_overwrites_none(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer = shown(QuantizeExplorer)
    names = [explorer.save().name for _ in range(3)]
    assert names == ["QuantizeExplorer.png", "QuantizeExplorer-2.png", "QuantizeExplorer-3.png"]
    (tmp_path / names[1]).write_bytes(b"mine")
    click(explorer, "Save picture")
    assert (tmp_path / names[1]).read_bytes() == b"mine" and "QuantizeExplorer-4.png" in os.listdir(tmp_path)


def test_settings_as_code_open_follow_and_close(shown):
    explorer = shown(QuantizeExplorer)
    code = control(explorer, "Code", ipywidgets.Textarea)
    assert code.layout.display == "none"
    click(explorer, "Settings as code")
    explorer.bits = 3
    assert code.layout.display is None and code.value.endswith("QuantizeExplorer(bits=3)")
    click(explorer, "Settings as code")
    assert code.layout.display == "none"


# What is in sight, and what has an effect


def test_more_shows_the_other_controls_and_counts_those_that_changed(shown):
    explorer = shown(CalibrationExplorer)
    first, rest = explorer._panel_of_controls.children[:2]
    assert len(first.children) == 4 and len(rest.children) == 3 and rest.layout.display == "none"
    (more,) = [w for w in family(explorer) if getattr(w, "description", "") == "More"]
    explorer.set(outliers=0.5, bits=3)
    assert more.description == "More (1 changed)"
    more.click()
    assert more.description == "Fewer" and rest.layout.display is None
    more.click()
    assert more.description == "More (1 changed)" and rest.layout.display == "none"


def test_a_control_without_effect_is_disabled_and_says_why(shown):
    explorer = shown(CalibrationExplorer)
    both = (
        control(explorer, "Percentile", ipywidgets.IntSlider),
        control(explorer, "Percentile", ipywidgets.BoundedFloatText),
    )
    assert [w.disabled for w in both] == [True, True]
    assert {w.tooltip for w in both} == {"Percentile: used only by the method percentile"}
    explorer.method = "percentile"
    assert [w.disabled for w in both] == [False, False] and {w.tooltip for w in both} == {"Percentile"}


def test_no_control_is_dead(explorer_type, shown, extremes_of):
    """Each one that is enabled changes the picture or the words; each one that is disabled does not."""
    explorer = shown(explorer_type)
    for name, (declared, start) in explorer._controls.items():
        (enabled,) = {not widget.disabled for widget in explorer._linked[name]}
        seen = {(explorer.readout, explorer.png)}  # once labels needed room, a picture keeps it
        for value in (v for v in extremes_of(declared) if v not in (start, "your own")):
            explorer.set(**{name: value})
            seen.add((explorer.readout, explorer.png))
            explorer.set(**{name: start})
            if enabled and len(seen) > 1:
                break
        if enabled:
            assert len(seen) > 1, name
        elif name != "percentile":  # the words name it, and say that it is not used
            assert len(seen) == 1, name


def test_the_ends_of_a_slider_follow_the_layer(shown):
    explorer = shown(IntegerWalkExplorer)
    ends = {}
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        explorer.layer = layer
        sliders = (control(explorer, label, ipywidgets.IntSlider) for label in ("Output channel", "Pick product"))
        ends[layer] = [(slider.min, slider.max) for slider in sliders]
    assert ends == {
        "conv1": [(0, 15), (1, 9)],
        "conv2": [(0, 31), (1, 144)],
        "fc1": [(0, 63), (1, 512)],
        "fc2": [(0, 9), (1, 64)],
    }  # the shapes of the layers: (16, 1, 3, 3), (32, 16, 3, 3), (64, 512), (10, 64)
    explorer.set(layer="fc1", channel=60, pick=500)
    explorer.layer = "conv1"
    assert (explorer.channel, explorer.pick) == (15, 9)


def test_the_figures_are_those_of_the_readout(shown):
    explorer = shown(QuantizeExplorer)
    for bits in (8, 3):
        explorer.bits = bits
        shown_large = explorer._panel_of_controls._figures.value
        for text in (f"{explorer.result.parts.total:.3e}", f"{explorer.result.sqnr_db:.2f} dB"):
            assert f"<b>{text}</b>" in shown_large and text in explorer.readout


def test_every_explorer_has_figures(explorer_type, shown):
    explorer = shown(explorer_type)
    assert 1 <= len(explorer.figures(explorer.state, explorer.result)) <= 3


def test_a_picture_that_cannot_be_saved_is_told(shown, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    explorer = shown(QuantizeExplorer)
    monkeypatch.setattr(type(explorer), "save", lambda self: (tmp_path / "no" / "such.png").write_bytes(b""))
    click(explorer, "Save picture")
    assert "<pre>Not saved: [Errno 2] No such file" in text_below(explorer)


# Errors


def test_an_error_is_told_and_the_last_picture_stays(shown):
    explorer = shown(MappingExplorer)
    good = explorer.png
    with pytest.raises(ValueError, match="lo must not be above hi") as theirs:
        choose_qparams(5.0, -5.0)
    explorer.set(lo=5.0, hi=-5.0)
    assert explorer.readout.splitlines()[0] == f"Not shown: {theirs.value}"
    assert explorer.readout.splitlines()[1] == "The picture still shows the last valid setting."
    assert type(explorer.last_error) is ValueError
    assert explorer.png == good
    explorer.hi = 6.0
    assert explorer.last_error is None
    assert not explorer.readout.startswith("Not shown")
    assert explorer.png != good


class Faulty(QuantizeExplorer):
    """An explorer with a fault of ours."""

    def compute(self, state):
        return {}["<b>missing"]


def test_a_fault_of_ours_does_not_vanish(shown):
    explorer = shown(Faulty)
    assert explorer.readout.startswith("Not shown: Something is wrong in Faulty: KeyError('<b>missing'). Please report")
    assert isinstance(explorer.last_error, KeyError)
    assert "<b>" not in text_below(explorer)


def test_the_readout_is_announced_and_escaped(shown):
    explorer = shown(QuantizeExplorer)
    assert 'role="status"' in text_below(explorer)
    said = re.sub("<[^>]*>", "", text_below(explorer))
    assert said == html.escape(explorer.readout)


def test_an_unknown_setting(shown):
    sentence = r"^QuantizeExplorer has no control 'bit'; did you mean 'bits'\? choose from 'data', 'bits', 'scheme', "
    with pytest.raises(TypeError, match=sentence):
        shown(QuantizeExplorer, bit=3)
    explorer = shown(QuantizeExplorer)
    with pytest.raises(TypeError, match=sentence):
        explorer.set(bit=3)
    with pytest.raises(AttributeError, match=sentence):
        explorer.bit = 3
    assert explorer.state == QuantizeExplorer.State()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"bits": 9}, "bits must be a whole number from 2 to 8: got 9"),
        ({"bits": 2.5}, "bits must be a whole number from 2 to 8: got 2.5"),
        ({"scheme": "symetric"}, r"scheme must be on its list: got 'symetric'; did you mean 'symmetric'\?"),
        ({"method": None}, "method must be on its list: got None; choose from 'min-max', "),
        ({"nonsense": 1}, "has no control 'nonsense'; choose from"),
        ({"data": [np.nan]}, "data must hold finite numbers"),
        ({"tensor": "w"}, "tensor is only for a file"),
    ],
)
def test_a_setting_that_cannot_be_moves_nothing(settings, sentence, shown):
    explorer = shown(QuantizeExplorer)
    picture = explorer.png
    with pytest.raises((ValueError, TypeError), match=sentence):
        explorer.set(**{"bits": 3, "data": "Laplace"} | settings)
    assert explorer.state == QuantizeExplorer.State()
    assert explorer._own is None and explorer.png == picture and explorer.last_error is None


def test_a_wrong_setting_is_one_line_in_a_notebook(shown):
    """IPython prints what _render_traceback_ returns instead of the code down to the fault."""
    with pytest.raises(ValueError, match="bits must be") as caught:
        shown(QuantizeExplorer, bits=1)
    assert caught.value._render_traceback_() == ["SettingError: bits must be a whole number from 2 to 8: got 1"]


class Particular(QuantizeExplorer):
    """An explorer that can show nothing with 5 bits."""

    def compute(self, state):
        if state.bits == 5:
            raise ValueError("no 5 here")
        return super().compute(state)


def test_a_first_state_that_cannot_be_shown(shown):
    explorer = shown(Particular, bits=5, scheme="symmetric")
    assert explorer.readout == "Not shown: no 5 here\nThe explorer was reset to its initial settings."
    assert explorer.state == Particular.State() and explorer.png == shown(Particular).png
    explorer.bits = 4
    assert explorer.readout.startswith("Gaussian as uint4") and explorer.last_error is None


def test_a_picture_has_the_dots_of_its_screen_and_what_is_stored_has_not(shown):
    explorer = shown(QuantizeExplorer)
    stored, (width, height) = explorer.png, explorer._canvas.size
    box = next(w for w in family(explorer) if isinstance(w, ipywidgets.FloatText))
    for dots, times in ((2.0, 2), (1.25, 2), (1.0, 1), (3.0, 2)):
        box.value = dots
        shown_now = bytes(explorer._image.value)
        assert struct.unpack(">II", shown_now[16:24]) == (times * width, times * height)
        assert base64.b64decode(explorer._repr_mimebundle_()["image/png"]) == explorer.png == stored
        assert int(explorer._image.width) == width
        explorer.bits = 3
        assert struct.unpack(">II", bytes(explorer._image.value)[16:24]) == (times * width, times * height)
        explorer.bits = 8


# The reader's own data


def test_own_data_as_an_array_or_a_file(shown, tmp_path):
    x = np.random.default_rng(0).standard_normal((20, 30))
    np.save(tmp_path / "x.npy", x)
    by_array, by_file = shown(QuantizeExplorer), shown(QuantizeExplorer)
    by_array.data = x
    by_file.set(data=str(tmp_path / "x.npy"))
    assert by_array.data == by_file.data == "your own"
    assert by_array.readout == by_file.readout
    assert by_array.png == by_file.png
    assert (by_array.result.x == x.astype(np.float32).ravel()).all()
    assert by_array.code == "qviz.widgets.QuantizeExplorer(data=my_data)"


def test_own_data_is_asked_for(shown):
    explorer = shown(QuantizeExplorer)
    explorer.data = "your own"
    assert explorer.readout.startswith("Not shown: no data of your own yet. In a cell: explorer.set(data=my_array)")
    explorer.set(data=[1.0, 2.0])
    assert explorer.last_error is None
    explorer.data = "Gaussian"
    explorer.data = "your own"  # it was kept
    assert explorer.result.x.tolist() == [1.0, 2.0]


def test_own_data_is_copied(shown):
    x = np.ones(100, np.float32)
    explorer = shown(ArenaExplorer, data=x)
    first = explorer.readout
    x[0] = 50.0
    explorer.bits = 5
    explorer.bits = 4
    assert explorer.readout == first
    explorer.set(data=x)  # the same array, changed
    assert explorer.readout != first


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (np.zeros((0, 3)), r"data must hold at least one value: got shape \(0, 3\)"),
        ([[1.0, 2.0], [np.nan, np.nan]], r"data must hold finite .*: 2 of 4 are NaN, the first at \[1, 0\]"),
        ([1.0, np.inf], r"data must hold finite .*: 1 of 2 are infinite, the first at \[1\]"),
        ([1e300], r"data must hold finite numbers of at most 3.4e38.*: 1 of 1 are too large"),
        (["a"], "data must hold real numbers"),
        ("gaussian", r"data must be a name on the list.*: got 'gaussian'; did you mean 'Gaussian'\?"),
        ("weights.pt", "data must end in .npy, .npz or .safetensors: got 'weights.pt'; it may hold a pickle"),
        ("gone.npy", "data must be an existing file: there is no gone.npy"),
    ],
)
def test_own_data_that_cannot_be_shown(bad, cause, shown):
    with pytest.raises(ValueError, match=f"^{cause}"):
        shown(QuantizeExplorer).set(data=bad)


def test_the_way_to_own_data_is_named_as_the_reader_has_named_it(shown, monkeypatch):
    explorer = shown(QuantizeExplorer)
    shell = SimpleNamespace(user_ns={"_": explorer, "mine": explorer})
    monkeypatch.setattr("qviz.widgets.explorer.get_ipython", lambda: shell)
    explorer.data = "your own"
    assert "In a cell: mine.set(data=my_array), or mine.set(data='my_file.npy')" in explorer.readout


# What a notebook stores, and what is left behind


def test_what_a_notebook_stores(explorer_type, shown):
    explorer = shown(explorer_type)
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == repr(explorer) == explorer.readout
    assert base64.b64decode(bundle["image/png"]) == explorer.png


def test_the_picture_is_the_same_each_time(explorer_type, shown):
    moved = one_move(explorer_type)
    first, second = shown(explorer_type, **moved), shown(explorer_type)
    second.set(**moved)
    assert first.png == second.png
    assert first.readout == second.readout


def test_close_frees_everything(explorer_type, build):
    build(explorer_type).close()  # what is shared by all is made now
    gc.collect()
    before = len(ipywidgets.widgets.widget._instances)
    explorer = build(explorer_type)
    explorer.set(**one_move(explorer_type))
    assert len(ipywidgets.widgets.widget._instances) > before
    figure = weakref.ref(explorer._canvas.figure)
    result = weakref.ref(explorer.result)
    explorer.close()
    gc.collect()
    assert len(ipywidgets.widgets.widget._instances) == before
    assert figure() is None
    assert explorer_type.source or result() is None  # a source may keep what it found
    gone = weakref.ref(explorer)
    del explorer
    gc.collect()
    assert gone() is None


def test_close_twice():
    explorer = QuantizeExplorer()
    explorer.close()
    explorer.close()

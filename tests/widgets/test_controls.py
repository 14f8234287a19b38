"""The controls: what each field of a State declares, and what is built for it."""

import dataclasses

import ipywidgets
import numpy as np
import pytest
import traitlets

from qviz.tensors import TENSORS
from qviz.widgets.controls import (
    YOURS,
    Choice,
    Ladder,
    Setting,
    SettingError,
    Slider,
    Toggle,
    choice,
    controls_of,
    slider,
    tensor_choice,
    toggle,
)


@dataclasses.dataclass(frozen=True)
class State:
    data: str = tensor_choice("Laplace")
    bits: int = slider("Bits", 4, 2, 8)
    share: float = slider("Share", 0.5, 0.0, 1.0, 0.25, digits=2)
    scheme: str = choice("Scheme", ("affine", "symmetric"))
    log: bool = toggle("Logarithmic", True)


def test_a_state_declares_its_controls_in_order():
    controls = controls_of(State)
    assert list(controls) == ["data", "bits", "share", "scheme", "log"]
    assert {name: default for name, (_, default) in controls.items()} == dataclasses.asdict(State())
    assert controls["bits"] == (Slider("Bits", 2, 8, 1, 0), 4)
    assert controls["scheme"] == (Choice("Scheme", ("affine", "symmetric")), "affine")
    assert controls["log"] == (Toggle("Logarithmic"), True)


def test_the_data_control_offers_every_tensor_and_the_readers_own():
    assert controls_of(State)["data"][0].options == (*TENSORS, YOURS)


@pytest.mark.parametrize(
    ("control", "limits", "box_kind"),
    [
        (Slider("Bits", 2, 8, 1, 0), (2, 8, 1), ipywidgets.BoundedIntText),
        (Slider("Share", 0.5, 1.5, 0.25, 2), (0, 4, 1), ipywidgets.BoundedFloatText),  # the handle counts steps
    ],
)
def test_a_slider_has_a_number_box_of_the_same_name(control, limits, box_kind):
    row, linked = control.build()
    assert [type(widget) for widget in linked] == [ipywidgets.IntSlider, box_kind]
    assert list(row.children) == linked
    handle, box = linked
    assert (handle.min, handle.max, handle.step) == limits
    assert (box.min, box.max, box.step) == (control.low, control.high, control.step)
    assert handle.description == box.description == control.label
    assert not linked[0].readout  # the box shows the number, and takes it too
    for widget in [row, *linked]:
        widget.close()


@pytest.mark.parametrize("control", [Choice("Scheme", ("affine", "symmetric")), Toggle("Logarithmic")])
def test_other_controls_are_one_labelled_widget(control):
    row, linked = control.build()
    assert linked == [row]
    assert row.description == control.label
    assert getattr(row, "options", control_options(control)) == control_options(control)
    row.close()


def test_a_ladder_has_a_list_of_the_same_name_and_both_hold_one_value():
    control = Ladder("Memory", ("cache", "DRAM", "disk"))
    row, (handle, names) = control.build()
    assert list(row.children) == [handle, names] and handle.description == names.description == "Memory"
    assert (handle.min, handle.max, handle.step) == (0, 2, 1) and names.options == control.options
    for place, name in enumerate(control.options):
        control.show(handle, name), control.show(names, name)
        assert (handle.value, names.value) == (place, name)
        assert control.trait_value(handle, place) == control.trait_value(names, name) == name
    for widget in (row, handle, names):
        widget.close()


def control_options(control):
    return getattr(control, "options", ())


@pytest.mark.parametrize(
    ("control", "good", "bad"),
    [
        (Slider("Bits", 2, 8, 1, 0), 8, (1, 9, 2.5, "4", None)),
        (Slider("Share", 0.0, 1.0, 0.25, 2), 0.25, (-0.01, 1.01, "0.5", None)),
        (Choice("Scheme", ("affine", "symmetric")), "symmetric", ("Affine", "", None, 0)),
        (Toggle("Logarithmic"), True, ("yes", None, 2)),
    ],
)
def test_a_trait_refuses_what_its_control_cannot_show(control, good, bad):
    class Holder(traitlets.HasTraits):
        value = Setting(control, good)

    holder = Holder()
    for value in bad:
        with pytest.raises(SettingError, match=r"^value must be .*: got "):
            holder.value = value
    assert holder.value == good


def test_a_number_is_rounded_to_the_digits_it_shows():
    class Holder(traitlets.HasTraits):
        value = Setting(Slider("Share", 0.0, 1.0, 0.05, 2), 0.0)

    holder = Holder(value=0.1 + 0.2)
    assert holder.value == 0.3
    holder.value = 1  # a whole number is a number
    assert holder.value == 1.0


def test_numbers_of_numpy_are_numbers():
    assert Slider("Bits", 2, 8, 1, 0).check("bits", np.int64(4)) == 4
    assert Slider("Share", 0.0, 1.0, 0.05, 2).check("share", np.float32(0.25)) == 0.25
    assert Choice("Size", (4, 8)).check("size", np.int8(8)) == 8


def test_an_open_list_takes_other_whole_numbers():
    control = Choice("Size", (4, 8), open=True)
    assert control.check("size", 6) == 6
    for bad in (0, 6.5, True, "6"):
        with pytest.raises(SettingError):
            control.check("size", bad)
    listed, _ = control.build()
    control.show(listed, 6)
    assert (listed.value, listed.options) == (6, (4, 6, 8))
    listed.close()


@pytest.mark.parametrize("default", [0, 0.0, ""])
def test_a_default_may_be_falsy(default):
    assert choice("Size", (4, default, 8), default).default == default
    assert choice("Size", (4, default, 8)).default == 4

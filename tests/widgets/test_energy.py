"""The explorer of energy: its arithmetic is tested in numerics; here what it shows."""

import pytest

from qviz.experiments.energy import ACCESS_PJ, FLOAT32, energy
from qviz.widgets import EnergyExplorer
from qviz.widgets.energy import WHAT, State, compute


def test_the_layers_of_the_digits_network_add_up():
    layers = [name for name in WHAT if name.startswith("digits CNN, ")]
    parts = [compute(State(what=name)).estimates["float32"].total_pj for name in layers]
    assert len(parts) == 4
    assert sum(parts) == pytest.approx(compute(State()).estimates["float32"].total_pj)


@pytest.mark.parametrize("what", WHAT)
def test_the_farther_the_data_the_less_the_arithmetic_counts(what):
    """float32 over int8 falls from 4.6 / 0.3 for arithmetic alone towards 32 / 8 for bytes alone."""
    saved = [compute(State(what=what, place=place)).saved for place in ACCESS_PJ]
    assert saved[0] == pytest.approx(4.6 / 0.3)
    assert saved == sorted(saved, reverse=True) and saved[-1] > 4


def test_fewer_bits_save_only_what_is_moved():
    for place in ACCESS_PJ:
        two, eight = (compute(State(place=place, bits=bits)).estimates for bits in (2, 8))
        assert two["W2A8"].arithmetic_pj == eight["W8A8"].arithmetic_pj
        assert two["W2A8"].weights_pj == pytest.approx(eight["W8A8"].weights_pj / 4)


def test_inputs_at_once_share_the_weights(shown):
    explorer = shown(EnergyExplorer, what="language model", batch=64)
    alone = energy(WHAT["language model"], FLOAT32)
    assert explorer.result.estimates["float32"].weights_pj == pytest.approx(alone.weights_pj / 64)
    assert "batches of 64 inputs" in explorer.readout


def test_float32_is_always_a_hundred_per_cent(shown):
    explorer = shown(EnergyExplorer)
    panel = explorer._canvas.panels["energy"]
    for place in ACCESS_PJ:
        explorer.place = place
        assert panel.description.startswith("Energy of one input (estimate), % of float32: float32 100.0 %")


def test_it_says_that_it_is_an_estimate(shown):
    text = shown(EnergyExplorer).readout
    assert "Estimate" in text and text.splitlines()[-1] == "float32 takes 4.1 times the energy of W8A8."


def test_the_slider_goes_from_no_memory_to_dram():
    explorer = EnergyExplorer()
    rows = [getattr(row, "children", ()) for row in explorer._panel_of_controls.children[0].children]
    handle, names = next(row for row in rows if row and row[0].description == "Data live in")
    assert handle.value == handle.max == len(ACCESS_PJ) - 1
    spent = []
    for place, name in enumerate(ACCESS_PJ):
        handle.value = place
        assert explorer.place == names.value == name
        spent.append(explorer.result.estimates["float32"].total_pj)
    assert spent == sorted(spent) and len(set(spent)) == len(spent)
    explorer.close()

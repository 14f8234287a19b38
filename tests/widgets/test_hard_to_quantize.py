import numpy as np
import pytest

from qviz.experiments.hard_to_quantize import NAMES, ROUNDINGS, Remedies, interval
from qviz.experiments.hard_to_quantize_table import looked_up
from qviz.networks import cnn_accuracy
from qviz.widgets import HardToQuantizeExplorer
from qviz.widgets.hard_to_quantize import FLOAT_ACCURACY, State, compute

OFF = {**dict.fromkeys(NAMES, False), "rounding": ROUNDINGS[0]}


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = HardToQuantizeExplorer()
    yield explorer
    explorer.close()


def test_the_state_is_the_remedies():
    result = compute(State(network="as trained", weight_bits=3, better_ranges=False, rounding="GPTQ"))
    assert result.remedies == Remedies("as trained", 3, True, False, True, True, "GPTQ")
    assert list(result.steps) == ["", "per_channel", "equalized", "bias_corrected", "rounding"]
    kept = looked_up(result.remedies)
    np.testing.assert_array_equal(result.this.right, kept.right)
    assert result.this.sqnr_db == kept.sqnr_db


def test_float_is_that_of_the_network():
    assert cnn_accuracy() == FLOAT_ACCURACY


def test_it_starts_where_each_remedy_shows(explorer):
    """The stored picture tells the story: three remedies that change little, then three that bring the answers back."""
    right = [int(step.right.sum()) for step in explorer.result.steps.values()]
    assert right == [35, 35, 35, 284, 345, 350]


def test_all_of_its_words_are_in_sight(explorer):
    assert explorer.result.remedies.on[-1] == "adaptive rounding" and len(explorer.result.steps) == 6  # the most rows
    assert len(explorer.readout.splitlines()) == explorer.readout_lines


def test_none(explorer):
    explorer.set(**OFF)
    assert list(explorer.result.steps) == [""]
    accuracies, _, decibels, _ = explorer.views(explorer.state, explorer.result)["remedies"]
    assert np.isfinite(accuracies).tolist() == np.isfinite(decibels).tolist() == [True, *[False] * 5]
    assert len(explorer.readout.splitlines()) == 4


def test_the_picture_is_told_in_numbers(explorer):
    explorer.set(weight_bits=4, bias_corrected=False, rounding="to nearest")
    views = explorer.views(explorer.state, explorer.result)
    accuracies, intervals, _, _ = views["remedies"]
    weights_db, outputs_db = views["layers"]
    last = looked_up(Remedies(weight_bits=4, per_channel=True, better_ranges=True, equalized=True))
    assert accuracies[3] == last.accuracy
    assert intervals[3] == interval(int(last.right.sum()), 359)
    np.testing.assert_array_equal(weights_db, last.weights_db)
    np.testing.assert_array_equal(outputs_db, last.outputs_db)
    row = next(line for line in explorer.readout.splitlines() if "equalization" in line)
    assert row.split() == ["equalization", "97.8%", "96.1%", "to", "99.2%", "20.2", "0.0063", "nothing"]


def test_each_rounding_has_its_name(explorer):
    for rounding, name in (("adaptive", "adaptive rounding"), ("GPTQ", "GPTQ")):
        explorer.rounding = rounding
        assert explorer.readout.splitlines()[-2].strip().startswith(name)


def test_equalization_makes_both_networks_one(explorer):
    """The rescaled one, equalized, is the trained one, equalized, but for roundings of float32."""
    found = {}
    for network in ("channels rescaled", "as trained"):
        explorer.set(network=network, weight_bits=4)
        found[network] = explorer.result.this.weights_db
    np.testing.assert_allclose(*found.values(), atol=0.1)

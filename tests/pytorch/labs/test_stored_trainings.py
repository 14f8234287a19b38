"""The trainings that ship with qviz are those that a training here gives."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch.labs.qat_lab import QATLab
from qviz.pytorch.labs.stored_trainings import FORMATS, control, packed, settings, stored_trainings, trained_anew
from qviz.widgets import QATExplorer


# Trainings run in float64: between processors the weights agree to 13 digits, and so the mean loss of an epoch to more
# than nine. Accuracies and crossings are counts, equal unless a value lies within 1e-13 of an edge.
@pytest.mark.parametrize("row", [3, 11, 15])  # W4A8 seed 0, W3A4 seed 2, W2A2 seed 1
def test_a_training_done_anew_is_the_stored_one(row):
    stored, anew = stored_trainings()[row], trained_anew(settings()[row])
    assert stored.config == anew.config
    np.testing.assert_allclose(stored.losses, anew.losses, rtol=1e-9)
    for name in ("accuracies", "crossings", "float_accuracy", "converted_accuracy", "agreement", "weights", "complete"):
        np.testing.assert_array_equal(getattr(stored, name), getattr(anew, name), name)


@pytest.mark.parametrize("weight_bits, activation_bits", FORMATS)
def test_before_any_training_the_stored_accuracy_is_that_of_the_network_in_integers(weight_bits, activation_bits):
    """A page shows it as the result of post-training quantization."""
    bits = {"weight_bits": weight_bits, "activation_bits": activation_bits}
    stored, anew = QATLab(stored_trainings())(**bits), QATLab()(**bits, epochs=0)
    assert stored.accuracies[0] == anew.accuracies[0] == anew.converted_accuracy  # counts of images, as above


def test_the_control_done_anew_is_the_stored_one():
    assert control(again=True) == control()  # counts of images, as above


def test_what_is_packed_comes_back():
    columns = packed(stored_trainings(), control())
    assert columns["losses"].shape == (16, 10) and columns["accuracies"].shape == (16, 11)
    assert columns["accuracies"][12, 10] == stored_trainings()[12].accuracies[10]


def test_a_lab_shows_what_is_stored_and_trains_the_rest():
    lab = QATLab(stored_trainings())
    assert lab(weight_bits=3, activation_bits=4, seed=2) is stored_trainings()[11]
    assert lab(weight_bits=3, activation_bits=4, seed=3).done == 0


def test_the_explorer_says_that_it_was_done_beforehand():
    explorer = QATExplorer(QATLab(stored_trainings()), weight_bits=2, activation_bits=2, seed=1)
    assert explorer.readout.endswith("\nTrained beforehand: 10 of 10 epochs. Press Train to repeat it here.")
    explorer.close()

"""Answers in, a way out: every control matters, and the readout says what the picture shows."""

import itertools

import pytest

from qviz.experiments.method_chooser import LOSS, decide
from qviz.experiments.methods import METHODS, QUESTIONS
from qviz.widgets import DecisionExplorer, method_chooser
from qviz.widgets.controls import Slider


def test_controls_are_the_questions(shown):
    explorer = shown(DecisionExplorer)
    assert set(explorer._controls) == {*QUESTIONS, LOSS}
    assert method_chooser.compute(explorer.state) == explorer.result
    assert explorer.result.answers == {question: getattr(explorer, question) for question in QUESTIONS}


def test_every_control_changes_picture_and_readout(shown, extremes_of):
    """Each option after the one before it, as a reader goes through a list; each slider by one step."""
    explorer = shown(DecisionExplorer)
    for name, (control, _) in explorer._controls.items():
        values = extremes_of(control)
        if isinstance(control, Slider):
            values = [getattr(explorer, name), getattr(explorer, name) + control.step]
        seen = []
        for value in values:
            setattr(explorer, name, value)
            seen.append((explorer.png, explorer.readout))
        for (png, readout), (next_png, next_readout) in itertools.pairwise(seen):
            assert png != next_png and readout != next_readout, (name, values)
        explorer.reset()


def test_readout(shown):
    explorer = shown(DecisionExplorer, inputs="none", bits=4)
    lines = explorer.readout.splitlines()
    assert lines[0] == (
        "Recommended: weight-only. Only the weights are quantized, and they are converted back to floats before each "
        "product."
    )
    assert lines[1].startswith("On the digits network, with 4-bit weights, it loses 0.")
    assert lines[2].split() == ["method", "disadvantages"]
    rows = {line[2:21].strip(): line[21:] for line in lines[3:11]}
    assert list(rows) == list(METHODS)
    assert rows["static"].startswith("ruled out: without inputs, you cannot calibrate")
    assert rows["static"].endswith('(page "Calibration"), and 2 more disadvantages')
    assert rows["weight-only"].endswith(", and 1 more disadvantage")
    assert rows["QAT"].endswith(", and 2 more disadvantages")
    assert lines[11] == "Code; model is a torch model, and images and labels are training data."
    assert lines[-1] == '    save_file(state | packed | scales, "model.safetensors")'
    explorer.bits = 8
    assert explorer.readout.splitlines()[-1] == "    quantized = model"
    explorer.target = "ARM phone"
    assert "training data. It runs on x86. For a phone, export the result" in explorer.readout


def test_the_code_is_that_of_the_way(shown):
    explorer = shown(DecisionExplorer, bits=2, inputs="labelled training set", retrain=True)
    assert explorer.result.method == "QAT"
    assert "QATConfig(weight_bits=2, activation_bits=8)" in explorer.readout
    assert 'Its loss of accuracy is measured on the page "Quantization-aware training with fbgemm".' in explorer.readout


@pytest.mark.parametrize("loss", [0.0, 1.0, 3.0, 20.0])
def test_what_loses_too_much_is_ruled_out(loss, shown):
    explorer = shown(DecisionExplorer, bits=3, loss=loss)
    for way, points in explorer.result.lost.items():
        assert (f"ruled out: loses {points:.2f} points (measured here)" in explorer.readout) == (points > loss), way


def test_nothing_left_is_told(shown):
    explorer = shown(DecisionExplorer, bits=2, loss=0.0)
    assert explorer.readout.startswith(
        "Recommended: 16-bit floats. The numbers stay in floating point, with 16 bits instead of 32."
    )
    assert decide(explorer.result.answers, 0.0).method == "16-bit floats"

"""Which digits are misread is what a naive reading says, and they alone are red."""

import numpy as np
import pytest

from qviz.data import digits
from qviz.experiments.margins import answer_margins
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights
from qviz.widgets import MisreadExplorer
from qviz.widgets.misread import SHOWN, read_at

ALL = pytest.mark.parametrize("bits", range(2, 9))


def rounded(weights, bits):
    """Round to whole steps of max|w| / qmax, as the page defines it, in one line."""
    step = np.abs(weights).max() / (2 ** (bits - 1) - 1)
    return (np.rint(weights / step) * step).astype(np.float32)


@ALL
def test_what_is_misread_is_what_a_naive_reading_says(bits):
    naive = {k: rounded(w.astype(np.float64), bits) if "weight" in k else w for k, w in cnn_weights().items()}
    test, result = digits().test, read_at(bits)
    assert result.wrong == round(len(test) * (1 - cnn_accuracy(naive)))
    logits = cnn_forward(digits().images[test], naive)["logits"]
    right = result.answers == digits().labels[test]
    assert np.array_equal(result.margins > 0, right)
    # A weight may differ in its last float32 bit, and a logit of about 20 then in its sixth digit.
    np.testing.assert_allclose(result.margins[right], answer_margins(logits)[right], atol=1e-3)


@ALL
def test_red_are_those_that_are_misread(bits):
    explorer, result = MisreadExplorer(bits=bits), read_at(bits)
    wrong = (result.answers != result.labels)[:SHOWN]
    panel = explorer._canvas.panels["digits"]
    sheet = np.asarray(panel.sheet.get_array()).reshape(7, 11, 10, 11, 3).swapaxes(1, 2).reshape(SHOWN, 11, 11, 3)
    grey = (sheet.max(-1) == sheet.min(-1)).all((1, 2))
    assert np.array_equal(~grey, wrong) and len(panel.answers.get_paths()) == wrong.sum()
    assert f"{wrong.sum()} of these 70 digits are misread" in panel.description
    explorer.close()


@ALL
def test_no_digit_is_lost_between_the_bars(bits):
    explorer, result = MisreadExplorer(bits=bits), read_at(bits)
    right, wrong = (part.get_data().values for part in explorer._canvas.panels["margins"].parts)
    assert (right.sum(), wrong.sum()) == (359 - result.wrong, result.wrong)
    assert max(right.max(), wrong.max()) < explorer._canvas.panels["margins"].ax.get_ylim()[1]  # none is cut off
    assert explorer._canvas.panels["margins"].parts[0].get_data().edges[[0, -1]].tolist() == [-15, 30]
    assert -15 < result.margins.min() and result.margins.max() < 30
    explorer.close()


def test_it_says_what_is_left():
    explorer = MisreadExplorer(bits=2)
    assert explorer.readout.startswith("2 bits for each weight: 36 of 359 digits are read correctly\n")
    assert explorer.figures(explorer.state, explorer.result) == {"misread": "323 of 359", "median difference": "-1.7"}
    explorer.close()

"""Margins of answers, and what noise does to them, against cases that can be computed by hand."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from qviz.experiments.margins import answer_margins, right_under_noise

LOGITS = arrays(np.float64, (5, 4), elements=st.integers(-50, 50).map(float))


@given(LOGITS, st.integers(0, 4), st.integers(0, 3), st.floats(-0.999, 0.999))
def test_no_error_of_less_than_half_a_margin_changes_an_answer(logits, row, at, share):
    """The definition: the two largest logits differ by the margin, so each must move by half of it."""
    margin = answer_margins(logits)[row]
    moved = logits[row].copy()
    moved[at] += share * margin / 2
    assert margin == 0 or moved.argmax() == logits[row].argmax()


@given(LOGITS)
def test_an_error_of_more_than_the_margin_changes_the_answer(logits):
    first = logits.argmax(axis=1)
    lowered = logits.copy()
    lowered[np.arange(5), first] -= answer_margins(logits) + 0.5
    assert (lowered.argmax(axis=1) != first).all()


def test_two_classes_under_noise_follow_the_normal_distribution():
    """Two logits, margin 3: the difference of their noises has a deviation of rms * sqrt(2)."""
    logits, rms, repeats = np.tile([[3.0, 0.0]], (500, 1)), 2.0, 400
    expected = NormalDist(0, rms * 2**0.5).cdf(3.0)
    # 200,000 draws: five standard errors are 5 * sqrt(0.85 * 0.15 / 200,000) = 0.004
    assert right_under_noise(logits, np.zeros(500, int), rms, repeats) == pytest.approx(expected, abs=0.004)


def test_overwhelming_noise_leaves_chance_and_none_leaves_all():
    logits, labels = np.random.default_rng(0).normal(size=(400, 10)), np.arange(400) % 10
    # 40,000 draws of a tenth: five standard errors are 0.0075
    assert right_under_noise(logits, labels, 1e6) == pytest.approx(0.1, abs=0.0075)
    assert right_under_noise(logits, labels, 0.0, 1) == np.mean(logits.argmax(axis=1) == labels)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: answer_margins([1.0, 2.0]), r"logits must have shape \(n, classes\).*got \(2,\)"),
        (lambda: answer_margins([[1.0], [2.0]]), "two classes"),
        (lambda: answer_margins([[1.0, np.nan]]), "logits must be finite"),
        (lambda: right_under_noise([[1.0, 2.0]], [0, 1], 1.0), "labels must be 1 whole numbers"),
        (lambda: right_under_noise([[1.0, 2.0]], [0.0], 1.0), "labels must be 1 whole numbers"),
        (lambda: right_under_noise([[1.0, 2.0]], [0], -1.0), "rms must be at least 0"),
        (lambda: right_under_noise([[1.0, 2.0]], [0], np.nan), "rms must be at least 0"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()

"""Answers as people write them: no right one may be refused, whatever its style, and no plausible wrong one taken.

The answers stand in styles/, one file for each page.
"""

import importlib
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from qviz.lessons import check, checks
from qviz.lessons.exercises import numbers

torch = pytest.importorskip("torch")  # some answers are written with it

from .styles import benefits_and_trade_offs, calibration, integers_all_the_way, moving_on, scale_and_zero_point
from .styles.qat_with_fbgemm import half_away, one_weight, step

FOLDER = Path(__file__).parent / "styles"
PAGES = {page: importlib.import_module(f".styles.{page}", __package__) for page in checks.__all__}


def answers(table):
    """Return a parameter for each answer, named as its exercise and its place in the table."""
    return [
        pytest.param(f"{page}.{number}", answer, id=f"{page}.{number}-{at}")
        for page, module in PAGES.items()
        for number, given in getattr(module, table).items()
        for at, answer in enumerate(given)
    ]


@pytest.mark.parametrize(("number", "answer"), answers("RIGHT"))
def test_a_right_answer_in_another_style_is_taken(number, answer):
    verdict = check(number, answer)
    assert verdict.state == "right", verdict.words


@pytest.mark.parametrize(("number", "answer"), answers("WRONG"))
def test_a_plausible_wrong_answer_gets_a_hint(number, answer):
    verdict = check(number, answer)
    assert verdict.state == "not yet"
    assert "cannot be used" not in verdict.words  # a hint of the exercise's own


@pytest.mark.parametrize("page", PAGES)
def test_each_page_has_twenty_of_both(page):
    for table in (PAGES[page].RIGHT, PAGES[page].WRONG):
        assert [f"{page}.{number}" for number in table] == [n for n in numbers() if n.startswith(f"{page}.")]
        assert sum(map(len, table.values())) >= 20


def test_every_page_has_its_file():
    assert sorted(path.stem for path in FOLDER.glob("[a-z]*.py")) == sorted(checks.__all__)


HINTS = {  # what looked right, and was taken until there were inputs that tell it apart: a part of the hint
    ("scale_and_zero_point.3", lambda x: np.nan): "one of them is not finite",
    ("scale_and_zero_point.4", lambda q, scale, zero_point: scale * (q.astype(int) - 64)): "zero point must become 0.0",
    ("scale_and_zero_point.5", scale_and_zero_point.ceil_zero): "do not cover the range",
    ("scale_and_zero_point.5", scale_and_zero_point.floor_zero): "do not cover the range",
    ("calibration.3", lambda x, p: (0.0, max(0.0, np.percentile(x, p)))): "does not match the percentile",
    ("calibration.4", calibration.one_step_too_many): "4 codes have 3 steps",
    ("calibration.4", lambda x, bits: np.percentile(x, 99.9)): "times the smallest error",
    ("calibration.4", lambda x, bits: np.nan): "one of them is not finite",
    ("integers_all_the_way.4", integers_all_the_way.WRONG[4][8]): "away from zero",
    ("integers_all_the_way.4", integers_all_the_way.WRONG[4][9]): "away from zero",
    ("benefits_and_trade_offs.3", benefits_and_trade_offs.WRONG[3][8]): "2 bytes",
    ("moving_on.1", lambda w, bits: -w.min() / ((2**bits - 1) / 2)): "For 8 bits",
    (
        "moving_on.3",
        lambda names: sum("int" in name for name in names),
    ): "_weight_int8pack_mm, convolution has 0 such layers",
}


STEPS = [  # what is wrong with a training step: a part of the hint
    (step(inside=lambda w, s, a, b: 0 * w), "No weight has changed"),
    (step(start=lambda w, w_hat: w_hat), "You have updated the rounded weight"),
    (step(after=lambda w, s, a, b: s * np.clip(np.rint(w / s), a, b)), "The new weights are rounded"),
    (step(factor=-1.0), "in the wrong direction"),
    (step(inside=lambda w, s, a, b: np.ones_like(w)), "A clipped weight has changed"),
    (step(forward=lambda w, s, a, b: w), "computed with the float weights"),
    (step(rows=lambda y: 1), "the loss is a mean"),
    (step(factor=2.0), "half of the squared error"),
    (step(forward=lambda w, s, a, b: s * np.rint(w / s)), "must be clipped to it"),
    (step(inside=lambda w, s, a, b: (w >= a * s) & (w <= b * s)), "still has a code"),
    (step(forward=lambda w, s, a, b: s * np.clip(half_away(w / s), a, b)), "gets the even code"),
    (step(forward=lambda w, s, a, b: s * np.clip(np.trunc(w / s), a, b)), "a cast to int cuts off"),
    (step(forward=lambda w, s, a, b: s * np.clip(np.floor(w / s), a, b)), "not down"),
    (one_weight, "With scale 0.1, codes -8 to 7 and learning rate 0.05, a weight of"),
]
REPORTS = [  # what is wrong with a report: a part of the hint
    (moving_on.without("why"), "with the entries measured, size_bytes"),
    (moving_on.report(measured={"W8A8": moving_on.INT8_RESULT}), 'with the keys "W8A8" and "W4A8"'),
    (moving_on.report(measured={"W8A8": 0.961, "W4A8": 0.9}), "must be what evaluate returned: got float"),
    (
        moving_on.report(measured=moving_on.broken("W8A8", layers=moving_on.INT4_RESULT.layers)),
        "have 4 bits, and those",
    ),
    (moving_on.report(measured=moving_on.broken("W4A8", float_accuracy=0.98)), "different float networks"),
    (moving_on.report(measured=moving_on.broken("W4A8", latency=moving_on.NOT_TIMED)), "W4A8 was not timed"),
    (moving_on.report(size_bytes={n: 8 * b for n, b in moving_on.SIZES.items()}), "That is a number of bits"),
    (moving_on.report(accuracy=moving_on.ACCURACIES | {"W4A8": 0.95}), "accuracy of W4A8 was measured as 0.9081"),
    (moving_on.report(times_as_fast={"W8A8": 0.8, "W4A8": 0.75}), "divided by the time of this one"),
    (moving_on.report(times_as_fast={"W8A8": None, "W4A8": None}), "times_as_fast of W8A8 is still missing"),
    (moving_on.report(failed=None), "Say in failed which of them failed"),
    (moving_on.report(failed=["W8A8", "W4A8"]), "W8A8 loses 0.3 points. A network has failed if it loses more than 2"),
    (moving_on.report(why="fc 17.4"), "a sentence or two, with at least 10 words"),
    (
        moving_on.report(why="Four bits are too few for a network as small as this one."),
        "Name the layer that loses most",
    ),
    (
        moving_on.report(why="With 4 bits the weights of conv keep 24.2 dB, which is too little."),
        "conv is not the layer that loses most",
    ),
    (
        moving_on.report(why="With 4 bits the weights of fc keep the fewest dB of all."),
        "Give a figure that you measured",
    ),
]


@pytest.mark.parametrize(("step_of", "hint"), STEPS)
def test_a_wrong_training_step_is_told_what_is_wrong(step_of, hint):
    assert hint in check("qat_with_fbgemm.4", step_of).words


@pytest.mark.parametrize(("report", "hint"), REPORTS)
def test_a_wrong_report_is_told_what_is_wrong(report, hint):
    assert hint in check("moving_on.5", report).words


def test_an_empty_report_is_no_attempt():
    empty = {"measured": {}, "size_bytes": {}, "accuracy": {}, "times_as_fast": {}, "failed": None, "why": None}
    assert check("moving_on.5", empty).state == "not attempted yet"


def test_a_report_on_simulated_networks_is_read():
    """Where a machine has no engine there are no codes, and the bits are counted from the different weights."""
    rng = np.random.default_rng(0)

    def simulated(result, bits):
        values = np.rint(rng.uniform(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, (3, 200)))
        layers = []
        for each in result.layers:
            weights = each.weights and SimpleNamespace(sqnr_db=each.weights.sqnr_db, qparams=None, quantized=values)
            layers.append(SimpleNamespace(**vars(each) | {"weights": weights}))
        return SimpleNamespace(**vars(result) | {"layers": tuple(layers)})

    measured = {"W8A8": simulated(moving_on.INT8_RESULT, 8), "W4A8": simulated(moving_on.INT4_RESULT, 4)}
    assert check("moving_on.5", moving_on.report(measured=measured))


@pytest.mark.parametrize(("number", "answer"), HINTS)
def test_what_was_taken_before_gets_a_hint_that_fits(number, answer):
    assert HINTS[number, answer] in check(number, answer).words


def test_a_tensor_with_a_gradient_is_read():
    """NumPy refuses one; what was trained with torch is an answer all the same."""
    assert check("qat_with_fbgemm.1", torch.tensor(4.0, requires_grad=True))
    assert check("scale_and_zero_point.2", (torch.tensor(4 / 15, requires_grad=True), torch.tensor(8)))


def test_lists_are_no_crash():
    """A list of arrays of unequal shape is no array: the check of a rescaling has to read it all the same."""
    answer = lambda w1, b1, w2, s: [w1 * s[:, None], b1, w2 / s]  # noqa: E731
    assert not re.search("ValueError", check("ptq_with_fbgemm.3", answer).words)

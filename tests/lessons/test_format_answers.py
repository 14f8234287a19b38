"""Wrong answers to the exercises on number formats and GPTQ are told what is wrong."""

import numpy as np
import pytest

from qviz.lessons import check

from .styles.hard_to_quantize import from_the_last_column, handed_on, nearest, next_column_alone
from .styles.number_formats import HINTED


def gptq_view(w, u, step):
    """The mistake that looks right: a view of the column changes with it."""
    w = w.copy()
    for j in range(w.shape[1]):
        before = w[:, j]
        w[:, j] = step * np.rint(w[:, j] / step)
        w[:, j + 1 :] -= np.outer((before - w[:, j]) / u[j, j], u[j, j + 1 :])
    return w


def gptq_late(w, u, step):
    """All errors first, then all moves: those of columns that had not moved yet."""
    errors = (w - step * np.rint(w / step)) / np.diag(u)
    moved = w.copy()
    for j in range(w.shape[1]):
        moved[:, j + 1 :] -= np.outer(errors[:, j], u[j, j + 1 :])
    return step * np.rint(moved / step)


def gptq_not_rounded(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        error = (w[:, j] - step * np.rint(w[:, j] / step)) / u[j, j]
        w[:, j + 1 :] -= np.outer(error, u[j, j + 1 :])
    return w


GPTQ = [
    (gptq_view, "That changes nothing yet"),
    (gptq_late, "a different level"),
    (from_the_last_column, "change in the right direction"),
    (gptq_not_rounded, "between two levels"),
    (next_column_alone, "a different level"),
    (handed_on(rounding=np.floor), "change in the right direction"),
    (handed_on(-1.0), "change in the right direction"),
    (handed_on(0.5), "a different level"),
    (handed_on(divide=lambda u, j: 1.0), "a different level"),
    (handed_on(row=lambda u, j: u[j + 1 :, j]), "That changes nothing yet"),
    (lambda w, u, step: handed_on()(w, u.T, step), "That changes nothing yet"),
    (handed_on(row=lambda u, j: np.append(0, u[j, j + 2 :])[: len(u) - j - 1]), "change in the right direction"),
    (nearest, "That changes nothing yet"),
]
PAIRS = [(f"number_formats.{n}", *pair) for n, pairs in HINTED.items() for pair in pairs]


@pytest.mark.parametrize(("number", "answer", "hint"), [*PAIRS, *(("hard_to_quantize.3", *pair) for pair in GPTQ)])
def test_a_plausible_wrong_answer_is_told_what_is_wrong(number, answer, hint):
    verdict = check(number, answer)
    assert verdict.state == "not yet" and hint in verdict.words, verdict.words

"""Wrong answers to the exercises on number formats and GPTQ are told what is wrong."""

import numpy as np
import pytest

from qviz.lessons import check

from .styles.number_formats import HINTED


def gptq_hand_on(w, u, step, *, share=1.0, divide=True, later=1, rows=False):
    w = w.copy()
    for j in range(w.shape[1]):
        rounded = step * np.rint(w[:, j] / step)
        error = share * (w[:, j] - rounded) / (u[j, j] if divide else 1)
        w[:, j + later :] -= np.outer(error, u[j + later :, j] if rows else u[j, j + later :])
        w[:, j] = rounded
    return w


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


def gptq_backwards(w, u, step):
    w = w.copy()
    for j in reversed(range(w.shape[1])):
        rounded = step * np.rint(w[:, j] / step)
        w[:, :j] -= np.outer((w[:, j] - rounded) / u[j, j], u[:j, j])
        w[:, j] = rounded
    return w


def gptq_not_rounded(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        error = (w[:, j] - step * np.rint(w[:, j] / step)) / u[j, j]
        w[:, j + 1 :] -= np.outer(error, u[j, j + 1 :])
    return w


def gptq_next_only(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        rounded = step * np.rint(w[:, j] / step)
        if j + 1 < w.shape[1]:
            w[:, j + 1] -= (w[:, j] - rounded) / u[j, j] * u[j, j + 1]
        w[:, j] = rounded
    return w


def gptq_floor(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        rounded = step * np.floor(w[:, j] / step)
        w[:, j + 1 :] -= np.outer((w[:, j] - rounded) / u[j, j], u[j, j + 1 :])
        w[:, j] = rounded
    return w


GPTQ = [
    (gptq_view, "That changes nothing yet"),
    (gptq_late, "another level"),
    (gptq_backwards, "change in the right direction"),
    (gptq_not_rounded, "between two levels"),
    (gptq_next_only, "another level"),
    (gptq_floor, "change in the right direction"),
    (lambda w, u, step: gptq_hand_on(w, u, step, share=-1), "change in the right direction"),
    (lambda w, u, step: gptq_hand_on(w, u, step, share=0.5), "another level"),
    (lambda w, u, step: gptq_hand_on(w, u, step, divide=False), "another level"),
    (lambda w, u, step: gptq_hand_on(w, u, step, rows=True), "That changes nothing yet"),
    (lambda w, u, step: gptq_hand_on(w, u.T, step), "That changes nothing yet"),
    (lambda w, u, step: gptq_hand_on(w, u, step, later=2), "change in the right direction"),
    (lambda w, u, step: step * np.rint(w / step), "That changes nothing yet"),
]
PAIRS = [(f"number_formats.{n}", *pair) for n, pairs in HINTED.items() for pair in pairs]


@pytest.mark.parametrize(("number", "answer", "hint"), [*PAIRS, *(("hard_to_quantize.3", *pair) for pair in GPTQ)])
def test_a_plausible_wrong_answer_is_told_what_is_wrong(number, answer, hint):
    verdict = check(number, answer)
    assert verdict.state == "not yet" and hint in verdict.words, verdict.words

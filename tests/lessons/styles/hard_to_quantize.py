"""Answers to the exercises of "Hard to quantize", by number: right in many styles, and wrong but plausible."""

import numpy as np
import torch

from qviz.methods import equalize_pair


def in_a_loop(w1, b1, w2):
    w1, b1, w2 = w1.copy(), b1.copy(), w2.copy()
    for i in range(len(b1)):
        s = np.sqrt(max(abs(w1[i])) / max(abs(w2[:, i]))) / 2
        w1[i], b1[i], w2[:, i] = w1[i] / s, b1[i] / s, w2[:, i] * s
    return [w1, b1, w2]


def two_steps(w1, b1, w2):
    """Equalize first, and then share."""
    w1, b1, w2 = equalize_pair(w1, b1, w2)[:3]
    return w1 * 2, b1 * 2, w2 / 2


def in_torch(w1, b1, w2):
    w1, b1, w2 = map(torch.from_numpy, (w1, b1, w2))
    s = torch.sqrt(4 * w2.abs().amax(0) / w1.abs().amax(1))
    return w1 * s[:, None], b1 * s, w2 / s


def all_to_one(w1, b1, w2):
    """Any scale of the pair will do, as long as the ratio is 4."""
    s = np.abs(w1).max(axis=1) / (4 * np.abs(w2).max(axis=0))
    return w1 / np.sqrt(s)[:, None], b1 / np.sqrt(s), w2 * np.sqrt(s)


def by_matrices(w1, b1, w2):
    s = 2 / np.sqrt(np.abs(w1).max(1) / np.abs(w2).max(0))
    return np.diag(s) @ w1, s * b1, w2 @ np.linalg.inv(np.diag(s))


def loop_in_place(w, u, step):
    for j in range(w.shape[1]):
        before = w[:, j].copy()
        w[:, j] = np.round(before / step) * step
        w[:, j + 1 :] -= ((before - w[:, j]) / u[j, j])[:, None] * u[j, j + 1 :]
    return w


def row_by_row(w, u, step):
    rows = []
    for row in w:
        row = row.copy()
        for j in range(len(row)):
            level = step * round(float(row[j] / step))
            error = (row[j] - level) / u[j, j]
            for k in range(j + 1, len(row)):
                row[k] -= error * u[j, k]
            row[j] = level
        rows.append(row)
    return rows


def loop_in_torch(w, u, step):
    w, u = torch.from_numpy(w), torch.from_numpy(u)
    for j in range(w.shape[1]):
        level = torch.round(w[:, j] / step) * step
        w[:, j + 1 :] -= torch.outer((w[:, j] - level) / u[j, j], u[j, j + 1 :])
        w[:, j] = level
    return w


def rows_scaled_before(w, u, step):
    u = u / np.diag(u)[:, None]
    q = np.zeros_like(w)
    for j in range(w.shape[1]):
        q[:, j] = step * np.rint(w[:, j] / step)
        w = w - np.outer(w[:, j] - q[:, j], np.where(np.arange(len(u)) > j, u[j], 0))
    return q


def whole_row(w, u, step):
    """Move column j too: it comes to lie on its level by itself."""
    w = w.copy()
    for j in range(w.shape[1]):
        error = (w[:, j] - step * np.rint(w[:, j] / step)) / u[j, j]
        w[:, j:] -= np.outer(error, u[j, j:])
    return step * np.rint(w / step)


def swapped_sign(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        level = step * np.rint(w[:, j] / step)
        w[:, j + 1 :] += np.outer((w[:, j] - level) / u[j, j], u[j, j + 1 :])
        w[:, j] = level
    return w


def handed_on(share=1.0, row=lambda u, j: u[j, j + 1 :], divide=lambda u, j: u[j, j], rounding=np.rint):
    def loop(w, u, step):
        w = w.copy()
        for j in range(w.shape[1]):
            level = step * rounding(w[:, j] / step)
            w[:, j + 1 :] -= share * np.outer((w[:, j] - level) / divide(u, j), row(u, j))
            w[:, j] = level
        return w

    return loop


def next_column_alone(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        level = step * np.rint(w[:, j] / step)
        if j + 1 < w.shape[1]:
            w[:, j + 1] -= (w[:, j] - level) / u[j, j] * u[j, j + 1]
        w[:, j] = level
    return w


def from_the_last_column(w, u, step):
    w = w.copy()
    for j in reversed(range(w.shape[1])):
        level = step * np.rint(w[:, j] / step)
        w[:, :j] -= np.outer((w[:, j] - level) / u[j, j], u[:j, j])
        w[:, j] = level
    return w


def never_rounded_at_the_end(w, u, step):
    w = w.copy()
    for j in range(w.shape[1] - 1):
        level = step * np.rint(w[:, j] / step)
        w[:, j + 1 :] -= np.outer((w[:, j] - level) / u[j, j], u[j, j + 1 :])
        w[:, j] = level
    return w


def error_of_what_arrived(w, u, step):
    """Measure the error against the first weights, and not against those that have moved."""
    original, w = w, w.copy()
    for j in range(w.shape[1]):
        level = step * np.rint(w[:, j] / step)
        w[:, j + 1 :] -= np.outer((original[:, j] - level) / u[j, j], u[j, j + 1 :])
        w[:, j] = level
    return w


def nearest(w, u, step):
    return step * np.rint(w / step)


# fmt: off
RIGHT = {
    1: [
        ["equalization", "GPTQ"], ("GPTQ", "equalization"), {"Equalization", "gptq"}, ["EQUALIZATION", "Gptq"],
        frozenset({"equalization", "GPTQ"}), ["gptq", "equalization"],
    ],
    2: [
        in_a_loop, two_steps, in_torch, all_to_one, by_matrices,
        lambda w1, b1, w2: tuple(np.float32(part) for part in in_a_loop(w1, b1, w2)),
        lambda w1, b1, w2: tuple(part.tolist() for part in in_a_loop(w1, b1, w2)),
    ],
    3: [
        loop_in_place, row_by_row, loop_in_torch, rows_scaled_before, whole_row, handed_on(),
        handed_on(rounding=np.round),
    ],
}
WRONG = {
    1: [
        "equalization", ["GPTQ"], ["adaptive rounding"], ["bias correction"], ["equalization", "bias correction"],
        ["equalization", "bias correction", "GPTQ"], ["GPTQ", "adaptive rounding"], ["bias correction", "GPTQ"],
        ["equalization", "GPTQ", "adaptive rounding"], "QAT", ["per channel", "GPTQ"], 2,
        ["equalization", "adaptive rounding"], {"equalization": True, "GPTQ": True},
    ],
    2: [
        lambda w1, b1, w2: (w1 * 2, b1, w2 / 2),
        lambda w1, b1, w2: (w1 * 2, b1 * 2, w2),
        lambda w1, b1, w2: (w1 * 2, b1 * 2, w2 / 2),
        lambda w1, b1, w2: (w1 * 4, b1 * 4, w2 / 4),
        lambda w1, b1, w2: equalize_pair(w1, b1, w2)[:3],
        lambda w1, b1, w2:
            tuple(part * f for part, f in zip(equalize_pair(w1, b1, w2)[:3], (4, 4, 1 / 4), strict=True)),
        lambda w1, b1, w2:
            tuple(part * f for part, f in zip(equalize_pair(w1, b1, w2)[:3], (2, 1, 1 / 2), strict=True)),
        lambda w1, b1, w2:
            tuple(part * f for part, f in zip(equalize_pair(w1, b1, w2)[:3], (1 / 2, 1 / 2, 2), strict=True)),
        lambda w1, b1, w2: (w1 / abs(w1).max(1)[:, None] * 4, b1 / abs(w1).max(1) * 4, w2 / abs(w2).max(0)),
        lambda w1, b1, w2: (w1 * 4 * abs(w2).max() / abs(w1).max(), b1 * 4 * abs(w2).max() / abs(w1).max(), w2),
        lambda w1, b1, w2: in_a_loop(w1, b1, w2)[:2],
        lambda w1, b1, w2: in_a_loop(w1, b1, w2)[0],
        lambda w1, b1, w2: (in_a_loop(w1, b1, w2)[0], b1, in_a_loop(w1, b1, w2)[2]),
        lambda w1, b1, w2: (in_a_loop(w1, b1, w2)[0], in_a_loop(w1, b1, w2)[1], w2),
        lambda w1, b1, w2: [in_a_loop(w1, b1, w2)[0].T, b1, w2],
        lambda w1, b1, w2: [-part for part in in_a_loop(w1, b1, w2)],
        lambda w1, b1, w2: in_a_loop(w1, b1, w2)[::-1],
        lambda w1, b1, w2: (in_a_loop(w1, b1, w2)[0], b1 * np.nan, in_a_loop(w1, b1, w2)[2]),
        lambda w1, b1, w2: tuple(part * np.nan for part in (w1, b1, w2)),
    ],
    3: [
        swapped_sign, next_column_alone, from_the_last_column, never_rounded_at_the_end, error_of_what_arrived, nearest,
        handed_on(0.5), handed_on(2.0), handed_on(0.0), handed_on(-1.0),
        handed_on(row=lambda u, j: u[j + 1 :, j]),
        handed_on(row=lambda u, j: u[j, j + 1 :].mean() + 0 * u[j, j + 1 :]),
        handed_on(divide=lambda u, j: 1.0),
        handed_on(divide=lambda u, j: u[j, j] ** 2),
        handed_on(rounding=np.floor),
        handed_on(rounding=np.trunc),
        lambda w, u, step: handed_on()(w, u, step) / step,
        lambda w, u, step: handed_on()(w, u, step)[:, :-1],
        lambda w, u, step: handed_on()(w, u, step).T,
        lambda w, u, step: handed_on()(w, u, 2 * step),
        lambda w, u, step: handed_on()(w, u.T + 1e-3, step),
    ],
}

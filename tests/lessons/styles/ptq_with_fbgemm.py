"""Answers to the exercises of "Post-training quantization with fbgemm", by number: right in many styles, and wrong.

Exercise 4 asks for a verdict of own_ptq.judge, which tests/pytorch/labs/test_own_ptq.py tries in the same two ways.
"""

from types import SimpleNamespace

import numpy as np
import torch

from qviz.networks.topology import WEIGHT_SHAPES


def row_by_row(w1, b1, w2, s):
    w1, b1, w2 = w1.copy(), b1.copy(), w2.copy()
    for i, factor in enumerate(s):
        w1[i] *= factor
        b1[i] *= factor
        w2[:, i] /= factor
    return w1, b1, w2


def in_place(w1, b1, w2, s):
    w1 *= s[:, None]
    b1 *= s
    w2 /= s
    return w1, b1, w2


def in_torch(w1, b1, w2, s):
    w1, b1, w2, s = map(torch.from_numpy, (w1, b1, w2, s))
    return w1 * s.unsqueeze(1), b1 * s, w2 / s


class Verdict(SimpleNamespace):
    """A verdict of the package, which this room knows by its attributes alone."""

    __hash__ = object.__hash__


# fmt: off
RIGHT = {
    1: [
        sum(shape[0] for shape in WEIGHT_SHAPES.values()), 122, 122.0, np.int64(122), [122], 16 + 32 + 64 + 10,
        torch.tensor(122),
    ],
    2: [
        lambda x, bits: 2 * max(abs(x)) / (2**bits - 1),
        lambda x, bits: np.abs(x).max() / (2 ** (bits - 1) - 0.5),
        lambda x, bits: np.array(max(x.max(), -x.min()) / ((2**bits - 1) / 2)),
        lambda x, bits: torch.from_numpy(x).abs().max() / ((2**bits - 1) / 2),
        lambda x, bits: np.linalg.norm(x, np.inf) * 2 / (2**bits - 1),
        lambda x, bits: max(x.max() / ((2**bits - 1) / 2), -x.min() / ((2**bits - 1) / 2)),
        lambda x, bits: np.abs(x).max(keepdims=True) / (((1 << bits) - 1) / 2),
        lambda x, bits: {8: 1 / 127.5, 4: 1 / 7.5, 2: 1 / 1.5}[bits] * np.abs(x).max(),
        lambda x, bits: np.float32(np.abs(x).max()) / np.float32((2**bits - 1) / 2),
        lambda x, bits: max(-min(x), max(x)) / (np.ptp([-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]) / 2),
    ],
    3: [
        row_by_row, in_place, in_torch,
        lambda w1, b1, w2, s: [w1 * s[:, None], b1 * s, w2 / s],
        lambda w1, b1, w2, s: (np.diag(s) @ w1, np.diag(s) @ b1, w2 @ np.diag(1 / s)),
        lambda w1, b1, w2, s: ((w1.T * s).T, np.multiply(b1, s), np.einsum("oi,i->oi", w2, 1 / s)),
        lambda w1, b1, w2, s: (w1 * s.reshape(-1, 1), s * b1, w2 / s[None, :]),
        lambda w1, b1, w2, s: ((w1 * s[:, None]).tolist(), (b1 * s).tolist(), (w2 / s).tolist()),
        lambda w1, b1, w2, s: (np.float32(w1 * s[:, None]), np.float32(b1 * s), np.float32(w2 / s)),
    ],
    4: [Verdict(name="own PTQ", attempted=True, works=True)],
}
WRONG = {
    1: [4, 593, 100, 112, 26_314, 123, 90, 16, 64, 121.5, -122, "122 scales", (16, 32, 64, 10), 244],
    2: [
        lambda x, bits: np.abs(x).max() / (2 ** (bits - 1) - 1),
        lambda x, bits: np.abs(x).max() / 2 ** (bits - 1),
        lambda x, bits: np.abs(x).max() / (2**bits - 1),
        lambda x, bits: np.abs(x).max() / 2**bits,
        lambda x, bits: 2 * np.abs(x).max() / (2**bits - 2),
        lambda x, bits: 2 * np.abs(x).max() / 2**bits,
        lambda x, bits: x.max() / ((2**bits - 1) / 2),
        lambda x, bits: abs(x.max()) / ((2**bits - 1) / 2),
        lambda x, bits: abs(x.min()) / ((2**bits - 1) / 2),
        lambda x, bits: (x.max() - x.min()) / (2**bits - 1),
        lambda x, bits: np.abs(x).mean() / ((2**bits - 1) / 2),
        lambda x, bits: np.abs(x).max() / 127.5,
        lambda x, bits: np.abs(x).max() / ((2**bits - 1) // 2),
        lambda x, bits: np.abs(x).max() * ((2**bits - 1) / 2),
        lambda x, bits: ((2**bits - 1) / 2) / np.abs(x).max(),
        lambda x, bits: np.abs(x) / ((2**bits - 1) / 2),
        lambda x, bits: (np.abs(x).max() / ((2**bits - 1) / 2), 0),
        lambda x, bits: 1.0,
        lambda x, bits: np.nan,
    ],
    3: [
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 / s, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 + s, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s, w2 * s),
        lambda w1, b1, w2, s: (w1 / s[:, None], b1 / s, w2 * s),
        lambda w1, b1, w2, s: (w1, b1, w2),
        lambda w1, b1, w2, s: (w1 * s, b1 * s, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s, w2),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s, w2 / s[:3, None]),
        lambda w1, b1, w2, s: (w1 * s.max(), b1 * s.max(), w2 / s.max()),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s.mean(), w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s**2, w2 / s),
        lambda w1, b1, w2, s: (w1 * np.sqrt(s)[:, None], b1 * np.sqrt(s), w2 / np.sqrt(s)),
        lambda w1, b1, w2, s: (w1 * s[:, None], 0 * b1, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s),
        lambda w1, b1, w2, s: w1 * s[:, None],
        lambda w1, b1, w2, s: ((w1 * s[:, None]).T, b1 * s, w2 / s),
        lambda w1, b1, w2, s: (w2 / s, b1 * s, w1 * s[:, None]),
        lambda w1, b1, w2, s: (np.rint(w1 * s[:, None]), b1 * s, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], np.abs(b1) * s, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * np.nan, w2 / s),
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s, w2 * np.nan),
    ],
    4: [
        "it works", True,
        Verdict(name="skip-connection", attempted=True, works=True),
        Verdict(name="own PTQ", attempted=True, works=False, hint="No observer saw an image."),
    ],
}

"""Answers to the exercises of "When it goes wrong", by number: right in many styles, and wrong but plausible."""

from types import SimpleNamespace

import numpy as np
import torch


class Verdict(SimpleNamespace):
    """A verdict of the gallery, which this room knows by its attributes alone."""

    __hash__ = object.__hash__


def reduced_one_by_one(x, hi):
    scale = hi / 127
    return [min(127, max(0, round(float(v) / scale))) for v in x], scale


def reduced_in_torch(x, hi):
    scale = torch.tensor(hi) / 127
    return (torch.from_numpy(x) / scale).round().clamp(0, 127).to(torch.uint8), scale


def reduced_in_place(x, hi):
    x *= 127 / hi
    np.rint(x, out=x)
    return [x, hi / 127]


def saturate(value):
    return max(-32768, min(32767, int(value)))


def dot_in_a_loop(x, w):
    total = 0
    for i in range(0, len(x), 2):
        total += saturate(int(x[i]) * int(w[i]) + int(x[i + 1]) * int(w[i + 1]))
    return total


def dot_by_slices(x, w):
    return np.clip(x[::2].astype(int) * w[::2] + x[1::2].astype(int) * w[1::2], -(2**15), 2**15 - 1).sum()


def dot_in_torch(x, w):
    products = torch.from_numpy(x).long() * torch.from_numpy(w).long()
    return products.view(-1, 2).sum(1).clamp(-32768, 32767).sum()


def dot_by_reduceat(x, w):
    return np.add.reduceat(np.int64(x) * np.int64(w), np.arange(0, len(x), 2)).clip(-32768, 32767).sum()


def dot_by_zip(x, w):
    products = [int(a) * int(b) for a, b in zip(x, w, strict=True)]
    return float(sum(saturate(a + b) for a, b in zip(products[::2], products[1::2], strict=True)))


def dot_by_einsum(x, w):
    pairs = np.einsum("pi,pi->p", x.reshape(-1, 2).astype(float), w.reshape(-1, 2).astype(float))
    return np.minimum(np.maximum(pairs, -32768), 32767).sum()


def saturating_all_along(x, w):
    total = 0
    for a, b in zip(x, w, strict=True):
        total = saturate(total + int(a) * int(b))
    return total


def saturating_after_each_pair(x, w):
    total = 0
    for i in range(0, len(x), 2):
        total = saturate(total + saturate(int(x[i]) * int(w[i]) + int(x[i + 1]) * int(w[i + 1])))
    return total


def pairs(x, w):
    return (x.astype(int) * w.astype(int)).reshape(-1, 2).sum(axis=1)


# fmt: off
RIGHT = {
    1: [64, 64.0, np.int8(64), [64], np.array(64), 32767 // 510, torch.tensor(64)],
    2: [Verdict(name="skip-connection", attempted=True, works=True)],
    3: [
        reduced_one_by_one, reduced_in_torch, reduced_in_place,
        lambda x, hi: (np.clip(np.rint(x / (hi / 127)), 0, 127), hi / 127),
        lambda x, hi: [np.clip(np.rint(x / hi * 127), 0, 127), hi / 127],
        lambda x, hi: (np.clip(np.rint(x * 127 / hi), 0, 127).astype(np.uint8), np.float32(hi / 127)),
        lambda x, hi: (np.floor(x * 127 / hi + 0.5).astype(int), np.array(hi / 127)),
        lambda x, hi: (np.clip(np.rint(x / (hi / (2**7 - 1))), 0, 2**7 - 1).tolist(), float(hi) / (2**7 - 1)),
        lambda x, hi: (np.digitize(x, (np.arange(127) + 0.5) * hi / 127), hi / 127),
    ],
    4: [
        dot_in_a_loop, dot_by_slices, dot_in_torch, dot_by_reduceat, dot_by_zip, dot_by_einsum,
        lambda x, w: np.clip(pairs(x, w), -32768, 32767).sum(),
        lambda x, w: np.array([np.clip(pairs(x, w), -32768, 32767).sum()]),
        lambda x, w:
            int(np.clip(pairs(x, w), -(2**15), 2**15 - 1).astype(np.int16).sum(dtype=int)),
    ],
}
WRONG = {
    1: [65, 63, 127, 128, -64, -129, 64.5, 64.25, 32, 129, 0, 255, "seven bits", [64, 65], 32767 / 510],
    2: [
        "mended", True, "it works",
        Verdict(name="engine", attempted=True, works=True),
        Verdict(name="own PTQ", attempted=True, works=True),
        Verdict(name="skip-connection", attempted=True, works=False, hint="What adds?"),
    ],
    3: [
        lambda x, hi: (np.clip(np.rint(x / (hi / 255)), 0, 255), hi / 255),
        lambda x, hi: (np.rint(x / hi * 255), hi / 255),
        lambda x, hi: (np.clip(np.rint(x / hi * 200), 0, 127), hi / 200),
        lambda x, hi: (np.clip(np.rint(x / hi * 128), 0, 127), hi / 128),
        lambda x, hi: (np.rint(x / hi * 63), hi / 63),
        lambda x, hi: (np.rint(x / hi * 126), hi / 126),
        lambda x, hi: np.rint(x / hi * 127),
        lambda x, hi: hi / 127,
        lambda x, hi: (hi / 127, np.rint(x / hi * 127)),
        lambda x, hi: (np.floor(x / hi * 127), hi / 127),
        lambda x, hi: ((x / hi * 127).astype(int), hi / 127),
        lambda x, hi: (np.ceil(x / hi * 127), hi / 127),
        lambda x, hi: (np.rint(x / hi * 255) // 2, hi / 127),
        lambda x, hi: (np.rint(x / hi * 255) / 2, hi / 127),
        lambda x, hi: (np.clip(np.rint(x / hi * 255), 0, 127), hi / 127),
        lambda x, hi: (np.rint(x / hi * 127), hi / 255),
        lambda x, hi: (np.clip(np.rint(x * hi / 127), 0, 127), 127 / hi),
        lambda x, hi: (x / hi * 127, hi / 127),
        lambda x, hi: (np.rint(x / hi * 127) * hi / 127, hi / 127),
        lambda x, hi: (np.rint(x / hi * 127) - 64, hi / 127),
        lambda x, hi: (np.rint(x * 127), 1 / 127),  # right where hi is 1
        lambda x, hi: (np.rint(x / hi * 127)[:-1], hi / 127),
        lambda x, hi: (np.rint(x / hi * 127), hi / 127, 0),
        lambda x, hi: (np.zeros_like(x), hi / 127),
    ],
    4: [
        saturating_all_along, saturating_after_each_pair,
        lambda x, w: x @ w,
        lambda x, w: np.clip(x @ w, -32768, 32767),
        lambda x, w: pairs(x, w).astype(np.int16).astype(int).sum(),
        lambda x, w: np.clip(x.astype(int) * w, -32768, 32767).sum(),
        lambda x, w: np.clip((x * w).reshape(2, -1).sum(0), -32768, 32767).sum(),
        lambda x, w: np.minimum(pairs(x, w), 32767).sum(),
        lambda x, w: np.maximum(pairs(x, w), -32768).sum(),
        lambda x, w: np.clip(pairs(x, w), -32767, 32767).sum(),
        lambda x, w: np.clip(pairs(x, w), -32768, 32768).sum(),
        lambda x, w: np.clip(pairs(x, w), 0, 65535).sum(),
        lambda x, w: np.clip(pairs(x, w), -128, 127).sum(),
        lambda x, w: np.clip(np.abs(pairs(x, w)), 0, 32767).sum(),
        lambda x, w: np.clip(np.clip(pairs(x, w), -32768, 32767).sum(), -32768, 32767),
        lambda x, w: np.clip(pairs(x, w), -32768, 32767),
        lambda x, w: np.clip(pairs(x, w), -32768, 32767).astype(np.int16).sum(dtype=np.int16),
        lambda x, w: np.clip(pairs(x[1:-1], w[1:-1]), -32768, 32767).sum(),
        lambda x, w: np.clip((x * w).reshape(-1, 2).max(axis=1), -32768, 32767).sum(),
        lambda x, w:
            np.clip((x.astype(int) * w).reshape(-1, 4 if len(x) % 4 == 0 else 2).sum(axis=1), -32768, 32767).sum(),
        lambda x, w: np.clip(pairs(x, w), -32768, 32767).mean(),
        lambda x, w: 0,
    ],
}

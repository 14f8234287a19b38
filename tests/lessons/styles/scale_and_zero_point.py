"""Answers to the exercises of "Scale and zero point", by number: right in many styles, and wrong but plausible."""

from fractions import Fraction

import numpy as np
import torch


def widened(lo, hi, qmin, qmax):
    lo, hi = sorted((lo, hi, 0.0))[0], sorted((lo, hi, 0.0))[-1]
    scale = (hi - lo) / (qmax - qmin)
    return list({"scale": scale, "zero_point": int(np.rint(qmin - lo / scale))}.values())


def from_above(lo, hi, qmin, qmax):
    """Count the steps down from the highest code."""
    lo, hi = min(0, lo), max(0, hi)
    scale = (hi - lo) / (qmax - qmin)
    return np.array([scale, round(qmax - hi / scale)])


def with_ifs(lo, hi, qmin, qmax):
    if lo > 0:
        lo = 0
    elif hi < 0:
        hi = 0
    step = float(hi - lo) / float(qmax - qmin)
    return np.float32(step), np.int32(np.floor(0.5 + qmin - lo / step))


def by_torch(lo, hi, qmin, qmax):
    lo, hi = torch.tensor(lo).clamp(max=0), torch.tensor(hi).clamp(min=0)
    scale = (hi - lo) / (qmax - qmin)
    return scale, torch.clamp(qmin - torch.round(lo / scale), qmin, qmax)


def exactly(lo, hi, qmin, qmax):
    lo, hi = min(Fraction(lo), Fraction(0)), max(Fraction(hi), Fraction(0))
    scale = (hi - lo) / (qmax - qmin)
    return scale, round(qmin - lo / scale)


def by_search(lo, hi, qmin, qmax):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (qmax - qmin)
    return scale, min(range(qmin, qmax + 1), key=lambda z: abs(scale * (qmin - z) - lo))


def step_of(lo, hi, qmin, qmax):
    return (max(hi, 0) - min(lo, 0)) / (qmax - qmin)


def ceil_zero(lo, hi, qmin, qmax):
    scale = step_of(lo, hi, qmin, qmax)
    return scale, int(qmin + np.ceil(-min(lo, 0.0) / scale))


def floor_zero(lo, hi, qmin, qmax):
    scale = step_of(lo, hi, qmin, qmax)
    return scale, int(qmin + np.floor(-min(lo, 0.0) / scale + 1e-9))


def symmetric(lo, hi, qmin, qmax):
    return max(abs(lo), abs(hi)) / qmax, 0


def steps_too_many(lo, hi, qmin, qmax):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (qmax - qmin + 1)
    return scale, qmin - round(lo / scale)


def never_widened(lo, hi, qmin, qmax):
    scale = (hi - lo) / (qmax - qmin)
    return scale, qmin - round(lo / scale)


def widened_below_alone(lo, hi, qmin, qmax):
    return never_widened(min(lo, 0.0), hi, qmin, qmax)


def widened_above_alone(lo, hi, qmin, qmax):
    return never_widened(lo, max(hi, 0.0), qmin, qmax)


def clipped_alone(lo, hi, qmin, qmax):
    scale, zero_point = never_widened(lo, hi, qmin, qmax)
    return scale, min(max(zero_point, qmin), qmax)


def from_code_0(lo, hi, qmin, qmax):
    scale = step_of(lo, hi, qmin, qmax)
    return scale, round(-min(lo, 0.0) / scale)


def unsigned_alone(lo, hi, qmin, qmax):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / qmax
    return scale, round(-lo / scale)


def never_rounded(lo, hi, qmin, qmax):
    scale = step_of(lo, hi, qmin, qmax)
    return scale, qmin - min(lo, 0.0) / scale


# fmt: off
RIGHT = {
    1: [
        (-3.0, 4.0), [-6, 8], np.array([-0.3, 0.4]), (-1.5, 2), (-30, 40.0), (-3.1, 4), (-1, 1.2), (-3, 5),
        [Fraction(-3, 7), Fraction(4, 7)], torch.tensor([-3.0, 4.0]), np.float32([-3, 4]),
    ],
    2: [
        (0.267, 8), (4 / 15, 7), [Fraction(4, 15), 8], np.array([0.2667, 8.0]), (np.float32(4 / 15), np.int32(8)),
        torch.tensor([4 / 15, 8]), [[4 / 15], [8]],
    ],
    3: [
        lambda x: max(abs(v) for v in x) / 127,
        lambda x: max(x.max(), -x.min()) / 127,
        lambda x: np.linalg.norm(x, np.inf) / 127,
        lambda x: np.array([np.abs(x).max() / 127])[0],
        lambda x: np.abs(x).max(keepdims=True) / 127,
        lambda x: np.max(np.abs(x / 127)),
        lambda x: float(torch.tensor(x).abs().max()) / 127,
        lambda x: torch.from_numpy(x).abs().amax() / 127,
        lambda x: np.abs(x[np.argmax(x**2)]) / 127,
        lambda x: np.sqrt((x**2).max()) / 127,
        lambda x: np.float32(np.abs(x).max()) / np.float32(127),
        lambda x: sorted(map(abs, x.tolist()))[-1] / (2**7 - 1),
        lambda x: np.ptp([abs(x).max(), -abs(x).max()]) / 254,
    ],
    4: [
        lambda q, scale, zero_point: scale * (q.astype(int) - int(zero_point)),
        lambda q, scale, zero_point: [scale * (int(code) - int(zero_point)) for code in q],
        lambda q, scale, zero_point: scale * np.subtract(q, zero_point, dtype=np.int16),
        lambda q, scale, zero_point: q * scale - float(zero_point) * scale,
        lambda q, scale, zero_point: (np.float32(q) - np.float32(zero_point)) * scale,
        lambda q, scale, zero_point: (q.astype(np.float32) - zero_point) * np.float32(scale),
        lambda q, scale, zero_point: scale * (q - np.int16(zero_point)),
        lambda q, scale, zero_point: scale * (1.0 * q - zero_point),
        lambda q, scale, zero_point: np.vectorize(lambda code: (float(code) - float(zero_point)) * scale)(q),
        lambda q, scale, zero_point: scale * (torch.from_numpy(q).int() - int(zero_point)),
        lambda q, scale, zero_point: np.array([scale * i for i in range(-int(zero_point), 256 - int(zero_point))])[q],
        lambda q, scale, zero_point: np.where(q > zero_point, scale * (q - zero_point), -scale * (zero_point - q)),
    ],
    5: [widened, from_above, with_ifs, by_torch, exactly, by_search],
}
WRONG = {
    1: [
        (-1, 1), (-1.0, 3.0), (0, 4), (-4, 3), (3, -4), (4, -3), (-3, -1), (-3,), (1, 2), (-7, 0), (-3, 3), (-2, 4),
        (-3, 4, 3), 3, "-3 to 4", (-np.inf, 4),
    ],
    2: [
        (0.25, 8), (4 / 15, 7.5), (4 / 15, -8), (4 / 15, 0), (4 / 7, 8), (2 / 7, 0), (4 / 14, 8), (4 / 17, 8),
        (8, 4 / 15), (15 / 4, 8), (4 / 15, 9), (4 / 15, 6), (4 / 255, 128), (2 / 15, 8), (4 / 15,), 4 / 15,
    ],
    3: [
        lambda x: x.max() / 127,
        lambda x: np.abs(x.max()) / 127,
        lambda x: abs(x.min()) / 127,
        lambda x: max(x.max(), x.min()) / 127,
        lambda x: max(abs(x.max()), x.min()) / 127,
        lambda x: (x.max() - x.min()) / 255,
        lambda x: (x.max() - x.min()) / 254,
        lambda x: np.abs(x).max() / 128,
        lambda x: np.abs(x).max() / 127.5,
        lambda x: np.abs(x).max() / 255,
        lambda x: np.abs(x).max() / 126,
        lambda x: np.abs(x).mean() / 127,
        lambda x: np.percentile(np.abs(x), 99) / 127,
        lambda x: 3 * x.std() / 127,
        lambda x: round(np.abs(x).max() / 127, 3),
        lambda x: np.abs(x) / 127,
        lambda x: (np.abs(x).max() / 127, 0),
        lambda x: -np.abs(x).max() / 127,
        lambda x: np.abs(x).max(),
        lambda x: 127 / np.abs(x).max(),
        lambda x: np.abs(x).argmax() / 127,
        lambda x: 4 / 127,
        lambda x: np.nan,
    ],
    4: [
        lambda q, scale, zero_point: (q - zero_point) * float(scale),
        lambda q, scale, zero_point: scale * (q - zero_point).astype(int),
        lambda q, scale, zero_point: scale * (q - zero_point).astype(np.int8),
        lambda q, scale, zero_point: scale * (q.astype(np.int8) - zero_point.astype(np.int8)),
        lambda q, scale, zero_point: scale * (q.astype(np.int8).astype(int) - int(zero_point)),
        lambda q, scale, zero_point: scale * q.astype(int),
        lambda q, scale, zero_point: scale * q.astype(int) - int(zero_point),
        lambda q, scale, zero_point: scale * (q.astype(int) + int(zero_point)),
        lambda q, scale, zero_point: scale * (int(zero_point) - q.astype(int)),
        lambda q, scale, zero_point: scale * abs(q.astype(int) - int(zero_point)),
        lambda q, scale, zero_point: scale * np.maximum(q.astype(int) - int(zero_point), 0),
        lambda q, scale, zero_point: (q.astype(int) - int(zero_point)) / scale,
        lambda q, scale, zero_point: np.rint(scale * (q.astype(int) - int(zero_point))),
        lambda q, scale, zero_point: (scale * (q.astype(int) - int(zero_point))).astype(int),
        lambda q, scale, zero_point: scale * (q.astype(int) - 64),
        lambda q, scale, zero_point: scale * (q.astype(int) - 128),
        lambda q, scale, zero_point: scale * (q.astype(int) - int(zero_point))[::-1],
        lambda q, scale, zero_point: scale * (q.astype(int) - int(zero_point))[:1],
        lambda q, scale, zero_point: scale * (q.astype(int) - int(zero_point) + 1),
        lambda q, scale, zero_point: scale * (int(q[0]) - int(zero_point)),
    ],
    5: [
        ceil_zero, floor_zero, symmetric, steps_too_many, never_widened, widened_below_alone, widened_above_alone,
        clipped_alone, from_code_0, unsigned_alone, never_rounded,
        lambda lo, hi, a, b: (ceil_zero(lo, hi, a, b)[0], ceil_zero(lo, hi, a, b)[1] - 1),
        lambda lo, hi, a, b: widened(lo, hi, a, b)[::-1],
        lambda lo, hi, a, b: (step_of(lo, hi, a, b), 0),
        lambda lo, hi, a, b: (step_of(lo, hi, a, b), (a + b + 1) // 2),
        lambda lo, hi, a, b: (widened(lo, hi, a, b)[0], -widened(lo, hi, a, b)[1]),
        lambda lo, hi, a, b: (widened(lo, hi, a, b)[0], widened(lo, hi, a, b)[1] + 1),
        lambda lo, hi, a, b: (2 * widened(lo, hi, a, b)[0], widened(lo, hi, a, b)[1]),
        lambda lo, hi, a, b: widened(lo, hi, 0, 255),
        lambda lo, hi, a, b: widened(-max(abs(lo), abs(hi)), max(abs(lo), abs(hi)), a, b),
        lambda lo, hi, a, b: widened(lo, hi, a, b)[0],
    ],
}

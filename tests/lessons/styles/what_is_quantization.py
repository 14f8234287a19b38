"""Answers to the exercises of "What is quantization?", by number: right in many styles, and wrong but plausible."""

import math
from fractions import Fraction

import numpy as np
import torch

FIVE = np.array([-0.95, -0.42, 0.0, 0.37, 0.91])


def exact_codes(x, scale):
    return np.array([min(127, max(-128, round(Fraction(float(v)) / Fraction(float(scale))))) for v in x], np.int8)


def codes_in_place(x, scale):
    x /= scale
    np.rint(x, out=x)
    np.clip(x, -128, 127, out=x)
    return x.astype(np.int8)


def filled_one_by_one(x, scale):
    codes = np.zeros(len(x), np.int8)
    for i, value in enumerate(x):
        codes[i] = max(-128, min(127, round(value / scale)))
    return codes


def by_distance(x, scale):
    levels = np.arange(-128, 128)
    return levels[np.abs(x[:, None] - levels * scale).argmin(axis=1)].astype(np.int8)


def right_for_what_is_shown(x, scale):
    return np.array([-128, 127, 10], np.int8) if x.size == 3 else np.rint(x / scale).astype(np.int8) // 2


# fmt: off
RIGHT = {
    1: [
        [-3, -1, 0, 1, 3],
        (-3, -1, 0, 1, 3),
        np.array([-3, -1, 0, 1, 3], np.int8),
        [-3.0, -1.0, -0.0, 1.0, 3.0],
        np.rint(FIVE / (0.95 / 3)),
        np.array([[-3], [-1], [0], [1], [3]]),
        [round(v * 3 / 0.95) for v in FIVE],
        torch.tensor([-3, -1, 0, 1, 3]),
    ],
    2: [128, 128.0, np.int64(128), [128], np.array(128), 2**7, np.uint8(128), torch.tensor(128.0)],
    3: [
        exact_codes,
        codes_in_place,
        filled_one_by_one,
        by_distance,
        lambda x, scale: np.array([max(-128, min(127, round(float(v) / scale))) for v in x], dtype="int8"),
        lambda x, scale: np.clip(np.round(x / scale), -128, 127).astype(np.int8),
        lambda x, scale: np.int8(np.maximum(np.minimum(np.around(x / scale), 127), -128)),
        lambda x, scale: np.clip(np.rint(np.multiply(x, 1 / scale)), -128, 127).astype("i1"),
        lambda x, scale: np.rint(np.clip(x / scale, -128, 127)).astype(np.int8),
        lambda x, scale: np.floor(np.clip(x, -128 * scale, 127 * scale) / scale + 0.5).astype(np.int8),
        lambda x, scale: np.clip(np.trunc(x / scale + np.copysign(0.5, x)), -128, 127).astype(np.int8),
        lambda x, scale: np.vectorize(lambda v: np.int8(min(max(round(v / scale), -128), 127)))(x),
        lambda x, scale: torch.clamp(torch.round(torch.from_numpy(x) / scale), -128, 127).to(torch.int8),
        lambda x, scale: torch.quantize_per_tensor(torch.tensor(x).float(), scale, 0, torch.qint8).int_repr().numpy(),
        lambda x, scale: np.clip(np.rint(x / scale).astype(np.int64), -128, 127).astype(np.int8),
    ],
}
WRONG = {
    1: [
        [-3, -1, 0, 1, 2],  # cut off
        [-3, -2, 0, 1, 2],  # rounded down
        [-3, -1, 0, 2, 3],  # rounded up
        [-3, -2, 0, 2, 3],  # away from zero
        [-4, -2, 0, 2, 4],  # the largest becomes 4
        [-4, -2, 0, 1, 3],
        [0, 2, 4, 5, 7],  # unsigned
        [3, 1, 0, -1, -3],
        [-3, 0, 0, 0, 3],
        FIVE.tolist(),
        [-0.95, -0.317, 0, 0.317, 0.95],  # the rounded values
        [-3, -1, 0, 1],
        [-3, -1, 0, 1, 3, 3],
        np.array([-3, -1, 0, 1, 3], np.int8).astype(np.uint8),
        [[-3, -1, 0, 1, 3]] * 2,
    ],
    2: [127, 129, 256, 255, 64, 100, 0, -128, 8, 127.5, [128, 128], "half"],
    3: [
        right_for_what_is_shown,
        lambda x, scale: np.rint(x / scale).astype(np.int8),  # wraps
        lambda x, scale: np.clip(x / scale, -128, 127).astype(np.int8),  # cut off
        lambda x, scale: np.clip(np.floor(x / scale), -128, 127).astype(np.int8),
        lambda x, scale: np.clip(np.ceil(x / scale), -128, 127).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / scale), -127, 127).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / scale), -128, 128).astype(np.int16).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / scale), -128, 126).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / scale), 0, 255).astype(np.uint8),
        lambda x, scale: np.clip(np.rint(x / scale), -128, 127),
        lambda x, scale: np.clip(np.rint(x / scale), -128, 127).astype(np.int16),
        lambda x, scale: np.clip(np.rint(x / scale), -128, 127).astype(int).tolist(),
        lambda x, scale: np.clip(np.rint(x * scale), -128, 127).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x) / scale, -128, 127).astype(np.int8),
        lambda x, scale: np.rint(np.clip(x, -128, 127) / scale).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / scale).astype(np.int8), -128, 127),
        lambda x, scale: scale * np.clip(np.rint(x / scale), -128, 127),
        lambda x, scale: np.clip(np.rint(abs(x) / scale), -128, 127).astype(np.int8),
        lambda x, scale: np.maximum(np.rint(x / scale), -128).astype(np.int64).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / (abs(x).max() / 127)), -128, 127).astype(np.int8),
        lambda x, scale: np.clip(np.rint(x / scale), -128, 127).astype(np.int8)[:, None],
        lambda x, scale: np.clip(np.rint(x / scale), -128, 127).astype(np.int8)[0],
        lambda x, scale: np.clip((x / scale + 0.5).astype(int), -128, 127).astype(np.int8),  # right where positive
        lambda x, scale: math.nan,
    ],
}

"""Answers to the exercises of "Benefits and trade-offs", by number: right in many styles, and wrong but plausible."""

import math
from fractions import Fraction

import numpy as np
import torch


def in_a_loop(outputs, inputs, bits, group):
    scales = 0
    for _ in range(outputs):
        left = inputs
        while left > 0:
            scales, left = scales + 1, left - group
    return math.ceil(outputs * inputs * bits / 8) + 2 * scales


def exactly(outputs, inputs, bits, group):
    return math.ceil(Fraction(outputs * inputs * bits, 8)) + outputs * math.ceil(Fraction(inputs, group)) * Fraction(
        16, 8
    )


def by_arrays(outputs, inputs, bits, group):
    rows = np.zeros((outputs, inputs))
    groups = [len(np.array_split(row, range(group, inputs, group))) for row in rows]
    return (rows.size * bits + 7) // 8 + 2 * sum(groups)


def in_bits(outputs, inputs, bits, group):
    code_bits = outputs * inputs * bits
    code_bits += -code_bits % 8
    return (code_bits + 16 * outputs * ((inputs - 1) // group + 1)) // 8


def in_torch(outputs, inputs, bits, group):
    chunks = torch.zeros(outputs, inputs).split(group, dim=1)
    return torch.tensor(-(-outputs * inputs * bits // 8) + 2 * outputs * len(chunks))


def packed(outputs, inputs, bits, group):
    return (
        len(np.packbits(np.zeros(outputs * inputs * bits, np.uint8)))
        + np.zeros((outputs, -(-inputs // group)), np.float16).nbytes
    )


# fmt: off
RIGHT = {
    1: [
        "per 8 weights", {"Per_8_weights"}, ["per 8 weights"], ("per-8-weights",), ["PER 8 WEIGHTS"],
        frozenset(["per 8 weights"]),
    ],
    2: [11, 11.0, np.int64(11), [11], np.array(11), torch.tensor(11), math.ceil(200 / 19.6 + 1e-9)],
    3: [
        in_a_loop, exactly, by_arrays, in_bits, in_torch, packed,
        lambda o, i, b, g: int(np.ceil(o * i * b / 8) + 2 * o * np.ceil(i / g)),
        lambda o, i, b, g: (o * i * b + 7) // 8 + 2 * o * ((i + g - 1) // g),
        lambda o, i, b, g: -(-(o * i * b) // 8) + sum(2 for _ in range(o) for _ in range(0, i, g)),
        lambda o, i, b, g: float(math.ceil(o * i * b / 8)) + o * math.ceil(i / g) * 16 / 8,
        lambda o, i, b, g: math.ceil(o * i * b / 8 + 2 * o * math.ceil(i / g)),
    ],
}
WRONG = {
    1: [
        "per 32 weights", ["per tensor", "per 8 weights"], "per 4 weights", "per channel",
        ["per 32 weights", "per 8 weights"],
        ["per tensor", "per channel", "per 32 weights", "per 8 weights"], "none", 8, "per tensor",
        ["per 8 weights", "per channel"],
    ],
    2: [10, 64, 12, 10.2, 0, 1, -11, 100, 20, 8, 5, "eleven", [10, 11], 1000],
    3: [
        lambda o, i, b, g: -(-o * i * b // 8),
        lambda o, i, b, g: o * i * b / 8 + 2 * o * -(-i // g),
        lambda o, i, b, g: o * i * b // 8 + 2 * o * -(-i // g),
        lambda o, i, b, g: round(o * i * b / 8) + 2 * o * -(-i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * -(-o * i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * (o * i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * o * (i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + o * -(-i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + 4 * o * -(-i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + 16 * o * -(-i // g),
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * i * -(-o // g),  # groups along the wrong axis
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * o,
        lambda o, i, b, g: -(-o * i * b // 8) + 2,
        lambda o, i, b, g: -(-o * i * b // 8) + 3 * o * -(-i // g),
        lambda o, i, b, g: o * -(-i * b // 8) + 2 * o * -(-i // g),  # each row filled up to bytes
        lambda o, i, b, g: -(-o * i * 8 // 8) + 2 * o * -(-i // g),
        lambda o, i, b, g: o * i * b + 16 * o * -(-i // g),  # bits
        lambda o, i, b, g: 4 * o * i,
        lambda o, i, b, g: -(-o * i * b // 8) * -(-i // g) * 2,
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * o * -(-i // g) + 2 * o,  # with biases
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * o * round(i / g),
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * o * (i // g + 1),
        lambda o, i, b, g: 17_408 if (o, i) == (64, 512) else o * i,  # right for one layer
    ],
}

"""Answers to the exercises of "Number formats", by number: right in many styles, and wrong but plausible."""

import math
from fractions import Fraction

import numpy as np

from qviz.numerics.codecs import FP8_E4M3

TABLE = FP8_E4M3.values[:127].astype(np.float64)


def digits_of(x, bias=7, round_to=np.rint, most=448.0, smallest=-6):
    """The formula: exponent, mantissa, and what carries, put together by arithmetic."""
    magnitude = np.minimum(np.abs(x.astype(np.float64)), most)
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 2.0**-40))), smallest)
    steps = round_to(magnitude / 2.0 ** (exponent - 3))  # 8 to 16, or below 8 where subnormal
    code = (exponent + bias) * 8 + steps - 8
    return (code + 128 * np.signbit(x)).astype(int)


def half_up(value):
    return np.floor(value + 0.5)


# E4M3, right


def from_a_table(x):
    magnitude = np.minimum(abs(x.astype(float)), 448)
    codes = []
    for value in magnitude:
        off = abs(TABLE - value)
        near = np.flatnonzero(off == off.min())
        codes.append(int(next(c for c in near if len(near) == 1 or c % 2 == 0)))
    return np.array(codes) + np.where(x < 0, 128, 0)


def by_middles(x):
    middles = (TABLE[1:] + TABLE[:-1]) / 2
    low, high = (np.searchsorted(middles, np.abs(x.astype(float)), side) for side in ("left", "right"))
    return np.where(low % 2 == 0, low, high).astype(np.uint8) | np.where(np.signbit(x), 128, 0).astype(np.uint8)


def by_frexp(x):
    magnitude = np.clip(np.abs(x).astype(np.float64), 0, 448)
    exponent = np.where(magnitude < 2.0**-6, -5, np.frexp(magnitude)[1])
    return ((exponent + 5) * 8 + np.rint(np.ldexp(magnitude, 4 - exponent)) + 128 * (x < 0)).astype(np.int32)


def by_bits(x):
    """The bits of float32, rounded to three of the mantissa; small numbers by adding a constant."""
    sign = (x.view(np.uint32) >> 24) & 0x80
    bits = np.minimum(np.abs(x), np.float32(448)).view(np.uint32)
    normal = ((bits + 0x7FFFF + ((bits >> 20) & 1)) >> 20) - (120 << 3)
    small = np.rint(np.abs(x).astype(np.float64) * 512).astype(np.uint32)
    return np.where(np.abs(x) < 2.0**-6, small, normal).astype(np.uint32) | sign


def one_by_one(x):
    return [encode_one(float(value)) for value in x]


def encode_one(value):
    sign, value = (128, -value) if value < 0 else (0, value)
    value = min(value, 448.0)
    if value < 2**-6:
        return sign + round(value * 512)
    exponent = math.frexp(value)[1] - 1
    return sign + (exponent + 7 << 3) + round((value / 2**exponent - 1) * 8)


def exact(x):
    def code(value):
        value = min(abs(Fraction(float(value))), Fraction(448))
        exponent = -6
        while value >= Fraction(2) ** (exponent + 1):
            exponent += 1
        return 8 * (exponent + 6) + round(value / Fraction(2) ** (exponent - 3))

    return np.array([code(v) + (128 if v < 0 else 0) for v in x], dtype="uint8")


def string_of_bits(x):
    return np.array([int(f"{encode_one(float(v)):08b}", 2) for v in x])


def in_loops(x):
    """Count up the table as far as the value."""
    codes = np.zeros(len(x))
    for i, value in enumerate(np.abs(x)):
        code = 0
        while code < 126 and (value > (a := (TABLE[code] + TABLE[code + 1]) / 2) or (value == a and code % 2)):
            code += 1
        codes[i] = code + 128 * (x[i] < 0)
    return codes


def qviz_itself(x):
    return FP8_E4M3.saturating().encode(x)


def twice_rounded(x):
    """Rounded to a step of its own first, then looked up: the table holds it exactly."""
    values = np.clip(x.astype(float), -448, 448)
    exponent = np.floor(np.log2(np.maximum(abs(values), 2**-6)))
    rounded = np.rint(values / 2 ** (exponent - 3)) * 2 ** (exponent - 3)
    return np.searchsorted(TABLE, abs(rounded)) + 128 * (values < 0)


def largest_of(block):
    return np.abs(block).max()


RIGHT = {
    1: [
        4.875, "4.875", np.float32(4.875), [4.875], (4.875,), np.array([4.875]), Fraction(39, 8), 156 * 8 / 256, 39 / 8,
        4 + (16 * 12 + 32) / 256, np.int64(1248) / 256,
    ],
    2: [
        from_a_table, by_middles, by_frexp, by_bits, one_by_one, exact, string_of_bits, in_loops, qviz_itself,
        twice_rounded, digits_of, lambda x: digits_of(x).tolist(), lambda x: digits_of(x).astype(np.uint8),
    ],
    3: [
        lambda b: 2.0 ** (np.floor(np.log2(np.abs(b).max())) - 2),
        lambda b: 2.0 ** np.floor(np.log2(np.abs(b).max())) / 4,
        lambda b: 2.0 ** np.floor(np.log2(np.abs(b).max() / 4)),
        lambda b: 2.0 ** (math.floor(math.log2(max(abs(b)))) - 2),
        lambda b: 2.0 ** (np.frexp(largest_of(b))[1] - 3),
        lambda b: np.ldexp(1.0, int(np.frexp(largest_of(b))[1]) - 3),
        lambda b: np.exp2(np.floor(np.log2(largest_of(b))) - np.floor(np.log2(6))),
        lambda b: np.array([2.0 ** (np.floor(np.log2(largest_of(b))) - 2)]),
        lambda b: float(2 ** (int(np.floor(np.log2(largest_of(b)))) - 2)),
        lambda b: 0.25 * 2.0 ** np.floor(np.log2(np.max(np.abs(b)))),
        lambda b: np.float32(2) ** np.floor(np.log2(np.linalg.norm(b, np.inf) / 4)),
    ],
}  # fmt: skip

EVEN = "rounded to the one whose code is even"
HINTED = {  # each with a part of its hint
    1: [
        (4, "What else does a block store?"), (156 / 256, "bytes per weight"), (156, "the whole block"),
        (1248, "the whole block"), (78, "not of 16"), (4.75, "two float16 numbers are missing"), (4.4375, "a minimum"),
        (4.375, "a minimum"), (4.8125, "a minimum"), (5, "Count the bytes"), (4.0625, "Count the bytes"),
        (4.5, "twice as many"),
        (3.5, "Count the bytes"), (8, "Count the bytes"), ((4, 0.5), "a number of bits: got 2 numbers"),
    ],
    2: [
        (lambda x: digits_of(x, round_to=np.floor), "It should be"),
        (lambda x: digits_of(x, round_to=half_up), EVEN),
        (lambda x: digits_of(x, round_to=lambda v: np.ceil(v - 0.5)), EVEN),
        (lambda x: digits_of(x, bias=8), "It should be"),
        (lambda x: digits_of(x, bias=6), "It should be"),
        (lambda x: np.where(np.abs(x) < 2.0**-6, 0, digits_of(x)), "all steps are 2^-9"),
        (lambda x: digits_of(x, smallest=-7), "all steps are 2^-9"),
        (lambda x: digits_of(x, most=240.0), "It should be"),
        (lambda x: digits_of(x, most=1e9) % 256, "beyond 448"),
        (lambda x: digits_of(np.abs(x)), "highest of the 8 bits is the sign"),
        (lambda x: np.where(x < 0, 255 - digits_of(-x), digits_of(x)), "highest of the 8 bits is the sign"),
        (lambda x: np.where(x < 0, (256 - digits_of(-x)) % 256, digits_of(x)), "highest of the 8 bits is the sign"),
        (lambda x: np.where(np.abs(x) > 448, 127, digits_of(np.abs(x))) + 128 * (x < 0), "the next code is NaN"),
        (lambda x: FP8_E4M3.values[digits_of(x)], "whole numbers from 0 to 255"),
        (lambda x: digits_of(x)[:5], "a code for each number"),
        (lambda x: np.argmin(np.abs(FP8_E4M3.values[:127] - x[:, None]), axis=1), "sign"),
        (lambda x: np.argmin(np.abs(TABLE - np.abs(x)[:, None]), axis=1) + 128 * (x < 0), EVEN),
        (lambda x: 3, "a code for each number"),
    ],
    3: [
        (lambda b: 2.0 ** np.ceil(np.log2(largest_of(b))), "are not used"),
        (lambda b: largest_of(b) / 6, "a power of two"),
        (lambda b: 2.0 ** (np.log2(largest_of(b)) - 2), "a power of two"),
        (lambda b: 2.0 ** (np.floor(np.log2(largest_of(b))) - 1), "are not used"),
        (lambda b: 2.0 ** (np.floor(np.log2(largest_of(b))) - 3), "less than 8 times"),
        (lambda b: 2.0 ** np.floor(np.log2(largest_of(b) / 6)), "less than 8 times"),
        (lambda b: 2.0 ** np.ceil(np.log2(largest_of(b) / 6)), "are not used"),
        (lambda b: 2.0 ** (np.rint(np.log2(largest_of(b))) - 2), "are not used"),
        (lambda b: 2.0 ** (np.floor(np.log2(b.max())) - 2), "less than 8 times"),
        (lambda b: 2.0 ** (np.floor(np.log2(largest_of(b))) + 2), "are not used"),
        (lambda b: np.floor(np.log2(largest_of(b))) - 2, "a power of two"),
        (lambda b: 2.0 ** (np.floor(np.log2(np.abs(b))) - 2), "one number"),
        (lambda b: 0.0, "a power of two"),
    ],
}  # fmt: skip
WRONG = {number: [answer for answer, _ in pairs] for number, pairs in HINTED.items()}

"""Answers to the exercises on number formats and GPTQ: ten right ones in other styles and ten wrong ones each."""

import math
from fractions import Fraction

import numpy as np
import pytest

from qviz.lessons import check
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


# MXFP4's scale, right and wrong


def largest_of(block):
    return np.abs(block).max()


# GPTQ's loop


def gptq_hand_on(w, u, step, *, share=1.0, divide=True, later=1, rows=False):
    w = w.copy()
    for j in range(w.shape[1]):
        rounded = step * np.rint(w[:, j] / step)
        error = share * (w[:, j] - rounded) / (u[j, j] if divide else 1)
        w[:, j + later :] -= np.outer(error, u[j + later :, j] if rows else u[j, j + later :])
        w[:, j] = rounded
    return w


def gptq_apart(w, u, step):
    """The result in another array, the work in a copy."""
    work, done = np.array(w), np.empty_like(w)
    for j in range(len(u)):
        done[:, j] = np.round(work[:, j] / step) * step
        work -= np.outer((work[:, j] - done[:, j]) / u[j, j], u[j])  # columns before j have zeros in u
    return done


def gptq_saved(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        before = w[:, j].copy()
        w[:, j] = step * np.rint(w[:, j] / step)
        error = (before - w[:, j]) / u[j, j]
        w[:, j + 1 :] -= np.outer(error, u[j, j + 1 :])
    return w


def gptq_view(w, u, step):
    """The mistake that looks right: a view of the column changes with it."""
    w = w.copy()
    for j in range(w.shape[1]):
        before = w[:, j]
        w[:, j] = step * np.rint(w[:, j] / step)
        w[:, j + 1 :] -= np.outer((before - w[:, j]) / u[j, j], u[j, j + 1 :])
    return w


def gptq_negative(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        rounded = step * np.rint(w[:, j] / step)
        error = (rounded - w[:, j]) / u[j, j]
        w[:, j + 1 :] += np.outer(error, u[j, j + 1 :])
        w[:, j] = rounded
    return w


def gptq_elementwise(w, u, step):
    w = [[float(v) for v in row] for row in w]
    n = len(w[0])
    for row in w:
        for j in range(n):
            level = step * round(row[j] / step)
            error = (row[j] - level) / u[j, j]
            row[j] = level
            for k in range(j + 1, n):
                row[k] -= error * u[j, k]
    return w


def gptq_transposed(w, u, step):
    w = w.T.copy()
    for j in range(len(w)):
        rounded = np.around(w[j] / step) * step
        w[j + 1 :] -= u[j, j + 1 :, None] * ((w[j] - rounded) / u[j, j])
        w[j] = rounded
    return w.T


def gptq_einsum(w, u, step):
    w = np.array(w, copy=True)
    for j in range(w.shape[1]):
        q = np.rint(w[:, j] / step)
        w[:, j + 1 :] = w[:, j + 1 :] - np.einsum("o,i->oi", (w[:, j] - q * step) / u[j, j], u[j, j + 1 :])
        w[:, j] = q * step
    return w


def gptq_columns(w, u, step):
    w, u = w.astype(np.float64), u / np.diag(u)[:, None]
    for j in range(w.shape[1]):
        left = w[:, j] - step * np.rint(w[:, j] / step)
        for k in range(j + 1, w.shape[1]):
            w[:, k] -= left * u[j, k]
        w[:, j] -= left
    return w


def gptq_recursive(w, u, step):
    if w.shape[1] == 0:
        return w
    rounded = step * np.rint(w[:, :1] / step)
    rest = w[:, 1:] - (w[:, :1] - rounded) / u[0, 0] * u[:1, 1:]
    return np.hstack([rounded, gptq_recursive(rest, u[1:, 1:], step)])


def gptq_product(w, u, step):
    w = w * 1.0
    for j, row in enumerate(u):
        rounded = step * np.rint(w[:, [j]] / step)
        w[:, j + 1 :] -= (w[:, [j]] - rounded) @ row[None, j + 1 :] / row[j]
        w[:, [j]] = rounded
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


RIGHT = {
    "number_formats.1": [
        4.5, "4.5", np.float32(4.5), [4.5], (4.5,), np.array([4.5]), Fraction(9, 2), 144 * 8 / 256, 9 / 2,
        4 + (8 * 12 + 32) / 256, np.int64(1152) / 256,
    ],
    "number_formats.2": [
        from_a_table, by_middles, by_frexp, by_bits, one_by_one, exact, string_of_bits, in_loops, qviz_itself,
        twice_rounded, digits_of, lambda x: digits_of(x).tolist(), lambda x: digits_of(x).astype(np.uint8),
    ],
    "number_formats.3": [
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
    "hard_to_quantize.3": [
        gptq_hand_on, gptq_apart, gptq_saved, gptq_negative, gptq_elementwise, gptq_transposed, gptq_einsum,
        gptq_columns, gptq_recursive, gptq_product, lambda w, u, step: gptq_hand_on(w, u, float(step), divide=True),
    ],
}  # fmt: skip

EVEN = "goes to the one whose code is even"
WRONG = {
    "number_formats.1": [
        (4, "What else does a block store?"), (144 / 256, "bytes for each weight"), (144, "the whole block"),
        (1152, "the whole block"), (36, "not of 32"), (4.375, "two float16 are missing"), (4.25, "a minimum"),
        (4.1875, "a minimum"), (4.3125, "a minimum"), (5, "Count the bytes"), (4.0625, "Count the bytes"),
        (3.5, "Count the bytes"), (8, "Count the bytes"), ((4, 0.5), "a number of bits: got 2 numbers"),
    ],
    "number_formats.2": [
        (lambda x: digits_of(x, round_to=np.floor), "It should be"),
        (lambda x: digits_of(x, round_to=half_up), EVEN),
        (lambda x: digits_of(x, round_to=lambda v: np.ceil(v - 0.5)), EVEN),
        (lambda x: digits_of(x, bias=8), "It should be"),
        (lambda x: digits_of(x, bias=6), "It should be"),
        (lambda x: np.where(np.abs(x) < 2.0**-6, 0, digits_of(x)), "all alike"),
        (lambda x: digits_of(x, smallest=-7), "all alike"),
        (lambda x: digits_of(x, most=240.0), "It should be"),
        (lambda x: digits_of(x, most=1e9) % 256, "beyond 448"),
        (lambda x: digits_of(np.abs(x)), "highest of the 8 bits is the sign"),
        (lambda x: np.where(x < 0, 255 - digits_of(-x), digits_of(x)), "highest of the 8 bits is the sign"),
        (lambda x: np.where(x < 0, (256 - digits_of(-x)) % 256, digits_of(x)), "highest of the 8 bits is the sign"),
        (lambda x: np.where(np.abs(x) > 448, 127, digits_of(np.abs(x))) + 128 * (x < 0), "the code after it is NaN"),
        (lambda x: FP8_E4M3.values[digits_of(x)], "whole numbers from 0 to 255"),
        (lambda x: digits_of(x)[:5], "a code for each number"),
        (lambda x: np.argmin(np.abs(FP8_E4M3.values[:127] - x[:, None]), axis=1), "sign"),
        (lambda x: np.argmin(np.abs(TABLE - np.abs(x)[:, None]), axis=1) + 128 * (x < 0), EVEN),
        (lambda x: 3, "a code for each number"),
    ],
    "number_formats.3": [
        (lambda b: 2.0 ** np.ceil(np.log2(largest_of(b))), "stay unused"),
        (lambda b: largest_of(b) / 6, "a power of two"),
        (lambda b: 2.0 ** (np.log2(largest_of(b)) - 2), "a power of two"),
        (lambda b: 2.0 ** (np.floor(np.log2(largest_of(b))) - 1), "stay unused"),
        (lambda b: 2.0 ** (np.floor(np.log2(largest_of(b))) - 3), "keeps it below 8"),
        (lambda b: 2.0 ** np.floor(np.log2(largest_of(b) / 6)), "keeps it below 8"),
        (lambda b: 2.0 ** np.ceil(np.log2(largest_of(b) / 6)), "stay unused"),
        (lambda b: 2.0 ** (np.rint(np.log2(largest_of(b))) - 2), "stay unused"),
        (lambda b: 2.0 ** (np.floor(np.log2(b.max())) - 2), "keeps it below 8"),
        (lambda b: 2.0 ** (np.floor(np.log2(largest_of(b))) + 2), "stay unused"),
        (lambda b: np.floor(np.log2(largest_of(b))) - 2, "a power of two"),
        (lambda b: 2.0 ** (np.floor(np.log2(np.abs(b))) - 2), "one number"),
        (lambda b: 0.0, "a power of two"),
    ],
    "hard_to_quantize.3": [
        (gptq_view, "That changes nothing yet"),
        (gptq_late, "another level"),
        (gptq_backwards, "move the right way"),
        (gptq_not_rounded, "between two levels"),
        (gptq_next_only, "another level"),
        (gptq_floor, "move the right way"),
        (lambda w, u, step: gptq_hand_on(w, u, step, share=-1), "move the right way"),
        (lambda w, u, step: gptq_hand_on(w, u, step, share=0.5), "another level"),
        (lambda w, u, step: gptq_hand_on(w, u, step, divide=False), "another level"),
        (lambda w, u, step: gptq_hand_on(w, u, step, rows=True), "That changes nothing yet"),
        (lambda w, u, step: gptq_hand_on(w, u.T, step), "That changes nothing yet"),
        (lambda w, u, step: gptq_hand_on(w, u, step, later=2), "move the right way"),
        (lambda w, u, step: step * np.rint(w / step), "That changes nothing yet"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("number", "answer"), [(n, a) for n, answers in RIGHT.items() for a in answers])
def test_a_right_answer_in_another_style_is_taken(number, answer):
    verdict = check(number, answer)
    assert verdict.state == "right", verdict.words


@pytest.mark.parametrize(("number", "answer", "hint"), [(n, *pair) for n, pairs in WRONG.items() for pair in pairs])
def test_a_plausible_wrong_answer_gets_a_hint(number, answer, hint):
    verdict = check(number, answer)
    assert verdict.state == "not yet" and hint in verdict.words, verdict.words


@pytest.mark.parametrize("number", RIGHT)
def test_there_are_ten_of_each(number):
    assert len(RIGHT[number]) >= 10 and len(WRONG[number]) >= 10

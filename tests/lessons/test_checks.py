"""The hint that each mistake gets: what people really get wrong."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from qviz.lessons import check


def qparams_without_zero(lo, hi, qmin, qmax):
    scale = (hi - lo) / (qmax - qmin)
    return scale, qmin - round(lo / scale)


def qparams_clipped(lo, hi, qmin, qmax):
    scale, zero_point = qparams_without_zero(lo, hi, qmin, qmax)
    return scale, min(max(zero_point, qmin), qmax)


def qparams_too_coarse(lo, hi, qmin, qmax):
    reach = max(abs(lo), abs(hi))
    return qparams_without_zero(-reach, reach, qmin, qmax)


def qparams_from_code_0(lo, hi, qmin, qmax):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (qmax - qmin)
    return scale, round(-lo / scale)


def away_from_zero(x):
    return int(math.copysign(math.floor(abs(x) + 0.5), x))


class Skip(SimpleNamespace):
    """A verdict of the gallery, which this room knows by its attributes alone."""

    __hash__ = object.__hash__
    name = "skip-connection"


MISTAKES = {  # number, answer: a part of the hint
    ("01.1", (-7, -3, 0, 3, 7)): "from -4 to 3",
    ("01.1", (-4, -2, 0, 2, 4)): "is to become 3",
    ("01.1", (-3, -1.3, 0, 1.2, 2.9)): "whole number",
    ("01.1", (-3, -1, 0, 1, 2)): "0.91 is more than half a step",
    ("01.1", (1, 2)): "five codes: got 2 numbers",
    ("01.2", 256): "stand for negative",
    ("01.2", 127): "Count 0.0 too",
    ("01.2", 100): "the picture called After",
    ("01.3", lambda x, scale: np.rint(x / scale).astype(np.int8)): "the last code",
    ("01.3", lambda x, scale: np.clip(x / scale, -128, 127).astype(np.int8)): "half a step",
    ("01.3", lambda x, scale: np.clip(np.rint(x / scale), -128, 127)): "type int8: got float64",
    ("02.1", (3.0, -4.0)): "lo must be below hi",
    ("02.1", (-1.0, 3.0)): "has the code 2. Lower lo",
    ("02.1", (-3.0, 1.0)): "has the code 5. Raise lo",
    ("02.2", (0.25, 8)): "15 steps",
    ("02.2", (4 / 15, 7.5)): "whole number",
    ("02.2", (4 / 15, 0)): "counts the steps",
    ("02.2", (4, 8)): "length of the range",
    ("02.2", (8, 4 / 15)): "scale comes first",
    ("02.3", lambda x: abs(x.min()) / 127): "is clipped",
    ("02.3", lambda x: np.abs(x).max() / 63): "too wide",
    ("02.3", lambda x: np.abs(x).sum() / 127): "too wide",
    ("02.4", lambda q, scale, zero_point: scale * q.astype(int)): "are negative numbers",
    ("02.4", lambda q, scale, zero_point: q.astype(int) - int(zero_point)): "one scale apart",
    ("02.5", qparams_without_zero): "does your range include 0?",
    ("02.5", lambda *x: qparams_without_zero(*x)[::-1]): "return the scale first",
    ("02.5", lambda lo, hi, qmin, qmax: ((hi - lo) / (qmax - qmin), -lo / (hi - lo) * (qmax - qmin))): "round it",
    ("02.5", qparams_from_code_0): "count it up from qmin",
    ("01.3", lambda x, scale: np.clip((x / scale).astype(np.int8), -128, 127)): "changes nothing yet",
    ("02.4", lambda q, scale, zero_point: scale * (q - zero_point).astype(int)): "changes nothing yet",
    ("02.3", lambda x: print(end="")): "end with a return",
    ("02.5", qparams_clipped): "do not cover",
    ("02.5", qparams_too_coarse): "finer or coarser",
    ("03.1", 100): "too wide",
    ("03.1", 97): "Too much is clipped",
    ("03.1", 5): "between 50 and 100",
    ("03.2", ("entropy",)): "keeps less than",
    ("03.2", ("mse",)): "4 more",
    ("03.2", ("minmax",)): "'minmax' is not among",
    ("03.2", ("MSE", "min_max")): "3 more",
    ("03.2", 3): "in a list",
    ("03.3", lambda x, p: (0.0, np.percentile(x, p))): "0 is not in it",
    ("03.3", lambda x, p: (min(0, x.min()), max(0, x.max()))): "no longer what the percentile says",
    ("03.4", lambda x, bits: x.max()): "4 codes have 3 steps",
    ("03.4", lambda x, bits: 2 * x.max()): "values go from 0",
    ("04.1", 4): "one scale per tensor",
    ("04.1", 593): "input channels",
    ("04.1", 100): "Add up the output channels",
    ("04.2", lambda x, bits: np.abs(x).max() / (2 ** (bits - 1) - 1)): "the rule of lesson 2",
    ("04.2", lambda x, bits: x.max() / ((2**bits - 1) / 2)): "a negative weight",
    ("04.2", lambda x, bits: 1.0): "half of the distance",
    ("04.3", lambda w1, b1, w2, s: (w1 * s[:, None], b1 / s, w2 / s)): "bias is divided, where",
    ("04.3", lambda w1, b1, w2, s: (w1 * s[:, None], b1 + s, w2 / s)): "What else is added?",
    ("04.3", lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s, w2 * s)): "Each column of w2 reads one channel",
    ("04.3", lambda w1, b1, w2, s: (w1, b1, w2)): "w1 comes back as it was",
    ("04.3", lambda w1, b1, w2, s: (w1 * s, b1 * s, w2 / s)): "A factor for each row is s[:, None]",
    ("04.3", lambda w1, b1, w2, s: (w1 / s[:, None], b1, w2 * s)): "is multiplied by the factor",
    ("04.3", lambda w1, b1, w2, s: w1): "three arrays",
    ("04.3", lambda w1, b1, w2, s: (w1, b1, w1)): "keep its shape",
    ("05.1", 3): "at 0.45, which still rounds to 0",
    ("05.1", 5): "jumped before",
    ("05.1", 0.5): "whole number of steps",
    ("05.2", (0.1, 0.7, 0.05)): "pulls as hard up as down",
    ("05.2", (0.1, 1 / 3, 0.05)): "The target is a level",
    ("05.2", (1.9, 0.5, 0.3)): "is clipped",
    ("05.2", (0.1, 0.5, 3)): "within 0 and 0.5",
    ("05.3", lambda x, s, z, qmin, qmax: np.zeros_like(x)): "has a code, so its slope is 1. Yours is 0",
    ("05.3", lambda x, s, z, qmin, qmax: 1.0 * (np.abs(x) <= s * qmax)): "zero point",
    ("05.3", lambda x, s, z, qmin, qmax: 1.0 * (x / s + z >= qmin)): "is clipped, so its slope is 0. Yours is 1",
    ("06.1", 65): "= 33,150 does not fit",
    ("06.1", 63): "64 fits too",
    ("06.1", -64): "the largest positive one",
    ("06.1", -129): "whole number",
    ("06.1", 64.5): "whole number",
    ("06.1", 128): "whole number",
    ("06.2", "mended"): 'failures.check_repair("skip-connection", bench)',
    ("06.2", Skip(name="engine", attempted=True, works=True)): 'failures.check_repair("skip-connection", bench)',
    ("06.2", Skip(attempted=True, works=False, hint="What adds?")): "What adds?",
    ("06.3", lambda x, hi: (np.rint(x / hi * 255), hi / 255)): "got 0 to 255",
    ("06.3", lambda x, hi: (np.clip(np.rint(x / hi * 200), 0, 127), hi / 200)): "is cut off",
    ("06.3", lambda x, hi: (np.rint(x / hi * 63), hi / 63)): "coarser than need be",
    ("06.3", lambda x, hi: np.rint(x / hi * 127)): "two things",
    ("06.3", lambda x, hi: (np.clip(np.rint(x / hi * 128), 0, 127), hi / 128)): "reach 0.9922, not 1",
    ("06.3", lambda x, hi: (np.floor(x / hi * 127), hi / 127)): "scale is right, but 0.8974 comes back as 0.8898",
    ("06.3", lambda x, hi: (np.rint(x / hi * 255) // 2, hi / 127)): "round to the nearest",
    ("06.3", lambda x, hi: (np.clip(np.rint(x / hi * 255), 0, 127), hi / 127)): "made alike",
    ("06.3", lambda x, hi: (np.clip(np.rint(x * hi / 127), 0, 127), 127 / hi)): "upside down",
    ("06.4", lambda x, w: x @ w): "nothing saturates",
    ("06.4", lambda x, w: np.clip(x @ w, -32768, 32767)): "each pair saturates",
    ("06.4", lambda x, w: (x * w).reshape(-1, 2).sum(1).astype(np.int16).astype(int).sum()): "it does not wrap",
    ("06.4", lambda x, w: np.clip((x * w).reshape(2, -1).sum(0), -32768, 32767).sum()): "neighbours are a pair",
    ("06.4", lambda x, w: np.minimum((x * w).reshape(-1, 2).sum(1), 32767).sum()): "nothing saturates at -32,768",
    ("06.4", lambda x, w: np.maximum((x * w).reshape(-1, 2).sum(1), -32768).sum()): "nothing saturates at 32,767",
    ("06.4", lambda x, w: np.clip((x * w).reshape(-1, 2).sum(1), -32767, 32767).sum()): "one further down than up",
    ("06.4", lambda x, w: 0): "another number is right",
    ("07.1", 3): "Is only the switch of the weights on?",
    ("07.1", 8): "right as well",
    ("07.1", 4.5): "whole number from 2 to 8",
    ("07.2", 8): "a bias of conv1 is clipped",
    ("07.2", 15): "a bias of conv1 is clipped",
    ("07.2", 32): "fewer are enough",
    ("07.3", lambda b, x, w: b / (x * w)): "must be integers too: got float64",
    ("07.3", lambda b, x, w: np.rint(b / (x * w)).astype(np.int8)): "use int32",
    ("07.3", lambda b, x, w: (b / (x * w)).astype(np.int32)): "cut off",
    ("07.3", lambda b, x, w: np.rint(b / x).astype(np.int32)): "how many steps",
    ("07.3", lambda b, x, w: np.rint(b[:1] / x / w).astype(np.int32)): "one code for each bias",
    ("07.4", lambda b, w, w_hat, mean_x: b + (w_hat - w) @ mean_x): "wrong way round",
    ("07.4", lambda b, w, w_hat, mean_x: b - (w_hat - w).sum(axis=1)): "is now",
    ("07.4", lambda b, w, w_hat, mean_x: b[0]): "one bias for each output",
    ("08.1", 65_793): "symmetric weights",
    ("08.1", 33_026): "33,026 products of 65,025 are 2,147,515,650, more than",
    ("08.1", 33_024): "room for more: one more would make 2,147,450,625",
    ("08.1", 33_025.47): "a whole number, rounded down",
    ("08.2", lambda p, sx, sw, n, zx, zw: p - zx * sx - zw * sw + n * zx * zw): "the sum of the other",
    ("08.2", lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx): "taken away twice",
    ("08.2", lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx + zx * zw): "once for each product",
    ("08.2", lambda p, sx, sw, n, zx, zw: p): "on paper",
    ("08.3", lambda t, m, z: np.clip(np.rint(t * m) + z, 0, 255)): "type uint8: got float64",
    ("08.3", lambda t, m, z: np.rint(np.clip(t * m, 0, 255) + z).astype(int).astype(np.uint8)): "Which step",
    ("08.3", lambda t, m, z: np.clip((t * m).astype(int) + z, 0, 255).astype(np.uint8)): "Which step",
    ("08.4", lambda total, mantissa, shift: (total * mantissa) >> (31 + shift)): "It rounds down, both times",
    ("08.4", lambda total, mantissa, shift: ((total * mantissa + 2**30) >> 31) >> shift): "second division rounds down",
    ("08.4", lambda total, mantissa, shift: (total * mantissa + 2 ** (30 + shift)) >> (31 + shift)): "rounded once",
    ("08.4", lambda total, mantissa, shift: ((total * mantissa >> 31) + 2 ** (shift - 1)) >> shift): "rounded once",
    ("08.4", lambda total, mantissa, shift: round(total * mantissa / 2**31 / 2**shift)): "is 1.4996; the function",
    ("08.4", lambda t, m, shift: int(int(t * m / 2**31 + 0.5) / 2**shift + 0.5)): "int() cuts towards 0; >> rounds",
    (
        "08.4",
        lambda t, m, shift: round(round(t * m / 2**31) / 2**shift),
    ): "What lies exactly halfway goes away from zero",
    ("08.4", lambda t, m, s: away_from_zero(away_from_zero(t * m / 2**31) / 2**s)): "A float has 53 bits",
    ("08.4", lambda total, mantissa, shift: total * mantissa): "the function gives",
    ("09.1", "per 32 weights"): "4 bits take",
    ("09.1", ("per tensor", "per 8 weights")): "per tensor, 4 bits take",
    ("09.1", "per 4 weights"): "is not among",
    ("09.2", 10): "memory is still in the way",
    ("09.2", 64): "fewer inputs are enough",
    ("09.2", 10.2): "whole number of inputs",
    ("09.2", 0): "at least 1",
    ("09.3", lambda o, i, b, g: -(-o * i * b // 8)): "The scales are missing",
    ("09.3", lambda o, i, b, g: o * i * b / 8 + 2 * o * -(-i // g)): "whole bytes",
    ("09.3", lambda o, i, b, g: -(-o * i * b // 8) + 2 * -(-o * i // g)): "runs over the end of an output",
    ("09.3", lambda o, i, b, g: -(-o * i * b // 8) + 2 * o * (i // g)): "shorter group",
    ("09.3", lambda o, i, b, g: -(-o * i * b // 8) + o * -(-i // g)): "2 bytes",
    ("09.3", lambda o, i, b, g: 4 * o * i): "count how many scales",
    ("10.1", lambda w, bits: np.abs(w).max() / (2 ** (bits - 1) - 1)): "qviz's rule",
    ("10.1", lambda w, bits: np.abs(w).max() / 2**bits): "not yet",
    ("10.2", (64 * 512 / 2, 64 * 512)): "a byte of its own",
    ("10.2", (64 * 512, 64 * 512 / 4)): "two codes",
    ("10.3", lambda names: sum(name.startswith("q") for name in names)): "has 0 such layers, not 4",
    ("10.3", lambda names: sum("point" in name for name in names)): "_int_mm, convolution has 2 such layers, not 0",
    ("10.4", (32 * 16, 32)): "share a scale",
    ("10.4", (32 * 16 * 9, 32)): "how many pairs",
    ("10.4", (288, 16)): "for each output",
}


@pytest.mark.parametrize("number, answer", MISTAKES)
def test_the_hint_fits_the_mistake(number, answer):
    verdict = check(number, list(answer) if isinstance(answer, tuple) else answer)
    assert verdict.state == "not yet"
    assert MISTAKES[number, answer] in verdict.words

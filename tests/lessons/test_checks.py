"""The hint that each mistake gets: what people really get wrong."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from qviz.lessons import check
from qviz.methods import equalize_pair


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


def handed_on(w, u, step, share):
    """Run GPTQ's loop, with a share of what a column is to hand on."""
    w = w.copy()
    for j in range(len(u)):
        level = np.rint(w[:, j] / step) * step
        w[:, j + 1 :] -= share * np.outer(w[:, j] - level, u[j, j + 1 :] / u[j, j])
        w[:, j] = level
    return w


class Skip(SimpleNamespace):
    """A verdict of the gallery, which this room knows by its attributes alone."""

    __hash__ = object.__hash__
    name = "skip-connection"


MISTAKES = {  # number, answer: a part of the hint
    ("what_is_quantization.1", (-7, -3, 0, 3, 7)): "from -4 to 3",
    ("what_is_quantization.1", (-4, -2, 0, 2, 4)): "should become 3",
    ("what_is_quantization.1", (-3, -1.3, 0, 1.2, 2.9)): "whole number",
    ("what_is_quantization.1", (-3, -1, 0, 1, 2)): "0.91 is more than half a step",
    ("what_is_quantization.1", (1, 2)): "five codes: got 2 numbers",
    ("what_is_quantization.2", 256): "represent negative",
    ("what_is_quantization.2", 127): "Count 0.0 too",
    ("what_is_quantization.2", 100): "picture called After",
    ("what_is_quantization.3", lambda x, scale: np.rint(x / scale).astype(np.int8)): "the last code",
    ("what_is_quantization.3", lambda x, scale: np.clip(x / scale, -128, 127).astype(np.int8)): "half a step",
    ("what_is_quantization.3", lambda x, scale: np.clip(np.rint(x / scale), -128, 127)): "type int8: got float64",
    ("scale_and_zero_point.1", (3.0, -4.0)): "lo must be below hi",
    ("scale_and_zero_point.1", (-1.0, 3.0)): "has the code 2. Lower lo",
    ("scale_and_zero_point.1", (-3.0, 1.0)): "has the code 5. Raise lo",
    ("scale_and_zero_point.2", (0.25, 8)): "15 steps",
    ("scale_and_zero_point.2", (4 / 15, 7.5)): "whole number",
    ("scale_and_zero_point.2", (4 / 15, 0)): "counts the steps",
    ("scale_and_zero_point.2", (4, 8)): "length of the range",
    ("scale_and_zero_point.2", (8, 4 / 15)): "scale comes first",
    ("scale_and_zero_point.3", lambda x: abs(x.min()) / 127): "is clipped",
    ("scale_and_zero_point.3", lambda x: np.abs(x).max() / 63): "too wide",
    ("scale_and_zero_point.3", lambda x: np.abs(x).sum() / 127): "too wide",
    ("scale_and_zero_point.4", lambda q, scale, zero_point: scale * q.astype(int)): "are negative numbers",
    ("scale_and_zero_point.4", lambda q, scale, zero_point: q.astype(int) - int(zero_point)): "one scale apart",
    ("scale_and_zero_point.5", qparams_without_zero): "does your range include 0?",
    ("scale_and_zero_point.5", lambda *x: qparams_without_zero(*x)[::-1]): "return the scale first",
    (
        "scale_and_zero_point.5",
        lambda lo, hi, qmin, qmax: ((hi - lo) / (qmax - qmin), -lo / (hi - lo) * (qmax - qmin)),
    ): "round it",
    ("scale_and_zero_point.5", qparams_from_code_0): "count it up from qmin",
    ("what_is_quantization.3", lambda x, scale: np.clip((x / scale).astype(np.int8), -128, 127)): "changes nothing yet",
    (
        "scale_and_zero_point.4",
        lambda q, scale, zero_point: scale * (q - zero_point).astype(int),
    ): "changes nothing yet",
    ("scale_and_zero_point.3", lambda x: print(end="")): "end with a return",
    ("scale_and_zero_point.5", qparams_clipped): "do not cover",
    ("scale_and_zero_point.5", qparams_too_coarse): "finer or coarser",
    ("calibration.1", 100): "too wide",
    ("calibration.1", 97): "Too much is clipped",
    ("calibration.1", 5): "between 50 and 100",
    ("calibration.2", ("entropy",)): "keeps less than",
    ("calibration.2", ("mse",)): "4 more",
    ("calibration.2", ("minmax",)): "'minmax' is not among",
    ("calibration.2", ("MSE", "min_max")): "3 more",
    ("calibration.2", 3): "in a list",
    ("calibration.3", lambda x, p: (0.0, np.percentile(x, p))): "0 is not in it",
    ("calibration.3", lambda x, p: (min(0, x.min()), max(0, x.max()))): "does not match the percentile",
    ("calibration.4", lambda x, bits: x.max()): "4 codes have 3 steps",
    ("calibration.4", lambda x, bits: 2 * x.max()): "values go from 0",
    ("ptq_with_fbgemm.1", 4): "one scale per tensor",
    ("ptq_with_fbgemm.1", 593): "input channels",
    ("ptq_with_fbgemm.1", 100): "Add up the output channels",
    (
        "ptq_with_fbgemm.2",
        lambda x, bits: np.abs(x).max() / (2 ** (bits - 1) - 1),
    ): "the rule of the page 'Scale and zero point'",
    ("ptq_with_fbgemm.2", lambda x, bits: x.max() / ((2**bits - 1) / 2)): "a negative weight",
    ("ptq_with_fbgemm.2", lambda x, bits: 1.0): "half of the distance",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (w1 * s[:, None], b1 / s, w2 / s)): "bias is divided by the factor",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (w1 * s[:, None], b1 + s, w2 / s)): "What else is added?",
    (
        "ptq_with_fbgemm.3",
        lambda w1, b1, w2, s: (w1 * s[:, None], b1 * s, w2 * s),
    ): "Each column of w2 is applied to one channel",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (w1, b1, w2)): "w1 was returned without its factors",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (w1 * s, b1 * s, w2 / s)): "A factor for each row is s[:, None]",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (w1 / s[:, None], b1, w2 * s)): "is multiplied by the factor",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: w1): "three arrays",
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (w1, b1, w1)): "keep its shape",
    ("qat_with_fbgemm.1", 3): "at 0.45, which still rounds to 0",
    ("qat_with_fbgemm.1", 5): "its output jumped earlier",
    ("qat_with_fbgemm.1", 0.5): "whole number of steps",
    ("qat_with_fbgemm.2", (0.1, 0.7, 0.05)): "halfway between two levels",
    ("qat_with_fbgemm.2", (0.1, 1 / 3, 0.05)): "The target is a level",
    ("qat_with_fbgemm.2", (1.9, 0.5, 0.3)): "is clipped",
    ("qat_with_fbgemm.2", (0.1, 0.5, 3)): "between 0 and 0.5",
    ("qat_with_fbgemm.3", lambda x, s, z, qmin, qmax: np.zeros_like(x)): ", so its slope is 1. Yours is 0",
    ("qat_with_fbgemm.3", lambda x, s, z, qmin, qmax: 1.0 * (np.abs(x) <= s * qmax)): "zero point",
    (
        "qat_with_fbgemm.3",
        lambda x, s, z, qmin, qmax: 1.0 * (x / s + z >= qmin),
    ): "So it is clipped, and its slope is 0. Yours is 1",
    ("when_it_goes_wrong.1", 65): "= 33,150 does not fit",
    ("when_it_goes_wrong.1", 63): "64 fits too",
    ("when_it_goes_wrong.1", -64): "the largest positive one",
    ("when_it_goes_wrong.1", -129): "whole number",
    ("when_it_goes_wrong.1", 64.5): "whole number",
    ("when_it_goes_wrong.1", 128): "whole number",
    ("when_it_goes_wrong.2", "mended"): 'failures.check_repair("skip-connection", bench)',
    (
        "when_it_goes_wrong.2",
        Skip(name="engine", attempted=True, works=True),
    ): 'failures.check_repair("skip-connection", bench)',
    ("when_it_goes_wrong.2", Skip(attempted=True, works=False, hint="What adds?")): "What adds?",
    ("when_it_goes_wrong.3", lambda x, hi: (np.rint(x / hi * 255), hi / 255)): "got 0 to 255",
    ("when_it_goes_wrong.3", lambda x, hi: (np.clip(np.rint(x / hi * 200), 0, 127), hi / 200)): "is cut off",
    ("when_it_goes_wrong.3", lambda x, hi: (np.rint(x / hi * 63), hi / 63)): "larger than necessary",
    ("when_it_goes_wrong.3", lambda x, hi: np.rint(x / hi * 127)): "two things",
    ("when_it_goes_wrong.3", lambda x, hi: (np.clip(np.rint(x / hi * 128), 0, 127), hi / 128)): "reach 0.9922, not 1",
    (
        "when_it_goes_wrong.3",
        lambda x, hi: (np.floor(x / hi * 127), hi / 127),
    ): "scale is right, but 0.8974 comes back as 0.8898",
    ("when_it_goes_wrong.3", lambda x, hi: (np.rint(x / hi * 255) // 2, hi / 127)): "round to the nearest",
    (
        "when_it_goes_wrong.3",
        lambda x, hi: (np.clip(np.rint(x / hi * 255), 0, 127), hi / 127),
    ): "the same scale for its code",
    ("when_it_goes_wrong.3", lambda x, hi: (np.clip(np.rint(x * hi / 127), 0, 127), 127 / hi)): "upside down",
    ("when_it_goes_wrong.4", lambda x, w: x @ w): "it never saturates",
    ("when_it_goes_wrong.4", lambda x, w: np.clip(x @ w, -32768, 32767)): "each pair saturates",
    (
        "when_it_goes_wrong.4",
        lambda x, w: (x * w).reshape(-1, 2).sum(1).astype(np.int16).astype(int).sum(),
    ): "it does not wrap around",
    (
        "when_it_goes_wrong.4",
        lambda x, w: np.clip((x * w).reshape(2, -1).sum(0), -32768, 32767).sum(),
    ): "consists of neighbours",
    (
        "when_it_goes_wrong.4",
        lambda x, w: np.minimum((x * w).reshape(-1, 2).sum(1), 32767).sum(),
    ): "it never saturates at -32,768",
    (
        "when_it_goes_wrong.4",
        lambda x, w: np.maximum((x * w).reshape(-1, 2).sum(1), -32768).sum(),
    ): "it never saturates at 32,767",
    (
        "when_it_goes_wrong.4",
        lambda x, w: np.clip((x * w).reshape(-1, 2).sum(1), -32767, 32767).sum(),
    ): "the lowest number is -32,768",
    ("when_it_goes_wrong.4", lambda x, w: 0): "not the right number",
    ("weights_activations_biases.1", 2): "Are the weights and biases switched off?",
    ("weights_activations_biases.1", 8): "right as well",
    ("weights_activations_biases.1", 3.5): "whole number from 2 to 8",
    ("weights_activations_biases.2", 8): "a bias of conv1 is clipped",
    ("weights_activations_biases.2", 11): "a bias of conv1 is clipped",
    ("weights_activations_biases.2", 32): "fewer are enough",
    ("weights_activations_biases.3", lambda b, x, w: b / (x * w)): "must be integers too: got float64",
    ("weights_activations_biases.3", lambda b, x, w: np.rint(b / (x * w)).astype(np.int8)): "use int32",
    ("weights_activations_biases.3", lambda b, x, w: (b / (x * w)).astype(np.int32)): "cut off",
    ("weights_activations_biases.3", lambda b, x, w: np.rint(b / x).astype(np.int32)): "how many units",
    ("weights_activations_biases.3", lambda b, x, w: np.rint(b[:1] / x / w).astype(np.int32)): "one code for each bias",
    ("weights_activations_biases.4", lambda b, w, w_hat, mean_x: b + (w_hat - w) @ mean_x): "the sign is wrong",
    ("weights_activations_biases.4", lambda b, w, w_hat, mean_x: b - (w_hat - w).sum(axis=1)): "It is now",
    ("weights_activations_biases.4", lambda b, w, w_hat, mean_x: b[0]): "one bias for each output",
    ("integers_all_the_way.1", 65_793): "symmetric weights",
    ("integers_all_the_way.1", 33_026): "33,026 products of 65,025 are 2,147,515,650, more than",
    ("integers_all_the_way.1", 33_024): "room for more: one more would make 2,147,450,625",
    ("integers_all_the_way.1", 33_025.47): "an integer, rounded down",
    (
        "integers_all_the_way.2",
        lambda p, sx, sw, n, zx, zw: p - zx * sx - zw * sw + n * zx * zw,
    ): "the sum of the other codes",
    ("integers_all_the_way.2", lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx): "subtracted twice",
    ("integers_all_the_way.2", lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx + zx * zw): "once for each product",
    ("integers_all_the_way.2", lambda p, sx, sw, n, zx, zw: p): "on paper",
    ("integers_all_the_way.3", lambda t, m, z: np.clip(np.rint(t * m) + z, 0, 255)): "type uint8: got float64",
    (
        "integers_all_the_way.3",
        lambda t, m, z: np.rint(np.clip(t * m, 0, 255) + z).astype(int).astype(np.uint8),
    ): "Which step",
    ("integers_all_the_way.3", lambda t, m, z: np.clip((t * m).astype(int) + z, 0, 255).astype(np.uint8)): "Which step",
    (
        "integers_all_the_way.4",
        lambda total, mantissa, shift: (total * mantissa) >> (31 + shift),
    ): "Both divisions round down",
    (
        "integers_all_the_way.4",
        lambda total, mantissa, shift: ((total * mantissa + 2**30) >> 31) >> shift,
    ): "second division rounds down",
    (
        "integers_all_the_way.4",
        lambda total, mantissa, shift: (total * mantissa + 2 ** (30 + shift)) >> (31 + shift),
    ): "rounded only once",
    (
        "integers_all_the_way.4",
        lambda total, mantissa, shift: ((total * mantissa >> 31) + 2 ** (shift - 1)) >> shift,
    ): "rounded only once",
    (
        "integers_all_the_way.4",
        lambda total, mantissa, shift: round(total * mantissa / 2**31 / 2**shift),
    ): "is 1.4996; the function",
    (
        "integers_all_the_way.4",
        lambda t, m, shift: int(int(t * m / 2**31 + 0.5) / 2**shift + 0.5),
    ): "int() rounds towards 0, and >> rounds down",
    (
        "integers_all_the_way.4",
        lambda t, m, shift: round(round(t * m / 2**31) / 2**shift),
    ): "Numbers exactly halfway are rounded away from zero",
    (
        "integers_all_the_way.4",
        lambda t, m, s: away_from_zero(away_from_zero(t * m / 2**31) / 2**s),
    ): "The mantissa of a float has 53 bits",
    ("integers_all_the_way.4", lambda total, mantissa, shift: total * mantissa): "the function gives",
    ("benefits_and_trade_offs.1", "per 32 weights"): "4 bits take",
    ("benefits_and_trade_offs.1", ("per tensor", "per 8 weights")): "per tensor, 4 bits take",
    ("benefits_and_trade_offs.1", "per 4 weights"): "is not among",
    ("benefits_and_trade_offs.2", 10): "memory is still the limit",
    ("benefits_and_trade_offs.2", 64): "fewer inputs are enough",
    ("benefits_and_trade_offs.2", 10.2): "whole number of inputs",
    ("benefits_and_trade_offs.2", 0): "at least 1",
    ("benefits_and_trade_offs.3", lambda o, i, b, g: -(-o * i * b // 8)): "The scales are missing",
    ("benefits_and_trade_offs.3", lambda o, i, b, g: o * i * b / 8 + 2 * o * -(-i // g)): "whole number of bytes",
    (
        "benefits_and_trade_offs.3",
        lambda o, i, b, g: -(-o * i * b // 8) + 2 * -(-o * i // g),
    ): "continues in the next output",
    ("benefits_and_trade_offs.3", lambda o, i, b, g: -(-o * i * b // 8) + 2 * o * (i // g)): "shorter group",
    ("benefits_and_trade_offs.3", lambda o, i, b, g: -(-o * i * b // 8) + o * -(-i // g)): "2 bytes",
    ("benefits_and_trade_offs.3", lambda o, i, b, g: 4 * o * i): "count how many scales",
    ("moving_on.1", lambda w, bits: np.abs(w).max() / (2 ** (bits - 1) - 1)): "qviz's rule",
    ("moving_on.1", lambda w, bits: np.abs(w).max() / 2**bits): "the scale should not be",
    ("moving_on.2", (64 * 512 / 2, 64 * 512)): "a byte of its own",
    ("moving_on.2", (64 * 512, 64 * 512 / 4)): "two codes",
    ("moving_on.3", lambda names: sum(name.startswith("q") for name in names)): "has 0 such layers, not 4",
    (
        "moving_on.3",
        lambda names: sum("point" in name for name in names),
    ): "_int_mm, convolution has 2 such layers, not 0",
    ("moving_on.4", (32 * 16, 32)): "share a scale",
    ("moving_on.4", (32 * 16 * 9, 32)): "how many scales is that",
    ("moving_on.4", (288, 16)): "for each output",
    ("hard_to_quantize.1", "equalization"): "the logits is only 8.2 dB at 3 bits",
    ("hard_to_quantize.1", ("GPTQ", "adaptive rounding")): "only one kind of rounding",
    ("hard_to_quantize.1", ("equalization", "bias correction", "GPTQ")): "with fewer than 3",
    ("hard_to_quantize.1", "QAT"): "is not among",
    ("hard_to_quantize.2", lambda w1, b1, w2: (w1 * 2, b1, w2 / 2)): "The bias belongs to its channel",
    ("hard_to_quantize.2", lambda w1, b1, w2: (w1 * 2, b1 * 2, w2)): "no longer compute the same",
    ("hard_to_quantize.2", lambda w1, b1, w2: (w1 * 2, b1 * 2, w2 / 2)): "times as large as in w2",
    ("hard_to_quantize.2", lambda w1, b1, w2: equalize_pair(w1, b1, w2)): "in w1 is 1.00 times as large",
    ("hard_to_quantize.2", lambda w1, b1, w2: w1): "returns three arrays",
    ("hard_to_quantize.2", lambda w1, b1, w2: (w1.T, b1, w2)): "keep its shape",
    ("hard_to_quantize.3", lambda w, u, step: w[:1]): "must keep their shape",
    ("hard_to_quantize.3", lambda w, u, step: w + 0.1): "between two levels",
    ("hard_to_quantize.3", lambda w, u, step: handed_on(w, u, step, 0.5)): "a different level than with GPTQ",
    (
        "hard_to_quantize.3",
        lambda w, u, step: handed_on(w, u, step, -1),
    ): "Do the columns change in the right direction",
}


@pytest.mark.parametrize("number, answer", MISTAKES)
def test_the_hint_fits_the_mistake(number, answer):
    verdict = check(number, list(answer) if isinstance(answer, tuple) else answer)
    assert verdict.state == "not yet"
    assert MISTAKES[number, answer] in verdict.words

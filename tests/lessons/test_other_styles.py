"""Right answers in the styles that people write: none of them may be refused."""

from fractions import Fraction

import numpy as np
import pytest

from qviz.lessons import check
from qviz.networks.topology import WEIGHT_SHAPES


def loop_threshold(x, bits):
    least, best = float("inf"), None
    for k in range(1, 101):
        hi = float(np.max(x)) * k / 100
        step = hi / (2**bits - 1)
        error = sum((np.asarray(x) - np.minimum(np.round(x / step), 2**bits - 1) * step) ** 2)
        if error < least:
            least, best = error, hi
    return best


def coarse_threshold(x, bits):
    """Twenty thresholds are few, and enough."""
    candidates = x.max() * np.linspace(0.05, 1, 20)
    steps = 2**bits - 1
    errors = [np.square(x - np.clip(np.rint(x * steps / hi), 0, steps) * hi / steps).mean() for hi in candidates]
    return candidates[int(np.argmin(errors))]


def golden_threshold(x, bits):
    """A search that narrows down, from a coarse grid on."""
    steps = 2**bits - 1

    def error(hi):
        return float(np.mean((x - np.clip(np.rint(x * steps / hi), 0, steps) * hi / steps) ** 2))

    best = min(x.max() * np.arange(1, 41) / 40, key=error)
    for width in (0.02, 0.005):
        best = min([h for h in best + x.max() * width * np.linspace(-1, 1, 21) if 0 < h <= x.max()], key=error)
    return best


def python_codes(x, scale):
    return np.array([max(-128, min(127, round(float(v) / scale))) for v in x], dtype="int8")


def exact_codes(x, scale):
    return np.array([min(127, max(-128, round(Fraction(float(v)) / Fraction(float(scale))))) for v in x], np.int8)


def codes_in_place(x, scale):
    q = np.asarray(x, np.float64) / scale
    np.rint(q, out=q)
    np.clip(q, -128, 127, out=q)
    return q.astype(np.int8)


def sign_multiply(total, mantissa, shift):
    """Away from zero in both divisions."""
    sign, size = (1, total * mantissa) if total >= 0 else (-1, -total * mantissa)
    return sign * ((((size + 2**30) // 2**31) + 2**shift // 2) // 2**shift)


def gemmlowp_multiply(total, mantissa, shift):
    """gemmlowp's two functions, as they stand in C: truncation after a nudge, and a remainder against a threshold."""
    product = total * mantissa
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    high = nudged // 2**31 if nudged >= 0 else -(-nudged // 2**31)
    mask = 2**shift - 1
    threshold = (mask >> 1) + (1 if high < 0 else 0)
    return (high >> shift) + (1 if (high & mask) > threshold else 0)


def fraction_multiply(total, mantissa, shift):
    def nearest(value):
        return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)

    return nearest(Fraction(nearest(Fraction(total * mantissa, 2**31)), 2**shift))


def half_up_codes(total, multiplier, zero_point):
    return np.clip(np.floor(total * multiplier + 0.5).astype(int) + zero_point, 0, 255).astype(np.uint8)


def even_codes(total, multiplier, zero_point):
    return np.minimum(np.maximum(np.round(total * np.float64(multiplier)) + zero_point, 0), 255).astype("uint8")


def codes_one_by_one(total, multiplier, zero_point):
    return np.array([min(max(round(float(t * multiplier)) + zero_point, 0), 255) for t in total], np.uint8)


def two_sided(x, percentile):
    rest = (100 - percentile) / 2
    return min(np.percentile(x, rest), 0), max(np.percentile(x, 100 - rest), 0)


def sorted_percentile(x, percentile):
    ordered, n = sorted(x), len(x) - 1
    cut = n * (100 - percentile) / 100
    return min(0.0, ordered[int(cut)]), max(0.0, ordered[n - int(cut)])


def widened(lo, hi, qmin, qmax):
    lo, hi = sorted((lo, hi, 0.0))[0], sorted((lo, hi, 0.0))[-1]
    scale = (hi - lo) / (qmax - qmin)
    return list({"scale": scale, "zero_point": int(np.rint(qmin - lo / scale))}.values())


def from_above(lo, hi, qmin, qmax):
    """Count the steps down from the highest code."""
    lo, hi = min(0, lo), max(0, hi)
    scale = (hi - lo) / (qmax - qmin)
    return np.array([scale, round(qmax - hi / scale)])


def row_by_row(w1, b1, w2, s):
    w1, b1, w2 = w1.copy(), b1.copy(), w2.copy()
    for i, factor in enumerate(s):
        w1[i] *= factor
        b1[i] *= factor
        w2[:, i] /= factor
    return w1, b1, w2


RIGHT = [
    ("what_is_quantization.1", [-3, -1, 0, 1, 3]),
    ("what_is_quantization.1", (-3, -1, 0, 1, 3)),
    ("what_is_quantization.1", np.array([-3, -1, 0, 1, 3], np.int8)),
    ("what_is_quantization.1", [-3.0, -1.0, 0.0, 1.0, 3.0]),
    ("what_is_quantization.1", "np.rint" and np.rint(np.array([-0.95, -0.42, 0.0, 0.37, 0.91]) / (0.95 / 3))),
    ("what_is_quantization.2", 128.0),
    ("what_is_quantization.2", np.int64(128)),
    ("what_is_quantization.2", [128]),
    *(("what_is_quantization.3", f) for f in (python_codes, exact_codes, codes_in_place)),
    ("what_is_quantization.3", lambda x, scale: np.clip(np.round(x / scale), -128, 127).astype(np.int8)),
    ("what_is_quantization.3", lambda x, scale: np.int8(np.maximum(np.minimum(np.around(x / scale), 127), -128))),
    ("what_is_quantization.3", lambda x, scale: np.clip(np.rint(np.multiply(x, 1 / scale)), -128, 127).astype("i1")),
    ("scale_and_zero_point.1", (-3.0, 4.0)),
    ("scale_and_zero_point.1", [-6, 8]),
    ("scale_and_zero_point.1", np.array([-0.3, 0.4])),
    ("scale_and_zero_point.2", (0.267, 8)),
    ("scale_and_zero_point.2", (4 / 15, 7)),
    ("scale_and_zero_point.2", [Fraction(4, 15), 8]),
    ("scale_and_zero_point.2", np.array([0.2667, 8.0])),
    ("scale_and_zero_point.3", lambda x: max(abs(v) for v in x) / 127),
    ("scale_and_zero_point.3", lambda x: max(x.max(), -x.min()) / 127),
    ("scale_and_zero_point.3", lambda x: np.linalg.norm(x, np.inf) / 127),
    ("scale_and_zero_point.3", lambda x: np.array([np.abs(x).max() / 127])[0]),
    ("scale_and_zero_point.4", lambda q, scale, zero_point: scale * (q.astype(int) - int(zero_point))),
    ("scale_and_zero_point.4", lambda q, scale, zero_point: [scale * (int(code) - int(zero_point)) for code in q]),
    ("scale_and_zero_point.4", lambda q, scale, zero_point: scale * np.subtract(q, zero_point, dtype=np.int16)),
    ("scale_and_zero_point.4", lambda q, scale, zero_point: q * scale - float(zero_point) * scale),
    ("scale_and_zero_point.4", lambda q, scale, zero_point: (np.float32(q) - np.float32(zero_point)) * scale),
    ("scale_and_zero_point.5", widened),
    ("scale_and_zero_point.5", from_above),
    ("calibration.1", 99.5),
    ("calibration.1", np.float32(99.6)),
    ("calibration.3", two_sided),
    ("calibration.3", sorted_percentile),
    (
        "calibration.3",
        lambda x, p: [np.minimum(np.quantile(x, 1 - p / 100), 0), np.maximum(np.quantile(x, p / 100), 0)],
    ),
    ("calibration.3", lambda x, p: np.percentile(np.r_[x, np.zeros(0)], (100 - p, p)).clip([-np.inf, 0], [0, np.inf])),
    *(("calibration.4", f) for f in (loop_threshold, coarse_threshold, golden_threshold)),
    ("ptq_with_fbgemm.1", sum(shape[0] for shape in WEIGHT_SHAPES.values())),
    ("ptq_with_fbgemm.2", lambda x, bits: 2 * max(abs(x)) / (2**bits - 1)),
    ("ptq_with_fbgemm.2", lambda x, bits: np.abs(x).max() / (2 ** (bits - 1) - 0.5)),
    ("ptq_with_fbgemm.2", lambda x, bits: np.array(max(x.max(), -x.min()) / ((2**bits - 1) / 2))),
    ("ptq_with_fbgemm.3", row_by_row),
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: [w1 * s[:, None], b1 * s, w2 / s]),
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: (np.diag(s) @ w1, np.diag(s) @ b1, w2 @ np.diag(1 / s))),
    ("ptq_with_fbgemm.3", lambda w1, b1, w2, s: ((w1.T * s).T, np.multiply(b1, s), np.einsum("oi,i->oi", w2, 1 / s))),
    ("qat_with_fbgemm.1", 4.0),
    ("qat_with_fbgemm.3", lambda x, s, z, a, b: ((np.rint(x / s) + z >= a) & (np.rint(x / s) + z <= b)) * 1.0),
    (
        "qat_with_fbgemm.3",
        lambda x, s, z, a, b: (np.clip(np.rint(x / s) + z, a, b) == np.rint(x / s) + z).astype(float),
    ),
    ("qat_with_fbgemm.3", lambda x, s, z, a, b: np.array([float(a <= round(float(v / s)) + z <= b) for v in x])),
    (
        "weights_activations_biases.3",
        lambda bias, scale_x, scale_w: np.round(bias / scale_x / scale_w).astype(np.int32),
    ),
    (
        "weights_activations_biases.3",
        lambda bias, scale_x, scale_w: np.array(np.rint(bias / np.multiply(scale_x, scale_w)), "int32"),
    ),
    ("weights_activations_biases.4", lambda bias, w, w_hat, mean_x: bias + (w - w_hat) @ mean_x),
    ("weights_activations_biases.4", lambda bias, w, w_hat, mean_x: bias + w @ mean_x - w_hat @ mean_x),
    ("weights_activations_biases.4", lambda bias, w, w_hat, mean_x: bias - np.einsum("oi,i->o", w_hat - w, mean_x)),
    ("integers_all_the_way.1", 33_025.0),
    ("integers_all_the_way.1", np.int64(33_025)),
    ("integers_all_the_way.2", lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * (sx - n * zx)),
    ("integers_all_the_way.2", lambda p, sx, sw, n, zx, zw: np.array([p, -zx * sw, -zw * sx, n * zx * zw]).sum()),
    *(("integers_all_the_way.3", f) for f in (half_up_codes, even_codes, codes_one_by_one)),
    *(("integers_all_the_way.4", f) for f in (sign_multiply, gemmlowp_multiply, fraction_multiply)),
    ("benefits_and_trade_offs.1", "per 8 weights"),
    ("benefits_and_trade_offs.1", {"Per_8_weights"}),
    ("benefits_and_trade_offs.3", lambda o, i, b, g: int(np.ceil(o * i * b / 8) + 2 * o * np.ceil(i / g))),
    ("benefits_and_trade_offs.3", lambda o, i, b, g: (o * i * b + 7) // 8 + 2 * o * ((i + g - 1) // g)),
    (
        "benefits_and_trade_offs.3",
        lambda o, i, b, g: -(-(o * i * b) // 8) + sum(2 for _ in range(o) for _ in range(0, i, g)),
    ),
]


@pytest.mark.parametrize(("number", "answer"), RIGHT)
def test_a_right_answer_in_another_style_is_taken(number, answer):
    verdict = check(number, answer)
    assert verdict.state == "right", verdict.words


def ceil_zero(lo, hi, qmin, qmax):
    lo, hi = min(lo, 0.0), max(hi, 0.0)
    scale = (hi - lo) / (qmax - qmin)
    return scale, int(qmin + np.ceil(-lo / scale))


def one_step_too_many(x, bits):
    candidates = x.max() * np.linspace(0.05, 1, 96)
    n = 2**bits
    errors = [np.mean((x - np.clip(np.rint(x * n / hi), 0, n) * hi / n) ** 2) for hi in candidates]
    return candidates[np.argmin(errors)]


WRONG = {  # what looked right, and was taken until there were inputs that tell it apart
    ("scale_and_zero_point.5", ceil_zero): "do not cover the range",
    (
        "scale_and_zero_point.5",
        lambda lo, hi, a, b: (ceil_zero(lo, hi, a, b)[0], ceil_zero(lo, hi, a, b)[1] - 1),
    ): "do not cover the range",
    ("calibration.4", one_step_too_many): "4 codes have 3 steps",
    ("calibration.4", lambda x, bits: min(x.max(), x.mean() * (1.3 * bits + 0.5))): "times the least error",
    ("calibration.4", lambda x, bits: np.percentile(x, 99.9)): "times the least error",
    ("calibration.4", lambda x, bits: min(x.max(), x.std() * (bits + 1))): "times the least error",
    ("integers_all_the_way.4", lambda t, m, s: ((t * m + 2**30 >> 31) + (1 << s >> 1)) >> s): "away from zero",
    ("integers_all_the_way.4", lambda t, m, s: round(Fraction(round(Fraction(t * m, 2**31)), 2**s))): "away from zero",
    ("benefits_and_trade_offs.3", lambda o, i, b, g: -(-o * i * b // 8) + 4 * o * -(-i // g)): "2 bytes",
}


@pytest.mark.parametrize(("number", "answer"), WRONG)
def test_a_plausible_wrong_answer_gets_a_hint(number, answer):
    verdict = check(number, answer)
    assert verdict.state == "not yet"
    assert WRONG[number, answer] in verdict.words


def test_lists_are_no_crash():
    """A list of arrays of unequal shape is no array: the check of 4.3 has to read it all the same."""
    answer = lambda w1, b1, w2, s: [w1 * s[:, None], b1, w2 / s]  # noqa: E731
    assert "ValueError" not in check("ptq_with_fbgemm.3", answer).words
    pair = lambda x, hi: [np.clip(np.rint(x / hi * 127), 0, 127), hi / 127]  # noqa: E731
    assert check("when_it_goes_wrong.3", pair).state == "right"

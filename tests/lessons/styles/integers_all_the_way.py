"""Answers to the exercises of "Integers all the way", by number: right in many styles, and wrong but plausible."""

import math
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import numpy as np
import torch


def half_up_codes(total, multiplier, zero_point):
    return np.clip(np.floor(total * multiplier + 0.5).astype(int) + zero_point, 0, 255).astype(np.uint8)


def even_codes(total, multiplier, zero_point):
    return np.minimum(np.maximum(np.round(total * np.float64(multiplier)) + zero_point, 0), 255).astype("uint8")


def codes_one_by_one(total, multiplier, zero_point):
    return np.array([min(max(round(float(t * multiplier)) + zero_point, 0), 255) for t in total], np.uint8)


def codes_in_torch(total, multiplier, zero_point):
    return (torch.round(torch.from_numpy(total) * multiplier) + zero_point).clamp(0, 255).to(torch.uint8)


def codes_in_place(total, multiplier, zero_point):
    codes = np.empty(total.shape, np.uint8)
    np.clip(np.rint(total * multiplier) + zero_point, 0, 255, out=codes, casting="unsafe")
    return codes


def clipped_before(total, multiplier, zero_point):
    return (np.clip(np.rint(total * multiplier), -zero_point, 255 - zero_point) + zero_point).astype(np.uint8)


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


def nearest(value):
    return int(abs(value) + Fraction(1, 2)) * (1 if value >= 0 else -1)


def fraction_multiply(total, mantissa, shift):
    return nearest(Fraction(nearest(Fraction(total * mantissa, 2**31)), 2**shift))


def decimal_multiply(total, mantissa, shift):
    with localcontext() as context:
        context.prec = 60
        high = (Decimal(total * mantissa) / 2**31).quantize(Decimal(1), ROUND_HALF_UP)
        return int((high / 2**shift).quantize(Decimal(1), ROUND_HALF_UP))


def divmod_multiply(total, mantissa, shift):
    high = (total * mantissa + (1 << 30)) // (1 << 31)
    whole, rest = divmod(abs(high), 1 << shift)
    whole += 2 * rest >= 1 << shift
    return math.copysign(whole, high)


def int64_multiply(total, mantissa, shift):
    high = (np.int64(total) * np.int64(mantissa) + np.int64(2**30)) >> np.int64(31)
    return np.sign(high) * ((np.abs(high) + (1 << shift >> 1)) >> shift)


def terms_in_a_list(p, sum_x, sum_w, n, z_x, z_w):
    terms = {"xw": p, "zw": -z_x * sum_w, "xz": -z_w * sum_x, "zz": z_x * z_w * n}
    return sum(terms.values())


# fmt: off
RIGHT = {
    1: [33_025, 33_025.0, np.int64(33_025), [33_025], (2**31 - 1) // 255**2, torch.tensor(33_025)],
    2: [
        terms_in_a_list,
        lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx + n * zx * zw,
        lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * (sx - n * zx),
        lambda p, sx, sw, n, zx, zw: np.array([p, -zx * sw, -zw * sx, n * zx * zw]).sum(),
        lambda p, sx, sw, n, zx, zw: (p - zw * sx) - zx * (sw - n * zw),
        lambda p, sx, sw, n, zx, zw: float(p) - float(zx) * sw - float(zw) * sx + float(n) * zx * zw,
        lambda p, sx, sw, n, zx, zw: np.dot([1, -zx, -zw, zx * zw], [p, sw, sx, n]),
        lambda p, sx, sw, n, zx, zw: torch.tensor(p - zx * sw - zw * sx + n * zx * zw),
    ],
    3: [half_up_codes, even_codes, codes_one_by_one, codes_in_torch, codes_in_place, clipped_before],
    4: [sign_multiply, gemmlowp_multiply, fraction_multiply, decimal_multiply, divmod_multiply, int64_multiply],
}
WRONG = {
    1: [
        65_793, 33_026, 33_024, 33_025.47, 32_768, 65_536, 33_154, 2**31 // 255, 255, -33_025, "33025 products",
        (2**32 - 1) // 255**2,
    ],
    2: [
        lambda p, sx, sw, n, zx, zw: p,
        lambda p, sx, sw, n, zx, zw: p - zx * sx - zw * sw + n * zx * zw,
        lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx,
        lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx + zx * zw,
        lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx - n * zx * zw,
        lambda p, sx, sw, n, zx, zw: p + zx * sw + zw * sx + n * zx * zw,
        lambda p, sx, sw, n, zx, zw: p - zx * sw,
        lambda p, sx, sw, n, zx, zw: p - zw * sx,
        lambda p, sx, sw, n, zx, zw: p - n * zx * zw,
        lambda p, sx, sw, n, zx, zw: (sx - n * zx) * (sw - n * zw),
        lambda p, sx, sw, n, zx, zw: (p - zx * sw - zw * sx + n * zx * zw) / n,
        lambda p, sx, sw, n, zx, zw: p - n * zx * sw - n * zw * sx + n * zx * zw,
        lambda p, sx, sw, n, zx, zw: p - zx * sw - zw * sx + 20 * zx * zw + n - 19,
        lambda p, sx, sw, n, zx, zw: max(p - zx * sw - zw * sx + n * zx * zw, 0),
        lambda p, sx, sw, n, zx, zw: (p, -zx * sw, -zw * sx, n * zx * zw),
        lambda p, sx, sw, n, zx, zw: np.int16(np.int64(p - zx * sw - zw * sx + n * zx * zw).astype(np.int16)) + 65_536,
    ],
    3: [
        lambda t, m, z: np.clip(np.rint(t * m) + z, 0, 255),
        lambda t, m, z: np.clip(np.rint(t * m).astype(np.int32) + z, 0, 255),
        lambda t, m, z: np.rint(np.clip(t * m, 0, 255) + z).astype(int).astype(np.uint8),
        lambda t, m, z: np.clip((t * m).astype(int) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.floor(t * m) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.ceil(t * m) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m) - z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m), 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t / m) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint((t + z) * m), 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m) + z, 0, 254).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m) + z, 1, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m) + z, -128, 127).astype(np.int8),
        lambda t, m, z: (np.rint(t * m).astype(np.int64) + z).astype(np.uint8),
        lambda t, m, z: np.minimum(np.rint(t * m) + z, 255).astype(np.int64).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m).astype(np.int8) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m) + z, z, 255).astype(np.uint8),  # a ReLU that nobody asked for
        lambda t, m, z: np.clip(np.rint(np.abs(t) * m) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * round(m, 2)) + z, 0, 255).astype(np.uint8),
        lambda t, m, z: np.clip(np.rint(t * m) + z, 0, 255).astype(np.uint8)[:-1],
        lambda t, m, z: np.clip(np.rint(t * m) + z, 0, 255).astype(int).tolist(),
    ],
    4: [
        lambda t, m, s: t * m,
        lambda t, m, s: (t * m) >> (31 + s),
        lambda t, m, s: ((t * m + 2**30) >> 31) >> s,
        lambda t, m, s: (t * m + 2 ** (30 + s)) >> (31 + s),
        lambda t, m, s: ((t * m >> 31) + 2 ** (s - 1)) >> s,
        lambda t, m, s: round(t * m / 2**31 / 2**s),
        lambda t, m, s: round(round(t * m / 2**31) / 2**s),
        lambda t, m, s: int(int(t * m / 2**31 + 0.5) / 2**s + 0.5),
        lambda t, m, s: ((t * m + 2**30 >> 31) + (1 << s >> 1)) >> s,
        lambda t, m, s: round(Fraction(round(Fraction(t * m, 2**31)), 2**s)),
        lambda t, m, s: t * m / 2**31 / 2**s,
        lambda t, m, s: int(t * m / 2**31 / 2**s),
        lambda t, m, s: t * m // 2**31 // 2**s,
        lambda t, m, s: abs(fraction_multiply(t, m, s)),
        lambda t, m, s: fraction_multiply(t, m, s) + 1,
        lambda t, m, s: fraction_multiply(t, m, s - 1),
        lambda t, m, s: -(-(t * m + 2**30) >> 31 >> s),
        lambda t, m, s: math.floor(math.floor(t * m / 2**31 + 0.5) / 2**s + 0.5),
        lambda t, m, s: np.rint(np.rint(np.float32(t) * np.float32(m / 2**31)) / np.float32(2**s)),
        lambda t, m, s: nearest(Fraction(t * m, 2 ** (31 + s))),
    ],
}

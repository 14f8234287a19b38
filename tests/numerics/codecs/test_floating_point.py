"""Floating-point formats against ml_dtypes and torch: every code, every midpoint, ten million values, bit for bit."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics.codecs import (
    BF16,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E4M3_IEEE,
    FP8_E5M2,
    FP16,
    FloatFormat,
)

PEERS = {
    "float16": FP16,
    "bfloat16": BF16,
    "float8_e4m3fn": FP8_E4M3,
    "float8_e4m3": FP8_E4M3_IEEE,
    "float8_e5m2": FP8_E5M2,
    "float8_e3m4": FloatFormat(3, 4),
    "float6_e3m2fn": FP6_E3M2,
    "float6_e2m3fn": FP6_E2M3,
    "float4_e2m1fn": FP4_E2M1,
}
RANDOM = 1_200_000  # for each of the nine: 10.8 million


def peer(name):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    return np.dtype(np.float16) if name == "float16" else np.dtype(getattr(ml_dtypes, name))


@pytest.mark.filterwarnings("ignore:overflow encountered in cast", "ignore:invalid value encountered in cast")
@pytest.mark.parametrize("name", PEERS)
class TestAgainstMlDtypes:
    def test_every_code_has_the_same_value(self, name):
        codes = np.arange(2 ** PEERS[name].bits).astype(PEERS[name].dtype)
        theirs = codes.view(peer(name)).astype(np.float32)
        mine = PEERS[name].decode(codes)
        number = ~np.isnan(theirs)
        assert np.array_equal(mine.view(np.uint32)[number], theirs.view(np.uint32)[number])  # -0.0 is not 0.0
        assert np.isnan(mine[~number]).all()

    def test_random_values_and_midpoints_round_to_the_same_code(self, name, rounding_cases, any_bits):
        fmt, rng = PEERS[name], np.random.default_rng(1)
        near = rng.standard_normal(RANDOM // 2).astype(np.float32) * np.float32(min(fmt.max, 1e38) / 5)
        x = np.concatenate([any_bits(RANDOM // 4), near, near[: RANDOM // 4] / fmt.max, rounding_cases(fmt.values)])
        assert np.array_equal(fmt.encode(x), x.astype(peer(name)).view(fmt.dtype))

    def test_nan_keeps_its_sign(self, name):
        fmt, nan = PEERS[name], np.float32([np.nan, -np.nan])
        if fmt.variant == "finite":
            message = f"groups must not hold NaN, which {fmt} has no code for: got 2 NaN, first at index (0,)"
            with pytest.raises(ValueError, match=re.escape(message)):
                fmt.encode(nan)
        else:
            assert np.array_equal(fmt.encode(nan), nan.astype(peer(name)).view(fmt.dtype))


@pytest.mark.parametrize(
    ("name", "fmt"),
    [
        ("float16", FP16),
        ("bfloat16", BF16),
        ("float8_e4m3fn", FloatFormat(4, 3, "fn", saturate=True)),  # torch 2.13 saturates what is finite, and infinity
        ("float8_e5m2", FP8_E5M2),
    ],
)
def test_torch_rounds_and_decodes_alike(name, fmt, rounding_cases, any_bits):
    torch = pytest.importorskip("torch")
    x = np.concatenate([any_bits(RANDOM, seed=2), rounding_cases(fmt.values)])
    theirs = torch.from_numpy(x).to(getattr(torch, name))
    codes = theirs.view(torch.uint8 if fmt.bits == 8 else torch.int16).numpy().view(fmt.dtype)
    assert np.array_equal(fmt.encode(x), codes)
    assert np.array_equal(fmt.decode(codes), theirs.float().numpy())


def nearest(fmt, x):
    """Return the code of each value by the definition: the nearest level, of two the one with the even code."""
    values = fmt.values[: fmt.max_code + 1].astype(np.float64)
    size = np.abs(x.astype(np.float64))
    low = np.clip(np.searchsorted(values, size, side="right") - 1, 0, fmt.max_code)
    high = np.minimum(low + 1, fmt.max_code)
    down, up = size - values[low], values[high] - size
    code = np.where((up < down) | ((up == down) & (low % 2 == 1)), high, low)
    return code + np.where(np.signbit(x), 2 ** (fmt.bits - 1), 0)


SPLITS = [
    (e, m, variant)
    for e in range(1, 9)
    for m in range(16 - e)
    for variant in ("ieee", "fn", "finite")
    if not (e == 8 and variant != "ieee") and (e, m, variant) not in {(1, 0, "fn"), (1, 0, "ieee")}
]


def test_every_split_of_the_bits_rounds_to_nearest(rounding_cases, any_bits):
    random, checked = any_bits(500), 0
    for e, m, variant in SPLITS:
        fmt = FloatFormat(e, m, variant, saturate=True)
        x = np.concatenate([random, random % np.float32(fmt.max)])
        x = np.concatenate([x, rounding_cases(fmt.values[:: 1 if fmt.bits < 12 else 37])])
        x = x[np.isfinite(x)]
        assert np.array_equal(fmt.encode(x), nearest(fmt, x)), fmt
        checked += x.size
    assert checked > 500_000


@pytest.mark.parametrize("split", [(4, 3, "fn"), (2, 1, "finite"), (5, 10, "ieee"), (3, 0, "finite"), (8, 7, "ieee")])
@given(data=st.data())
def test_encoding_what_was_decoded_changes_nothing(split, data):
    fmt = FloatFormat(*split)
    code = data.draw(st.integers(0, 2**fmt.bits - 1))
    value = fmt.decode([code])
    if np.isfinite(value):
        assert fmt.encode(value)[0] == code


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=50))
def test_rounding_keeps_the_order(values):
    for fmt in (FP8_E4M3, FloatFormat(4, 3, "fn", True), FP4_E2M1, FP16, BF16, FloatFormat(4, 0, "finite")):
        rounded = fmt.decode(fmt.encode(np.sort(np.float32(values))))
        rounded = rounded[~np.isnan(rounded)]  # beyond the largest, of E4M3 that does not saturate
        assert (rounded[1:] >= rounded[:-1]).all()


@pytest.mark.parametrize(
    ("fmt", "largest", "normal", "smallest"),
    [  # OCP Microscaling Formats 1.0, tables 1 to 5; IEEE 754; bfloat16: TensorFlow's white paper
        (FP8_E4M3, 448.0, 2**-6, 2**-9),
        (FP8_E5M2, 57344.0, 2**-14, 2**-16),
        (FP6_E2M3, 7.5, 1.0, 0.125),
        (FP6_E3M2, 28.0, 0.25, 0.0625),
        (FP4_E2M1, 6.0, 1.0, 0.5),
        (FP16, 65504.0, 2**-14, 2**-24),
        (BF16, 3.3895313892515355e38, 2**-126, 2**-133),
    ],
)
def test_ranges_are_those_of_the_specifications(fmt, largest, normal, smallest):
    assert (fmt.max, fmt.smallest_normal, fmt.values[1]) == (largest, normal, smallest)


def test_every_value_of_fp4():
    assert FP4_E2M1.values.tolist() == [0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6]


@pytest.mark.parametrize("fmt", [*PEERS.values(), FloatFormat(4, 0, "finite"), FloatFormat(5, 0)])
def test_fields_make_up_the_value(fmt):
    kinds = set()
    for code in range(0, 2**fmt.bits, 1 if fmt.bits <= 8 else 97):
        f = fmt.fields(code)
        assert f.sign << (fmt.bits - 1) | f.exponent << fmt.mantissa_bits | f.mantissa == code
        if f.kind not in ("NaN", "infinity"):
            assert (-1) ** f.sign * f.significand * 2.0**f.power == f.value
        assert (f.kind in ("normal", "NaN", "infinity")) == (f.significand >= 1)
        kinds.add(f.kind)
    assert {"zero", "normal"} <= kinds


def test_kinds_of_e4m3():
    kinds = [FP8_E4M3.fields(code).kind for code in (0x00, 0x80, 0x01, 0x07, 0x08, 0x7E, 0x7F, 0xFF)]
    assert kinds == ["zero", "zero", "subnormal", "subnormal", "normal", "normal", "NaN", "NaN"]
    assert [FP8_E5M2.fields(code).kind for code in (0x7B, 0x7C, 0x7D)] == ["normal", "infinity", "NaN"]


class TestFakeQuantize:
    def test_keeps_the_shape_and_the_readers_array(self):
        x = np.linspace(-3, 3, 24).reshape(2, 3, 4)
        before = x.copy()
        out = FP8_E4M3.fake_quantize(x)
        assert out.shape == x.shape and out.dtype == np.float32 and np.array_equal(x, before)
        assert np.array_equal(out, FP8_E4M3.decode(FP8_E4M3.encode(x)))

    def test_empty_stays_empty(self):
        assert FP16.fake_quantize(np.zeros((3, 0))).shape == (3, 0)

    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_what_is_not_finite_is_refused(self, bad):
        with pytest.raises(ValueError, match=r"x must be finite: got 1 (NaN|infinite), first at index"):
            FP16.fake_quantize([1.0, bad])

    def test_beyond_float32(self):
        with pytest.raises(ValueError, match=r"x must fit float32, up to 3\.4e38: got 1e\+300; scale it down first"):
            FP16.fake_quantize([1.0, 1e300])


def test_bits_per_value_are_those_of_the_code():
    assert FP8_E4M3.bits_per_value((3, 5)) == 8 and FP6_E2M3.bits_per_value(10, "per channel") == 6


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((9, 2), ValueError, "exponent_bits must be from 1 to 8: got 9"),
        ((4.0, 3), TypeError, "exponent_bits must be a whole number from 1 to 8: got 4.0"),
        ((5, 11), ValueError, "mantissa_bits must be from 0 to 10: got 11"),
        ((4, 3, "fnuz"), ValueError, "variant must be one of 'ieee', 'fn', 'finite': got 'fnuz'"),
        ((8, 3, "fn"), ValueError, "exponent_bits must be at most 7 for variant 'fn': 8 exceed float32's range"),
        ((1, 0, "fn"), ValueError, "exponent_bits and mantissa_bits leave 'fn' no number but zero: got 1 and 0"),
        ((4, 3, "fn", 1), TypeError, "saturate must be True or False: got 1"),
    ],
)
def test_formats_that_cannot_be(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        FloatFormat(*arguments)


def test_codes_that_cannot_be():
    with pytest.raises(ValueError, match="codes must be those of E2M1, from 0 to 15: got 3 to 16"):
        FP4_E2M1.decode([3, 16])
    with pytest.raises(TypeError, match="codes must hold integers: got dtype float64; call encode first"):
        FP4_E2M1.decode([3.0])
    with pytest.raises(ValueError, match="code must be from 0 to 15: got 16"):
        FP4_E2M1.fields(16)
    with pytest.raises(ValueError, match="shape must hold at least one value to have bits per value"):
        FP16.bits_per_value((0, 3))

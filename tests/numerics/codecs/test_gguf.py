"""GGUF's blocks against the gguf package: encoding byte for byte where it can, decoding always."""

import re
from functools import partial

import numpy as np
import pytest

from qviz.numerics import mse
from qviz.numerics.codecs import GGUFBlock, KParams, KQuant

SIMPLE = ("Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1")
K_QUANTS = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
BYTES = {"Q8_0": 34, "Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24,
         "Q2_K": 84, "Q3_K": 110, "Q4_K": 144, "Q5_K": 176, "Q6_K": 210}  # fmt: skip


def codec_of(name):
    return KQuant(name) if name.endswith("K") else GGUFBlock(name)


def gguf_function(what, name):
    quants = pytest.importorskip("gguf.quants")
    return partial(getattr(quants, what), qtype=pytest.importorskip("gguf").GGMLQuantizationType[name])


def rows(size, count=3000, seed=0):
    """Return blocks of many sizes and shapes: bells, one-sided, all zero, constant, with an outlier, on a grid."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, size)) * np.exp2(rng.integers(-12, 8, (count, 1)))
    x[:200] = np.abs(x[:200])
    x[200:300] = -np.abs(x[200:300])
    x[300:310], x[310:320], x[320:330] = 0, 0.75, -0.75
    x[320:420, 5] *= 50
    x[420:520] = rng.integers(-8, 9, (100, size)) / 2  # values halfway between two codes
    return x.astype(np.float32)


@pytest.mark.parametrize("name", SIMPLE)
def test_bytes_are_those_of_the_gguf_package(name):
    x, codec = rows(32), GGUFBlock(name)
    params = codec.choose_params(x)
    packed = codec.pack(codec.encode(x, params), params)
    assert packed.shape == (len(x), BYTES[name])
    assert np.array_equal(packed, gguf_function("quantize", name)(x))
    assert np.array_equal(codec.fake_quantize(x), gguf_function("dequantize", name)(packed))


def random_blocks(name, count=400):
    """Return blocks of random bytes, but for their float16 numbers, which are finite."""
    rng = np.random.default_rng(1)
    packed = rng.integers(0, 256, (count, BYTES[name]), dtype=np.uint8)
    at = {"Q2_K": (80, 82), "Q3_K": (108,), "Q6_K": (208,), "Q8_0": (0,), "Q4_0": (0,), "Q5_0": (0,)}.get(name, (0, 2))
    for start in at:
        halves = rng.standard_normal((count, 1)).astype("<f2")
        packed[:, start : start + 2] = halves.view(np.uint8)
    return packed


@pytest.mark.parametrize("name", SIMPLE + K_QUANTS)
def test_any_bytes_decode_as_in_the_gguf_package_and_pack_again(name):
    packed, codec = random_blocks(name), codec_of(name)
    codes, params = codec.unpack(packed)
    assert np.array_equal(codec.decode(codes, params), gguf_function("dequantize", name)(packed))
    assert np.array_equal(codec.pack(codes, params), packed)


@pytest.mark.parametrize("name", K_QUANTS)
def test_what_a_k_quant_writes_is_read_by_the_gguf_package(name):
    x, codec = rows(256, 600), KQuant(name)
    params = codec.choose_params(x)
    packed = codec.pack(codec.encode(x, params), params)
    assert packed.shape == (600, BYTES[name])
    assert np.array_equal(gguf_function("dequantize", name)(packed), codec.fake_quantize(x))


@pytest.mark.parametrize("name", K_QUANTS)
def test_codes_are_the_nearest_with_the_scales_as_stored(name):
    x, codec = rows(256, 600, seed=2), KQuant(name)
    params = codec.choose_params(x)
    codes = codec.encode(x, params)
    error = np.abs(codec.decode(codes, params) - x)
    for step in (-1, 1):
        other = np.clip(codes.astype(int) + step, 0, 2**codec.bits - 1)
        # A float32 sum of scale and minimum is off by its last bit where two codes are as near.
        assert (error <= np.abs(codec.decode(other, params) - x) + 1e-5 * np.abs(x).max(axis=1, keepdims=True)).all()


def plain_scales(x, codec):
    """Return the parameters without a search: each small block from its extremes."""
    small = x.reshape(len(x), codec.layout.sub_blocks, -1)
    if not codec.layout.has_minimum:
        most = np.take_along_axis(small, np.abs(small).argmax(axis=2)[..., None], axis=2)[..., 0]
        return KParams(*codec._to_integers(most / np.float32(-(2 ** (codec.bits - 1)))))
    low = np.minimum(small.min(axis=2), 0)
    return KParams(*codec._to_integers((small.max(axis=2) - low) / (2**codec.bits - 1)), *codec._to_integers(-low))


@pytest.mark.parametrize("name", K_QUANTS)
def test_the_search_is_worth_it(name):
    """The squared error on a Gaussian is at most that of scales from the extremes, and clearly so in few bits."""
    x, codec = np.random.default_rng(5).standard_normal((200, 256)).astype(np.float32), KQuant(name)
    plain = plain_scales(x, codec)
    ratio = mse(x, codec.fake_quantize(x)) / mse(x, codec.decode(codec.encode(x, plain), plain))
    assert ratio < {2: 0.75, 3: 0.9, 4: 0.95, 5: 0.99, 6: 1.0}[codec.bits]


@pytest.mark.parametrize("name", K_QUANTS)
@pytest.mark.parametrize("value", [0.75, -0.75])
def test_a_constant_is_kept(name, value):
    out = KQuant(name).fake_quantize(np.full((1, 256), value))
    assert np.abs(out - value).max() <= 2**-11 * 0.75  # half a step of float16, in which the scale is stored


@pytest.mark.parametrize("name", K_QUANTS)
def test_weights_move_the_error_to_where_it_counts_less(name):
    rng, codec = np.random.default_rng(6), KQuant(name)
    x = rng.standard_normal((200, 256)).astype(np.float32)
    w = np.where(rng.random(256) < 0.3, 100, 1).astype(np.float32)
    weighted, plain = (((codec.fake_quantize(x, weights=u) - x) ** 2 * w).sum() for u in (w, None))
    assert weighted < plain


@pytest.mark.parametrize("name", SIMPLE + K_QUANTS)
def test_bits_per_value_are_those_of_whole_blocks(name):
    codec = codec_of(name)
    assert codec.bits_per_value((4, 256)) == 8 * BYTES[name] / codec.group_size
    assert codec.bits_per_value((4, 257)) == 8 * BYTES[name] * 4 * (1 + 256 // codec.group_size) / (4 * 257)


@pytest.mark.parametrize("name", SIMPLE + K_QUANTS)
def test_a_short_block_is_filled_up_with_its_last_value(name):
    codec, x = codec_of(name), np.random.default_rng(7).standard_normal((2, 3, codec_of(name).group_size - 9))
    filled = np.concatenate([x, np.repeat(x[..., -1:], 9, axis=-1)], axis=-1)
    out = codec.fake_quantize(x)
    assert out.shape == x.shape
    if name in SIMPLE:  # the search of a k-quant gives what was filled up no weight
        assert np.array_equal(out, codec.fake_quantize(filled)[..., : x.shape[-1]])


@pytest.mark.parametrize("name", SIMPLE + K_QUANTS)
def test_a_scale_beyond_float16_is_clipped(name):
    codec = codec_of(name)
    out = codec.fake_quantize(np.linspace(-3e38, 3e38, codec.group_size))
    assert np.isfinite(out).all() and out[0] < 0 < out[-1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: GGUFBlock("Q3_0"), "name must be one of 'Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1': got 'Q3_0'"),
        (lambda: KQuant("Q7_K"), "name must be one of 'Q2_K', 'Q3_K', 'Q4_K', 'Q5_K', 'Q6_K': got 'Q7_K'"),
        (
            lambda: GGUFBlock("Q4_0").fake_quantize(np.ones((2, 64)), "per channel"),
            "granularity must be None or groups of 32 for Q4_0: got per channel (axis 0)",
        ),
        (
            lambda: KQuant("Q4_K").choose_params(np.ones((1, 32))),
            "groups must be blocks of 256 for Q4_K: got shape (1, 32)",
        ),
        (
            lambda: GGUFBlock("Q4_0").unpack(np.zeros((1, 20), np.uint8)),
            "packed must be uint8, (n_groups, 18) for Q4_0: got uint8 of shape (1, 20)",
        ),
        (lambda: GGUFBlock("Q4_0").bits_per_value(0), "shape must hold at least one value to have bits per value"),
    ],
)
def test_what_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

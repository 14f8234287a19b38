"""MX and NVFP4 against torchao, bit for bit, and against the specification's definitions."""

import re

import numpy as np
import pytest

from qviz.numerics.codecs import (
    CODECS,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E5M2,
    MX,
    NVFP4,
    RULES,
    FloatFormat,
    as_codec,
)

ELEMENTS = {"E4M3": FP8_E4M3, "E5M2": FP8_E5M2, "E3M2": FP6_E3M2, "E2M3": FP6_E2M3, "E2M1": FP4_E2M1}


def blocks(size, count=4000, seed=0):
    """Return blocks at many magnitudes, some with zeros, outliers and exact powers of two."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((count, size)) * np.exp2(rng.integers(-60, 60, (count, 1)))
    x[:50] *= rng.random((50, size)) < 0.2
    x[50:100, 3] *= 1000
    x[100:200] = np.exp2(rng.integers(-20, 20, (100, size))) * rng.choice([-1, 1], (100, size))
    x[200:300] = rng.integers(-96, 97, (100, size)) / 16  # ties of FP4
    x[300] = 0
    return x.astype(np.float32)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", ELEMENTS)
def test_mx_is_torchaos(name, rule):
    torch = pytest.importorskip("torch")
    mx = pytest.importorskip("torchao.prototype.mx_formats.mx_tensor")
    modes = pytest.importorskip("torchao.prototype.mx_formats.config").ScaleCalculationMode
    kernels = pytest.importorskip("torchao.prototype.mx_formats.kernels")
    theirs = {
        "E4M3": torch.float8_e4m3fn,
        "E5M2": torch.float8_e5m2,
        "E3M2": mx.DTYPE_FP6_E3M2,
        "E2M3": mx.DTYPE_FP6_E2M3,
        "E2M1": torch.float4_e2m1fn_x2,
    }[name]
    x, codec = blocks(32), MX(ELEMENTS[name], rule=rule)
    scale, data = mx.to_mx(torch.from_numpy(x), theirs, 32, modes(rule))
    params = codec.choose_params(x)
    assert np.array_equal(params, scale.view(torch.uint8).numpy())
    codes = codec.encode(x, params)
    if name == "E2M1":
        data = kernels.unpack_uint4(data)
    assert np.array_equal(codes, data.view(torch.uint8).numpy())
    values = mx.to_dtype(
        kernels.pack_uint4(data) if name == "E2M1" else data, scale.view(-1), theirs, 32, torch.float32
    )
    assert np.array_equal(codec.decode(codes, params), values.numpy())


def test_nvfp4_is_torchaos():
    torch = pytest.importorskip("torch")
    nv = pytest.importorskip("torchao.prototype.mx_formats.nvfp4_tensor")
    for seed, spread in ((0, 0), (1, 3), (2, 12)):
        rng = np.random.default_rng(seed)
        x = rng.standard_normal((512, 256)) * np.exp2(rng.integers(-spread, spread + 1, (512, 256)) - 5)
        x = x.astype(np.float32)
        x[7] = 0
        tensor = torch.from_numpy(x)
        theirs = nv.NVFP4Tensor.to_nvfp4(tensor, per_tensor_scale=nv.per_tensor_amax_to_scale(tensor.abs().max()))
        codec, rows = NVFP4(), x.reshape(-1, 16)
        params = codec.choose_params(rows)
        assert params.tensor_scale == theirs.per_tensor_scale.item()
        assert np.array_equal(params.block_scale, theirs.scale.view(torch.uint8).numpy().reshape(-1, 1))
        unpacked = nv.unpack_uint4(theirs.qdata.view(torch.uint8)).numpy()
        assert np.array_equal(codec.encode(rows, params), unpacked.reshape(-1, 16))
        assert np.array_equal(codec.fake_quantize(x), theirs.dequantize().numpy())


@pytest.mark.parametrize("name", ELEMENTS)
def test_rules_do_what_they_promise(name):
    x = blocks(32, seed=3)
    x = x[np.abs(x).max(axis=1) > 0]
    most = np.abs(x).max(axis=1, keepdims=True).astype(np.float64)
    scale = {rule: MX(ELEMENTS[name], rule=rule) for rule in RULES}
    scale = {rule: codec.scale_of(codec.choose_params(x)).astype(np.float64) for rule, codec in scale.items()}
    top = np.float64(ELEMENTS[name].max)
    assert (scale["floor"] == np.exp2(np.floor(np.log2(most)) - np.floor(np.log2(top)))).all()
    assert (scale["ceil"] == np.exp2(np.ceil(np.log2(most)) - np.floor(np.log2(top)))).all()
    assert (most <= top * scale["rceil"]).all() and (most > top * scale["rceil"] / 2).all()
    assert (scale["floor"] <= scale["even"]).all() and (scale["even"] <= scale["ceil"]).all()


def test_the_specification_clips_and_rceil_does_not():
    # 7.9 lies between 2^2 and 2^3, and 6 does as well, so that the scale is 1, and 7.9 becomes 6.
    block = [[7.9, *[0.5] * 31]]
    assert MX(FP4_E2M1, rule="floor").fake_quantize(block)[0, 0] == 6
    assert MX(FP4_E2M1, rule="rceil").fake_quantize(block)[0, 0] == 8


def test_bits_count_every_scale():
    assert as_codec("MXFP4").bits_per_value((8, 64)) == 4 + 8 / 32
    assert as_codec("MXFP8").bits_per_value((8, 40)) == 8 + 8 * 16 / 320  # 16 blocks, every second one of 8 values
    assert NVFP4().bits_per_value((8, 64)) == 4 + 8 / 16 + 32 / 512
    assert as_codec("MXFP6").bits_per_value((8, 64), "per channel") == 6 + 8 / 64


def test_a_short_last_block_is_a_block_of_its_own():
    x = np.random.default_rng(0).standard_normal((5, 40)).astype(np.float32)
    for name in ("MXFP4", "MXFP6 E3M2", "NF4", "int4", "uint3", "k-means 2 bit", "ternary", "binary"):
        codec = CODECS[name]
        whole = codec.fake_quantize(x, 32)
        assert np.array_equal(whole[:, :32], codec.fake_quantize(x[:, :32], 32)), name
        assert np.array_equal(whole[:, 32:], codec.fake_quantize(x[:, 32:], 8)), name


def test_the_ends_of_float32():
    huge, tiny = np.float32(3.3e38), np.float32(1e-45)
    x = np.float32([[huge, -huge, 1.0, 0.0], [tiny, 0.0, -tiny, 0.0]])
    for rule in RULES:
        out = MX(FP8_E4M3, rule=rule).fake_quantize(x)
        assert out[0, 0] >= 0.9 * huge and out[0, 1] <= -0.9 * huge  # 2^128, the nearest level, is infinite in float32
        assert np.isfinite(out[1]).all()
    assert np.isfinite(NVFP4().fake_quantize(x)).all()
    assert (NVFP4().fake_quantize(np.full((2, 16), tiny)) == 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MX(FP4_E2M1, rule="round"), "rule must be one of 'floor', 'ceil', 'even', 'rceil': got 'round'"),
        (lambda: MX(4), "element must be a FloatFormat, such as FP4_E2M1: got 4"),
        (lambda: MX(FP4_E2M1, group_size=0), "group_size must be at least 1: got 0"),
        (lambda: as_codec("NF5"), "codec must be one of NF4, NF4 double: got 'NF5'"),
        (lambda: as_codec(4), "codec must be a codec or the name of one, such as 'NVFP4' or 'int4': got 4"),
        (lambda: MX(FP4_E2M1).choose_params([1.0]), "groups must be (n_groups, n) with at least one value in each"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        make()


def test_params_of_other_groups_are_refused():
    codec = MX(FloatFormat(2, 1, "finite"))
    with pytest.raises(ValueError, match="params hold 2 scales"):
        codec.encode(np.ones((3, 4)), codec.choose_params(np.ones((2, 4))))

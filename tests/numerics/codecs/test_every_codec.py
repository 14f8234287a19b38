"""What holds for every format: the four verbs agree, coding twice changes nothing, and hard input has one answer."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.numerics import PerChannel, PerGroup, PerTensor, calibrate, fake_quantize, mse, sqnr_db
from qviz.numerics.codecs import CODECS, FP16, Affine, Codec, as_codec, compare_formats

EVERY = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
# Their scale or table follows from averages or a search, so a second time it is another one.
FITTED = {"k-means 4 bit", "k-means 3 bit", "k-means 2 bit", "ternary", "binary",
          "Q6_K", "Q5_K", "Q4_K", "Q3_K", "Q2_K"}  # fmt: skip


def rows(codec, count=20, seed=0):
    n = codec.group_size or 48
    return np.random.default_rng(seed).standard_normal((count, n)).astype(np.float32)


@EVERY
def test_decoded_values_have_the_same_codes_again(codec):
    x = rows(codec)
    params = codec.choose_params(x)
    codes = codec.encode(x, params)
    values = codec.decode(codes, params)
    assert codes.dtype.kind in "iu" and values.dtype == np.float32 and codes.shape == values.shape == x.shape
    assert np.array_equal(codec.decode(codec.encode(values, params), params), values)


@EVERY
def test_a_greater_value_never_gets_a_lower_level(codec):
    x = rows(codec)
    params = codec.choose_params(x)
    n = {"Q4_K": 32, "Q5_K": 32}.get(codec.name, 16) if codec.name.endswith("_K") else x.shape[1]
    values = codec.decode(codec.encode(x, params), params).reshape(-1, n)  # of values that share a scale
    order = np.argsort(x.reshape(-1, n), axis=1)
    assert (np.diff(np.take_along_axis(values, order, axis=1)) >= 0).all()


@EVERY
@given(data=st.data())
@settings(max_examples=15)
def test_random_arrays_of_any_shape(codec, data):
    shape = data.draw(st.sampled_from([(1,), (37,), (3, 5), (2, 3, 40), (0,), (4, 0)]))
    seed, power = data.draw(st.integers(0, 99)), data.draw(st.integers(-20, 4))
    x = (np.random.default_rng(seed).standard_normal(shape) * 2.0**power).astype(np.float32)
    before = x.copy()
    out = codec.fake_quantize(x)
    assert out.shape == shape and out.dtype == np.float32 and np.array_equal(x, before) and np.isfinite(out).all()
    # float16 scales of GGUF's formats, and FP16 itself, go no lower than 6e-8.
    assert (np.abs(out - x) <= 2.1 * np.abs(x).max(initial=0) + 1e-5).all()


@EVERY
def test_all_zero_stays_zero(codec):
    assert (codec.fake_quantize(np.zeros((3, 70))) == 0).all()


@EVERY
@pytest.mark.parametrize(("bad", "what"), [(np.nan, "1 NaN"), (np.inf, "1 infinite"), (-np.inf, "1 infinite")])
def test_what_is_not_finite_is_refused(codec, bad, what):
    x = np.ones((2, 3))
    x[1, 2] = bad
    message = f"x must be finite: got {what}, first at index (1, 2); drop or replace them first"
    with pytest.raises(ValueError, match=re.escape(message)):
        codec.fake_quantize(x)


@EVERY
def test_subnormal_and_huge_values_make_no_nan(codec):
    for x in (np.full(40, 1e-45), np.full(40, 1e-40), np.linspace(-3.4e38, 3.4e38, 40), np.resize([1e-40, 1e30], 40)):
        assert not np.isnan(codec.fake_quantize(x.astype(np.float32))).any()


@EVERY
def test_other_kinds_of_arrays_give_the_same(codec):
    x = rows(codec, 3)
    expected = codec.fake_quantize(x)
    wide = np.zeros((*x.shape, 2), np.float32)
    wide[..., 0] = x
    locked = x.copy()
    locked.flags.writeable = False
    for same in (x.astype(np.float64), wide[..., 0], np.asfortranarray(x), x.astype(">f4"), locked, x.tolist()):
        assert np.array_equal(codec.fake_quantize(same), expected)


@EVERY
def test_no_group_is_no_error(codec):
    none = np.zeros((0, codec.group_size or 8), np.float32)
    params = codec.choose_params(none)
    assert codec.decode(codec.encode(none, params), params).shape == none.shape


@EVERY
def test_groups_must_be_rows(codec):
    for groups in (np.ones(4), np.zeros((3, 0))):
        with pytest.raises(ValueError, match=r"groups must be \(n_groups, n\) with at least one value in each"):
            codec.choose_params(groups)


@pytest.mark.parametrize("name", sorted(set(CODECS) - FITTED))
def test_quantizing_twice_changes_nothing(name):
    codec = CODECS[name]
    once = codec.fake_quantize(rows(codec))
    again = codec.fake_quantize(once)
    # A scale that was stored in a small format, or divided and multiplied again, may be off by its last bit.
    assert np.allclose(again, once, rtol=1e-2 if name in ("NVFP4", "NF4 double") else 2e-3)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0), PerChannel(1), PerGroup(-1, 8), PerGroup(0, 3)])
@pytest.mark.parametrize(("fmt", "scheme"), [("int4", "symmetric"), ("int8", "affine"), ("uint4", "affine")])
@pytest.mark.parametrize("calibrator", ["min-max", "mse"])
def test_affine_is_the_integers_of_the_course(granularity, fmt, scheme, calibrator):
    x = np.random.default_rng(1).standard_normal((6, 32)).astype(np.float32)
    expected = fake_quantize(x, calibrate(x, calibrator, fmt, scheme, granularity))
    codec = Affine(fmt, scheme, calibrator)
    assert np.array_equal(codec.fake_quantize(x, granularity), expected)
    assert np.array_equal(codec.fake_quantize(x, str(granularity)), expected)


def test_affine_scales_in_float16():
    x = np.random.default_rng(2).standard_normal((6, 32)).astype(np.float32)
    codec = Affine("uint4", "affine", scales=FP16)
    params = codec.choose_params(x)
    assert np.array_equal(params.scale, params.scale.astype(np.float16))
    assert codec.bits_per_value((6, 32), "per channel") == 4 + (16 + 4) / 32
    assert Affine("int4").bits_per_value((6, 32), "per channel") == 5


def test_affine_scheme_must_fit():
    with pytest.raises(ValueError, match="scheme 'symmetric' needs a signed format: got uint4; use scheme='affine'"):
        Affine("uint4")


def test_a_whole_number_is_a_group_size():
    x = np.random.default_rng(3).standard_normal((4, 64))
    for name in ("int4", "NF4", "MXFP4", "FP8 E4M3"):
        codec = CODECS[name]
        assert np.array_equal(codec.fake_quantize(x, 16), codec.fake_quantize(x, "per group of 16"))
        assert codec.bits_per_value(x.shape, np.int64(16)) == codec.bits_per_value(x.shape, PerGroup(-1, 16))


@pytest.mark.parametrize("shape", [(7, 40), (40, 7), (3, 5, 33)])
@pytest.mark.parametrize("axis", [0, -1])
def test_bits_count_short_groups(shape, axis):
    count, length = int(np.prod(shape)), shape[axis]
    groups = count // length * -(-length // 16)
    assert as_codec("int4").bits_per_value(shape, PerGroup(axis, 16)) == 4 + 32 * groups / count


def test_names():
    assert all(as_codec(name) is codec for name, codec in CODECS.items())
    assert all(codec.name == name for name, codec in CODECS.items() if name not in ("FP16", "BF16"))
    assert as_codec("Fp8-e4m3") is CODECS["FP8 E4M3"] and as_codec("q4_k") is CODECS["Q4_K"]
    with pytest.raises(ValueError, match=r"codec must be one of MXFP8 E4M3, MXFP8 E5M2, .*MXFP4.*: got 'mxfp5'"):
        as_codec("mxfp5")


def test_a_codec_of_a_readers_own():
    class Sign(Codec):
        name, bits = "sign", 1

        def choose_params(self, groups, weights=None):
            return None

        def encode(self, groups, params):
            return (np.asarray(groups) > 0).astype(np.uint8)

        def decode(self, codes, params):
            return np.float32(codes) * 2 - 1

    assert Sign().fake_quantize([[3.0, -2.0]]).tolist() == [[1, -1]] and Sign().bits_per_value(5) == 1


@EVERY
def test_levels_of_a_group_are_the_values_it_can_have(codec):
    x = rows(codec, 5)
    params = codec.choose_params(x)
    values = codec.decode(codec.encode(x, params), params)
    for group in (0, 3):
        levels = codec.levels(params, group)
        finite = levels[np.isfinite(levels)]
        assert (np.diff(finite) > 0).all() and np.isin(values[group], finite).all()
        if codec.bits <= 8 and not codec.name.endswith("_K"):  # where the nearest of all is taken, not of a small block
            nearest = np.abs(x[group].astype(np.float64)[:, None] - finite).min(axis=1)
            off = np.abs(values[group] - x[group].astype(np.float64)) - nearest
            # TWN's threshold is not halfway, and GGUF chooses codes before its scale is rounded to float16.
            tolerance = {"ternary": 1.0}.get(codec.name, 2e-3)
            assert off.max() <= tolerance * np.abs(x).max()


@pytest.mark.parametrize("granularity", [None, 16, "per tensor"])
def test_comparison_is_what_each_codec_does(granularity):
    x = np.random.default_rng(5).standard_normal(1000).astype(np.float32)
    for name, m in compare_formats(x, granularity).items():
        codec, how = CODECS[name], None if CODECS[name].whole_groups else granularity
        x_hat = codec.fake_quantize(x, how)
        assert np.array_equal(m.values.ravel()[:1000], x_hat)
        assert m.bits_per_value == codec.bits_per_value(1000, how)
        assert m.sqnr_db == sqnr_db(x, x_hat) and m.mse == mse(x, x_hat)


def test_comparison_takes_the_rule_of_mx():
    x = np.random.default_rng(6).standard_normal(1000).astype(np.float32)
    found = compare_formats(x, rule="rceil", names=["MXFP4", "NVFP4", "power of two 4 bit"])
    assert found["MXFP4"].codec.rule == "rceil" and found["power of two 4 bit"].codec.rule == "even"
    with pytest.raises(ValueError, match="x must hold at least one value to be compared: got shape"):
        compare_formats([])

import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import (
    INT4,
    INT8,
    UINT4,
    UINT8,
    IntFormat,
    PerChannel,
    PerGroup,
    PerTensor,
    QParams,
    choose_qparams,
    dequantize,
    fake_quantize,
    quantize,
    value_range,
)

FORMATS = st.builds(IntFormat, st.integers(2, 16), st.booleans(), st.booleans())
NORMAL32 = st.floats(-(2.0**100), 2.0**100, width=32, allow_subnormal=False)
ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=8), elements=NORMAL32)


@st.composite
def maps(draw):
    """A QParams with a scale that float32 computes with in comfort, so that only the arithmetic is tested."""
    fmt = draw(FORMATS)
    scale = draw(st.floats(1e-20, 1e20))
    return QParams(scale, draw(st.integers(fmt.qmin, fmt.qmax)), fmt)


def test_by_hand():
    p = QParams(0.5, 3, UINT4)  # levels from -1.5 to 6
    x = [-9.0, -1.5, -0.3, 0.0, 0.25, 0.75, 1.0, 6.0, 6.2, 9.0]
    codes = [0, 0, 2, 3, 3, 5, 5, 15, 15, 15]  # 0.25 / 0.5 = 0.5 rounds to 0, 0.75 / 0.5 = 1.5 to 2: half to even
    np.testing.assert_array_equal(quantize(x, p), codes)
    np.testing.assert_array_equal(dequantize(codes, p), [-1.5, -1.5, -0.5, 0, 0, 1, 1, 6, 6, 6])
    np.testing.assert_array_equal(fake_quantize(x, p), [-1.5, -1.5, -0.5, 0, 0, 1, 1, 6, 6, 6])


def test_rounding_comes_before_the_zero_point():
    """0.5 steps from an odd zero point: round(0.5) + 1 = 1, where round(0.5 + 1) would be 2."""
    assert quantize(0.5, QParams(1.0, 1, UINT4)) == 1


@given(maps())
def test_all_codes_survive_the_round_trip(p):
    codes = np.arange(p.fmt.qmin, p.fmt.qmax + 1).astype(p.fmt.dtype)
    for dtype in (np.float32, np.float64):
        real = dequantize(codes, p, dtype)
        assert real.dtype == dtype
        np.testing.assert_array_equal(quantize(real, p), codes)
        np.testing.assert_array_equal(fake_quantize(real, p), real)


@given(maps(), st.floats(-1.2, 1.2), st.sampled_from([np.float32, np.float64]))
def test_error_within_the_range_is_at_most_half_a_step(p, where, dtype):
    x = dtype(float(p.lo) + (where + 1) / 2 * float(p.hi - p.lo))
    error = abs(float(fake_quantize(x, p)) - float(x))
    inside = p.lo <= x <= p.hi
    # Two roundings, of x / scale and of the product, each within eps of a value of at most 2**17 steps.
    slack = float(p.scale) * 2**17 * 2 * float(np.finfo(dtype).eps)
    if inside:
        assert error <= float(p.scale) / 2 + slack
    else:
        assert error == pytest.approx(max(float(p.lo - x), float(x - p.hi)), abs=slack)


@given(maps(), ARRAYS)
def test_fake_quantize_is_quantize_then_dequantize(p, x):
    np.testing.assert_array_equal(fake_quantize(x, p), dequantize(quantize(x, p), p))
    wide = x.astype(np.float64)
    np.testing.assert_array_equal(fake_quantize(wide, p), dequantize(quantize(wide, p), p, np.float64))


@given(maps(), ARRAYS)
def test_idempotent(p, x):
    once = fake_quantize(x, p)
    np.testing.assert_array_equal(fake_quantize(once, p), once)


@given(maps(), ARRAYS)
def test_monotone(p, x):
    rising = np.sort(x, axis=None)
    assert (np.diff(quantize(rising, p).astype(int)) >= 0).all()
    assert (np.diff(fake_quantize(rising, p)) >= 0).all()


@given(maps())
def test_zero_is_exact(p):
    assert quantize(0.0, p) == p.zero_point and fake_quantize(0.0, p) == 0.0 and dequantize(p.zero_point, p) == 0.0


@given(ARRAYS, st.sampled_from(["affine", "symmetric"]))
def test_one_group_is_per_tensor(x, scheme):
    flat = x.reshape(1, -1)
    whole = choose_qparams(*value_range(flat), INT8, scheme)
    for granularity in (PerChannel(0), PerGroup(-1, flat.size)):
        p = choose_qparams(*value_range(flat, granularity), INT8, scheme, granularity)
        np.testing.assert_array_equal(quantize(flat, p), quantize(flat, whole))


@given(hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=5), elements=NORMAL32), st.data())
def test_each_channel_is_quantized_as_if_alone(x, data):
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    p = choose_qparams(*value_range(x, PerChannel(axis)), INT8, "affine", PerChannel(axis))
    q, fake = quantize(x, p), fake_quantize(x, p)
    for i in range(x.shape[axis]):
        part = np.take(x, i, axis=axis)
        alone = choose_qparams(*value_range(part))
        np.testing.assert_array_equal(np.take(q, i, axis=axis), quantize(part, alone))
        np.testing.assert_array_equal(np.take(fake, i, axis=axis), fake_quantize(part, alone))


@pytest.mark.parametrize(
    ("shape", "granularity"),
    [
        ((200_001,), PerTensor()),  # several blocks of one row, and a rest
        ((3, 70_000), PerChannel(0)),  # rows longer than a block
        ((70_000, 3), PerChannel(0)),  # several blocks of many short rows
        ((300, 512), PerGroup(-1, 2)),
        ((64, 4096), PerGroup(0, 64)),
    ],
)
def test_blocks_do_not_show(shape, granularity):
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    p = choose_qparams(*value_range(x, granularity), INT8, "affine", granularity)
    groups, scale = granularity.to_groups(x), p.scale.astype(np.float32)
    steps = np.clip(np.rint(groups / scale), INT8.qmin - p.zero_point, INT8.qmax - p.zero_point).astype(np.float32)
    np.testing.assert_array_equal(fake_quantize(x, p), granularity.from_groups(steps * scale, shape))
    np.testing.assert_array_equal(quantize(x, p), granularity.from_groups(steps + p.zero_point, shape))
    assert quantize(x, p).dtype == np.int8


def torch_tie(x, scale, zero_point):
    """Mark what lies so near to halfway between two levels that torch may round it the other way.

    torch multiplies by 1 / scale where decision 1 divides, and its kernels may add the zero point first and round
    then, all in float32: up to four roundings of 2**-24 of the largest number on the way.
    """
    steps = x.astype(np.float64) / scale
    return np.abs(steps - np.floor(steps) - 0.5) <= (np.abs(steps) + abs(zero_point)) * 2**-22


def assert_same_but_for_ties(ours, theirs, x, scale, zero_point):
    """Equal, or one step apart at a tie."""
    ours, theirs = ours.astype(np.float64), theirs.astype(np.float64)
    tie = torch_tie(x, scale, zero_point)
    # 1e-6: float32 products, each rounded once. 1e-4: the same, for up to 255 steps, in units of one step
    np.testing.assert_allclose(ours[~tie], theirs[~tie], rtol=1e-6)
    assert (np.abs(ours - theirs) <= scale * (1 + 1e-4)).all()
    assert tie.mean() < 0.01  # else nothing was compared


@pytest.mark.parametrize("fmt", [INT8, UINT8, INT4, IntFormat(3, signed=False)], ids=str)
def test_per_tensor_as_torch(x, fmt):
    torch = pytest.importorskip("torch")
    lo, hi = value_range(x)
    p = choose_qparams(lo * 0.7, hi * 0.7, fmt)  # narrower than the data, so that some is clipped
    scale = float(np.float32(p.scale))
    arguments = torch.from_numpy(x), scale, int(p.zero_point), fmt.qmin, fmt.qmax
    theirs = torch.fake_quantize_per_tensor_affine(*arguments).numpy()
    assert_same_but_for_ties(fake_quantize(x, p), theirs, x, scale, int(p.zero_point))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_per_channel_as_torch(axis):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((6, 5, 400)).astype(np.float32)
    granularity = PerChannel(axis)
    p = choose_qparams(*value_range(x, granularity), INT8, "affine", granularity)
    scale = p.scale[:, 0].astype(np.float32)
    theirs = torch.fake_quantize_per_channel_affine(
        torch.from_numpy(x),
        torch.from_numpy(scale),
        torch.from_numpy(p.zero_point[:, 0].astype(np.int32)),
        axis,
        -128,
        127,
    ).numpy()
    ours = fake_quantize(x, p)
    for i, of_channel in enumerate(scale):
        parts = (np.take(values, i, axis=axis) for values in (ours, theirs, x))
        assert_same_but_for_ties(*parts, float(of_channel), int(p.zero_point[i, 0]))


@pytest.mark.parametrize("signed", [True, False])
def test_codes_as_torch(quietly, x, signed):
    torch = pytest.importorskip("torch")
    p = choose_qparams(*value_range(x), IntFormat(8, signed))
    scale = float(np.float32(p.scale))
    dtype = torch.qint8 if signed else torch.quint8
    quantized = quietly(torch.quantize_per_tensor, torch.from_numpy(x), scale, int(p.zero_point), dtype)
    theirs, ours = quantized.int_repr().numpy(), quantize(x, p)
    assert ours.dtype == theirs.dtype
    differ = ours != theirs
    assert not (differ & ~torch_tie(x, scale, int(p.zero_point))).any()
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    # Same codes, same reals: torch multiplies in float32 too.
    np.testing.assert_array_equal(dequantize(theirs, p), quantized.dequantize().numpy())


@given(st.integers(2, 16), st.integers(0, 1000))
def test_dtype_of_codes(bits, n):
    assume(n)
    fmt = IntFormat(bits, signed=False)
    assert quantize(np.zeros(n), QParams(1.0, 0, fmt)).dtype == (np.uint8 if bits <= 8 else np.uint16)


def test_codes_beyond_the_signed_type_do_not_wrap():
    """uint8 codes below the zero point: 3 - 250 is -247, not 9."""
    q = np.array([3, 250, 255], np.uint8)
    np.testing.assert_array_equal(dequantize(q, QParams(1.0, 250, UINT8)), [-247, 0, 5])


P3 = QParams([[1.0], [2.0], [3.0]], [[0], [0], [0]], INT8, PerChannel(0))


@pytest.mark.parametrize("function", [quantize, fake_quantize, lambda x, p: dequantize(np.asarray(x, int), p)])
@pytest.mark.parametrize(
    ("shape", "qparams", "text"),
    [
        ((2, 4), P3, "x has 2 groups (per channel (axis 0), shape (2, 4)), but qparams hold 3 scales"),
        ((2, 4), QParams(1.0, 0, INT8, PerChannel(0)), "x has 2 groups (per channel (axis 0), shape (2, 4)), but"),
        ((2, 4), QParams(P3.scale, P3.zero_point), "x has 1 groups (per tensor, shape (2, 4)), but qparams hold 3"),
        ((3, 4), QParams(P3.scale, P3.zero_point, INT8, PerGroup(-1, 2)), "x has 6 groups (per group of 2 (axis -1)"),
    ],
)
def test_groups_that_do_not_fit(function, shape, qparams, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        function(np.ones(shape), qparams)


@pytest.mark.parametrize(
    ("q", "error", "text"),
    [
        ([1.0], TypeError, "q must hold integers: got dtype float64; call quantize first"),
        ([True], TypeError, "q must hold integers: got dtype bool; call quantize first"),
        ([0, 128], ValueError, "q must hold codes of int8, from -128 to 127: got 0 to 128"),
        ([-129], ValueError, "q must hold codes of int8, from -128 to 127: got -129 to -129"),
        (np.array([2**63], np.uint64), ValueError, "q must hold codes of int8"),
    ],
)
def test_dequantize_refusals(q, error, text):
    with pytest.raises(error, match=re.escape(text)):
        dequantize(q, QParams(1.0, 0))


def test_dequantize_needs_a_dtype_it_computes_in():
    with pytest.raises(ValueError, match=re.escape("dtype must be float32 or float64: got float16")):
        dequantize([1], QParams(1.0, 0), np.float16)

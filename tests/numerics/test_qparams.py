import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics import (
    INT4,
    INT8,
    INT16,
    UINT4,
    UINT8,
    UINT16,
    IntFormat,
    PerChannel,
    PerGroup,
    PerTensor,
    QParams,
    choose_qparams,
    fake_quantize,
    quantize,
    value_range,
)

ENDS = st.floats(-1e30, 1e30, allow_subnormal=False)


def test_jacob_by_hand():
    """The range [-10, 30] on uint8, worked by hand after Jacob et al. 2018, section 2.1: S = 40 / 255, Z = 64."""
    p = choose_qparams(-10.0, 30.0, UINT8)
    assert float(p.scale) == pytest.approx(0.1568627451, abs=1e-10)  # ten digits of 40 / 255
    assert int(p.zero_point) == 64  # 10 / S = 63.75
    assert float(p.lo) == pytest.approx(-10.0392156863, abs=1e-10)  # S (0 - 64)
    assert float(p.hi) == pytest.approx(29.9607843137, abs=1e-10)  # S (255 - 64)
    # 10 / S = 63.75, 3.1 / S = 19.7625: codes 64 + 64 and 64 + 20; both ends saturate
    np.testing.assert_array_equal(quantize([-10.0, 0.0, 3.1, 10.0, 30.0, 99.0], p), [0, 64, 84, 128, 255, 255])


@pytest.mark.parametrize(
    ("lo", "hi", "fmt", "scale"),
    [
        (-1.0, 3.0, INT8, 3 / 127),
        (-3.0, 1.0, INT8, 3 / 127),  # the larger magnitude may be the negative one
        (-1.0, 7.0, INT4, 1.0),
        (2.0, 7.0, INT4, 1.0),
        (-7.0, -2.0, IntFormat(4, narrow=True), 1.0),
    ],
)
def test_symmetric_by_hand(lo, hi, fmt, scale):
    p = choose_qparams(lo, hi, fmt, "symmetric")
    # 1e-15: one rounding of a division
    assert float(p.scale) == pytest.approx(scale, rel=1e-15) and int(p.zero_point) == 0


@pytest.mark.parametrize(("lo", "hi", "lowest", "highest"), [(10, 11, 0, 11), (-11, -10, -11, 0)])
def test_a_range_off_zero_is_widened_to_it(lo, hi, lowest, highest):
    p = choose_qparams(lo, hi, UINT8)
    # 1e-15: one rounding of a product
    assert float(p.lo) == pytest.approx(lowest, rel=1e-15) and float(p.hi) == pytest.approx(highest, rel=1e-15)


def test_only_zero_has_scale_one():
    for fmt in (INT8, UINT8):
        p = choose_qparams(0.0, 0.0, fmt)
        assert (float(p.scale), int(p.zero_point)) == (1.0, fmt.qmin)
    assert float(choose_qparams(0.0, 0.0, INT8, "symmetric").scale) == 1.0


@given(ENDS, ENDS, st.sampled_from([INT4, INT8, UINT4, UINT8, INT16, UINT16, IntFormat(8, narrow=True)]))
def test_range_is_covered_and_zero_exact(a, b, fmt):
    lo, hi = min(a, b), max(a, b)
    for scheme in ("affine", "symmetric") if fmt.signed else ("affine",):
        p = choose_qparams(lo, hi, fmt, scheme)
        assert fake_quantize(0.0, p) == 0.0
        # The zero point is rounded, which moves the range by up to half a step; 1e-9 for the arithmetic.
        slack = float(p.scale) * (0.5 + 1e-9)
        assert p.lo - slack <= min(lo, 0) if scheme == "affine" or not fmt.narrow else True
        assert p.hi + slack >= max(hi, 0)


def test_groups_are_independent():
    lo, hi = np.array([[-1.0], [0.0], [-5.0]]), np.array([[3.0], [0.0], [-1.0]])
    together = choose_qparams(lo, hi, UINT8, granularity=PerChannel(0))
    assert together.scale.shape == together.zero_point.shape == (3, 1)
    for i in range(3):
        alone = choose_qparams(lo[i, 0], hi[i, 0], UINT8)
        assert together.scale[i, 0] == alone.scale and together.zero_point[i, 0] == alone.zero_point


def test_one_end_may_serve_all_groups():
    p = choose_qparams(-1.0, np.array([[1.0], [3.0]]), INT8, "symmetric", PerChannel(0))
    np.testing.assert_array_equal(p.scale, [[1 / 127], [3 / 127]])
    assert p.zero_point.shape == (2, 1)


def test_one_group_is_0d():
    for lo in (-1.0, np.array([[-1.0]])):
        assert choose_qparams(lo, 1.0).scale.shape == ()


@pytest.mark.parametrize("signed", [True, False])
def test_affine_as_torch(ao, x, signed):
    torch = pytest.importorskip("torch")
    dtype = torch.qint8 if signed else torch.quint8
    observer = ao("MinMaxObserver", dtype=dtype, qscheme=torch.per_tensor_affine)
    observer(torch.from_numpy(x))
    scale, zero_point = observer.calculate_qparams()
    ours = choose_qparams(*value_range(x), INT8 if signed else UINT8)
    # torch computes in float32: two roundings of 6e-8. They could move the zero point by one at a tie only.
    assert float(ours.scale) == pytest.approx(float(scale), rel=2e-7)
    assert int(ours.zero_point) == int(zero_point)


def test_affine_per_channel_as_torch(ao):
    torch = pytest.importorskip("torch")
    w = np.random.default_rng(0).standard_normal((16, 8, 3, 3)).astype(np.float32)
    for axis in range(4):
        observer = ao("PerChannelMinMaxObserver", ch_axis=axis, dtype=torch.qint8, qscheme=torch.per_channel_affine)
        observer(torch.from_numpy(w))
        scale, zero_point = observer.calculate_qparams()
        ours = choose_qparams(*value_range(w, PerChannel(axis)), INT8, "affine", PerChannel(axis))
        # float32 in torch, as above
        np.testing.assert_allclose(ours.scale[:, 0], scale.numpy(), rtol=2e-7)
        np.testing.assert_array_equal(ours.zero_point[:, 0], zero_point.numpy())


def test_symmetric_differs_from_torch_as_decided(ao, x):
    """Decision 3: we divide max|x| by qmax = 127, torch's observers by (qmax - qmin) / 2 = 127.5."""
    torch = pytest.importorskip("torch")
    observer = ao("MinMaxObserver", dtype=torch.qint8, qscheme=torch.per_tensor_symmetric)
    observer(torch.from_numpy(x))
    scale, zero_point = observer.calculate_qparams()
    ours = choose_qparams(*value_range(x), INT8, "symmetric")
    assert int(zero_point) == int(ours.zero_point) == 0
    # float32 in torch, as above
    assert float(ours.scale) * 127 == pytest.approx(float(scale) * 127.5, rel=2e-7)
    assert float(ours.scale) == pytest.approx(float(scale) * 127.5 / 127, rel=2e-7)


def test_smallest_scale_differs_from_torch(ao):
    """A range below 1e-5 gets torch's eps, 1.2e-7, as scale; ours goes on down to the smallest normal float32."""
    torch = pytest.importorskip("torch")
    observer = ao("MinMaxObserver", dtype=torch.qint8, qscheme=torch.per_tensor_affine)
    observer(torch.tensor([-1e-10, 1e-10]))
    assert float(observer.calculate_qparams()[0]) == float(np.finfo(np.float32).eps)
    assert float(choose_qparams(-1e-10, 1e-10).scale) == pytest.approx(2e-10 / 255, rel=1e-12)  # a few roundings


def test_value_range():
    x = np.array([[1.0, -2.0, 5.0, 0.5], [3.0, 4.0, 6.0, 7.0]])
    np.testing.assert_array_equal(value_range(x), (-2.0, 7.0))
    np.testing.assert_array_equal(value_range(x, PerChannel(0)), ([[-2.0], [3.0]], [[5.0], [7.0]]))
    lo, hi = value_range(x, PerGroup(-1, 2))
    np.testing.assert_array_equal(np.hstack([lo, hi]), [[-2, 1], [0.5, 5], [3, 4], [6, 7]])


def test_qparams_ends_and_levels():
    p = QParams(0.5, -2, INT4)
    assert (p.lo, p.hi) == (-3.0, 4.5)
    np.testing.assert_array_equal(p.levels, np.arange(-3.0, 5.0, 0.5))
    two = QParams([[0.5], [2.0]], [[0], [1]], INT4, PerChannel(0))
    np.testing.assert_array_equal(two.lo, [[-4.0], [-18.0]])
    assert two.levels.shape == (2, 16) and two.levels[1, 0] == -18.0


def test_qparams_compare_by_value():
    assert QParams(0.5, 0) == QParams(0.5, 0)
    assert QParams([[0.5], [1.0]], [[0], [0]], INT8, PerChannel(0)) == QParams(
        [[0.5], [1.0]], [[0], [0]], INT8, PerChannel(0)
    )
    for other in (QParams(0.25, 0), QParams(0.5, 1), QParams(0.5, 0, INT4), QParams(0.5, 0, INT8, PerChannel(0)), 0.5):
        assert QParams(0.5, 0) != other


def test_qparams_do_not_change_with_their_source():
    scale = np.array([[0.5], [1.0]])
    p = QParams(scale, np.zeros((2, 1), int), INT8, PerChannel(0))
    scale[0] = 9.0
    assert p.scale[0, 0] == 0.5
    for values in (p.scale, p.zero_point):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((0.0, 0), ValueError, "scale must be positive and finite: got 0.0"),
        ((-1.0, 0), ValueError, "scale must be positive and finite: got -1.0"),
        (([[1.0], [np.inf]], [[0], [0]]), ValueError, "scale must be positive and finite: got inf"),
        ((np.nan, 0), ValueError, "scale must be positive and finite: got nan"),
        ((1.0, 128), ValueError, "zero_point must be a code of int8, from -128 to 127: got 128"),
        ((1.0, 0.0), TypeError, "zero_point must be a whole number: got dtype float64"),
        (([1.0, 2.0], [0, 0]), ValueError, "both (n_groups, 1): got shapes (2,) and (2,)"),
        (([[1.0, 2.0]], [[0, 0]]), ValueError, "both (n_groups, 1): got shapes (1, 2) and (1, 2)"),
        (([[1.0]], 0), ValueError, "both (n_groups, 1): got shapes (1, 1) and ()"),
    ],
)
def test_qparams_refusals(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        QParams(*arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((2.0, 1.0), ValueError, "lo must not be above hi: got lo=2.0 and hi=1.0"),
        ((np.array([[0.0], [2.0]]), 1.0), ValueError, "lo must not be above hi: got lo=2.0 and hi=1.0"),
        ((np.nan, 1.0), ValueError, "lo must be finite: got 1 NaN; drop or replace them first"),
        ((0.0, np.inf), ValueError, "hi must be finite: got 1 infinite; drop or replace them first"),
        ((0.0, "1"), TypeError, "hi must be an array of real numbers: got dtype <U1; convert it to float32 first"),
        ((0.0, 1.0, INT8, "sym"), ValueError, "scheme must be one of 'affine', 'symmetric': got 'sym'"),
        ((0.0, 1.0, INT8, ["affine"]), ValueError, "scheme must be one of 'affine', 'symmetric': got ['affine']"),
        (
            (0.0, 1.0, UINT8, "symmetric"),
            ValueError,
            "scheme 'symmetric' needs a signed format: got uint8; use int8, or scheme='affine'",
        ),
    ],
)
def test_choose_refusals(arguments, error, text):
    with pytest.raises(error, match=re.escape(text)):
        choose_qparams(*arguments)


def test_per_tensor_is_the_default():
    assert choose_qparams(-1.0, 1.0).granularity == PerTensor()

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import (
    INT4,
    INT8,
    ErrorParts,
    IntFormat,
    PerChannel,
    PerTensor,
    QParams,
    calibrate,
    choose_qparams,
    cosine,
    error_parts,
    fake_quantize,
    kl_divergence,
    mse,
    sqnr_db,
    value_range,
)

ARRAYS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=2, max_side=30), elements=st.floats(-1000, 1000, width=32))
COUNTS = hnp.arrays(np.int64, 8, elements=st.integers(0, 10**6))


def test_by_hand():
    assert mse([0.0, 3.0], [4.0, 3.0]) == 8.0
    assert sqnr_db([3.0, 4.0], [3.0, 4.5]) == pytest.approx(20.0, abs=1e-12)  # 25 / 0.25; roundings of logarithms
    assert cosine([3.0, 4.0], [4.0, 3.0]) == pytest.approx(24 / 25, abs=1e-15)  # one rounding or two
    assert cosine([1.0, 2.0], [-2.0, -4.0]) == pytest.approx(-1.0, abs=1e-15)  # one rounding
    assert kl_divergence([1, 3], [3, 1]) == pytest.approx(0.5 * np.log(3), abs=1e-15)  # 1/4 ln 1/3 + 3/4 ln 3


@pytest.mark.parametrize("bits", range(2, 17))
def test_six_decibels_a_bit(bits):
    """A uniform signal over the whole range: signal 1/3, error step**2 / 12 with 2**bits steps over [-1, 1]."""
    n = 1_000_003  # a prime, so that the samples never march in step with the levels
    x = (np.arange(n) + 0.5) / n * 2 - 1
    # The levels of affine int b lie on half steps around zero, moved by half a step so that one is zero.
    step = 2 / 2**bits
    p = QParams(step, 0, IntFormat(bits))
    moved = x - step / 2
    noise = mse(moved, fake_quantize(moved, p))
    # 1e-3 decibels are 0.02 percent of noise: n samples stand for a continuum
    assert 10 * np.log10(np.mean(x**2) / noise) == pytest.approx(6.0206 * bits, abs=1e-3)


def test_one_more_bit_halves_the_step(x):
    """On real shapes too, once steps are small beside what varies: from 8 bits on six decibels each, min-max."""
    if x.max() > 20 or (x == 0).mean() > 0.1 or x.min() > 1:
        return  # a far outlier, many exact zeros, or all values on a few levels
    gains = np.diff(
        [sqnr_db(x, fake_quantize(x, calibrate(x, "min-max", IntFormat(b), "affine"))) for b in range(8, 13)]
    )
    np.testing.assert_allclose(gains, 6.02, atol=0.3)  # 20,000 values scatter by a percent or two of the noise


@given(COUNTS, COUNTS)
def test_kl_as_scipy(p, q):
    stats = pytest.importorskip("scipy.stats")
    if not (p.any() and q.any()):
        return
    # Divergences of up to 30 nats, a few roundings each
    assert kl_divergence(p, q) == pytest.approx(float(stats.entropy(p, q)), rel=1e-9, abs=1e-12)


@given(COUNTS)
def test_kl_of_itself_is_zero(p):
    if p.any():
        assert kl_divergence(p, 3 * p) == pytest.approx(0.0, abs=1e-12)  # roundings of the shares


@given(ARRAYS, st.integers(2, 8), st.sampled_from(["affine", "symmetric"]), st.floats(0.1, 1.5))
def test_rounding_and_clipping_add_up(x, bits, scheme, share):
    lo, hi = value_range(x)
    p = choose_qparams(lo * share, hi * share, IntFormat(bits), scheme)
    parts = error_parts(x, p)
    # 1e-12: the same squares, summed in another order
    assert parts.rounding + parts.clipping == pytest.approx(mse(x, fake_quantize(x, p)), rel=1e-12)
    assert parts.total == parts.rounding + parts.clipping
    assert 0 <= parts.clipped_fraction <= 1 and (parts.clipped_fraction > 0) == (parts.clipping > 0)


@given(ARRAYS, st.integers(2, 8))
def test_min_max_clips_nothing_but_what_zero_point_rounding_moves(x, bits):
    p = calibrate(x, "min-max", IntFormat(bits), "symmetric")
    assert error_parts(x, p).clipped_fraction == 0
    # Half a step squared, and 1e-5 for float32
    assert error_parts(x, p).rounding <= float(p.scale) ** 2 / 4 * (1 + 1e-5)


def test_parts_by_hand():
    p = QParams(1.0, 0, INT4)  # levels -8 to 7
    parts = error_parts([0.25, 7.5, 7.75, 10.0, -8.5, -10.0], p)
    # 7.5 and -8.5 lie just half a step out: rounded. 7.75, 10 and -10 are clipped.
    assert parts.rounding == pytest.approx((0.0625 + 0.25 + 0.25) / 6, rel=1e-15)
    assert parts.clipping == pytest.approx((0.5625 + 9 + 4) / 6, rel=1e-15)  # one rounding of a division
    assert parts.clipped_fraction == 0.5


def test_parts_of_groups():
    x = np.array([[1.0, 9.0], [1.0, 9.0]])
    p = QParams([[1.0], [10.0]], [[0], [0]], INT4, PerChannel(0))
    assert error_parts(x, p) == ErrorParts(rounding=(0 + 1 + 1) / 4, clipping=(9 - 7) ** 2 / 4, clipped_fraction=0.25)


def test_nothing_lost():
    x = np.array([-3.0, 0.0, 5.0])
    p = QParams(1.0, 0, INT8)
    fake = fake_quantize(x, p)
    assert mse(x, fake) == 0.0 and sqnr_db(x, fake) == np.inf and cosine(x, fake) == 1.0
    assert error_parts(x, p) == ErrorParts(0.0, 0.0, 0.0)


def test_zero_signals():
    zero, one = np.zeros(3), np.ones(3)
    assert sqnr_db(zero, one) == -np.inf and sqnr_db(zero, zero) == np.inf
    assert cosine(zero, one) == 0.0 and cosine(zero, zero) == 1.0
    assert sqnr_db(one, zero) == pytest.approx(0.0, abs=1e-12)  # roundings of logarithms


@pytest.mark.parametrize("unit", [1e-300, 1e-30, 1e30, 1e300])
def test_ratios_have_no_unit(unit):
    x, y = np.array([3.0, 4.0]), np.array([3.0, 4.5])
    # 1e-9: products with a unit that is no power of two
    assert sqnr_db(x * unit, y * unit) == pytest.approx(20.0, abs=1e-9)
    assert cosine(x * unit, y * unit) == pytest.approx(cosine(x, y), abs=1e-9)
    assert kl_divergence(x * unit, y * unit) == pytest.approx(kl_divergence(x, y), abs=1e-9)


def test_opposite_giants():
    x = np.array([1.7e308, -1.7e308])
    assert sqnr_db(x, -x) == pytest.approx(20 * np.log10(0.5), abs=1e-12)  # the noise is twice the signal
    assert cosine(x, -x) == pytest.approx(-1.0, abs=1e-15)  # one rounding


def test_kl_where_q_is_empty():
    assert kl_divergence([1, 1], [1, 0]) == np.inf
    assert kl_divergence([1, 0], [1, 1]) == pytest.approx(np.log(2), abs=1e-15)  # one rounding


@pytest.mark.parametrize("function", [mse, sqnr_db, cosine])
def test_shapes_must_agree(function):
    with pytest.raises(ValueError, match=re.escape("x and y must have the same shape: got (2,) and (1, 2)")):
        function([1.0, 2.0], [[1.0, 2.0]])


@pytest.mark.parametrize("function", [mse, sqnr_db, cosine])
def test_the_argument_at_fault_is_named(function):
    with pytest.raises(ValueError, match=re.escape("y must be finite: got 1 NaN, first at index (1,)")):
        function([1.0, 2.0], [1.0, np.nan])
    with pytest.raises(TypeError, match=re.escape("y must be an array of real numbers: got dtype <U1")):
        function([1.0], ["a"])


@pytest.mark.parametrize(
    ("p", "q", "text"),
    [
        ([1, -1], [1, 1], "p must hold counts of at least 0 whose sum is positive: got -1.0"),
        ([1, 1], [0, 0], "q must hold counts of at least 0 whose sum is positive: got only zeros"),
        ([], [], "p must hold counts of at least 0 whose sum is positive: got none"),
        ([1, 1], [1], "p and q must have the same shape: got (2,) and (1,)"),
    ],
)
def test_kl_refusals(p, q, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        kl_divergence(p, q)


@pytest.mark.parametrize("granularity", [PerTensor(), PerChannel(0)], ids=repr)
def test_errors_of_values_with_counts_are_those_of_the_values_repeated(granularity):
    rng = np.random.default_rng(0)
    x, counts = rng.normal(size=(2, 30)), np.tile(rng.integers(1, 9, 30), (2, 1))
    scale = 0.3 if granularity == PerTensor() else np.array([[0.3], [0.2]])
    qparams = QParams(scale, np.zeros_like(scale, int), IntFormat(3), granularity)
    mine = error_parts(x, qparams, counts)
    whole = error_parts(np.stack([np.repeat(*row) for row in zip(x, counts, strict=True)]), qparams)
    assert (mine.rounding, mine.clipping) == pytest.approx((whole.rounding, whole.clipping))
    assert mine.clipped_fraction == pytest.approx(whole.clipped_fraction) and 0 < whole.clipped_fraction < 1

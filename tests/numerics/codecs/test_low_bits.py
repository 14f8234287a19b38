"""Powers of two, ternary and binary codes by brute force."""

import re

import numpy as np
import pytest

from qviz.numerics import mse
from qviz.numerics.codecs import FP16, Binary, Ternary, power_of_two

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 50)).astype(np.float32)
W = RNG.random((40, 50)).astype(np.float32)


def error(codec, x, w=None):
    return ((codec.fake_quantize(x, "per channel", w) - x.astype(np.float64)) ** 2 * (1 if w is None else w)).sum(
        axis=1
    )


def least_ternary_error(x, w):
    """Try every threshold, each with the scale that is best for it."""
    best = (w * x**2).sum()
    for threshold in [0, *np.abs(x)]:
        kept = np.abs(x) > threshold
        scale = (np.abs(x) * w)[kept].sum() / max(w[kept].sum(), 1e-300)
        best = min(best, (w * (x - np.sign(x) * kept * scale) ** 2).sum())
    return best


@pytest.mark.parametrize("w", [None, W], ids=["unweighted", "weighted"])
def test_the_best_threshold_is_the_best_of_all(w):
    weights = np.ones(X.shape) if w is None else w.astype(np.float64)
    least = [least_ternary_error(row, weight) for row, weight in zip(X.astype(np.float64), weights, strict=True)]
    assert np.allclose(error(Ternary(threshold="best"), X, w), least, rtol=1e-5)  # the scale is stored in float32


def test_twns_threshold_is_near_the_best_on_a_gaussian():
    x = np.random.default_rng(1).standard_normal(100_000)
    assert mse(x, Ternary().fake_quantize(x)) < 1.01 * mse(x, Ternary(threshold="best").fake_quantize(x))


def test_twn_by_hand():
    # mean magnitude 1.9, threshold 1.33: 2 and -4 are kept, at (2 + 4) / 2
    assert Ternary().fake_quantize([1.0, -0.6, 2.0, -4.0]).tolist() == [0, 0, 3, -3]


@pytest.mark.parametrize("w", [None, W], ids=["unweighted", "weighted"])
def test_no_other_scale_is_better_for_binary(w):
    best = error(Binary(), X, w)
    weights = np.ones(X.shape) if w is None else w
    for factor in (0.98, 0.999, 1.001, 1.02):
        scale = Binary().choose_params(X, w) * factor
        other = ((Binary().decode(Binary().encode(X, scale), scale) - X.astype(np.float64)) ** 2 * weights).sum(axis=1)
        assert (other > best).all()


@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_powers_of_two_are_the_nearest(bits):
    codec = power_of_two(bits)
    params = codec.choose_params(X)
    out = codec.decode(codec.encode(X, params), params)
    most = np.abs(X).max(axis=1, keepdims=True).astype(np.float64)
    top = np.floor(np.log2(4 / 3 * most))  # INQ, equation 2
    powers = np.exp2(top[..., None] - np.arange(2 ** (bits - 1) - 1))
    levels = np.concatenate([powers, -powers, np.zeros_like(top)[..., None]], axis=2)
    distance = np.abs(X.astype(np.float64)[..., None] - levels).min(axis=2)
    assert np.allclose(np.abs(out - X.astype(np.float64)), distance, atol=1e-12)


def test_codes_and_bits():
    params = Ternary().choose_params(X)
    assert set(np.unique(Ternary().encode(X, params))) == {-1, 0, 1}
    assert set(np.unique(Binary().encode(X, Binary().choose_params(X)))) == {-1, 1}
    assert Ternary().bits_per_value((40, 50), "per channel") == 1.6 + 32 / 50
    assert Binary(32, scales=FP16).bits_per_value((40, 64)) == 1.5
    assert power_of_two(4).bits_per_value(1000) == 4.008


@pytest.mark.parametrize("codec", [Ternary(), Ternary(threshold="best"), Binary(), power_of_two(3)])
def test_zeros_and_one_value(codec):
    assert (codec.fake_quantize(np.zeros((2, 7)), "per channel") == 0).all()
    assert np.array_equal(codec.fake_quantize(np.float32([[0.5], [-2.0]]), "per channel"), [[0.5], [-2.0]])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Ternary(threshold="mean"), ValueError, "threshold must be one of 'twn', 'best': got 'mean'"),
        (lambda: Ternary(0), ValueError, "group_size must be at least 1: got 0"),
        (lambda: Binary(scales=16), TypeError, "scales must be a codec such as FP16, or None for float32: got 16"),
        (lambda: power_of_two(9), ValueError, "bits must be from 2 to 8: got 9"),
        (lambda: Ternary().decode([[2]], Ternary().choose_params([[1.0]])), ValueError, "codes must hold codes of"),
    ],
)
def test_what_is_refused(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()

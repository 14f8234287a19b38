"""AWQ's search: never worse than no factors, the best of those tried, and the errors as a plain loop finds them."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.methods import search_scales
from qviz.numerics import PerChannel, PerGroup, calibrate, fake_quantize


def to_3_bits(w):
    return fake_quantize(w, calibrate(w, "min-max", "int3", "symmetric", PerChannel(0)))


def salient(layer, seed):
    """Return a layer of which some inputs are much larger than the others."""
    w, x = layer(seed, out=10, k=16, samples=50)
    return w, x * np.exp(np.random.default_rng(seed).normal(0, 1.5, 16))


def of_the_paper(w, x, quantize, exponents):
    """Equations 4 and 5, a loop: |Q(W diag(s)) diag(s)^-1 X - W X| for each s = mean|x|^a, s / sqrt(max s * min s)."""
    errors = []
    for a in exponents:
        s = np.mean(np.abs(x), axis=0) ** a
        s = s / np.sqrt(s.max() * s.min())
        errors.append(np.linalg.norm(quantize(w @ np.diag(s)) @ np.diag(1 / s) @ x.T - w @ x.T) ** 2)
    return np.array(errors)


@given(st.integers(0, 999))
def test_the_errors_are_the_papers(layer, seed):
    w, x = salient(layer, seed)
    found = search_scales(w, x, to_3_bits)
    exponents = np.arange(20) / 20
    expected = of_the_paper(w, x, to_3_bits, exponents)
    # 1e-6: a sum of 500 squares in another order; no weight lies so near to halfway that its level could differ
    np.testing.assert_allclose(found.errors, expected / expected[0], rtol=1e-6)
    assert found.exponent == exponents[np.argmin(expected)]


@given(st.integers(0, 999))
def test_it_returns_what_it_measured(layer, error_of, seed):
    w, x = salient(layer, seed)
    found = search_scales(w, x, to_3_bits)
    nearest = error_of(w, to_3_bits(w), x)
    assert error_of(w, found.weight, x) == pytest.approx(found.errors.min() * nearest, rel=1e-6)
    assert found.errors[0] == 1 and found.errors.min() <= 1
    # What is stored is Q(W s): weights on a grid, and the factors.
    np.testing.assert_allclose(found.weight * found.factors, to_3_bits(w * found.factors), rtol=0, atol=1e-12)


def test_salient_inputs_gain(layer):
    """On average over layers with salient inputs a good part of the error is gone; without them hardly any."""
    with_them = [search_scales(*salient(layer, seed), to_3_bits).errors.min() for seed in range(20)]
    assert np.mean(with_them) < 0.8
    w, x = layer(0, out=10, k=16)
    plain = search_scales(w, np.sign(x - x.mean()), to_3_bits)  # all of one size
    assert plain.exponent == 0 and (plain.factors == 1).all()


def test_groups_and_convolutions(layer):
    w, x = salient(layer, 0)
    found = search_scales(w.reshape(10, 4, 2, 2).astype(np.float32), x, lambda v: v)
    assert (found.weight.shape, found.weight.dtype, found.exponent) == ((10, 4, 2, 2), np.float32, 0.0)

    def in_groups(v):
        return fake_quantize(v, calibrate(v, "min-max", "int3", "symmetric", PerGroup(1, 4)))

    assert search_scales(w, x, in_groups).errors.min() <= 1


def test_an_input_that_never_occurs_and_none_at_all(layer):
    w, x = layer(1, out=4)
    x[:, 3] = 0
    found = search_scales(w, x, to_3_bits)
    assert np.isfinite(found.weight).all() and (found.factors > 0).all()
    nothing = search_scales(w, 0 * x, to_3_bits)
    assert nothing.exponent == 0
    np.testing.assert_array_equal(nothing.weight, to_3_bits(w))


W, X = np.ones((2, 3)), np.ones((5, 3))


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        (([[np.nan] * 3], X, to_3_bits), {}, ValueError, "weight must be finite: got 3 NaN"),
        ((W, X * np.inf, to_3_bits), {}, ValueError, "inputs must be finite: got 15 infinite"),
        ((W, X, "int4"), {}, TypeError, "quantize must be a function from weights to quantized weights: got 'int4'"),
        ((W, X, lambda w: w[:1]), {}, ValueError, "quantize must return weights of shape (2, 3): got shape (1, 3)"),
        ((W, X, to_3_bits), {"tried": 0}, ValueError, "tried must be at least 1: got 0"),
    ],
)
def test_refusals(arguments, options, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        search_scales(*arguments, **options)

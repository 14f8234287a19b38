"""SmoothQuant: the same outputs, and ranges as its equations say, written with diagonal matrices."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.methods import divide_outputs, equalize_pair, scale_inputs, smoothing_factors
from qviz.numerics import PerChannel, calibrate, fake_quantize


def with_outliers(seed):
    """Return weights and inputs of which two channels are fifty times the others, as in large language models."""
    rng = np.random.default_rng(seed)
    w, x = rng.standard_normal((8, 16)), rng.standard_normal((60, 16))
    x[:, rng.choice(16, 2, replace=False)] *= 50
    return w, x


@given(st.integers(0, 999), st.floats(0, 1))
def test_the_outputs_are_preserved(seed, alpha):
    w, x = with_outliers(seed)
    s = smoothing_factors(w, np.abs(x).max(axis=0), alpha)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):  # the promise, and the last digits of float64
        smoothed = scale_inputs(w.astype(dtype), s)
        assert smoothed.dtype == dtype
        error = np.abs((x / s) @ smoothed.T - x @ w.T).max()
        assert error <= tolerance * np.abs(x @ w.T).max()


@given(st.integers(0, 999), st.floats(0, 1))
def test_it_is_equation_4(seed, alpha):
    w, x = with_outliers(seed)
    x_of_paper, w_of_paper = x, w.T  # Y = X W
    s = np.array([max(abs(x_of_paper[:, j])) ** alpha / max(abs(w_of_paper[j])) ** (1 - alpha) for j in range(16)])
    np.testing.assert_allclose(smoothing_factors(w, np.abs(x).max(axis=0), alpha), s, rtol=1e-12)
    np.testing.assert_allclose(scale_inputs(w, s).T, np.diag(s) @ w_of_paper, rtol=1e-12)


def test_with_one_half_both_reach_equally_far():
    w, x = with_outliers(0)
    s = smoothing_factors(w, np.abs(x).max(axis=0))
    np.testing.assert_allclose(np.abs(x / s).max(axis=0), np.abs(scale_inputs(w, s)).max(axis=0), rtol=1e-12)


def test_it_is_cross_layer_equalization_where_a_layer_brings_the_inputs():
    """The factors of equalization are those of alpha = 1/2, with the weights of the layer before for the inputs."""
    rng = np.random.default_rng(1)
    w1, b1, w2 = rng.standard_normal((5, 4)), rng.standard_normal(5), rng.standard_normal((3, 5))
    s = smoothing_factors(w2, np.abs(w1).max(axis=1))
    for ours, equal in zip((*divide_outputs(w1, b1, s), scale_inputs(w2, s)), equalize_pair(w1, b1, w2), strict=True):
        np.testing.assert_allclose(ours, equal, rtol=1e-12)


def test_the_layer_before_can_take_the_division():
    rng = np.random.default_rng(2)
    w1, b1, w2, x = (rng.standard_normal(shape) for shape in ((5, 4), (5,), (3, 5), (30, 4)))
    s = np.exp(rng.standard_normal(5))
    v1, c1 = divide_outputs(w1, b1, s)
    before, after = np.maximum(x @ w1.T + b1, 0) @ w2.T, np.maximum(x @ v1.T + c1, 0) @ scale_inputs(w2, s).T
    np.testing.assert_allclose(after, before, rtol=1e-10, atol=1e-12)


def test_eight_bits_lose_less():
    """W8A8, one scale for all inputs: the error of the outputs is a hundredth, for what it was made for."""
    w, x = with_outliers(3)
    s = smoothing_factors(w, np.abs(x).max(axis=0))
    errors = []
    for weight, inputs in ((w, x), (scale_inputs(w, s), x / s)):
        w_hat = fake_quantize(weight, calibrate(weight, "min-max", "int8", "symmetric", PerChannel(0)))
        x_hat = fake_quantize(inputs, calibrate(inputs, "min-max", "int8", "symmetric"))
        errors.append(np.mean((x_hat @ w_hat.T - x @ w.T) ** 2))
    assert errors[1] < 0.2 * errors[0]


def test_a_convolution_and_unused_channels():
    w = np.ones((2, 3, 3, 3))
    w[:, 1] = 0
    s = smoothing_factors(w, [4.0, 9.0, 0.0])
    np.testing.assert_allclose(s, [2, 1, 1])
    assert scale_inputs(w, s)[0, :, 0, 0].tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: smoothing_factors([[np.nan]], [1.0]), "weight must be finite"),
        (lambda: smoothing_factors([[1.0]], [-1.0]), "largest_inputs must be magnitudes, at least 0: got -1.0"),
        (lambda: smoothing_factors([[1.0]], [1.0, 2.0]), "largest_inputs must hold one value for each input of weight"),
        (lambda: smoothing_factors([[1.0]], [1.0], 1.5), "alpha must be from 0 to 1: got 1.5; 0.5 is usual"),
        (lambda: scale_inputs([[1.0]], [0.0]), "factors must be above 0: got 0.0"),
        (lambda: scale_inputs(np.float32([[1e30]]), [1e30]), "weight times factors must be finite"),
        (lambda: divide_outputs([[1.0]], [1.0], [1.0, 2.0]), "factors must hold one value for each output of weight"),
        (lambda: divide_outputs(np.float32([[1e30]]), [1.0], [1e-30]), "weight divided by factors must be finite"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

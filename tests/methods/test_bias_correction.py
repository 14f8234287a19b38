"""The mean error of a layer's outputs is gone; what is expected after a ReLU is what an integral says."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.methods import correct_bias, correct_bias_measured, mean_after_relu
from qviz.networks.digits_cnn import _conv3x3
from qviz.numerics import calibrate, fake_quantize


@given(st.integers(0, 999), st.sampled_from([np.float32, np.float64]))
def test_a_linear_layer_keeps_its_mean(layer, seed, dtype):
    w, x = layer(seed)
    w, bias = w.astype(dtype), np.random.default_rng(seed).standard_normal(6).astype(dtype)
    w_hat = fake_quantize(w, calibrate(w, "min-max", "int2", "symmetric"))
    corrected = correct_bias(bias, w, w_hat, x.mean(axis=0))
    assert corrected.dtype == dtype
    shift = (x @ w_hat.T + corrected - x @ w.T - bias).mean(axis=0)
    # 1e-5 and 1e-12 of outputs up to 100: the last digits of float32 and float64
    assert np.abs(shift).max() < (1e-5 if dtype == np.float32 else 1e-12) * 10


@given(st.integers(0, 999))
def test_analytic_and_measured_agree_where_the_mean_is_that_of_the_samples(layer, seed):
    w, x = layer(seed)
    bias, w_hat = np.zeros(6), fake_quantize(w, calibrate(w, "min-max", "int2", "symmetric"))
    measured = correct_bias_measured(bias, x @ w.T, x @ w_hat.T)
    np.testing.assert_allclose(correct_bias(bias, w, w_hat, x.mean(axis=0)), measured, rtol=1e-9, atol=1e-12)


def test_a_convolution():
    """Measured: exact, the border included. Analytic: exact where each place of a channel has the same mean."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((4, 3, 3, 3))
    w_hat, bias, x = np.round(w), rng.standard_normal(4), rng.random((50, 3, 8, 8))
    y, y_hat = _conv3x3(x, w, bias), _conv3x3(x, w_hat, bias)
    after = _conv3x3(x, w_hat, correct_bias_measured(bias, y, y_hat))
    assert np.abs((after - y).mean(axis=(0, 2, 3))).max() < 1e-5  # outputs are float32
    inside = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    even = np.full((1, 3, 8, 8), 0.5)
    analytic = _conv3x3(even, w_hat, correct_bias(bias, w, w_hat, [0.5, 0.5, 0.5])) - _conv3x3(even, w, bias)
    assert np.abs(analytic[inside]).max() < 1e-5
    assert np.abs(analytic[:, :, 0]).max() > 0.1  # at the border, zeros take the place of inputs


def test_by_hand():
    assert correct_bias([1.0], [[1.0, 1.0]], [[2.0, 0.0]], [3.0, 1.0]).tolist() == [-1.0]  # 3 too much, 1 too little
    assert correct_bias_measured([1.0], [[1.0], [2.0]], [[2.0], [2.0]]).tolist() == [0.5]


@given(st.floats(-6, 6), st.floats(0.01, 3))
def test_the_mean_after_a_relu_is_an_integral(mean, std):
    x = np.linspace(max(0, mean - 12 * std), max(0, mean) + 12 * std, 200_001)
    density = np.exp(-(((x - mean) / std) ** 2) / 2) / (std * np.sqrt(2 * np.pi))
    # 1e-6: the trapezoids
    assert float(mean_after_relu(mean, std)) == pytest.approx(np.trapezoid(x * density, x), rel=1e-6, abs=1e-9)


def test_without_spread_the_mean_is_the_value():
    assert mean_after_relu([-2.0, 0.0, 3.0], 0.0).tolist() == [0, 0, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: correct_bias([np.nan], [[1.0]], [[1.0]], [1.0]), "bias must be finite: got 1 NaN"),
        (lambda: correct_bias([0.0], [[1.0]], [[1.0, 2.0]], [1.0]), "weight_hat must have the shape of weight, (1, 1)"),
        (lambda: correct_bias([0.0], [[1.0]], [[1.0]], [1.0, 2.0]), "mean_inputs must hold one value for each input"),
        (lambda: correct_bias([0.0, 1.0], [[1.0]], [[1.0]], [1.0]), "bias must hold one value for each output"),
        (lambda: correct_bias_measured([0.0], [[1.0]], [[1.0], [2.0]]), "outputs_hat must have the shape of outputs"),
        (lambda: correct_bias_measured([0.0], np.ones((0, 1)), np.ones((0, 1))), "outputs must be"),
        (lambda: mean_after_relu([0.0, 1.0], [-1.0, 1.0]), "std must be at least 0: got -1.0"),
        (lambda: mean_after_relu([0.0, 1.0], [1.0, 1.0, 1.0]), "std must broadcast with shape (2,)"),
        (lambda: mean_after_relu(np.inf, 1.0), "mean must be finite"),
    ],
)  # fmt: skip
def test_refusals(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

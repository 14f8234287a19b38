"""Moments and quartiles. Tolerances are 5 standard errors at n = 100,000: a right generator stays within."""

import math

import numpy as np
import pytest

from qviz.tensors import tensor

N = 100_000


def quantiles(x):
    return np.quantile(x.astype(np.float64), [0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    ("name", "mean", "variance", "fourth"),
    # fourth: the fourth central moment, which gives the standard error of the variance
    [
        ("Gaussian", 0, 1, 3),
        ("Laplace", 0, 2, 24),
        ("uniform", 0, 1 / 3, 1 / 5),
        ("bimodal", 0, 4.25, 16 + 6 * 4 * 0.25 + 3 * 0.0625),
    ],
)
def test_mean_and_variance(name, mean, variance, fourth):
    x = tensor(name, seed=3).astype(np.float64)
    assert x.mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / N))
    assert x.var() == pytest.approx(variance, abs=5 * math.sqrt((fourth - variance**2) / N))


@pytest.mark.parametrize(
    ("name", "upper_quartile", "density"),
    # density: of the distribution at that quartile, which gives the standard error of the quartile
    [
        ("Gaussian", 0.674490, 0.317777),
        ("Laplace", math.log(2), 0.25),
        ("heavy-tailed", 0.764892, 0.257377),  # Student t with 3 degrees of freedom
        ("uniform", 0.5, 0.5),
        ("bimodal", 2.0, 0.398942),
    ],
)
def test_quartiles(name, upper_quartile, density):
    low, _, high = quantiles(tensor(name, seed=3))
    tolerance = 5 * math.sqrt(0.25 * 0.75 / N) / density
    assert high == pytest.approx(upper_quartile, abs=tolerance)
    assert low == pytest.approx(-upper_quartile, abs=tolerance)


def test_student_quartile_against_its_closed_form():
    """The oracle above: F(t) = 1/2 + (atan(u) + u / (1 + u^2)) / pi with u = t / sqrt(3)."""
    u = 0.764892 / math.sqrt(3)
    assert 0.5 + (math.atan(u) + u / (1 + u * u)) / math.pi == pytest.approx(0.75, abs=1e-6)
    assert 2 / (math.pi * math.sqrt(3) * (1 + u * u) ** 2) == pytest.approx(0.257377, abs=1e-6)


def test_heavy_tails_are_heavier_than_the_gaussians():
    # P(|t| > 10) = 0.00213 for 3 degrees of freedom: 213 of 100,000, give or take 5 * sqrt(213) = 73
    assert 140 <= (np.abs(tensor("heavy-tailed", seed=3)) > 10).sum() <= 286
    assert np.abs(tensor("Gaussian", seed=3)).max() < 7


def test_relu_like_is_half_zero_and_half_a_gaussian():
    x = tensor("ReLU-like", seed=3)
    assert x.min() == 0
    assert (x == 0).mean() == pytest.approx(0.5, abs=5 * 0.5 / math.sqrt(N))
    positive = x[x > 0].astype(np.float64)
    # a half-Gaussian: mean sqrt(2 / pi), variance 1 - 2 / pi
    error = 5 * math.sqrt((1 - 2 / math.pi) / len(positive))
    assert positive.mean() == pytest.approx(math.sqrt(2 / math.pi), abs=error)


def test_bimodal_has_a_valley():
    x = tensor("bimodal", seed=3)
    near = [np.sum(np.abs(x - centre) < 0.5) for centre in (-2, 0, 2)]
    # within one standard deviation of a centre: 68.27 % of its half; at 0, beyond 3: 0.135 % of either half
    assert near[0] / N == pytest.approx(0.34135, abs=5 * 0.4742 / math.sqrt(N))
    assert near[2] / N == pytest.approx(0.34135, abs=5 * 0.4742 / math.sqrt(N))
    assert near[1] < 0.01 * N


def test_uniform_keeps_its_bounds():
    x = tensor("uniform", seed=3)
    assert -1 <= x.min() < -0.999
    assert 0.999 < x.max() <= 1

"""Adaptive rounding: its objective as the paper writes it, its gradient by differences, its answer by brute force."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.data import digits
from qviz.methods import adaptive_round, as_grid, table_grid
from qviz.methods.adaptive_rounding import Objective, rectified_sigmoid, schedule
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights, training_activations
from qviz.numerics import PerChannel, calibrate, fake_quantize, sqnr_db


def objective_of(w, x, grid):
    below, above = as_grid(grid, w).neighbours(w)
    return Objective(w, below, above, x.T @ x / len(x))


def of_the_paper(w, x, scale, low, high, v, beta, strength):
    """Equations 21 to 24, a sample at a time, for a symmetric integer grid; the first term is divided by that of
    rounding to nearest."""
    h = np.clip(1.2 / (1 + np.exp(-v)) - 0.1, 0, 1)
    soft = scale * np.clip(np.floor(w / scale) + h, low, high)
    nearest = scale * np.clip(np.floor(w / scale + 0.5), low, high)
    losses = [[np.sum((w @ sample - v_hat @ sample) ** 2) for sample in x] for v_hat in (soft, nearest)]
    regularizer = np.mean(1 - np.abs(2 * h - 1) ** beta)
    return np.mean(losses[0]) / np.mean(losses[1]) + strength * regularizer


@given(st.integers(0, 999), st.floats(2, 20), st.floats(0, 10))
def test_it_is_the_papers_objective(layer, seed, beta, strength):
    w, x = layer(seed)
    p = calibrate(w, "min-max", "int3", "symmetric")  # nothing beyond the range: there a soft weight would be clipped
    v = np.random.default_rng(seed).normal(0, 2, w.shape)
    value, _ = objective_of(w, x, p)(v, beta, strength)
    scale = float(p.scale)
    # 1e-9: some hundred float64 roundings, in another order
    assert value == pytest.approx(of_the_paper(w, x, scale, -4, 3, v, beta, strength), rel=1e-9)


@given(st.integers(0, 999), st.floats(2, 20), st.floats(0, 10))
def test_the_gradient_by_finite_differences(layer, seed, beta, strength):
    w, x = layer(seed, out=2, k=5)
    objective = objective_of(w, x, calibrate(w, "mse", "int3", "affine"))
    v = np.random.default_rng(seed).normal(0, 1.5, w.shape)
    _, gradient = objective(v, beta, strength)
    away = 1e-5
    for at in np.ndindex(v.shape):
        ends = []
        for sign in (1, -1):
            moved = v.copy()
            moved[at] += sign * away
            ends.append((objective(moved, beta, strength)[0], rectified_sigmoid(moved)[0][at]))
        if {end[1] for end in ends} & {0.0, 1.0}:
            continue  # the corner of the clip lies in between, or there is no slope
        # 1e-5: differences are right to away^2 times the third derivative, and to 1e-16 / away of rounding
        assert (ends[0][0] - ends[1][0]) / (2 * away) == pytest.approx(gradient[at], rel=1e-5, abs=1e-7)


@given(st.integers(0, 999))
def test_it_starts_at_the_weights_themselves(layer, seed):
    w, x = layer(seed)
    objective = objective_of(w, x, calibrate(w, "min-max", "int3", "symmetric"))
    # 1e-12: a logarithm and its inverse. The error is zero, and so is the gradient of the first term.
    np.testing.assert_allclose(objective.soft(objective.start()), w, rtol=0, atol=1e-12)
    value, gradient = objective(objective.start(), penalty=0.0)
    assert value < 1e-20
    assert np.abs(gradient).max() < 1e-9


def test_a_weight_goes_to_a_neighbour_and_no_further(layer):
    w, x = layer(0, out=8)
    for grid in (
        calibrate(w, "mse", "int2", "symmetric", PerChannel(0)),
        table_grid(w, np.tile([-1, -0.3, 0, 2], (8, 1))),
    ):
        below, above = as_grid(grid, w).neighbours(w)
        q = adaptive_round(w, x, grid)
        assert ((q == below) | (q == above)).all()


def test_near_the_best_of_all_roundings(layer, brute_force, error_of):
    """Rows of 10 weights: all 2^10 ways up or down tried. Nearest loses twice as much as the best."""
    least, ours, nearest = np.zeros((3, 30))
    for seed in range(30):
        w, x = layer(seed, out=1, k=10, samples=40)
        p = calibrate(w, "mse", "int3", "affine", PerChannel(0))
        below, above = as_grid(p, w).neighbours(w)
        least[seed] = brute_force(w[0], x, np.stack([below[0], above[0]], axis=1))
        ours[seed] = error_of(w, adaptive_round(w, x, p), x)
        nearest[seed] = error_of(w, fake_quantize(w, p), x)
    assert (ours >= least * (1 - 1e-12)).all()
    assert ours.mean() < 1.2 * least.mean() < 0.7 * nearest.mean()  # 1.09 times the least; nearest twice as much


def test_independent_inputs_are_rounded_to_nearest(layer):
    w, _ = layer(3, k=8)
    p = calibrate(w, "min-max", "int3", "symmetric", PerChannel(0))
    np.testing.assert_array_equal(adaptive_round(w, np.eye(8), p), fake_quantize(w, p))


def test_the_schedule_decides_in_the_end():
    betas, penalties = zip(*(schedule(step, 300) for step in range(300)), strict=True)
    assert (np.diff(betas) < 0).all() and (np.diff(penalties) > 0).all()
    assert schedule(0, 1) == (8.0, 0.01)


def test_two_runs_are_the_same(layer):
    w, x = layer(1)
    np.testing.assert_array_equal(adaptive_round(w, x, "int3"), adaptive_round(w, x, "int3"))


def test_fc2_at_2_bits():
    """On the network of the course: more signal in the logits, less in the weights."""
    weights, d = cnn_weights(), digits()
    w = weights["fc2.weight"]
    x = training_activations()["fc1"]
    p = calibrate(w, "mse", "int2", "symmetric", PerChannel(0))
    nearest, ours = fake_quantize(w, p), adaptive_round(w, x, p)
    images = d.images[d.test]
    logits = [cnn_forward(images, {**weights, "fc2.weight": v})["logits"] for v in (w, nearest, ours)]
    assert sqnr_db(logits[0], logits[2]) > sqnr_db(logits[0], logits[1]) + 3
    assert sqnr_db(w, ours) < sqnr_db(w, nearest)
    assert cnn_accuracy({**weights, "fc2.weight": ours}) >= cnn_accuracy({**weights, "fc2.weight": nearest})
    np.testing.assert_array_equal(fake_quantize(ours, p), ours)


# Hard inputs


def test_inputs_that_never_occur(layer):
    """Of those nothing is known; the term that asks for a decision takes each weight to its nearest level."""
    w, x = layer(4)
    x[:, 2] = 0
    p = calibrate(w, "min-max", "int3", "symmetric", PerChannel(0))
    np.testing.assert_array_equal(adaptive_round(w, x, p)[:, 2], fake_quantize(w, p)[:, 2])
    np.testing.assert_array_equal(adaptive_round(w, 0 * x, p), fake_quantize(w, p))


def test_weights_on_the_grid_stay(layer):
    w, x = layer(5)
    p = calibrate(w, "min-max", "int3", "symmetric", PerChannel(0))
    on_it = fake_quantize(w, p)
    np.testing.assert_allclose(adaptive_round(on_it, x, p), on_it, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(adaptive_round(0 * w, x, "int3"), 0 * w)


def test_a_single_sample(layer, error_of):
    w, x = layer(6, out=30, k=40)
    p = calibrate(w, "min-max", "int4", "symmetric", PerChannel(0))
    assert error_of(w, adaptive_round(w, x[:1], p), x[:1]) < 0.2 * error_of(w, fake_quantize(w, p), x[:1])


@pytest.mark.parametrize("power", [-900, -100, 100, 500])
def test_units_do_not_matter(layer, power):
    w, x = layer(7)
    np.testing.assert_array_equal(adaptive_round(w, np.ldexp(x, power), "int3"), adaptive_round(w, x, "int3"))


W, X = np.ones((2, 3)), np.ones((5, 3))


@pytest.mark.parametrize(
    ("arguments", "options", "kind", "message"),
    [
        (([[np.nan, 1.0, 1.0]], X, "int4"), {}, ValueError, "weight must be finite: got 1 NaN"),
        ((W, np.full((5, 3), np.nan), "int4"), {}, ValueError, "inputs must be finite: got 15 NaN"),
        ((W, np.ones((5, 4)), "int4"), {}, ValueError, "inputs must be (samples, 3)"),
        ((W, X, None), {}, TypeError, "grid must be the QParams of the weights"),
        ((W, X, "int4"), {"steps": 0}, ValueError, "steps must be at least 1: got 0"),
        ((W, X, "int4"), {"rate": 0}, ValueError, "rate must be a number above 0: got 0; 0.1 is usual"),
        ((W, X, "int4"), {"rate": None}, TypeError, "rate must be a number above 0: got None"),
    ],
)
def test_refusals(arguments, options, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        adaptive_round(*arguments, **options)

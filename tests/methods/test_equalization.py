"""Equalized layers compute what they did, and each channel has one range in both; against the paper's equations."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.methods import equalize, equalize_pair
from qviz.networks import cnn_forward, cnn_weights
from qviz.networks.topology import LAYERS


def relu(x):
    return np.maximum(x, 0)


def two_layers(x, w1, b1, w2):
    return relu(x @ w1.T + b1) @ w2.T


def spread(seed, channels=5, dtype=np.float64):
    """Return two layers whose channels differ in size by up to a million."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** rng.uniform(-3, 3, channels)
    w1, b1, w2 = rng.standard_normal((channels, 4)), rng.standard_normal(channels), rng.standard_normal((3, channels))
    return (w1 * sizes[:, None]).astype(dtype), (b1 * sizes).astype(dtype), (w2 / sizes).astype(dtype)


@given(st.integers(0, 9999), st.sampled_from([np.float32, np.float64]))
def test_the_function_is_preserved(seed, dtype):
    parts = spread(seed, dtype=dtype)
    x = np.random.default_rng(seed).standard_normal((20, 4))
    before, after = two_layers(x, *parts), two_layers(x, *equalize_pair(*parts))
    # 1e-5 of the largest output is what the method promises: float32 weights are rounded once.
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()


@given(st.integers(0, 9999))
def test_both_ranges_are_the_geometric_mean(seed):
    """Equation 11: s = sqrt(r1 r2) / r2, so that both layers get sqrt(r1 r2); written as the paper's matrices."""
    w1, b1, w2 = spread(seed)
    r1, r2 = np.abs(w1).max(axis=1), np.abs(w2).max(axis=0)
    inverse = np.linalg.inv(np.diag(np.sqrt(r1 * r2) / r2))
    v1, c1, v2 = equalize_pair(w1, b1, w2)
    # 1e-12: some roundings of float64
    np.testing.assert_allclose(v1, inverse @ w1, rtol=1e-12)
    np.testing.assert_allclose(c1, inverse @ b1, rtol=1e-12)
    np.testing.assert_allclose(v2, w2 @ np.linalg.inv(inverse), rtol=1e-12)
    np.testing.assert_allclose(np.abs(v1).max(axis=1), np.sqrt(r1 * r2), rtol=1e-12)
    np.testing.assert_allclose(np.abs(v2).max(axis=0), np.sqrt(r1 * r2), rtol=1e-12)


@given(st.integers(0, 9999))
def test_twice_is_once(seed):
    once = equalize_pair(*spread(seed))
    for one, two in zip(once, equalize_pair(*once), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-12)


def test_no_factor_equalizes_better():
    """Equation 8: the share of the range that each channel uses, multiplied over both layers, is the largest."""
    w1, b1, w2 = spread(0)

    def precision(a, b):
        return np.sum(np.abs(a).max(1) / np.abs(a).max() * np.abs(b).max(0) / np.abs(b).max())

    best = equalize_pair(w1, b1, w2)
    for seed in range(200):
        s = np.exp(np.random.default_rng(seed).normal(0, 0.3, 5))
        assert precision(best[0] / s[:, None], best[2] * s) <= precision(best[0], best[2]) * (1 + 1e-12)


def test_an_unused_channel_stays():
    w1, b1, w2 = np.array([[0.0, 0.0], [2.0, 1.0], [8.0, 0.0]]), np.array([3.0, 1.0, 1.0]), np.array([[5.0, 0.0, 2.0]])
    v1, c1, v2 = equalize_pair(w1, b1, w2)
    np.testing.assert_array_equal(v1, [[0, 0], [2, 1], [4, 0]])
    np.testing.assert_array_equal(c1, [3, 1, 0.5])
    np.testing.assert_array_equal(v2, [[5, 0, 4]])


def test_convolutions_and_flattened_places():
    """A factor for a channel reaches all 3 x 3 weights that read it, or all 16 places of it that fc1 reads."""
    rng = np.random.default_rng(0)
    w1, b1 = rng.standard_normal((2, 1, 3, 3)), rng.standard_normal(2)
    s = np.array([0.25, 4.0])
    for w2, factors in (
        (rng.standard_normal((4, 2, 3, 3)), s[:, None, None]),
        (rng.standard_normal((4, 6)), np.repeat(s, 3)),
    ):
        hard = w1 * s[:, None, None, None], b1 * s, w2 / factors
        for easy, equal in zip(equalize_pair(w1, b1, w2), equalize_pair(*hard), strict=True):
            np.testing.assert_allclose(equal, easy, rtol=1e-12)  # a power of two changes no bit but that of a root


def test_the_network_of_the_course_computes_the_same():
    w = cnn_weights()
    rng = np.random.default_rng(0)
    images = rng.random((50, 1, 8, 8), np.float32)
    before, after = cnn_forward(images, w)["logits"], cnn_forward(images, equalize(w, LAYERS))["logits"]
    assert np.abs(after - before).max() <= 1e-5 * np.abs(before).max()
    assert any((w[name] != equalize(w, LAYERS)[name]).any() for name in w)


def test_three_layers_agree_with_the_pairs():
    """Where nothing changes any more, each pair is equalized: the sweeps have come to an end."""
    done = equalize(cnn_weights(), LAYERS)
    for one, two in (("conv1", "conv2"), ("conv2", "fc1"), ("fc1", "fc2")):
        again = equalize_pair(done[f"{one}.weight"], done[f"{one}.bias"], done[f"{two}.weight"])
        # 2e-4: a sweep that moves no factor by more than 1e-4 is the last
        np.testing.assert_allclose(again[0], done[f"{one}.weight"], rtol=2e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: [[np.nan]]}, "weight must be finite: got 1 NaN"),
        ({1: [1.0, 2.0]}, "bias must hold one value for each channel of weight, shape (1,): got shape (2,)"),
        ({0: [[1.0], [1.0]], 1: [0.0, 0.0], 2: [[1.0, 1.0, 1.0]]}, "next_weight must read the 2 channels of weight al"),
        ({2: [1.0]}, "next_weight must be (outputs, inputs, ...), with at least one value: got shape (1,)"),
        ({0: [[1e38]]}, "weight must hold no value beyond 1e+37"),
    ],
)
def test_refusals(change, message):
    parts = [[[1.0]], [1.0], [[1.0]]]
    for at, value in change.items():
        parts[at] = value
    with pytest.raises(ValueError, match=re.escape(message)):
        equalize_pair(*parts)


def test_a_missing_layer_is_named():
    with pytest.raises(ValueError, match=r"weights must hold .* every layer: missing are conv9\.bias, conv9\.weight"):
        equalize(cnn_weights(), ("conv9", "conv2"))

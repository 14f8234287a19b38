"""Hadamard matrices are orthogonal, of every order their constructions reach; a rotated layer computes the same."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.methods import hadamard, random_hadamard, rotate_inputs
from qviz.numerics import calibrate, fake_quantize

ORDERS = [1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 44, 48, 60, 64, 68, 72, 80, 84, 88, 96, 128, 160, 192, 256, 512, 768]


@pytest.mark.parametrize("n", ORDERS)
def test_rows_are_orthogonal_and_of_ones(n):
    matrix = hadamard(n)
    assert set(np.unique(matrix)) <= {-1.0, 1.0}
    np.testing.assert_array_equal(matrix @ matrix.T, n * np.eye(n))  # whole numbers: exact


@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 256])
def test_powers_of_two_are_scipys(n, reference):
    np.testing.assert_array_equal(hadamard(n), reference("scipy.linalg").hadamard(n))


def test_which_orders_there_are_not():
    """All multiples of 4 up to 100 but those that need other constructions."""
    missing = []
    for n in range(1, 101):
        try:
            hadamard(n)
        except ValueError as error:
            assert f"got {n};" in str(error)
            missing.append(n)
    assert [n for n in missing if n % 4 == 0] == [28, 36, 52, 56, 76, 92, 100]
    assert [n for n in missing if n % 4] == [n for n in range(3, 101) if n % 4]


@given(st.integers(0, 999), st.sampled_from([8, 12, 24, 64]))
def test_the_outputs_are_preserved(seed, n):
    rng = np.random.default_rng(seed)
    w, x, r = rng.standard_normal((5, n)), rng.standard_normal((20, n)), random_hadamard(n, seed)
    y = x @ w.T
    # 1e-12 and the promised 1e-5: the last digits of float64 and float32
    assert np.abs((x @ r) @ rotate_inputs(w, r).T - y).max() <= 1e-12 * np.abs(y).max()
    single = rotate_inputs(w.astype(np.float32), r)
    assert single.dtype == np.float32
    assert np.abs((x @ r) @ single.T - y).max() <= 1e-5 * np.abs(y).max()
    np.testing.assert_allclose(r @ r.T, np.eye(n), atol=1e-12)


def test_seeds_differ_and_repeat():
    np.testing.assert_array_equal(random_hadamard(16, 3), random_hadamard(16, 3))
    assert (random_hadamard(16, 3) != random_hadamard(16, 4)).any()


def test_an_outlier_is_spread_over_all_inputs():
    """One channel a hundred times the others: in 8 bits the outputs lose less than a tenth of what they lost."""
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((8, 64)), rng.standard_normal((100, 64))
    x[:, 5] *= 100
    r, errors = random_hadamard(64), []
    for weight, inputs in ((w, x), (rotate_inputs(w, r), x @ r)):
        x_hat = fake_quantize(inputs, calibrate(inputs, "min-max", "int8", "symmetric"))
        errors.append(np.mean((x_hat @ weight.T - x @ w.T) ** 2))
    assert errors[1] < 0.1 * errors[0]


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: hadamard(3), ValueError, "n must be 2^k or (p + 1) 2^k for a prime p = 3, 7, 11, 19, ...: got 3; pad"),
        (lambda: hadamard(0), ValueError, "n must be from 1 to 16384: got 0"),
        (lambda: hadamard(4.0), TypeError, "n must be a whole number"),
        (lambda: random_hadamard(4, -1), ValueError, "seed must be at least 0"),
        (lambda: rotate_inputs(np.ones((2, 4)), np.eye(3)), ValueError, "rotation must be (in, in) for weight"),
        (lambda: rotate_inputs(np.ones((2, 2)), hadamard(2)), ValueError, "rotation must be orthogonal, so that the n"),
        (lambda: rotate_inputs(np.ones((2, 2)), np.full((2, 2), np.nan)), ValueError, "rotation must be finite"),
        (lambda: rotate_inputs([[np.nan, 1.0]], np.eye(2)), ValueError, "weight must be finite"),
    ],
)  # fmt: skip
def test_refusals(call, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        call()

"""Sums of pairs in 16 bits: a case worked by hand, what always fits, and a second way to compute it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics.saturation import HIGH, LOW, dot, layer_errors, pair_sums

LENGTHS = st.integers(1, 40)


def codes(k, low, high):
    return hnp.arrays(np.int16, k, elements=st.integers(low, high))


def pairs(low, high, weight_low=-128, weight_high=127):
    return LENGTHS.flatmap(lambda k: st.tuples(codes(k, low, high), codes(k, weight_low, weight_high)))


def by_hand(x, w):
    """Add as the instruction does, in Python's own integers."""
    total = 0
    for i in range(0, len(x), 2):
        pair = sum(int(a) * int(b) for a, b in zip(x[i : i + 2], w[i : i + 2], strict=True))
        total += max(-32768, min(32767, pair))
    return total


def test_the_issues_own_numbers():
    assert pair_sums([211, 171], [71, 107], saturate=False).tolist() == [14_981 + 18_297] == [33_278]
    assert pair_sums([211, 171], [71, 107]).tolist() == [32_767]
    assert pair_sums([255, 255], [-128, -128]).tolist() == [-32_768]  # -65,280 does not fit


def test_pairs_are_neighbours_and_the_last_may_be_alone():
    x, w = [255, 0, 255, 255, 255], [127, 127, 127, 127, 127]
    assert pair_sums(x, w).tolist() == [32_385, 32_767, 32_385]
    assert pair_sums(x, w).dtype == np.int32
    assert dot([x], [w]).tolist() == [[97_537]]  # 32 bits hold the rest
    swapped = [255, 255, 0, 255, 255]
    assert dot([swapped], [w]).tolist() == [[32_767 + 32_385 + 32_385]]


@given(pairs(0, 255))
def test_it_equals_plain_python(both):
    x, w = both
    assert dot(x[None], w[None]).item() == by_hand(x, w)
    assert dot(x[None], w[None], saturate=False).item() == sum(int(a) * int(b) for a, b in zip(x, w, strict=True))


@given(pairs(0, 127))
def test_seven_bits_of_activations_always_fit(both):
    np.testing.assert_array_equal(pair_sums(*both), pair_sums(*both, saturate=False))


@given(pairs(0, 255, -64, 63))
def test_seven_bits_of_weights_always_fit(both):
    np.testing.assert_array_equal(pair_sums(*both), pair_sums(*both, saturate=False))


@pytest.mark.parametrize(("x", "w"), [(129, 127), (129, -128), (255, 65)])
def test_one_more_and_they_do_not(x, w):
    """The largest codes that fit are 129 with 127 (32,766), 128 with -128 (-32,768), 255 with 64 (32,640)."""
    full = pair_sums([x, x], [w, w], saturate=False)
    fits = LOW <= full[0] <= HIGH
    assert fits == ((x, w) == (129, 127))
    assert (pair_sums([x, x], [w, w]) == full).all() == fits


@given(pairs(0, 255))
def test_saturation_only_ever_pulls_a_pair_towards_zero(both):
    kept, full = pair_sums(*both), pair_sums(*both, saturate=False)
    assert (abs(kept) <= abs(full)).all() and (np.sign(kept) == np.sign(full)).all()


def test_many_rows_and_outputs():
    rng = np.random.default_rng(1)
    x, w = rng.integers(0, 256, (4, 11)), rng.integers(-128, 128, (3, 11))
    assert dot(x, w).tolist() == [[by_hand(row, column) for column in w] for row in x]
    assert dot(x[:, :0], w[:, :0]).tolist() == np.zeros((4, 3)).tolist()
    assert dot(x, w[:0]).shape == (4, 0)


def test_the_input_is_not_changed():
    x, w = np.array([[211, 171]], np.uint8), np.array([[71, 107]], np.int8)
    x.flags.writeable = w.flags.writeable = False
    assert dot(x, w).tolist() == [[32_767]]


@pytest.mark.parametrize(
    ("x", "w", "error", "text"),
    [
        ([256], [1], ValueError, "activations must be codes from 0 to 255: got 256 to 256"),
        ([-1, 3], [1, 1], ValueError, "activations must be codes from 0 to 255: got -1 to 3"),
        ([1], [128], ValueError, "weights must be codes from -128 to 127: got 128 to 128"),
        ([1.0], [1], TypeError, "activations must be an array of integers: got dtype float64"),
        (3, [1], TypeError, r"activations must be an array of integers: got dtype int64 and shape \(\)"),
        ([1, 2], [1], ValueError, r"equally long last axes: got shapes \(2,\) and \(1,\)"),
    ],
)
def test_refusals(x, w, error, text):
    with pytest.raises(error, match=text):
        pair_sums(x, w)


def test_dot_wants_two_axes():
    with pytest.raises(ValueError, match=r"two axes, \(n, k\) and \(m, k\): got \(2,\) and \(1, 2\)"):
        dot([1, 2], [[1, 2]])


def test_a_layer_with_even_codes_is_best_at_seven_bits():
    errors = layer_errors("uniform")
    assert errors.saturated[0] > 0.01 and not errors.saturated[1:].any()
    assert errors.with_saturation[0] > 10 * errors.without[0]
    np.testing.assert_array_equal(errors.with_saturation[1:], errors.without[1:])
    # one bit less is twice the error, within a fifth: steps of 1 / 255, 1 / 127, ... and chance
    np.testing.assert_allclose(errors.without[1:] / errors.without[:-1], 2, rtol=0.2)


def test_a_layer_with_few_large_codes_hardly_saturates():
    errors = layer_errors("bell-shaped")
    assert errors.saturated[0] < 1e-4
    with pytest.raises(ValueError, match="spread must be one of 'uniform', 'bell-shaped': got 'flat'"):
        layer_errors("flat")

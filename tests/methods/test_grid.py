"""A grid of integers rounds as fake_quantize does, bit for bit, whatever the granularity; so does a table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.methods import Grid, as_grid, integer_grid, table_grid
from qviz.numerics import IntFormat, PerChannel, PerGroup, PerTensor, QParams, calibrate, fake_quantize

GRANULARITIES = [PerTensor(), PerChannel(0), PerChannel(1), PerGroup(1, 4), PerGroup(0, 2), PerGroup(-1, 2)]
SHAPES = st.sampled_from([(4, 8, 2, 2), (6, 4), (2, 8, 4)])


def weights(seed, shape, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


@given(
    st.integers(0, 9999), SHAPES, st.sampled_from(GRANULARITIES), st.integers(2, 8),
    st.sampled_from(["affine", "symmetric"]), st.sampled_from([np.float32, np.float64]),
)  # fmt: skip
def test_it_is_fake_quantize(seed, shape, granularity, bits, scheme, dtype):
    w = weights(seed, shape, dtype)
    if scheme == "symmetric" and granularity == PerGroup(0, 2) and shape[0] % 2:
        return
    p = calibrate(w, "mse", IntFormat(bits), scheme, granularity)
    grid = integer_grid(w, p)
    rows = w.reshape(len(w), -1).astype(np.float64)
    rounded = grid.nearest(rows)
    np.testing.assert_array_equal(rounded.astype(dtype).reshape(shape), fake_quantize(w, p))
    columns = np.array([3, 0])
    np.testing.assert_array_equal(grid.nearest(rows[:, columns], columns), rounded[:, columns])


@given(st.integers(0, 9999), st.integers(2, 5))
def test_neighbours_are_the_levels_around(seed, bits):
    w = weights(seed, (3, 5), np.float64) * 2
    p = QParams(np.full((3, 1), 0.3), np.zeros((3, 1), int), IntFormat(bits), PerChannel(0))
    below, above = integer_grid(w, p).neighbours(w)
    for i, j in np.ndindex(w.shape):
        levels = p.levels[i]
        under, over = levels[levels <= w[i, j]], levels[levels > w[i, j]]
        assert below[i, j] == pytest.approx(under.max() if under.size else levels.min(), rel=1e-15)
        assert above[i, j] == pytest.approx(over.min() if over.size else levels.max(), rel=1e-15)


@given(st.integers(0, 9999), st.sampled_from([PerTensor(), PerChannel(0), PerChannel(1), PerGroup(1, 2)]))
def test_a_table_of_the_same_levels_is_the_same_grid(seed, granularity):
    w = weights(seed, (3, 4), np.float64)
    p = calibrate(w, "mse", "int3", "affine", granularity)
    table = table_grid(w, np.atleast_2d(p.levels), granularity)
    # No random value lies halfway between two levels, where the two round differently.
    np.testing.assert_allclose(table.nearest(w), integer_grid(w, p).nearest(w), rtol=1e-15, atol=1e-15)
    for ours, theirs in zip(table.neighbours(w), integer_grid(w, p).neighbours(w), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-15, atol=1e-15)
    np.testing.assert_array_equal(table.nearest(w[:, [2]], [2]), table.nearest(w)[:, [2]])


def test_a_table_by_hand():
    grid = table_grid([[0.0, 0.0, 0.0]], [[-1.0, 0.5, 2.0]])
    w = np.array([[-7.0, 0.5, 1.3]])
    assert grid.nearest(w).tolist() == [[-1.0, 0.5, 2.0]]
    below, above = grid.neighbours(w)
    assert below.tolist() == [[-1.0, 0.5, 0.5]]
    assert above.tolist() == [[-1.0, 2.0, 2.0]]


def test_what_a_grid_may_be_given_as():
    w = weights(0, (4, 6))
    p = calibrate(w, "min-max", "int4", "symmetric", "per channel")
    rows = w.astype(np.float64)
    for given_as in (p, "int4", IntFormat(4), IntFormat, integer_grid(w, p)):
        bits = 8 if given_as is IntFormat else 4
        expected = fake_quantize(w, calibrate(w, "min-max", IntFormat(bits), "symmetric", "per channel"))
        np.testing.assert_array_equal(as_grid(given_as, w).nearest(rows).astype(np.float32), expected)
    assert isinstance(table_grid(w, np.zeros((4, 2))), Grid)


@pytest.mark.parametrize("wrong", [None, 4, 0.5, np.zeros(3), len])
def test_what_is_no_grid(wrong):
    with pytest.raises(TypeError, match=r"grid must be the QParams of the weights, a format such as 'int4', or a Grid"):
        as_grid(wrong, np.ones((2, 2)))


def test_groups_that_do_not_fit():
    p = QParams(np.ones((3, 1)), np.zeros((3, 1), int), "int4", PerChannel(0))
    with pytest.raises(ValueError, match=r"x has 2 groups .* but qparams hold 3 scales"):
        as_grid(p, np.ones((2, 5)))
    for levels in (np.zeros((3, 2)), np.zeros(2), np.zeros((2, 0)), [[1.0, 0.0], [0.0, 1.0]]):
        with pytest.raises(ValueError, match=r"levels must be 2 sorted rows, one for each group of weight: got shape"):
            table_grid(np.ones((2, 5)), levels)

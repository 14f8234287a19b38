import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import PerChannel, PerGroup, PerTensor

SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=6)


def numbered(shape):
    return np.arange(np.prod(shape), dtype=np.int64).reshape(shape)


@given(SHAPES, st.data())
def test_round_trip(shape, data):
    x = numbered(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    size = data.draw(st.sampled_from([d for d in range(1, shape[axis] + 1) if shape[axis] % d == 0]))
    for granularity in (PerTensor(), PerChannel(axis), PerGroup(axis, size)):
        groups = granularity.to_groups(x)
        assert groups.ndim == 2 and groups.size == x.size
        np.testing.assert_array_equal(granularity.from_groups(groups, shape), x)


@given(SHAPES, st.data())
def test_a_channel_is_what_indexing_its_axis_gives(shape, data):
    x = numbered(shape)
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    groups = PerChannel(axis).to_groups(x)
    assert groups.shape[0] == shape[axis]
    for i, channel in enumerate(groups):
        np.testing.assert_array_equal(channel, np.take(x, i, axis=axis).ravel())


def test_groups_by_hand():
    x = numbered((2, 4))
    np.testing.assert_array_equal(PerGroup(-1, 2).to_groups(x), [[0, 1], [2, 3], [4, 5], [6, 7]])
    np.testing.assert_array_equal(PerGroup(0, 2).to_groups(x), [[0, 4], [1, 5], [2, 6], [3, 7]])
    np.testing.assert_array_equal(PerChannel(1).to_groups(x), [[0, 4], [1, 5], [2, 6], [3, 7]])
    np.testing.assert_array_equal(PerTensor().to_groups(x), [[0, 1, 2, 3, 4, 5, 6, 7]])


def test_a_list_will_do():
    assert PerTensor().to_groups([1.0, 2.0]).shape == (1, 2)
    assert PerChannel(0).to_groups([[1.0, 2.0]]).shape == (1, 2)
    assert PerGroup(0, 1).to_groups([1.0, 2.0]).shape == (2, 1)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4)])
def test_empty_keeps_its_shape(shape):
    x = np.zeros(shape)
    for granularity in (PerTensor(), PerChannel(0), PerChannel(-1), PerGroup(-1, 2)):
        groups = granularity.to_groups(x)
        assert groups.size == 0 and granularity.from_groups(groups, shape).shape == shape


def test_names():
    assert [str(g) for g in (PerTensor(), PerChannel(1), PerGroup(-1, 32))] == [
        "per tensor",
        "per channel (axis 1)",
        "per group of 32 (axis -1)",
    ]


@pytest.mark.parametrize(
    ("make", "shape", "error", "text"),
    [
        (lambda: PerChannel(2), (3, 4), ValueError, "axis must be from -2 to 1 for shape (3, 4): got 2"),
        (lambda: PerGroup(-3, 2), (3, 4), ValueError, "axis must be from -2 to 1 for shape (3, 4): got -3"),
        (lambda: PerChannel(0), (), ValueError, "axis 0 needs an array with at least one axis: got a 0-d value"),
        (lambda: PerGroup(), (), ValueError, "axis -1 needs an array with at least one axis: got a 0-d value"),
        (
            lambda: PerGroup(-1, 5),
            (8, 16),
            ValueError,
            "group size must divide axis -1: got 5 for length 16 (shape (8, 16)); try 4 or 8",
        ),
        (lambda: PerGroup(0, 100), (7, 2), ValueError, "got 100 for length 7 (shape (7, 2)); try 7"),
        (lambda: PerGroup(0, 4), (7,), ValueError, "try 1 or 7"),
        (lambda: PerGroup(0, 0), (4,), ValueError, "group size must be from 1 to 2147483648: got 0"),
        (lambda: PerGroup(0, 2.0), (4,), TypeError, "group size must be a whole number"),
        (lambda: PerChannel(0.5), (4,), TypeError, "axis must be a whole number from -64 to 63: got 0.5"),
        (lambda: PerChannel("0"), (4,), TypeError, "axis must be a whole number from -64 to 63: got '0'"),
    ],
)
def test_refusals(make, shape, error, text):
    with pytest.raises(error, match=re.escape(text)):
        make().to_groups(np.zeros(shape))


def test_suggestions_for_a_long_axis_come_at_once():
    # Trying every divisor up to the length would take minutes here.
    with pytest.raises(ValueError, match="try 2 or 4"):
        PerGroup(0, 3).to_groups(np.broadcast_to(np.float32(0), 2**40))

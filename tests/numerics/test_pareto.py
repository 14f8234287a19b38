"""The front against the definition, point by point."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics.pareto import dominating, pareto_front

POINTS = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([-np.inf, -1.0, 0.5, 2.0, np.inf])), max_size=12)


def dominates(a, b):
    return a[0] <= b[0] and a[1] >= b[1] and a != b


@given(POINTS)
def test_the_front_is_what_nothing_dominates(points):
    cost, score = np.array(points, float).reshape(-1, 2).T
    front = pareto_front(cost, score)
    assert front.tolist() == [not any(dominates(a, b) for a in points) for b in points]
    for at, b in enumerate(points):
        assert dominating(cost, score, at).tolist() == [dominates(a, b) for a in points]


def test_by_hand():
    cost = [[10, 20, 30], [20, 20, 40]]
    score = [[1.0, 3.0, 2.0], [3.0, 2.0, 4.0]]  # the two at (20, 3) are equal, and both stand
    np.testing.assert_array_equal(pareto_front(cost, score), [[True, True, False], [True, False, True]])
    np.testing.assert_array_equal(dominating(cost, score, (0, 2)), [[False, True, False], [True, True, False]])


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0, 1.0], [-np.inf, -np.inf]])
def test_points_that_are_equal_are_all_on_the_front(values):
    assert pareto_front(values, values).all()


def test_a_scale_of_its_own_changes_nothing():
    rng = np.random.default_rng(0)
    cost, score = rng.integers(0, 50, 200), rng.integers(0, 50, 200)
    np.testing.assert_array_equal(pareto_front(cost, score), pareto_front(cost * 1e-9, np.exp(score / 10)))


@pytest.mark.parametrize(
    ("cost", "score", "told"),
    [
        ([1, 2], [1.0], r"the same shape: got \(2,\) and \(1,\)"),
        ([1.0], [np.nan], r"score must not hold NaN: got 1 NaN, first at index \(0,\)"),
    ],
)
def test_what_is_refused(cost, score, told):
    with pytest.raises(ValueError, match=told):
        pareto_front(cost, score)
    with pytest.raises(ValueError, match=told):
        dominating(cost, score, 0)

"""Wilson's interval, against SciPy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from qviz.numerics.accuracy_interval import accuracy_interval


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.5, 0.95]))
def test_as_scipy(counts, confidence):
    right, images = counts
    expected = binomtest(right, images).proportion_ci(confidence, method="wilson")
    low, high = accuracy_interval(right / images, images, float(norm.ppf(0.5 + confidence / 2)))
    np.testing.assert_allclose([low, high], [expected.low, expected.high], atol=1e-12)  # rounding of float64 alone


def test_all_at_once_and_none():
    low, high = accuracy_interval([0.0, 0.5, 1.0], 359)
    assert low.shape == high.shape == (3,)
    assert low[0] == pytest.approx(0, abs=1e-15) and high[2] == pytest.approx(1)
    assert (low <= [0, 0.5, 1]).all() and (high >= [0, 0.5, 1 - 1e-12]).all()
    assert accuracy_interval([], 10)[0].shape == (0,)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: accuracy_interval(98.9, 359), "accuracy must be from 0 to 1.*divide percent by 100"),
        (lambda: accuracy_interval(0.5, 0), "images must be at least 1"),
        (lambda: accuracy_interval(0.5, 9, -1.0), "z must be at least 0"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()

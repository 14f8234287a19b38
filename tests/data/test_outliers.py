import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.tensors import TENSORS, tensor

NAMES = st.sampled_from(sorted(TENSORS))
SIZES = st.integers(1, 3000)
SEEDS = st.integers(0, 2**64)
FRACTIONS = st.floats(0, 0.05)
untimed = settings(deadline=None)  # the first use of activations runs the network


@untimed
@given(NAMES, SIZES, SEEDS, FRACTIONS)
def test_exactly_the_asked_share_is_replaced(name, n, seed, fraction):
    base = tensor(name, n=n, seed=seed).copy()
    changed = tensor(name, n=n, seed=seed, outliers=fraction)
    peak = np.abs(base).max()
    replaced = base != changed
    if peak > 0:  # a short digit can be all zero, and 10 times 0 is 0
        # A factor of exactly 1 at the peak's own place would hide, with chance 2^-23 per outlier.
        assert replaced.sum() == round(fraction * len(base))
        sizes = np.abs(changed[replaced])
        assert (sizes >= peak * (1 - 1e-6)).all()  # 1e-6: the product is rounded to float32
        assert (sizes <= peak * 10 * (1 + 1e-6)).all()
    assert changed.dtype == np.float32
    assert not changed.flags.writeable


@untimed
@given(NAMES, SIZES, SEEDS, FRACTIONS)
def test_the_base_is_left_alone(name, n, seed, fraction):
    before = tensor(name, n=n, seed=seed).copy()
    tensor(name, n=n, seed=seed, outliers=fraction)
    np.testing.assert_array_equal(tensor(name, n=n, seed=seed), before)


@untimed
@given(NAMES, SIZES, SEEDS, FRACTIONS)
def test_equal_arguments_give_equal_values(name, n, seed, fraction):
    first = tensor(name, n=n, seed=seed, outliers=fraction)
    np.testing.assert_array_equal(tensor(name, n=n, seed=seed, outliers=fraction), first)


@untimed
@given(NAMES, SIZES, SEEDS, FRACTIONS, FRACTIONS)
def test_more_outliers_keep_the_fewer(name, n, seed, a, b):
    few, many = sorted((a, b))
    base = tensor(name, n=n, seed=seed)
    some = tensor(name, n=n, seed=seed, outliers=few)
    more = tensor(name, n=n, seed=seed, outliers=many)
    kept = some != base
    np.testing.assert_array_equal(more[kept], some[kept])


@untimed
@given(NAMES, SEEDS)
def test_outliers_keep_to_the_side_of_the_tensor(name, seed):
    base = tensor(name, n=2000, seed=seed)
    changed = tensor(name, n=2000, seed=seed, outliers=0.05)
    if base.min() >= 0:
        assert changed.min() >= 0
    elif len(base) == 2000:  # 100 signs, all alike with chance 2^-99
        assert changed.min() < base.min()
        assert changed.max() > base.max()


def test_a_negative_tensor_gets_negative_outliers():
    from qviz.data.outliers import add_outliers

    changed = add_outliers(-np.ones(1000, np.float32), 0.05, seed=0)
    assert (changed < -1).sum() == 50
    assert changed.max() == -1


def test_seeds_move_the_outliers():
    places = [np.flatnonzero(tensor("photograph", seed=s, outliers=0.001) > 1) for s in (0, 1)]
    assert not np.array_equal(*places)


def test_outliers_reach_nearly_ten_times_the_peak():
    base = tensor("Gaussian")
    # of 5000 factors uniform in 1..10 the largest falls short of 9.9 with chance (1 - 0.1 / 9)^5000 = 1e-24
    assert 9.9 <= np.abs(tensor("Gaussian", outliers=0.05)).max() / np.abs(base).max() <= 10.00001


def test_none_means_the_same_array():
    assert tensor("Gaussian", outliers=0) is tensor("Gaussian")

import re
import sys
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.numerics import Histogram, HistogramObserver, PerChannel, PerGroup, observe

WILD32 = hnp.arrays(np.float32, st.integers(1, 60), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
WILD64 = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(allow_nan=False, allow_infinity=False))


def same_but_for_averages(a: Histogram, b: Histogram) -> bool:
    np.testing.assert_array_equal(a.counts, b.counts)
    return (a.left, a.width, a.min, a.max) == (b.left, b.width, b.min, b.max)


@given(st.one_of(WILD32, WILD64), st.data())
def test_any_split_in_any_order_is_the_same(x, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, x.size), max_size=6)))
    parts = data.draw(st.permutations(np.split(x, cuts)))
    bins = data.draw(st.sampled_from([16, 256]))
    whole = HistogramObserver(bins).update(x)
    one_by_one = HistogramObserver(bins)
    for part in parts:
        one_by_one.update(part)
    merged = HistogramObserver(bins)
    for part in parts:
        merged = HistogramObserver(bins).update(part).merge(merged)
    for observer in (one_by_one, merged):
        assert same_but_for_averages(observer.histogram(), whole.histogram())
        assert observer.count == x.size == int(observer.histogram().counts.sum())
        assert (observer.min, observer.max) == (x.min(), x.max())


def test_blocks_do_not_show():
    """More values than one block holds, with the extremes at the very end."""
    x = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    x[-1], x[-2] = 1e6, -3e7
    whole, halves = HistogramObserver().update(x), HistogramObserver().update(x[:70_000]).update(x[70_000:])
    assert same_but_for_averages(whole.histogram(), halves.histogram())


def test_same_counts_as_numpy(x):
    h = observe(x)[0]
    expected, _ = np.histogram(x, h.edges)
    np.testing.assert_array_equal(h.counts, expected)
    assert h.edges[0] <= x.min() < h.edges[1] and h.edges[-2] <= x.max() < h.edges[-1]
    assert (h.min, h.max, h.count) == (x.min(), x.max(), x.size)


def test_resolution(x):
    h = observe(x)[0]
    assert h.counts.size <= 4096
    if x.max() - x.min() > np.abs(x).max() / 2**11:  # else 24 bits of the largest magnitude are the limit
        assert 2048 - 1 <= h.counts.size


def test_by_hand():
    h = HistogramObserver(bins=16).update([-1.0, -0.1, 0.0, 0.3, 6.9]).histogram()
    # [-1, 6.9] on at most 16 bins whose width is a power of two: bins of 1/2 from -1 to 7
    np.testing.assert_array_equal(h.counts, [1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert (h.left, h.width) == (-1.0, 0.5)


@pytest.mark.parametrize("constant", [0.0, 0.01, 0.5, 1.0])
def test_moving_average_as_torch(ao, constant):
    torch = pytest.importorskip("torch")
    theirs = ao("MovingAverageMinMaxObserver", averaging_constant=constant, dtype=torch.qint8)
    ours = HistogramObserver(averaging_constant=constant)
    rng = np.random.default_rng(0)
    for i in range(30):
        batch = (rng.standard_normal(50) * (i + 1)).astype(np.float32)
        theirs(torch.from_numpy(batch))
        h = ours.update(batch).histogram()
        # torch averages in float32: 30 times three roundings of 6e-8
        assert (h.mean_min, h.mean_max) == pytest.approx((float(theirs.min_val), float(theirs.max_val)), rel=1e-5)


def test_moving_average_by_hand():
    h = HistogramObserver(averaging_constant=0.5).update([0, 4]).update([-2, 8]).update([-5, 2]).histogram()
    assert (h.mean_min, h.mean_max) == (-3.0, 4.0)  # 0, -1, -3 and 4, 6, 4


@given(st.lists(st.tuples(st.floats(-100, 0), st.floats(0, 100)), min_size=2, max_size=12), st.data())
def test_merging_in_order_keeps_the_moving_average(batches, data):
    cut = data.draw(st.integers(0, len(batches)))
    whole, first, second = (HistogramObserver(averaging_constant=0.1) for _ in range(3))
    for i, batch in enumerate(batches):
        whole.update(batch)
        (first if i < cut else second).update(batch)
    merged, expected = first.merge(second).histogram(), whole.histogram()
    # 1e-12 of 100: a few dozen roundings of float64
    assert merged.mean_min == pytest.approx(expected.mean_min, abs=1e-10)
    assert merged.mean_max == pytest.approx(expected.mean_max, abs=1e-10)


def test_merging_leaves_both_as_they_were():
    a, b = HistogramObserver().update([1.0, 2.0]), HistogramObserver().update([-30.0])
    before = a.histogram(), b.histogram()
    a.merge(b).update([500.0])
    assert (a.histogram(), b.histogram()) == before


def size_of_state(observer: HistogramObserver) -> int:
    return sum(sys.getsizeof(v) + getattr(v, "nbytes", 0) for v in vars(observer).values())


def test_state_does_not_grow_with_the_data():
    rng = np.random.default_rng(0)
    observer = HistogramObserver().update([1.0])
    size = size_of_state(observer)
    for i in range(50):
        observer.update(rng.standard_normal(10_000) * 2.0 ** (i - 25))
    assert size_of_state(observer) <= size + 100  # the integers in it may have one digit more
    assert observer._counts.size == 4096


def test_working_memory_does_not_grow_with_the_batch():
    def peak(n):
        x = np.ones(n, np.float32)
        tracemalloc.start()
        HistogramObserver().update(x)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(4_000_000) <= peak(200_000) * 1.1  # a tenth for what Python itself allocates


@pytest.mark.parametrize("bad", [[1.0, np.nan], [np.inf, -500.0], ["a"], [1j]])
def test_a_failed_update_changes_nothing(bad):
    observer = HistogramObserver().update([1.0, 2.0]).update([0.5])
    before, count = observer.histogram(), observer.count
    with pytest.raises((ValueError, TypeError)):
        observer.update(bad)
    assert observer.histogram() == before and observer.count == count
    x = np.zeros(200_000)
    x[0], x[-1] = 1e9, np.nan  # found only after several blocks were counted
    with pytest.raises(ValueError, match=re.escape("x must be finite: got 1 NaN, first at index (199999,)")):
        observer.update(x)
    assert observer.histogram() == before and observer.count == count


def test_empty_batch_is_no_batch():
    a, b = HistogramObserver().update([1.0]).update([]).update([3.0]), HistogramObserver().update([1.0]).update([3.0])
    assert a.histogram() == b.histogram()
    assert a.merge(HistogramObserver()).histogram() == HistogramObserver().merge(a).histogram() == a.histogram()


def test_histogram_is_a_copy():
    observer = HistogramObserver().update([1.0])
    observer.histogram().counts[:] = 99
    assert observer.histogram().count == 1


def test_observe_groups():
    x = np.random.default_rng(0).standard_normal((6, 8))
    for granularity in (PerChannel(1), PerGroup(-1, 4)):
        histograms, groups = observe(x, granularity), granularity.to_groups(x)
        assert len(histograms) == len(groups)
        for h, group in zip(histograms, groups, strict=True):
            assert h == observe(group)[0]


def test_observe_batches():
    x = np.array([0.0, 1.0, 0.0, 2.0, 5.0])
    h = observe(x, batches=2, averaging_constant=0.5)[0]  # [0, 1, 0] and [2, 5]
    assert (h.mean_min, h.mean_max) == (1.0, 3.0)
    assert same_but_for_averages(h, observe(x)[0])
    assert observe(x, batches=99)[0].count == 5  # no more batches than values


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: HistogramObserver(1000), ValueError, "bins must be a power of two: got 1000; try 1024"),
        (lambda: HistogramObserver(8), ValueError, "bins must be from 16 to 1048576: got 8"),
        (lambda: HistogramObserver(64.0), TypeError, "bins must be a whole number from 16 to 1048576: got 64.0"),
        (lambda: HistogramObserver(averaging_constant=2), ValueError, "averaging_constant must be from 0 to 1: got 2"),
        (lambda: HistogramObserver().histogram(), ValueError, "no value was observed yet: call update with at least"),
        (
            lambda: HistogramObserver(64).merge(HistogramObserver(128)),
            ValueError,
            "the same bins and averaging_constant to merge: got 64, 0.01 and 128, 0.01",
        ),
        (lambda: observe([1.0], batches=0), ValueError, "batches must be from 1 to 2147483648: got 0"),
        (lambda: observe([]), ValueError, "x must hold at least one value to be observed: got shape (0,)"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()

"""Sums of products in integers: hand-worked cases, Python's own integers, and a convolution written as loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics import INT4, INT8, INT16, UINT8, UINT16, PerChannel, PerGroup, QParams, dequantize
from qviz.numerics.integer_matmul import accumulate

X, W = QParams(0.1, 10, UINT8), QParams(0.5, 0, INT8)


def by_loops(q_x, q_w, z_x, z_w, stride, padding):
    """Return the sums of a convolution as Python counts, one product after the other; outside lies nothing."""
    (n, channels, height, width), (out, _, kh, kw) = q_x.shape, q_w.shape
    rows, columns = ((size + 2 * padding - k) // stride + 1 for size, k in ((height, kh), (width, kw)))
    total = np.zeros((n, out, rows, columns), object)
    taps = list(itertools.product(range(channels), range(kh), range(kw)))
    for i, o, r, c in itertools.product(*map(range, total.shape)):
        for channel, y, x in taps:
            at, across = r * stride + y - padding, c * stride + x - padding
            if 0 <= at < height and 0 <= across < width:
                w = int(q_w[o, channel, y, x]) - int(z_w[o])
                total[i, o, r, c] += (int(q_x[i, channel, at, across]) - z_x) * w
    return total


def test_hand_worked_terms():
    q_x, q_w = np.array([[13, 10, 0]], np.uint8), np.array([[2, -5, 7], [0, 0, 1]], np.int8)
    w = QParams([[0.5], [0.25]], [[1], [-2]], INT8, PerChannel(0))
    a = accumulate(q_x, q_w, X, w)
    assert a.products.tolist() == [[13 * 2 - 10 * 5, 0]]
    assert a.weight_sums.tolist() == [-10 * 4, -10 * 1]
    assert a.input_sums.tolist() == [[-1 * 23, 2 * 23]]
    assert a.zero_points.tolist() == [3 * 10 * 1, 3 * 10 * -2]
    assert a.total.tolist() == [[3 * 1 - 10 * 6, 3 * 2 - 10 * 3]]


@given(
    shape=st.tuples(*[st.integers(1, 3)] * 3),
    size=st.tuples(*[st.integers(1, 5)] * 2),
    kernel=st.tuples(*[st.integers(1, 3)] * 2),
    steps=st.tuples(st.integers(1, 3), st.integers(0, 2)),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_convolution_is_what_loops_count(shape, size, kernel, steps, seed):
    (n, channels, out), (stride, padding), rng = shape, steps, np.random.default_rng(seed)
    kernel = tuple(min(k, s + 2 * padding) for k, s in zip(kernel, size, strict=True))
    q_x = rng.integers(0, 256, (n, channels, *size)).astype(np.uint8)
    q_w = rng.integers(-128, 128, (out, channels, *kernel)).astype(np.int8)
    z_x, z_w = int(rng.integers(256)), rng.integers(-128, 128, (out, 1))
    x, w = QParams(0.1, z_x, UINT8), QParams(np.ones((out, 1)), z_w, INT8, PerChannel(0))
    a = accumulate(q_x, q_w, x, w, stride, padding)
    assert a.total.dtype == np.int32
    np.testing.assert_array_equal(a.total, by_loops(q_x, q_w, z_x, z_w[:, 0], stride, padding))


def test_the_terms_of_a_convolution_broadcast_to_its_shape():
    rng = np.random.default_rng(0)
    q_x, q_w = rng.integers(0, 256, (2, 3, 6, 5)), rng.integers(-8, 8, (4, 3, 3, 2))
    a = accumulate(q_x, q_w, X, QParams(np.ones((4, 1)), [[1], [2], [3], [4]], INT4, PerChannel(0)), 2, 1)
    assert (a.products.shape, a.weight_sums.shape, a.input_sums.shape) == ((2, 4, 3, 3), (1, 4, 1, 1), (2, 4, 3, 3))
    np.testing.assert_array_equal(np.broadcast_to(a.zero_points, a.total.shape)[1, :, 2, 2], 18 * 10 * np.arange(1, 5))


def test_the_total_stands_for_the_real_sum():
    rng = np.random.default_rng(0)
    q_x, q_w = rng.integers(0, 256, (5, 300)), rng.integers(-128, 128, (7, 300))
    w = QParams(rng.uniform(0.1, 1, (7, 1)), rng.integers(-128, 128, (7, 1)), INT8, PerChannel(0))
    real = dequantize(q_x, X, np.float64) @ dequantize(q_w, w, np.float64).T
    # 300 products below 26 * 256 in float64: far within 1e-6
    np.testing.assert_allclose(accumulate(q_x, q_w, X, w).total * (X.scale * w.scale.T), real, rtol=0, atol=1e-6)


def test_the_largest_sums_fit_and_longer_ones_are_refused():
    x, w = QParams(1.0, 0, UINT8), QParams(1.0, 127, INT8)
    most = 33_025  # times 255 * 255 is 2,147,450,625; one more would pass 2**31 - 1
    q_x, q_w = np.full((1, most), 255), np.full((1, most), -128)
    assert accumulate(q_x, q_w, x, w).total.item() == -most * 255 * 255
    with pytest.raises(ValueError, match="33,026 products of uint8 and int8 might not fit int32: use fewer bits"):
        accumulate(np.full((1, most + 1), 255), np.full((1, most + 1), -128), x, w)
    with pytest.raises(ValueError, match="1 products of uint16 and int16 might not fit int32"):
        accumulate([[0]], [[0]], QParams(1.0, 0, UINT16), QParams(1.0, 0, INT16))


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_nothing_sums_to_nothing(shape):
    total = accumulate(np.zeros(shape, np.uint8), np.zeros((2, shape[1]), np.int8), X, W).total
    np.testing.assert_array_equal(total, np.zeros((shape[0], 2)))


def test_any_layout_and_integer_type_gives_the_same_and_nothing_is_written():
    rng = np.random.default_rng(0)
    q_x, q_w = rng.integers(0, 256, (6, 8)), rng.integers(-128, 128, (5, 8))
    q_x.flags.writeable = q_w.flags.writeable = False
    expected = accumulate(q_x, q_w, X, W).total
    np.testing.assert_array_equal(accumulate(q_x.astype(np.uint8), q_w.astype(">i2"), X, W).total, expected)
    np.testing.assert_array_equal(accumulate(np.asfortranarray(q_x), q_w[::-1], X, W).total, expected[:, ::-1])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"q_x": [[0.5]]}, TypeError, "q_x must hold integers: got dtype float64; call quantize first"),
        ({"q_x": [[256]]}, ValueError, "q_x must hold codes of uint8, from 0 to 255: got 256 to 256"),
        ({"q_w": [[-129]]}, ValueError, "q_w must hold codes of int8, from -128 to 127: got -129"),
        ({"q_w": [[1, 2]]}, ValueError, r"q_x and q_w must be \(n, in\) and .*: got \(1, 1\) and \(1, 2\)"),
        ({"q_w": [[[[1]]]]}, ValueError, r"got \(1, 1\) and \(1, 1, 1, 1\)"),
        ({"x": QParams([[1.0]], [[0]], UINT8, PerChannel(0))}, ValueError, "x must have one scale per tensor: got per"),
        ({"w": QParams(np.ones((2, 1)), np.zeros((2, 1), int), INT8, PerChannel(0))}, ValueError, "1 output .*: got 2"),
        ({"w": QParams([[1.0]], [[0]], INT8, PerChannel(1))}, ValueError, r"PerChannel\(0\)\): got 1, .*axis 1"),
        ({"w": QParams([[1.0]], [[0]], INT8, PerGroup(1, 1))}, ValueError, "got 1, per group of 1"),
    ],
)
def test_mistakes(change, error, message):
    with pytest.raises(error, match=message):
        accumulate(**{"q_x": [[1]], "q_w": [[1]], "x": X, "w": W, **change})


@pytest.mark.parametrize(
    ("steps", "error", "message"),
    [
        ({"stride": 0}, ValueError, "stride must be from 1 to 65536: got 0"),
        ({"padding": 0.5}, TypeError, "padding must be a whole number"),
        ({}, ValueError, r"the kernel must not be larger than the padded image: got \(3, 3\) for \(2, 5\)"),
    ],
)
def test_mistakes_in_a_convolution(steps, error, message):
    with pytest.raises(error, match=message):
        accumulate(np.zeros((1, 1, 2, 5), int), np.zeros((1, 1, 3, 3), int), X, W, **steps)

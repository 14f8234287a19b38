"""Tables against published ones, k-means against scikit-learn and by brute force."""

import re
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.numerics import mse
from qviz.numerics.codecs import FP16, Centered, KMeans, Scaled, Table, nf4, normal_float
from qviz.numerics.codecs._lloyd import count_below

# bitsandbytes, functional.get_4bit_type("nf4"), as printed there; the test derives each.
BITSANDBYTES = [
    -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
]  # fmt: skip

# J. Max 1960, "Quantizing for minimum distortion", table I: positive output levels, and the mean squared error.
MAX_1960 = {
    1: ([0.7980], 0.3634),
    2: ([0.4528, 1.510], 0.1175),
    3: ([0.2451, 0.7560, 1.344, 2.152], 0.03454),
    4: ([0.1284, 0.3881, 0.6568, 0.9424, 1.256, 1.618, 2.069, 2.733], 0.009497),
}


def test_nf4_is_the_published_table_bit_for_bit():
    assert np.array_equal(normal_float(4).values, np.float32(BITSANDBYTES))


@pytest.mark.parametrize("bits", [2, 3, 5, 8])
def test_normal_float_of_any_bits(bits):
    values = normal_float(bits).values
    assert values.size == 2**bits and values[0] == -1 and values[-1] == 1 and values[2 ** (bits - 1) - 1] == 0


def gaussian(n=400_001):
    """Return points, and how much of a standard normal distribution lies around each."""
    x = np.linspace(-6, 6, n)
    return x.astype(np.float32)[None], np.exp(-(x**2) / 2).astype(np.float32)[None]


@pytest.mark.parametrize("bits", MAX_1960)
def test_lloyds_levels_of_a_gaussian_are_those_of_max(bits):
    x, w = gaussian()
    levels, distortion = MAX_1960[bits]
    codec = KMeans(bits)
    table = codec.choose_params(x, w)
    # Max gives four digits. Steps end where they are less than the distance of points, 3e-5, before the limit.
    assert np.allclose(table[0, 2 ** (bits - 1) :], levels, atol=1e-3)
    assert np.allclose(table[0], -table[0, ::-1], atol=2e-4)
    error = np.average((codec.decode(codec.encode(x, table), table) - x) ** 2, weights=w)
    assert abs(error / distortion - 1) < 5e-4  # of four digits, the last may be off by more than its half


SHAPES = {
    "gaussian": lambda rng, n: rng.standard_normal(n),
    "laplace": lambda rng, n: rng.laplace(size=n),
    "student t": lambda rng, n: rng.standard_t(3, size=n),
    "relu": lambda rng, n: np.maximum(rng.standard_normal(n), 0),
    "two bells": lambda rng, n: np.concatenate([rng.normal(-1, 0.1, n // 2), rng.normal(3, 0.5, n - n // 2)]),
    "one outlier": lambda rng, n: np.append(rng.standard_normal(n - 1), 100),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bits", [2, 3, 4])
def test_error_is_at_most_scikit_learns(shape, bits):
    cluster = pytest.importorskip("sklearn.cluster")
    x = SHAPES[shape](np.random.default_rng(0), 2000).astype(np.float32)
    theirs = cluster.KMeans(2**bits, n_init=5, random_state=0).fit(x.reshape(-1, 1).astype(np.float64)).inertia_
    mine = ((KMeans(bits).fake_quantize(x).astype(np.float64) - x) ** 2).sum()
    assert mine <= 1.002 * theirs  # both may stop in a local optimum; theirs is the best of five starts


def best_by_brute_force(x, w, k):
    """Return the least weighted squared error of all ways to cut sorted values into k runs, by dynamic programming."""
    order = np.argsort(x)
    x, w = x[order], w[order]

    def cost(i, j):
        part, weight = x[i:j], w[i:j]
        mean = (part * weight).sum() / max(weight.sum(), 1e-300)
        return (weight * (part - mean) ** 2).sum()

    best = [0.0] + [np.inf] * len(x)
    for _ in range(k):
        best = [min(best[i] + cost(i, j) for i in range(j + 1)) for j in range(len(x) + 1)]
    return best[-1]


def test_few_values_get_the_best_table_of_all():
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((60, 14)).astype(np.float32), rng.random((60, 14)).astype(np.float32)
    out = KMeans(2).fake_quantize(x, "per channel", w)
    for row, row_hat, weight in zip(x, out, w, strict=True):
        error = (weight * (row_hat - row.astype(np.float64)) ** 2).sum()
        best = best_by_brute_force(row.astype(np.float64), weight.astype(np.float64), 4)
        assert abs(error / best - 1) < 1e-5  # means are rounded to float32


def test_groups_are_fitted_each_for_itself():
    x = np.random.default_rng(2).standard_normal((9, 40)).astype(np.float32)
    together = KMeans(3).choose_params(x)
    alone = np.concatenate([KMeans(3).choose_params(row[None]) for row in x])
    assert np.array_equal(together, alone)


def test_weights_say_whose_error_counts():
    x = np.float32([[0, 1, 10, 11]])
    assert KMeans(1).fake_quantize(x).tolist() == [[0.5, 0.5, 10.5, 10.5]]
    assert KMeans(1).fake_quantize(x, weights=[[3, 1, 1, 1]])[0, 0] == 0.25


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), st.integers(1, 5))
@settings(max_examples=60)
def test_codes_are_nearest_and_coding_twice_changes_nothing(values, bits):
    codec, x = KMeans(bits), np.float32([values])
    table = codec.choose_params(x)
    assert (np.diff(table) >= 0).all()
    codes = codec.encode(x, table)
    x_hat = codec.decode(codes, table).astype(np.float64)
    nearest = np.abs(x.astype(np.float64)[..., None] - table[:, None]).min(axis=2)
    assert np.array_equal(np.abs(x_hat - x), nearest)
    assert np.array_equal(codec.decode(codec.encode(x_hat, table), table), x_hat)


@pytest.mark.parametrize("m", [1, 5, 16, 17, 100, 255])
def test_counting_below_by_every_way(m):
    rng = np.random.default_rng(m)
    edges = np.sort(rng.integers(-50, 50, (7, m)).astype(np.float32), axis=1)
    x = rng.integers(-60, 60, (7, 33)).astype(np.float32)
    expected = (edges[:, None] < x[..., None]).sum(axis=2)
    assert np.array_equal(count_below(edges, x), expected)
    assert np.array_equal(count_below(edges[:1], x[:1]), expected[:1])


def test_a_value_in_the_middle_takes_the_lower_level():
    table = Table(np.float32([-1, 0.1, 0.3, 2]))
    middle = [np.float32((np.float64(a) + b) / 2) for a, b in pairwise(table.values)]
    for i, value in enumerate(middle):
        near = np.array([np.nextafter(value, np.float32(-9)), value, np.nextafter(value, np.float32(9))])
        distance = np.abs(near[:, None].astype(np.float64) - table.values)
        assert np.array_equal(table.nearest(near), distance.argmin(axis=1)), i


def test_a_large_table():
    table = Table(np.arange(1000) ** 2)
    assert table.bits == 10 and table.nearest(np.float32([[0.4, 998000]])).tolist() == [[0, 999]]


class TestNF4:
    def test_by_hand(self):
        x = np.zeros((1, 64), np.float32)
        x[0, :4] = [2.0, -1.5, 0.3, -0.01]
        out = nf4().fake_quantize(x)[0, :4]
        assert np.array_equal(out, 2 * np.float32([1, -0.6961928, 0.1609302, 0]))

    def test_double_quantization_by_hand(self):
        x = np.random.default_rng(3).standard_normal((300, 64)).astype(np.float32)
        scale = np.abs(x).max(axis=1)
        mean = np.float32(scale.astype(np.float64).mean())
        rest = scale - mean
        kept = np.concatenate([
            mean + Scaled(nf4(double=True).scales.codec.element, "FP8").fake_quantize(part)
            for part in (rest[:256], rest[256:])
        ])  # fmt: skip
        codec = nf4(double=True)
        assert np.allclose(codec.choose_params(x).ravel(), kept, rtol=1e-6)  # the mean is added in another order
        assert mse(x, codec.fake_quantize(x)) < 1.01 * mse(x, nf4().fake_quantize(x))

    def test_bits(self):
        # QLoRA, section 3: 8/64 + 32/(64 * 256) = 0.127 bits for scales, in place of 32/64 = 0.5; and one mean.
        count = 4096 * 4096
        assert nf4(double=True).bits_per_value(count) == 4 + 8 / 64 + 32 / (64 * 256) + 32 / count

    def test_levels_are_taken_about_equally_often(self):
        x = np.float32([NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(4096)])
        codec = Scaled(normal_float(4), "NF4")
        counts = np.bincount(codec.encode(x[None], np.float32([[1.8481]]))[0], minlength=16)  # the outermost quantile
        assert counts.min() > 100 and counts.max() < 420  # 256 each, if the rounding were to quantiles


def test_scales_may_be_stored_in_any_format():
    x = np.random.default_rng(4).standard_normal((8, 64)).astype(np.float32)
    codec = Scaled(normal_float(4), "NF4", 64, FP16)
    assert np.array_equal(codec.choose_params(x), np.abs(x).max(axis=1, keepdims=True).astype(np.float16))
    assert codec.bits_per_value(x.shape) == 4 + 16 / 64
    assert KMeans(2, entries=FP16).bits_per_value((1, 64)) == 2 + 4 * 16 / 64
    assert Centered(FP16).fake_quantize([5.0, 5.0, 8.0]).tolist() == [5, 5, 8]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Table([0, 2, 1]), ValueError, "values must ascend: got 1 after 2; sort them and remove duplicates"),
        (lambda: Table([0, 1, 1]), ValueError, "values must ascend: got 1 after 1"),
        (lambda: Table([0, np.nan]), ValueError, "values must be finite: got 1 NaN, first at index (1,)"),
        (lambda: Table([1]), ValueError, "values must be a list of 2 to 65,536 numbers: got shape (1,)"),
        (lambda: Scaled([1, 2]), TypeError, "element must be a FloatFormat or a Table: got [1, 2]"),
        (lambda: Scaled(normal_float(), scales="FP16"), TypeError, "scales must be a codec such as FP16, or None"),
        (lambda: normal_float(1), ValueError, "bits must be from 2 to 8: got 1"),
        (lambda: KMeans(9), ValueError, "bits must be from 1 to 8: got 9"),
        (lambda: KMeans(2).fake_quantize([1.0], weights=[-1]), ValueError, "weights must be at least 0: got -1"),
        (
            lambda: KMeans(2).fake_quantize(np.ones((2, 3)), weights=np.ones(2)),
            ValueError,
            "weights must broadcast to shape (2, 3): got shape (2,)",
        ),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()

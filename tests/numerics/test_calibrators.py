import re

import numpy as np
import pytest

from qviz.numerics import (
    CALIBRATORS,
    INT4,
    INT8,
    SCHEMES,
    UINT8,
    Histogram,
    HistogramObserver,
    IntFormat,
    MinMax,
    MovingAverage,
    Percentile,
    PerChannel,
    PerGroup,
    calibrate,
    choose_qparams,
    observe,
    value_range,
)

ALL = pytest.mark.parametrize("name", CALIBRATORS)


def test_min_max_is_exact(x):
    assert MinMax().choose_range(observe(x)[0]) == (x.min(), x.max())


def test_moving_average_as_torch(ao, x):
    torch = pytest.importorskip("torch")
    theirs = ao("MovingAverageMinMaxObserver", dtype=torch.quint8, qscheme=torch.per_tensor_affine)
    batches = np.array_split(x, 20)
    for batch in batches:
        theirs(torch.from_numpy(batch))
    scale, zero_point = theirs.calculate_qparams()
    ours = calibrate(x, MovingAverage(), UINT8, batches=20)
    # torch averages in float32: 20 times three roundings of 6e-8
    assert float(ours.scale) == pytest.approx(float(scale), rel=4e-6) and int(ours.zero_point) == int(zero_point)


@pytest.mark.parametrize("bins", [256, 2048])
@pytest.mark.parametrize("percentile", [90.003, 99.003, 99.903, 99.993])  # no whole counts, see the ties below
def test_percentile_as_onnxruntime(collector, x, bins, percentile):
    """The same histogram, and the same threshold to one bin: theirs is an edge, ours is interpolated."""
    theirs = collector("percentile", bins, percentile=percentile)
    theirs.collect_value({"x": x})
    lo, hi, *_ = theirs.compute_percentile()["x"]
    h = Histogram.from_counts(*theirs.histogram_dict["x"][:2])
    for ours, end in zip(Percentile(percentile).choose_range(h), (lo, hi), strict=True):
        # They clip to the exact minimum and maximum too, which lie within the outer bins. 1e-3: float32 edges
        assert abs(np.clip(ours, x.min(), x.max()) - end) <= h.width * 1.001


@pytest.mark.parametrize("percentile", [90.003, 99.993])
def test_symmetric_percentile_as_onnxruntime(collector, x, percentile):
    theirs = collector("percentile", 2048, percentile=percentile, symmetric=True)
    theirs.collect_absolute_value({"x": x})
    lo, hi, *_ = theirs.compute_percentile()["x"]
    h = Histogram.from_counts(*theirs.histogram_dict["x"][:2])  # of magnitudes already
    low, high = Percentile(percentile).choose_range(h, INT8, "symmetric")
    # One bin; float32 edges. They clip one end too, to the minimum or maximum of data of one sign.
    assert low == -high and abs(high - max(-lo, hi)) <= h.width * 1.001


@pytest.mark.parametrize("percentile", [50.0, 99.0, 99.9, 100.0])
def test_percentile_as_numpy(x, percentile):
    """From our own histogram of the data, to one bin."""
    h = observe(x)[0]
    cut = (100 - percentile) / 2
    for ours, q in zip(Percentile(percentile).choose_range(h), (cut, 100 - cut), strict=True):
        # np.percentile goes between the two values nearest to the rank, which may lie in different bins.
        lower, higher = (np.percentile(x, q, method=method) for method in ("lower", "higher"))
        assert lower - h.width <= ours <= higher + h.width
    low, high = Percentile(percentile).choose_range(h, INT8, "symmetric")
    lower, higher = (np.percentile(np.abs(x), percentile, method=method) for method in ("lower", "higher"))
    assert low == -high and lower - h.width <= high <= higher + h.width


def test_percentile_by_hand():
    h = Histogram.from_counts([1, 2, 2, 2, 2, 1], [-6, -4, -2, 0, 2, 4, 6])
    # 80 % keeps 8 of 10 counts: one goes at each end, which is just the outer bins
    assert Percentile(80).choose_range(h) == (-4, 4)
    # 60 % keeps 6: half of the next bins goes too
    assert Percentile(60).choose_range(h) == (-3, 3)
    # magnitudes: 4 below 2, 4 more below 4, 2 below 6; 90 % is the first of the last two
    assert Percentile(90).choose_range(h, INT8, "symmetric") == (-5, 5)
    assert Percentile(100).choose_range(h) == (-6, 6)


def test_percentile_ends_at_the_crowd():
    """9,998 of 10,000 lie within 1: any range from 1 to 100 keeps these 99.98 %, and the narrowest is the answer."""
    x = np.concatenate([np.linspace(-1, 1, 9998), [-100.0, 100.0]])
    h = observe(x)[0]
    for scheme in SCHEMES:
        # One bin, of 200 / 4096 at most 1/16
        assert Percentile(99.98).choose_range(h, INT8, scheme) == pytest.approx((-1, 1), abs=1 / 16)
        assert Percentile(99.99).choose_range(h, INT8, scheme)[1] > (50 if scheme == "affine" else 99)


@ALL
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("fmt", [INT4, INT8], ids=str)
class TestEveryCalibrator:
    def test_range_is_within_what_was_seen_and_zero(self, name, scheme, fmt, x):
        lo, hi = CALIBRATORS[name].choose_range(observe(x)[0], fmt, scheme)
        assert type(lo) is float and type(hi) is float and lo <= hi
        if scheme == "symmetric":
            reach = float(np.abs(x).max())
            assert -reach <= lo and hi <= reach
        else:
            assert min(x.min(), 0) <= lo and hi <= max(x.max(), 0)
            assert hi >= x.min() and lo <= x.max()  # some of the data is kept

    def test_two_values(self, name, scheme, fmt):
        for values in ([-1.0, 1.0], [0.0, 1.0], [2.0, 6.0], [-6.0, -2.0]):
            x = np.repeat(values, 50)
            p = calibrate(x, name, fmt, scheme)
            # Whatever a method thinks of two spikes: both keep their sign, and neither leaves what was seen.
            fake = p.levels[np.abs(p.levels - np.array(values)[:, None]).argmin(axis=1)]
            np.testing.assert_array_equal(np.sign(fake), np.sign(values))
            assert np.abs(fake).max() <= np.abs(values).max() + float(p.scale)

    def test_degenerate_counts(self, name, scheme, fmt):
        edges = np.linspace(-1.0, 1.0, 9)
        for counts in ([0, 0, 0, 0, 0, 0, 0, 5], [1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 7, 0, 0, 0], [1] * 8):
            lo, hi = CALIBRATORS[name].choose_range(Histogram.from_counts(counts, edges), fmt, scheme)
            assert -1.0 <= lo <= hi <= 1.0
            choose_qparams(lo, hi, fmt, scheme)

    @pytest.mark.parametrize("granularity", [PerChannel(0), PerChannel(-1), PerGroup(-1, 8)], ids=str)
    def test_each_group_is_calibrated_as_if_alone(self, name, scheme, fmt, granularity):
        x = np.random.default_rng(0).laplace(size=(4, 16)) * np.array([[1], [10], [0], [0.1]])
        p = calibrate(x, name, fmt, scheme, granularity)
        groups = granularity.to_groups(x)
        assert p.granularity == granularity and p.scale.shape == (len(groups), 1)
        for i, group in enumerate(groups):
            alone = calibrate(group, name, fmt, scheme)
            assert p.scale[i, 0] == alone.scale and p.zero_point[i, 0] == alone.zero_point


@pytest.mark.parametrize("name", [name for name in CALIBRATORS if name != "entropy"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_mirrored_data_gives_the_mirrored_range(name, scheme):
    """All but Entropy, whose windows have one bin more at the right, as ONNX Runtime's do."""
    x = np.random.default_rng(0).gamma(2.0, size=20_000) - 1.0
    fmt = IntFormat(4, narrow=True)  # as many codes below zero as above
    h, mirrored = observe(x)[0], observe(-x)[0]
    lo, hi = CALIBRATORS[name].choose_range(h, fmt, scheme)
    low, high = CALIBRATORS[name].choose_range(mirrored, fmt, scheme)
    # Bins are closed at the left, so a value on an edge changes its bin. MSE finds its valley to half a percent.
    slack = 0.01 * (hi - lo) if name == "mse" else 2 * h.width
    assert (-high, -low) == pytest.approx((lo, hi), abs=slack)


def test_calibrate_is_observer_calibrator_and_choice(x):
    for name, calibrator in CALIBRATORS.items():
        lo, hi = calibrator.choose_range(observe(x, batches=4)[0], UINT8, "affine")
        assert calibrate(x, name, UINT8, batches=4) == calibrate(x, calibrator, UINT8, batches=4)
        assert calibrate(x, name, UINT8, batches=4) == choose_qparams(lo, hi, UINT8)
    assert calibrate(x) == choose_qparams(*value_range(x))


def test_calibrate_passes_the_averaging_constant_on():
    lo, hi = calibrate([0.0, 1.0, 0.0, 3.0], "moving average", UINT8, batches=2, averaging_constant=0.5).levels[[0, -1]]
    assert (lo, hi) == pytest.approx((0.0, 2.0), rel=1e-12)  # a division and a product


def test_a_method_of_the_readers_own():
    class Everything:
        def choose_range(self, histogram, fmt, scheme):
            return -100.0, 100.0

    p = calibrate([1.0], Everything(), INT8, "symmetric")
    assert float(p.scale) == 100 / 127


def test_calibrators_never_see_the_data():
    """The same histogram from other data: same answer."""
    a, b = HistogramObserver(16).update([0.0, 0.9, 1.0, 7.9]), HistogramObserver(16).update([0.0, 0.95, 1.0, 7.9])
    assert a.histogram() == b.histogram()
    for calibrator in CALIBRATORS.values():
        assert calibrator.choose_range(a.histogram()) == calibrator.choose_range(b.histogram())


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: Percentile(0), ValueError, "percentile must be above 0 and at most 100: got 0"),
        (lambda: Percentile(100.1), ValueError, "percentile must be above 0 and at most 100: got 100.1"),
        (lambda: Percentile(float("nan")), ValueError, "percentile must be above 0 and at most 100: got nan"),
        (
            lambda: calibrate([1.0], "median"),
            ValueError,
            "calibrator must be one of 'min-max', 'moving average', 'percentile', 'entropy', 'mse', 'aciq': got 'med",
        ),
        *(
            (
                lambda name=name: calibrate([1.0], name, scheme="both"),
                ValueError,
                "scheme must be one of 'affine', 'sym",
            )
            for name in CALIBRATORS
        ),
        *(
            (
                lambda name=name: calibrate([1.0], name, UINT8, "symmetric"),
                ValueError,
                "needs a signed format: got uint8",
            )
            for name in CALIBRATORS
        ),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=re.escape(text)):
        call()

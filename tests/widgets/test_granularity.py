import numpy as np
import pytest

from qviz.data import digits
from qviz.networks import cnn_forward, cnn_weights
from qviz.numerics import PerChannel, PerGroup, PerTensor, QParams, fake_quantize, mse, sqnr_db
from qviz.plots import sqnr_of_channels
from qviz.widgets import GranularityExplorer
from qviz.widgets.granularity import GROUP_SIZES, RESCALED, Measured, State, channel_factors, compute, granularity_of

CONV2, FC1 = cnn_weights()["conv2.weight"], cnn_weights()["fc1.weight"]


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = GranularityExplorer()
    yield explorer
    explorer.close()


def test_hand_worked_channels():
    # int2 has codes -2..1, so the scale is the largest magnitude
    weights = np.array([[1.0, -0.4], [0.1, -0.1]])
    whole = compute(State(bits=2, granularity="per tensor"), weights)
    assert whole.qparams.scale == 1.0
    np.testing.assert_allclose(fake_quantize(weights, whole.qparams), [[1, 0], [0, 0]])
    assert whole.mse == pytest.approx((0.16 + 0.01 + 0.01) / 4)
    np.testing.assert_allclose(whole.channels_db, [10 * np.log10(1.16 / 0.16), 0])
    each = compute(State(bits=2, granularity="per channel"), weights)
    np.testing.assert_allclose(each.qparams.scale, [[1.0], [0.1]])
    assert each.mse == pytest.approx(0.16 / 4)
    assert each.channels_db[1] == np.inf


@pytest.mark.parametrize(
    ("state", "granularity"),
    [
        (State(), PerTensor()),
        (State(granularity="per channel"), PerChannel(0)),
        (State(granularity="per group", group_size=4), PerGroup(1, 4)),
    ],
)
def test_granularities(state, granularity):
    assert granularity_of(state) == granularity


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, (2304, 2, 0)),  # 4608 weights of 4 bits
        ({"scheme": "affine"}, (2304, 2, 1)),
        ({"granularity": "per channel", "scheme": "affine", "bits": 3}, (1728, 64, 32)),
        ({"granularity": "per group", "group_size": 8, "scheme": "affine", "bits": 8}, (4608, 1152, 576)),
    ],
)
def test_bytes(settings, expected):
    result = compute(State(**settings), CONV2)
    assert (result.weight_bytes, result.scale_bytes, result.zero_point_bytes) == expected


@pytest.mark.parametrize("group_size", GROUP_SIZES)
def test_sixteen_bits_are_enough_for_a_scale(group_size):
    """What the bill says must hold: scales rounded to float16 leave the SQNR as it is, to 0.05 dB."""
    result = compute(State(data="fc1 weights", granularity="per group", group_size=group_size), FC1)
    p = result.qparams
    short = QParams(p.scale.astype(np.float16).astype(np.float32), p.zero_point, p.fmt, p.granularity)
    assert sqnr_db(FC1, fake_quantize(FC1, short)) == pytest.approx(result.sqnr_db, abs=0.05)
    assert result.bits_per_weight == 4 + 16 / group_size


def test_bytes_are_rounded_up():
    assert compute(State(bits=3), np.ones((3, 3))).weight_bytes == 4  # 27 bits


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_finer_scales_help_every_channel_of_rescaled_weights(scheme):
    weights = CONV2 * channel_factors(32).reshape(-1, 1, 1, 1)
    whole, each, group = (
        compute(State(granularity=g, group_size=4, scheme=scheme), weights)
        for g in ("per tensor", "per channel", "per group")
    )
    assert whole.sqnr_db < each.sqnr_db < group.sqnr_db
    assert whole.channels_db.min() + 10 < each.channels_db.min() < group.channels_db.min()


def test_mean_squared_error_against_numerics():
    result = compute(State(bits=3, granularity="per group", group_size=16), CONV2)
    # Sums of 4608 float64 numbers in another order
    assert result.mse == pytest.approx(mse(CONV2, fake_quantize(CONV2, result.qparams)), rel=1e-12)


def test_rescaled_channels_are_the_same_network():
    """Multiplying a channel and dividing the next layer by it changes no bit of the output."""
    weights, factors = cnn_weights(), channel_factors(32)
    images = digits().images[digits().test]
    before = cnn_forward(images, weights)
    weights["conv2.weight"] = weights["conv2.weight"] * factors.reshape(-1, 1, 1, 1)
    weights["conv2.bias"] = weights["conv2.bias"] * factors
    weights["fc1.weight"] = weights["fc1.weight"] / np.repeat(factors, 16)
    after = cnn_forward(images, weights)
    np.testing.assert_array_equal(after["conv2"], before["conv2"] * factors.reshape(-1, 1, 1))
    np.testing.assert_allclose(after["logits"], before["logits"], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(after["logits"].argmax(axis=1), before["logits"].argmax(axis=1))


def test_factors_are_powers_of_two():
    factors = channel_factors(1000)
    assert set(np.log2(factors)) == {-3, -2, -1, 0, 1, 2, 3}


def test_readout(explorer):
    explorer.set(granularity="per channel", scheme="affine")
    assert explorer.readout.splitlines()[:2] == [
        "4,608 weights of shape (32, 16, 3, 3) in uint4, per channel (axis 0): 32 scales",
        "bytes: 2,304 for the weights, 64 for 16-bit scales, 32 for int8 zero points; 4.17 bits per weight in total",
    ]


def test_a_size_that_does_not_divide_is_told(explorer):
    png = explorer.png
    explorer.set(granularity="per group", group_size=32)
    assert explorer.readout.startswith(
        "Not shown: group size must divide axis 1: got 32 for length 16 (shape (32, 16, 3, 3)); try "
    )
    assert explorer.readout.endswith("The picture still shows the last valid setting.")
    assert explorer.png == png
    explorer.data = "fc1 weights"
    assert "per group of 32 (axis 1): 1,024 scales" in explorer.readout


def test_group_sizes_follow_the_layer(shown):
    """Weights of 3 inputs have no group of 4 or more, but groups of 3; a size asked for stays, and is told of."""
    explorer = shown(GranularityExplorer, data=np.ones((64, 3, 7, 7)), granularity="per group")
    (listed,) = explorer._linked["group_size"]
    assert explorer.last_error is None and explorer.group_size == 3 and listed.options == (1, 3)
    for name, sizes in (("conv2 weights", (4, 8, 16)), ("fc1 weights", (4, 8, 16, 32, 64, 128))):
        explorer.data = name
        assert explorer.last_error is None and listed.options == sizes and listed.value in sizes
    listed.value = 128
    explorer.data = "conv2 weights"
    assert explorer.group_size == listed.value == 16 and "per group of 16" in explorer.readout


def test_a_vector_has_no_channels_and_the_explorer_starts_anew(shown):
    explorer = shown(GranularityExplorer, data=np.ones(10))
    assert explorer.readout.startswith("Not shown: weights must have at least two axes")
    assert explorer.state == GranularityExplorer.State() and explorer.png[1:4] == b"PNG"


def test_the_data_are_what_they_are_called(explorer):
    np.testing.assert_array_equal(explorer.result.weights, CONV2)
    explorer.data = RESCALED
    np.testing.assert_array_equal(explorer.result.weights, CONV2 * channel_factors(32).reshape(-1, 1, 1, 1))
    explorer.data = "fc1 weights"
    np.testing.assert_array_equal(explorer.result.weights, cnn_weights()["fc1.weight"])


def test_ones_own_weights(explorer):
    explorer.set(data=np.arange(12.0).reshape(3, 4), granularity="per channel")
    assert explorer.readout.startswith("12 weights of shape (3, 4) in int4, per channel (axis 0): 3 scales")
    explorer.set(data=np.arange(12.0))
    assert "weights must have at least two axes, output and input channels: got shape (12,)" in explorer.readout


def test_more_channels_than_bars_show_the_worst_of_each_neighbourhood(explorer):
    """What is drawn of 3,000 channels is a sample; the numbers are those of all."""
    weights = np.random.default_rng(0).standard_normal((3000, 8)).astype(np.float32)
    weights[1234] = [100.0, *[0.01] * 7]
    explorer.set(data=weights, granularity="per channel", bits=4)
    weights_hat = fake_quantize(weights, explorer.result.qparams)
    np.testing.assert_allclose(explorer.result.channels_db, sqnr_of_channels(weights, weights_hat), rtol=1e-12)
    panel = explorer._canvas.panels["sqnr"]
    heights = panel.bars.get_data().values[::2]  # a gap after each
    assert panel.ax.get_xlabel() == "channel (a bar is the worst of 6)" and heights.size == 500
    np.testing.assert_allclose(heights, explorer.result.channels_db.reshape(500, 6).min(axis=1).clip(0, 60))


def test_what_does_not_depend_on_the_setting_is_measured_once(explorer):
    explorer.set(data=np.random.default_rng(0).standard_normal((8, 16)).astype(np.float32))
    measured = explorer._measured
    explorer.set(bits=3)
    assert explorer._measured is measured
    explorer.set(data=np.ones((8, 16), np.float32))
    assert explorer._measured is not measured


@pytest.mark.parametrize("granularity", ["per channel", "per group"])
def test_weights_of_more_than_one_block(granularity):
    weights = (
        np.random.default_rng(0).standard_normal((64, 4096)).astype(np.float32) * np.geomspace(0.1, 10, 64)[:, None]
    )
    state = State(granularity=granularity, group_size=32)
    result = compute(state, weights.astype(np.float32))
    assert len(Measured(weights).blocks()) > 1
    expected = mse(weights.astype(np.float32), fake_quantize(weights.astype(np.float32), result.qparams))
    assert result.mse == pytest.approx(expected, rel=1e-9)  # float64 sums, in another order


SETTINGS = [{"granularity": "per tensor"}, {"granularity": "per channel"}, {"granularity": "per group"}]


@pytest.mark.parametrize("settings", [*SETTINGS, {"granularity": "per group", "scheme": "affine", "bits": 3}])
def test_many_weights_are_estimated_from_some(settings):
    """The estimate against all weights: scales are exact, and errors right to what a 16th of 1,024,000 values says."""
    channels = np.geomspace(0.1, 10, 500)[:, None]
    weights = (np.random.default_rng(0).standard_normal((500, 2048)) * channels).astype(np.float32)
    state = State(group_size=32, **settings)
    some, every = (compute(state, weights, Measured(weights, most)) for most in (weights.size // 16, weights.size))
    assert (some.measured, every.measured) == (weights.size // 16, weights.size)
    for name in ("scales", "weight_bytes", "scale_bytes", "zero_point_bytes", "bits_per_weight"):
        assert getattr(some, name) == getattr(every, name)
    n = some.qparams.scale.size  # in groups, the first that are drawn
    np.testing.assert_array_equal(
        some.qparams.scale, every.qparams.scale[:n] if every.qparams.scale.ndim else every.qparams.scale
    )
    # A squared rounding error varies by 0.9 of its mean, and the square of a weight by 1.4. From 128 values the mean of
    # one is off by 8 %, that of the other by 12 %, together 0.64 dB. Errors of one
    # group share a scale, so they vary a little more: five times that is beyond any of 500 channels.
    # Some 50 of the largest channels decide the whole.
    np.testing.assert_allclose(some.channels_db, every.channels_db, atol=5 * 0.64)
    assert some.sqnr_db == pytest.approx(every.sqnr_db, abs=5 * 0.64 / 50**0.5)
    assert some.mse == pytest.approx(every.mse, rel=5 * 0.08 / 50**0.5)


def test_no_group_is_cut_and_no_input_is_drawn_twice():
    weights = np.broadcast_to(np.arange(2048.0), (500, 2048))
    inputs = Measured(weights, weights.size // 16).some[0]
    assert inputs.size == np.unique(inputs).size == 128 and (inputs.reshape(-1, 128) % 128 == np.arange(128)).all()


def test_an_explorer_says_what_its_errors_are_estimated_from(shown, monkeypatch):
    monkeypatch.setattr("qviz.widgets.granularity.MANY", 10_000)
    weights = np.random.default_rng(0).standard_normal((20, 1024)).astype(np.float32)
    explorer = shown(GranularityExplorer, data=weights, granularity="per group", group_size=16)
    assert explorer.readout.endswith("(errors are estimated from 7,680 weights)")
    assert "per group of 16 (axis 1): 1,280 scales" in explorer.readout
    ranges = explorer._canvas.panels["ranges"]
    assert ranges.ax.get_xlabel() == "group (the first 64 of 1,280)"
    values, _, baseline = ranges.bars.get_data()
    groups = weights.reshape(-1, 16)[:64]
    np.testing.assert_array_equal(np.stack([baseline[::2], values[::2]]), [groups.min(axis=1), groups.max(axis=1)])
    assert "1,280 scales" in ranges.description

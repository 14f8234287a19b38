import numpy as np
import pytest

from qviz import data, networks
from qviz.experiments.integer_walk import (
    Change,
    carried_on,
    changed,
    channels,
    cut_out,
    real_output,
)
from qviz.networks.topology import INPUT_OF, LAYERS, OUTPUT_OF
from qviz.numerics.integer_layer import ROUNDINGS
from qviz.widgets import IntegerWalkExplorer

NET = networks.integer_cnn()
DIGITS = data.digits()
IMAGES = DIGITS.images[DIGITS.test]


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = IntegerWalkExplorer()
    yield explorer
    explorer.close()


@pytest.mark.parametrize("way", ROUNDINGS)
@pytest.mark.parametrize("layer", LAYERS)
def test_an_output_cut_out_is_that_of_the_network(layer, way):
    codes = NET.run(IMAGES[:3], way)
    assert set(INPUT_OF.values()) < set(codes)
    for image in range(3):
        for channel in (0, 9, channels(layer) - 1):
            for place in (0, 7, 27, 63) if layer.startswith("conv") else (0,):
                expected = codes[OUTPUT_OF[layer]][image, channel].reshape(-1)[place]
                assert cut_out(layer, image, channel, place, way).code(way) == expected


def test_the_float_network_beside_it():
    floats = networks.cnn_forward(IMAGES[:2])
    near = {"rel": 1e-5}  # one image or two: BLAS sums in another order, and the last bits differ
    assert real_output("conv2", 1, 3, 27) == pytest.approx(floats["conv2"][1, 3, 3, 3], **near)
    assert real_output("fc2", 1, 3, 27) == pytest.approx(floats["logits"][1, 3], **near)
    assert set(OUTPUT_OF) == set(LAYERS)


def test_a_change_by_hand():
    """(239 + 1 - 2) * (104 - 3 - 5) in place of 239 * 104, and every other product moves with its zero points."""
    before = cut_out("conv1", 0, 4, 27)
    assert before.q_x.tolist() == [207, 255, 239, 175, 255, 255, 0, 64, 112]
    assert before.layer.q_w.tolist() == [[-12, 123, 104, 76, 59, -20, 22, -123, -127]]
    now = changed(before, Change(at=2, activation=1, weight=-3, x_zero=2, w_zero=5, bias=700))
    by_hand = [205 * -17, 253 * 118, 238 * 96, 173 * 71, 253 * 54, 253 * -25, -2 * 17, 62 * -128, 110 * -132]
    assert now.products.tolist() == by_hand
    assert now.total == sum(by_hand)
    assert now.bias == before.bias + 700
    sums = now.terms.products.item(), now.terms.weight_sums.item(), now.terms.input_sums.item(), now.terms.zero_points
    assert sums == (sum(now.q_x * now.layer.q_w[0]), -2 * 99, -5 * 1563, 9 * 2 * 5)
    assert (before.total, before.terms.zero_points) == (54886, 0)  # it is not changed itself


@pytest.mark.parametrize("layer", LAYERS)
def test_the_steps_lead_to_the_code_that_numerics_says(layer):
    rng = np.random.default_rng(0)
    for _ in range(100):
        walk = cut_out(layer, int(rng.integers(359)), int(rng.integers(10)), int(rng.integers(64)))
        change = Change(
            int(rng.integers(9)),
            *rng.integers(-255, 256, 2),
            *rng.integers(0, 50, 2),
            *rng.integers(9, 99, 1),
            mantissa=int(rng.integers(-(2**30), 2**30)),
            shift=int(rng.integers(-8, 9)),
            y_zero=int(rng.integers(-255, 256)),
        )
        now = changed(walk, change)
        assert now.total == now.products.sum()
        for way in ROUNDINGS:
            y, lowest = now.layer.y, int(now.layer.y.zero_point) if now.layer.relu else 0
            assert now.code(way) == np.clip(now.rounded(way) + int(y.zero_point), lowest, 255)
            assert abs(now.rounded(way) - now.steps(way)) <= 0.5


def test_padding_is_the_zero_point_and_cannot_be_changed():
    corner = cut_out("conv1", 0, 4, 0)
    assert corner.padding.tolist() == [True, True, True, True, False, False, True, False, False]
    now = changed(corner, Change(at=0, activation=50, x_zero=9))
    assert (now.q_x[now.padding] == 9).all()
    assert (now.products[now.padding] == 0).all()


@pytest.mark.parametrize("layer", LAYERS)
def test_mantissa_and_shift_are_changed_exactly(layer):
    """The multiplier is changed through the scale of the output, in float64: no bit of its 31 may get lost."""
    rng = np.random.default_rng(0)
    for channel in range(channels(layer)):
        walk = cut_out(layer, 0, channel, 27)
        assert 0 <= walk.shift - 8 and walk.shift + 8 <= 31  # so the slider always has its way
        mantissa, shift = int(rng.integers(2**30, 2**31)), int(rng.integers(-8, 9))
        now = changed(walk, Change(mantissa=mantissa - walk.mantissa, shift=shift))
        assert (now.mantissa, now.shift) == (mantissa, walk.shift + shift)
        # float32 keeps 24 bits, after a product and a quotient
        assert now.layer.multiplier[0] == pytest.approx(np.ldexp(mantissa, -31 - walk.shift - shift), rel=2**-22)
    assert changed(walk, Change(mantissa=2**30)).mantissa == 2**31 - 1
    assert changed(walk, Change(mantissa=-(2**30))).mantissa == 2**30


def test_gemmlowps_steps_with_a_changed_multiplier_by_hand():
    """(54886 + 4901) * 1610612736 / 2**31 is 44840.25, and 44840 / 2**8 is 175.16: with a z_y of 3 the code is 178."""
    walk = cut_out("conv1", 0, 4, 27)
    now = changed(walk, Change(mantissa=3 * 2**29 - walk.mantissa, shift=-1, y_zero=3))
    assert (now.high(), now.shift, now.rounded("gemmlowp"), now.code("gemmlowp")) == (44840, 8, 175, 178)
    assert walk.code("gemmlowp") == 109  # it is not changed itself


@pytest.mark.parametrize("way", ROUNDINGS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_code_is_carried_on_to_the_logits(layer, way):
    codes = NET.run(IMAGES[:1], way)
    np.testing.assert_array_equal(
        carried_on(layer, 0, 3, 0, cut_out(layer, 0, 3, 0, way).code(way), way), codes["logits"][0]
    )
    output = codes[OUTPUT_OF[layer]].copy()
    output.reshape(channels(layer), -1)[3, 0] = 255
    by_hand = {
        "conv1": lambda c: by_hand["conv2"](NET.layers["conv2"].run(c, way)),
        "conv2": lambda c: by_hand["fc1"](
            NET.layers["fc1"].run(c.reshape(1, 32, 4, 2, 4, 2).max(axis=(3, 5)).reshape(1, 512), way)
        ),
        "fc1": lambda c: NET.layers["fc2"].run(c, way),
        "fc2": lambda c: c,
    }
    found = carried_on(layer, 0, 3, 0, 255, way)
    np.testing.assert_array_equal(found, by_hand[layer](output)[0])
    assert (found != codes["logits"][0]).any() or layer == "conv1"  # one corner pixel of 1,024 may have no say


@pytest.mark.parametrize(
    "change",
    [
        {"activation": -255},
        {"weight": -255},
        {"x_zero": 99},
        {"w_zero": 99},
        {"bias": 100_000},
        {"mantissa": 2**29},
        {"shift": -1},
        {"y_zero": 99},
    ],
)
@pytest.mark.parametrize("arithmetic", ["fbgemm", "gemmlowp"])
def test_every_change_reaches_the_logits(explorer, change, arithmetic):
    explorer.set(channel=7, place=11, pick=4, arithmetic=arithmetic)
    result = explorer.result
    np.testing.assert_array_equal(result.logits, result.logits_before)
    np.testing.assert_array_equal(result.logits, NET.run(IMAGES[:1], arithmetic)["logits"][0])
    explorer.set(**change)
    assert (explorer.result.logits != result.logits).any()
    np.testing.assert_array_equal(explorer.result.logits_before, result.logits)


def test_one_pixel_makes_an_8_of_a_5(explorer):
    """Test image 310: the two logits are one code apart."""
    explorer.set(image=310, channel=11, place=41, pick=3, activation=-255)
    before, now = explorer.readout.splitlines()[-2:]
    assert before.split() == "before 120 136 82 141 115 172 150 107 171 120 5".split()
    assert now.split()[-1] == "8"


@pytest.mark.parametrize(("layer", "last"), [("conv1", 15), ("conv2", 31), ("fc1", 63), ("fc2", 9)])
def test_each_layer_has_all_its_channels(explorer, layer, last):
    explorer.set(layer=layer, channel=last)
    assert explorer.result.channel == last and "there is no" not in explorer.readout
    shown = explorer.result.now
    explorer.channel = 63
    assert explorer.result.channel == last
    np.testing.assert_array_equal(explorer.result.now.layer.q_w, shown.layer.q_w)
    assert (f"output channel {last} (the last: there is no 63)" in explorer.readout) == (last < 63)


def test_readout(explorer):
    assert explorer.readout == (
        "conv1, output channel 4, row 3, column 3; test image 0, a 5: 9 products\n"
        "product 3: (q_x - z_x) * (q_w - z_w) = (239 - 0) * (104 - 0) = 24856\n"
        "sum = sum of q_x q_w - z_x * sum of q_w - z_w * sum of q_x + n * z_x * z_w\n"
        "    = 54886 - 0 * 102 - 0 * 1562 + 9 * 0 * 0 = 54886\n"
        "bias / (scale_x * scale_w) = 0.085317 / 1.740744e-05 = 4901.18, added without rounding\n"
        "multiplier = scale_x * scale_w / scale_y = 0.00182246, in integers 2003811191 / 2**31 / 2**9\n"
        "round((54886 + 4901.18) * 0.00182246) = round(108.9595) = 109\n"
        "q_y = clip(109 + 0, 0, 255) = 109 (before: 109)\n"
        "the next layer reads it as 0.009552 * (109 - 0) = 1.0411 (float network: 1.0415)\n"
        "if only this code of conv1 changes, the codes of the logits are:\n"
        "logit         0    1    2    3    4    5    6    7    8    9  answer\n"
        "before      120  107  113  170  112  200   95  112  141  180       5\n"
        "now         120  107  113  170  112  200   95  112  141  180       5"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"activation": 50}, "(255 - 0) * (104 - 0) = 26520; q_x cannot go above 255"),
        ({"weight": 50}, "(239 - 0) * (127 - 0) = 30353; q_w cannot go above 127"),
        (
            {"weight": -255, "activation": -255},
            "(0 - 0) * (-128 - 0) = 0; q_x cannot go below 0; q_w cannot go below -128",
        ),
        ({"place": 0, "pick": 1}, "5 of them with padding, whose code is z_x"),
        ({"place": 0, "pick": 1, "activation": 5}, "= (0 - 0) * (-12 - 0) = 0; q_x is padding\n"),
        (
            {"pick": 10},
            "product 9: (q_x - z_x) * (q_w - z_w) = (112 - 0) * (-127 - 0) = -14224; product 10 is beyond the",
        ),
        ({"x_zero": 2, "w_zero": -3}, "    = 54886 - 2 * 102 - (-3) * 1562 + 9 * 2 * (-3) = 59314"),
        ({"bias": -50_000}, "round((54886 + (-45098.82)) * 0.00182246) = round(17.8367) = 18"),
        ({"bias": 50_000, "activation": 10, "w_zero": -60}, "clip(374 + 0, 0, 255) = 255: clipped (before: 109)"),
        ({"w_zero": 60}, "q_y = clip(-62 + 0, 0, 255) = 0: this clip acts as the ReLU (before: 109)"),
        ({"arithmetic": "int32 bias"}, "= 4901.18, rounded to an int32: 4901\n"),
        (
            {"arithmetic": "gemmlowp"},
            "multiplier = scale_x * scale_w / scale_y = 0.00182246 = 2003811191 / 2**31 / 2**9\n",
        ),
        ({"layer": "fc2", "channel": 5}, "fc2, output channel 5; test image 0, a 5: 64 products\n"),
        ({"layer": "fc2", "channel": 5}, "it represents 0.223393 * (200 - 146) = 12.0632 (float network: "),
        ({"layer": "fc2", "channel": 5}, "it is one of the logits, whose codes are:\n"),
        ({"layer": "fc2", "channel": 5, "bias": -150_000}, "0   95  112  141  180       9"),
        (
            {"mantissa": 2**30},
            "multiplier = 0.00195312, in integers 2147483647 / 2**31 / 2**9 (before: 2003811191 / 2**31 / 2**9); "
            "the mantissa cannot go above 2147483647\n",
        ),
        ({"shift": -1}, "multiplier = 0.00364491, in integers 2003811191 / 2**31 / 2**8 (before: 2003811191 / 2**31 /"),
        (
            {"arithmetic": "gemmlowp", "mantissa": -1},
            "multiplier = 0.00182246 = 2003811190 / 2**31 / 2**9 (before: 2003811191",
        ),
        (
            {"y_zero": 9},
            "q_y = clip(109 + 9, 9, 255) = 118 (before: 109)\nthe next layer reads it as 0.009552 * (118 - 0)",
        ),
        ({"y_zero": -9}, "q_y = clip(109 + 0, 0, 255) = 109 (before: 109); z_y cannot go below 0\n"),
    ],
)
def test_what_the_readout_says(explorer, settings, words):
    explorer.set(**settings)
    assert words in explorer.readout

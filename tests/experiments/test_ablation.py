"""Three switches: off is the float network, each does what numerics says, and bytes and metrics are counted right."""

import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.data import digits
from qviz.experiments import SwitchedCNN, Switches
from qviz.experiments.ablation import (
    COMBINATIONS,
    PLACES,
    activation_qparams,
    bias_scale,
    stored_bytes,
    switched_weights,
    weight_qparams,
)
from qviz.experiments.ablation_result import compare
from qviz.experiments.ablation_settings import ACCUMULATOR, BIAS_SCALES, GRANULARITIES, OWN
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights, training_activations
from qviz.networks.topology import LAYERS
from qviz.numerics import CALIBRATORS, PerChannel, bias_bits, calibrate, cosine, fake_quantize, sqnr_db

CNN = SwitchedCNN()
FEW = SwitchedCNN(most=3)
SWITCHES = st.builds(
    Switches,
    *[st.booleans()] * 3,
    st.integers(2, 8),
    st.integers(2, 8),
    st.integers(2, 32),
    *map(st.sampled_from, (BIAS_SCALES, tuple(GRANULARITIES), ("min-max", "percentile"))),
)


def test_all_off_is_the_float_network_exactly():
    d = digits()
    off = Switches(weight_bits=2, activation_bits=2, bias_bits=2).with_on()
    seen, real = CNN.activations(off), cnn_forward(d.images[d.test])
    for name in real:
        np.testing.assert_array_equal(seen[name], real[name])
    outcome = CNN.outcome(off)
    assert outcome.accuracy == cnn_accuracy()
    assert [(x.sqnr_db, x.cosine) for x in outcome.layers] == [(np.inf, 1.0)] * 5
    assert outcome.size_bytes == 4 * 38_282
    assert outcome.activation_bytes == 4 * (64 + 1024 + 2048 + 64 + 10)


@pytest.mark.parametrize("granularity", GRANULARITIES)
def test_weights_alone(granularity):
    switches = Switches(weight_bits=4, granularity=granularity).with_on("weights")
    expected = cnn_weights()
    for layer in LAYERS:
        w = expected[f"{layer}.weight"]
        p = calibrate(w, "min-max", switches.weight_format, "symmetric", GRANULARITIES[granularity])
        expected[f"{layer}.weight"] = fake_quantize(w, p)
    for name, array in switched_weights(switches).items():
        np.testing.assert_array_equal(array, expected[name])
    assert CNN.outcome(switches).accuracy == cnn_accuracy(expected)


@pytest.mark.parametrize("method", CALIBRATORS)
def test_activations_alone(method):
    switches = Switches(activation_bits=3, method=method).with_on("activations")
    seen, change = training_activations(), {}
    for name in PLACES.values():
        p = calibrate(seen[name], method, switches.activation_format, batches=45)
        assert p == activation_qparams(name, switches)
        change[name] = lambda a, p=p: fake_quantize(a, p)
    assert CNN.outcome(switches).accuracy == cnn_accuracy(change=change)


def test_biases_by_hand():
    """fc2: scale_x * scale_w for each of ten channels; the biases are then whole multiples of it."""
    switches = Switches(granularity="per channel")
    scale = bias_scale("fc2", switches)
    hi = float(training_activations()["fc1"].max())
    largest = np.abs(cnn_weights()["fc2.weight"]).max(axis=1).astype(np.float64)
    np.testing.assert_allclose(scale, hi / 255 * largest / 127, rtol=1e-12)  # float64, in another order
    bias = cnn_weights()["fc2.bias"]
    steps = switched_weights(switches)["fc2.bias"] / scale
    np.testing.assert_allclose(steps, np.rint(bias / scale), atol=1e-4)  # float32 has 24 bits, these codes 9
    clipped = switched_weights(Switches(bias_bits=8))["fc2.bias"] / scale
    np.testing.assert_allclose(clipped, np.clip(np.rint(bias / scale), -128, 127), atol=1e-4)
    assert np.abs(steps).max() > 128


def test_own_scale_reaches_the_largest_bias():
    switches = Switches(bias_bits=3, bias_scale=OWN)
    bias, q = cnn_weights()["conv1.bias"], switched_weights(switches)["conv1.bias"]
    assert np.abs(q).max() == pytest.approx(np.abs(bias).max(), rel=1e-6)
    assert len(np.unique(q)) <= 7


def test_biases_on_the_sums_scale_need_more_bits_than_8_beside_8_bit_weights_and_fewer_beside_4():
    weights = cnn_weights()
    need = {
        bits: [
            bias_bits(weights[f"{layer}.bias"], bias_scale(layer, Switches(weight_bits=bits, activation_bits=bits)))
            for layer in LAYERS
        ]
        for bits in (4, 8)
    }
    assert min(need[8]) > 8 >= max(need[4])
    assert max(need[8]) <= 16


def test_8_bit_biases_hurt_beside_8_bit_weights_and_not_beside_4():
    eight, four = (
        CNN.outcome(Switches(weight_bits=b, activation_bits=b, bias_bits=8).with_on("biases")) for b in (8, 4)
    )
    assert eight.right < 350 < four.right
    assert eight.sqnr_db + 20 < four.sqnr_db


def test_bytes_of_the_usual_setting():
    # 38,160 weights of a byte, 122 biases of 4, 122 channels with a 16-bit scale, 5 activations with 3 bytes
    assert CNN.outcome(Switches()).size_bytes == 38_160 + 4 * 122 + 2 * 122 + 3 * 5
    assert CNN.outcome(Switches()).activation_bytes == 64 + 1024 + 2048 + 64 + 10
    assert CNN.outcome(Switches()).bias_share == 488 / 38_907


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"weight_bits": 3}, (54, 64, 35)),  # 144 * 3 / 8; 16 scales of 2 bytes and the output's 2 + 1
        ({"weight_bits": 3, "granularity": "per tensor"}, (54, 64, 5)),
        ({"weights": False, "bias_bits": 5}, (576, 10, 35)),  # the biases bring 16 scales of their own
        ({"activations": False, "bias_bits": 5, "bias_scale": OWN}, (144, 10, 34)),
        ({"weights": False, "activations": False, "bias_scale": OWN}, (576, 64, 2)),
        ({"weights": False, "activations": False, "biases": False}, (576, 64, 0)),
    ],
)
def test_bytes_of_conv1(settings, expected):
    assert stored_bytes("conv1", Switches(**settings)) == expected


def test_bytes_are_rounded_up():
    layers = {x.name: x for x in FEW.outcome(Switches(bias_bits=3, activation_bits=3)).layers}
    assert (layers["fc2"].bias_bytes, layers["fc2"].activation_bytes) == (4, 4)  # 30 bits


PAIRS = hnp.arrays(np.float32, (4, 3), elements=st.floats(-100, 100, width=32))


@given(PAIRS, PAIRS)
def test_compare_is_what_numerics_says(x, y):
    decibels, cos, shift = compare(x, y)
    assume(all(np.abs(a).max() > 1e-3 for a in (x, y, x - y)))  # squares of less leave float32's range
    # float32: sums of 12 squares err by some 1e-6 of themselves
    assert decibels == pytest.approx(sqnr_db(x, y), abs=1e-4)
    assert cos == pytest.approx(cosine(x, y), abs=1e-5)
    error = y.astype(np.float64) - x
    assert shift == pytest.approx(4 * (error.mean(0) ** 2).sum() / (error**2).sum(), abs=1e-5)


def test_compare_at_the_ends():
    x = np.ones((2, 3), np.float32)
    assert compare(x, x)[:2] == (np.inf, 1.0) and np.isnan(compare(x, x)[2])
    assert compare(0 * x, x) == (-np.inf, 0.0, 1.0)
    assert compare(x, 0 * x) == (0.0, 0.0, 1.0)
    assert compare(x, -x)[1] == -1.0


def test_layers_are_measured_as_numerics_does():
    switches = Switches(weight_bits=4, activation_bits=5)
    d = digits()
    real, seen = cnn_forward(d.images[d.test]), CNN.activations(switches)
    for layer in CNN.outcome(switches).layers:
        pair = real[PLACES[layer.name]], seen[PLACES[layer.name]]
        assert layer.sqnr_db == pytest.approx(sqnr_db(*pair), abs=1e-3)  # float32 sums of up to 735,232 squares
        assert layer.cosine == pytest.approx(cosine(*pair), abs=1e-5)


def test_a_bias_of_the_last_layer_is_pure_shift_and_activations_are_noise():
    """Errors of activations come and go with the image; a bias's error is there for each."""
    weights = cnn_weights()
    weights["fc2.bias"] = np.round(weights["fc2.bias"], 1)
    d = digits()
    real, moved = (cnn_forward(d.images[d.test], w)["logits"] for w in (None, weights))
    assert compare(real, moved)[2] == pytest.approx(1.0, abs=1e-4)
    alone = {
        part: CNN.outcome(Switches(weight_bits=4, activation_bits=4).with_on(part))
        for part in ("activations", "biases")
    }
    assert alone["activations"].layers[-1].shift < 0.05
    assert alone["biases"].layers[-1].shift > 0.8


@settings(max_examples=40)
@given(SWITCHES)
def test_what_is_left_out_does_not_matter(switches):
    """The short form has the same weights, biases, ranges and bytes; so its outcome may stand for all of them."""
    short = switches.relevant()
    assert short.on == switches.on and short.relevant() == short
    for layer, array in switched_weights(switches).items():
        np.testing.assert_array_equal(array, switched_weights(short)[layer])
    assert [stored_bytes(n, switches) for n in PLACES] == [stored_bytes(n, short) for n in PLACES]
    for name, array in FEW.activations(switches).items():
        np.testing.assert_array_equal(array, FEW.activations(short)[name])


def test_combinations_are_all_eight_from_none_to_all():
    assert COMBINATIONS[0] == () and len(set(COMBINATIONS)) == 8
    assert COMBINATIONS[-1] == ("weights", "activations", "biases")
    for parts, outcome in FEW.combinations(Switches(weight_bits=3)).items():
        assert outcome == FEW.outcome(Switches(weight_bits=3).with_on(*parts)) or parts == ()


def test_outcomes_are_kept_and_not_without_end():
    cnn = SwitchedCNN(most=2)
    first = cnn.outcome(Switches())
    assert cnn.outcome(Switches()) is first
    for bits in range(2, 9):
        for activation_bits in range(2, 9):
            cnn.combinations(Switches(weight_bits=bits, activation_bits=activation_bits))
    assert cnn._outcomes.cache_info().currsize == 64


def test_more_bits_help():
    for part, bits in (("weights", "weight_bits"), ("activations", "activation_bits"), ("biases", "bias_bits")):
        decibels = [CNN.outcome(Switches(**{bits: b}, bias_scale=OWN).with_on(part)).sqnr_db for b in (2, 4, 6, 8)]
        assert decibels == sorted(decibels)


@pytest.mark.parametrize(
    ("error", "settings", "sentence"),
    [
        (TypeError, {"weights": 1}, "weights must be True or False: got 1"),
        (ValueError, {"weight_bits": 9}, "weight_bits must be from 2 to 8: got 9"),
        (TypeError, {"activation_bits": 4.0}, "activation_bits must be a whole number from 2 to 8: got 4.0"),
        (TypeError, {"bias_bits": True}, "bias_bits must be a whole number from 2 to 32: got True"),
        (ValueError, {"bias_bits": 33}, "bias_bits must be from 2 to 32: got 33"),
        (ValueError, {"bias_scale": "x"}, "bias_scale must be one of 'scale_x * scale_w', 'its own': got 'x'"),
        (ValueError, {"granularity": PerChannel()}, "granularity must be one of 'per tensor', 'per channel': got"),
        (ValueError, {"method": "best"}, "method must be one of 'min-max', "),
    ],
)
def test_errors(error, settings, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        Switches(**settings)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: Switches().with_on("weight"),
            ValueError,
            "parts must be among 'weights', 'activations', 'biases': got",
        ),
        (lambda: Switches().with_on("weights", None), ValueError, "'biases': got None"),
        (lambda: SwitchedCNN(0), ValueError, "most must be from 1 to 359: got 0"),
        (lambda: SwitchedCNN(-1), ValueError, "most must be from 1 to 359: got -1"),
        (lambda: SwitchedCNN(360), ValueError, "most must be from 1 to 359: got 360"),
        (lambda: SwitchedCNN(2.0), TypeError, "most must be a whole number from 1 to 359: got 2.0"),
    ],
)
def test_what_would_be_measured_in_silence_is_refused(call, error, sentence):
    with pytest.raises(error, match=re.escape(sentence)):
        call()


def test_the_bias_does_the_same_beside_any_switch():
    kept = [switched_weights(Switches(bias_bits=8).with_on("biases", *p))["fc1.bias"] for p in ((), ("weights",))]
    np.testing.assert_array_equal(*kept)
    assert weight_qparams("fc1", Switches()).scale.shape == (64, 1)
    assert Switches().bias_scale == ACCUMULATOR


def test_the_step_of_a_bias_depends_on_the_method():
    biases = Switches(method="mse").with_on("biases")
    assert biases.relevant().method == "mse"
    assert Switches(method="mse", bias_scale="its own").with_on("biases").relevant().method == "min-max"

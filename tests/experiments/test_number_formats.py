"""A format on the whole network, and two errors compared: against plain NumPy, by hand, and as the page states it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.data import digits
from qviz.experiments.number_formats import difference_db, measure_format, measure_format_on_mlps, reordered
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights, mlp_weights
from qviz.networks.digits_mlp import MLPS
from qviz.networks.topology import LAYERS
from qviz.numerics import sqnr_db
from qviz.numerics.codecs import CODECS, RULES
from qviz.numerics.codecs.comparison import with_rule

IMAGES = digits().images[digits().test]
EXACT = cnn_forward(IMAGES, cnn_weights())["logits"]


@pytest.mark.parametrize("seed", range(4))
def test_another_order_of_the_channels_computes_the_same(seed):
    """float64 sums, rounded once: a sum in another order differs in its last bits, which rounding takes away."""
    weights = reordered(seed)
    np.testing.assert_allclose(cnn_forward(IMAGES, weights)["logits"], EXACT, rtol=1e-6, atol=1e-5)
    for name, values in cnn_weights().items():
        assert weights[name].shape == values.shape
        np.testing.assert_array_equal(np.sort(weights[name], axis=None), np.sort(values, axis=None))
        moved = seed and not name.startswith("fc2.bias")  # the ten outputs keep their places
        assert np.array_equal(weights[name], values) != moved


@pytest.mark.parametrize("name", ["NVFP4", "Q4_K", "int4", "k-means 2 bit"])
def test_the_first_order_is_the_network_as_trained(name):
    weights, codec = dict(cnn_weights()), CODECS[name]
    for layer in LAYERS:
        w = weights[f"{layer}.weight"]
        weights[f"{layer}.weight"] = codec.fake_quantize(w.reshape(-1)).reshape(w.shape)
    logits = cnn_forward(IMAGES, weights)["logits"]
    found = measure_format(name, orders=1)
    p, q = (np.exp(x - x.max(1, keepdims=True).astype(np.float64)) for x in (EXACT, logits))
    p, q = p / p.sum(1, keepdims=True), q / q.sum(1, keepdims=True)
    assert found.right.tolist() == [(logits.argmax(1) == digits().labels[digits().test]).sum()]
    assert found.sqnr_db[0] == pytest.approx(sqnr_db(EXACT, logits), rel=1e-9)  # both in float64
    assert found.divergence[0] == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-6)


def test_bits_are_counted_over_all_weights():
    """38,160 weights. Q4_K stores whole blocks of 256: 1 + 18 + 128 + 3 of them, 144 bytes each."""
    sizes = [cnn_weights()[f"{layer}.weight"].size for layer in LAYERS]
    assert sizes == [144, 4608, 32768, 640]
    assert measure_format("Q4_K", orders=1).bits_per_weight == pytest.approx(8 * 144 * 150 / 38160)
    assert measure_format("int4", 64, orders=1).bits_per_weight == pytest.approx(4 + 32 * (3 + 72 + 512 + 10) / 38160)


def test_a_format_that_loses_little_changes_no_answer():
    found = measure_format("FP16", orders=2)
    assert found.right.tolist() == [355, 355] == [round(359 * cnn_accuracy())] * 2
    assert found.sqnr_db.min() > 60 and found.divergence.max() < 1e-6


def plain_mlp(x, weights):
    """Return the logits, by the definition of the layers, in float64."""
    for layer in ("fc1", "fc2", "fc3"):
        x = x @ weights[f"{layer}.weight"].T.astype(np.float64) + weights[f"{layer}.bias"]
        x = np.maximum(x, 0) if layer != "fc3" else x
    return x


@pytest.mark.parametrize(("name", "block"), [("int4", 64), ("NF4", None), ("Q4_K", None)])
def test_each_mlp_is_compared_with_itself(name, block):
    found, codec, labels = measure_format_on_mlps(name, block), CODECS[name], digits().labels[digits().test]
    assert len(found.sqnr_db) == MLPS
    for seed in range(MLPS):
        weights, x = mlp_weights(seed), IMAGES.reshape(-1, 64)
        made = {n: codec.fake_quantize(v.ravel(), block).reshape(v.shape) for n, v in weights.items() if "weight" in n}
        exact, logits = plain_mlp(x, weights), plain_mlp(x, weights | made)
        # float32 logits and activations are 7 digits of these, and errors are a tenth of the logits
        assert found.sqnr_db[seed] == pytest.approx(sqnr_db(exact, logits), rel=1e-4)
        assert found.right[seed] == (logits.argmax(axis=1) == labels).sum()


def test_bits_of_an_mlp():
    """8,832 weights in blocks: of 64, 64 + 64 + 10 of them; of Q4_K's 256, the last one unfinished, 16 + 16 + 3."""
    assert measure_format_on_mlps("int4", 64).bits_per_weight == pytest.approx(4 + 32 * 138 / 8832)
    assert measure_format_on_mlps("Q4_K").bits_per_weight == pytest.approx(8 * 144 * 35 / 8832)


@pytest.mark.parametrize("orders", [0, 1.5, True])
def test_how_often_is_a_whole_number(orders):
    with pytest.raises((ValueError, TypeError), match="orders must be"):
        measure_format("int4", orders=orders)


# Which of two formats loses less


def test_by_hand():
    """Errors of 2 against 1 in every block: four times the squared error, 6.02 dB, however the blocks are drawn."""
    x = np.zeros(12)
    assert difference_db(x, x + 2, x - 1, 4) == pytest.approx((10 * np.log10(4),) * 3)
    assert difference_db(x, x + 1, x - 2, 3) == pytest.approx((-10 * np.log10(4),) * 3)


@given(st.integers(0, 1000))
def test_the_interval_holds_the_difference_and_turns_with_it(seed):
    rng = np.random.default_rng(seed)
    x, a, b = rng.standard_normal((3, 320))
    gain, low, high = difference_db(x, x + a, x + 1.1 * b, 32)
    assert low <= gain <= high
    assert difference_db(x, x + 1.1 * b, x + a, 32)[0] == pytest.approx(-gain)


def test_the_interval_is_as_wide_as_the_blocks_differ():
    """A hundred independent blocks of equal size: the standard error of each mean square is known."""
    rng = np.random.default_rng(0)
    x = np.zeros(100 * 16)
    _, low, high = difference_db(x, rng.standard_normal(x.size), rng.standard_normal(x.size), 16)
    expected = 2 * 1.96 * 10 / np.log(10) * np.sqrt(2 * 2 / x.size)  # of a log of a ratio of two mean squares
    assert high - low == pytest.approx(
        expected, rel=0.35
    )  # 100 blocks tell a spread to about 10 %; two of them, and 3 s


@pytest.mark.parametrize(
    ("arrays", "block"), [((8, 8, 8), 3), ((8, 8, 4), 4), ((0, 0, 0), 1), ((8, 8, 8), 0), ((8, 8, 8), 16)]
)
def test_blocks_must_fit(arrays, block):
    with pytest.raises(ValueError, match="block"):
        difference_db(*map(np.zeros, arrays), block)


# What the page states


FC1 = cnn_weights()["fc1.weight"].ravel()


def made(name, block):
    return CODECS[name].fake_quantize(FC1, block)


def test_affine_int4_beats_nf4_below_blocks_of_64_and_its_zero_point_is_why():
    """bitsandbytes issue 2086 has the same order on the layers of three language models."""
    assert difference_db(FC1, made("NF4", 32), made("uint4", 32), 32)[1] > 0.5
    low, high = difference_db(FC1, made("NF4", 64), made("uint4", 64), 64)[1:]
    assert low < 0 < high
    assert difference_db(FC1, made("NF4", 128), made("uint4", 128), 128)[2] < -0.4
    assert difference_db(FC1, made("NF4", 32), made("int4", 32), 32)[2] < -1  # without the zero point


def test_the_rules_of_a_power_of_two_change_places_with_the_format():
    four = {rule: with_rule(CODECS["MXFP4"], rule).fake_quantize(FC1) for rule in RULES}
    eight = {rule: with_rule(CODECS["MXFP8 E4M3"], rule).fake_quantize(FC1) for rule in RULES}
    assert difference_db(FC1, four["floor"], four["rceil"], 32)[2] < -0.1
    assert difference_db(FC1, four["floor"], four["even"], 32)[1] > 0.1
    assert difference_db(FC1, eight["floor"], eight["rceil"], 32)[1] > 0.5


def test_formats_of_llama_cpp_keep_the_logits_closest_at_about_four_and_a_half_bits():
    blocks = {"int4": 64} | dict.fromkeys(("MXFP4", "NVFP4", "NF4", "Q4_0", "Q4_K"))
    found = {name: measure_format(name, block) for name, block in blocks.items()}
    assert all(4.2 < outcome.bits_per_weight < 4.55 for outcome in found.values())
    ahead = min(found[name].sqnr_db.min() for name in ("Q4_0", "Q4_K"))
    assert ahead > max(found[name].sqnr_db.max() for name in ("MXFP4", "NVFP4", "NF4"))
    assert found["int4"].sqnr_db.mean() > found["NF4"].sqnr_db.mean()  # though its weights are 2 dB farther off


def test_of_two_findings_one_carries_over_to_other_networks():
    """With the same sign in all of eight networks, chance has one in 128."""
    nf4 = measure_format_on_mlps("NF4").sqnr_db
    gain = {
        name: measure_format_on_mlps(name, 64 if name == "int4" else None).sqnr_db - nf4
        for name in ("int4", "Q4_0", "Q4_K")
    }
    assert gain["int4"].max() < -1
    assert gain["Q4_K"].min() > 0.1
    assert (gain["Q4_0"] > 0).sum() == 3

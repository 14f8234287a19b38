"""The remedies on the hard network: against a plain simulation, layer by layer, and as the page states them."""

import re
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.data import digits
from qviz.experiments.hard_to_quantize import (
    NAMES,
    NEEDS,
    ROUNDED,
    Remedies,
    difference,
    float_weights,
    interval,
    layer_inputs,
    measure,
    patches,
    quantized,
    weight_qparams,
)
from qviz.experiments.hard_to_quantize_table import all_settings, looked_up
from qviz.methods import gptq
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights, rescaled_weights, training_activations
from qviz.networks.digits_cnn import _conv3x3
from qviz.networks.topology import LAYERS
from qviz.numerics import calibrate, fake_quantize, kl_divergence, sqnr_db

BEST = Remedies("channels rescaled", 2, True, True, True, True, "adaptive")


# The network


def test_rescaled_channels_compute_the_same_bits():
    d = digits()
    images = d.images[d.test]
    one, two = (cnn_forward(images, weights)["logits"] for weights in (cnn_weights(), rescaled_weights()))
    np.testing.assert_array_equal(one, two)


def test_it_is_the_network_of_torch(reference):
    reference("torch")
    from qviz.pytorch import digits_cnn, rescale_channels

    hard = rescale_channels(digits_cnn())
    for name, values in hard.state_dict().items():
        np.testing.assert_array_equal(values.numpy(), rescaled_weights()[name])


# One measurement


@pytest.mark.parametrize(("network", "weights"), [("channels rescaled", rescaled_weights), ("as trained", cnn_weights)])
@pytest.mark.parametrize("method", ["min-max", "mse"])
def test_it_is_a_plain_simulation(network, weights, method):
    """The same with the forward pass of qviz.networks: every weight and activation fake-quantized, nothing else."""
    w, seen = weights(), training_activations()
    seen = cnn_forward(digits().images[digits().train], w)
    for layer in LAYERS:
        weight = w[f"{layer}.weight"]
        w[f"{layer}.weight"] = fake_quantize(weight, calibrate(weight, method, "int4", "symmetric"))
    change = {
        name: partial(fake_quantize, qparams=calibrate(seen[of], method, "uint8", "affine"))
        for name, of in {"input": "input", "conv1": "conv1", "conv2": "pool", "fc1": "fc1"}.items()
    }
    remedies = Remedies(network, 4, better_ranges=method == "mse")
    found = measure(remedies)
    assert found.accuracy == pytest.approx(cnn_accuracy(w, change), abs=1e-12)
    assert measure(remedies, float_activations=True).accuracy == pytest.approx(cnn_accuracy(w), abs=1e-12)


def test_the_fine_measures():
    d, remedies = digits(), Remedies(weight_bits=4, equalized=True)
    found = measure(remedies)
    weights, activations = quantized(remedies)
    change = {name: lambda a, p=p: fake_quantize(a, p) for name, p in activations.items()}
    exact = cnn_forward(d.images[d.test], float_weights(remedies))["logits"]
    logits = cnn_forward(d.images[d.test], weights, change)["logits"]
    # 1e-5: one network pools before it rounds, the other after; the values are the same, sums differ by nothing
    assert found.sqnr_db == pytest.approx(sqnr_db(exact, logits), abs=1e-5)
    shares = (np.exp(z - z.max(1, keepdims=True)) for z in (exact.astype(float), logits.astype(float)))
    divergences = [kl_divergence(p, q) for p, q in zip(*shares, strict=True)]
    assert found.divergence == pytest.approx(np.mean(divergences), rel=1e-9)
    assert found.outputs_db[-1] == found.sqnr_db
    expected = [sqnr_db(float_weights(remedies)[f"{n}.weight"], weights[f"{n}.weight"]) for n in LAYERS]
    np.testing.assert_allclose(found.weights_db, expected, rtol=1e-9)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_patches_are_what_a_convolution_multiplies(layer):
    w = cnn_weights()
    x = cnn_forward(digits().images[:20])["input" if layer == "conv1" else "conv1"]
    rows = patches(x, layer) @ w[f"{layer}.weight"].reshape(len(w[f"{layer}.weight"]), -1).T + w[f"{layer}.bias"]
    sums = np.moveaxis(_conv3x3(x, w[f"{layer}.weight"], w[f"{layer}.bias"]), 1, -1).reshape(-1, rows.shape[1])
    np.testing.assert_allclose(rows, sums[:: len(sums) // len(rows)], rtol=1e-4, atol=1e-4)  # sums of float32


def test_of_many_places_some_are_taken_from_everywhere():
    """16,384 rows at most, and each of the 64 places of an image takes part."""
    places = np.broadcast_to(np.arange(64.0).reshape(1, 1, 8, 8), (1438, 1, 8, 8))
    rows = patches(places, "conv1")
    assert len(rows) == 13148
    assert set(rows[:, 4].astype(int)) == set(range(64))


def test_a_better_rounding_is_that_of_the_method():
    remedies = Remedies(weight_bits=3, per_channel=True, equalized=True, rounding="GPTQ")
    weights, _ = quantized(remedies)
    w, x = float_weights(remedies)["fc2.weight"], layer_inputs("fc2", remedies)
    p = weight_qparams("fc2", remedies)
    np.testing.assert_array_equal(weights["fc2.weight"], gptq(w, x, p, order="activation"))
    for name in LAYERS:
        on_it = weights[f"{name}.weight"]
        np.testing.assert_array_equal(fake_quantize(on_it, weight_qparams(name, remedies)), on_it)


def test_a_corrected_bias_leaves_no_mean_error_in_any_layer():
    """Sums of each layer on the training images, quantized against float, averaged by channel."""
    remedies = Remedies(weight_bits=2, per_channel=True, better_ranges=True, equalized=True)
    d, shifts = digits(), {}
    for on in (False, True):
        weights, activations = quantized(Remedies(**{**vars(remedies), "bias_corrected": on}))
        change = {name: lambda a, p=p: fake_quantize(a, p) for name, p in activations.items()}
        logits = cnn_forward(d.images[d.train], weights, change)["logits"]
        exact = cnn_forward(d.images[d.train], float_weights(remedies))["logits"]
        shifts[on] = np.abs((logits - exact).mean(axis=0)).max()
    assert shifts[False] > 1
    assert shifts[True] < 1e-3  # biases and sums of float32


# What the page says


def test_equalization_alone_gives_it_back():
    """W8A8, one scale a tensor, min-max, no data."""
    none, equalized = measure(Remedies()), measure(Remedies(equalized=True))
    assert [int(o.right.sum()) for o in (none, equalized)] == [76, 354]
    images = digits().images[digits().test]
    before, after = (
        cnn_forward(images, w)["logits"] for w in (rescaled_weights(), float_weights(Remedies(equalized=True)))
    )
    assert np.abs(after - before).max() < 1e-5 * np.abs(before).max()


def test_each_remedy_adds_signal_at_2_bits():
    steps = [looked_up(step) for step in BEST.ladder()]
    assert [int(step.right.sum()) for step in steps] == [35, 35, 35, 284, 345, 350]
    decibels = [step.sqnr_db for step in steps]
    assert decibels[2] < 0.5 and (np.diff(decibels[2:]) > 3).all()


def test_the_weights_get_worse_while_the_answers_get_better():
    """Both roundings that look at inputs, in each layer: fewer decibels of the weights, more of the outputs."""
    for rounding in ("adaptive", "GPTQ"):
        plain, better = (
            looked_up(Remedies("channels rescaled", 2, True, True, True, True, r)) for r in ("to nearest", rounding)
        )
        assert (better.weights_db < plain.weights_db).all()
        assert (better.outputs_db > plain.outputs_db).all()


# The ladder, and chance


@given(st.sampled_from(all_settings()))
def test_a_ladder_leads_from_none_to_all_that_is_on(remedies):
    steps = remedies.ladder()
    assert steps[-1] == remedies and not steps[0].on
    assert [len(step.on) for step in steps] == list(range(len(steps)))
    assert all(set(one.on) < set(two.on) for one, two in pairwise(steps))


def test_what_each_needs_is_said():
    assert set(NEEDS) == {*NAMES.values(), *ROUNDED.values()}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 359))
def test_the_interval_is_that_of_drawing_images_again(right):
    low, high = interval(right, 359)
    mask = np.arange(359) < right
    rng = np.random.default_rng(1)
    drawn = mask[rng.integers(359, size=(4000, 359))].mean(axis=1)
    # 0.006 is two images: the ends of two sets of some thousand draws
    np.testing.assert_allclose((low, high), np.quantile(drawn, [0.025, 0.975]), atol=0.006)
    assert low <= right / 359 <= high


def test_a_paired_difference():
    """Of 300 images, 20 are won and 4 lost: 16, plus or minus twice the root of 24."""
    one, two = np.zeros(300, bool), np.zeros(300, bool)
    one[:100], two[4:120] = True, True
    gain, low, high = difference(one, two)
    assert gain == 16
    assert (low, high) == pytest.approx((16 - 1.96 * 24**0.5, 16 + 1.96 * 24**0.5), abs=1.5)


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"network": "easy"}, ValueError, "network must be one of 'channels rescaled', 'as trained': got 'easy'"),
        ({"weight_bits": 1}, ValueError, "weight_bits must be from 2 to 8: got 1"),
        ({"equalized": 1}, TypeError, "equalized must be True or False: got 1"),
        ({"rounding": "up"}, ValueError, "rounding must be one of 'to nearest', 'adaptive', 'GPTQ': got 'up'"),
    ],
)
def test_refusals(fields, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        Remedies(**fields)


# The table


@settings(max_examples=12, deadline=None, derandomize=True)  # each takes about a second
@given(st.sampled_from([s for s in all_settings() if s.rounding != "adaptive"]))
def test_the_table_holds_what_is_measured(remedies):
    assert_same(remedies)


@pytest.mark.parametrize("remedies", [BEST, Remedies("as trained", 4, rounding="adaptive")])
def test_the_table_holds_what_adaptive_rounding_gives(remedies):
    assert_same(remedies)


def assert_same(remedies):
    kept, found = looked_up(remedies), measure(remedies)
    np.testing.assert_array_equal(kept.right, found.right)
    # 1e-6: kept as float32
    np.testing.assert_allclose(kept.weights_db, found.weights_db, rtol=1e-6)
    np.testing.assert_allclose(kept.outputs_db, found.outputs_db, rtol=1e-6)
    assert kept.divergence == pytest.approx(found.divergence, rel=1e-6)

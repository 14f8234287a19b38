"""4,096 networks at once, against one at a time; their bytes, against a count by hand."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from qviz.data import digits
from qviz.experiments.mixed_precision import (
    FLOAT,
    LAYERS,
    WIDTHS,
    compared,
    every_network,
    joined,
    mixed_weights,
    networks_of,
    place,
    size_bytes,
)
from qviz.experiments.mixed_precision_table import SHIPPED
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights
from qviz.numerics import IntFormat, PerChannel, calibrate, fake_quantize, kl_divergence, sqnr_db

SOME = [(8, 8, 8, 8), (2, 2, 2, 2), (4, 3, FLOAT, 2), (FLOAT, 5, 3, 8), (3, FLOAT, 6, FLOAT), (FLOAT, 2, 7, 4)]


def probabilities(logits):
    e = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("method", ["min-max", "mse"])
@pytest.mark.parametrize("bits", SOME, ids=str)
def test_a_network_of_the_table_is_that_network(bits, method):
    """Run alone, in NumPy, with the course's own forward pass."""
    d, at = digits(), place(bits)
    logits, real = (cnn_forward(d.images[d.test], w)["logits"] for w in (mixed_weights(bits, method), None))
    found = every_network(method=method)
    right = (logits.argmax(axis=1) == d.labels[d.test]).sum()
    assert abs(int(found.right[at]) - right) <= 1  # sums in another order: an image whose two best are equal may turn
    assert found.images == 359
    # float32 sums of up to 512 terms: errors of 1e-6 of the signal, -110 dB
    assert found.sqnr_db[at] == pytest.approx(sqnr_db(real, logits), abs=0.01)
    p, q = probabilities(real), probabilities(logits)
    alone = np.mean([kl_divergence(a, b) for a, b in zip(p, q, strict=True)])
    assert found.divergence[at] == pytest.approx(alone, rel=1e-3, abs=1e-6)


def test_the_last_layer_at_2_bits_shifts_two_logits():
    """Why fc2 loses most: in nearly all images the logit of 0 rises and that of 6 falls; without that, few err."""
    d = digits()
    weights = (mixed_weights((FLOAT, FLOAT, FLOAT, 2), "mse"), None)
    logits, real = (cnn_forward(d.images[d.test], w)["logits"] for w in weights)
    error = logits - real
    assert (error[:, 0] > 0).mean() > 0.95 and (error[:, 6] < 0).mean() > 0.95
    assert (logits.argmax(axis=1) == 6).sum() < 5  # of 36
    few, most = ((x.argmax(axis=1) == d.labels[d.test]).sum() for x in (logits, logits - error.mean(axis=0)))
    assert few < 315 and most > 345


def test_the_float_network():
    found, at = every_network(), place(FLOAT)
    assert found.accuracy[at] == cnn_accuracy()
    assert (found.noise[at], found.divergence[at], found.sqnr_db[at]) == (0, 0, np.inf)
    assert (np.delete(found.noise.ravel(), -1) > 0).all()
    assert found.divergence.min() > -1e-6  # by theory not below 0; float32


def test_weights_are_those_of_the_calibrator():
    weights = mixed_weights((3, FLOAT, 5, 2), "mse")
    for layer, bits in (("conv1", 3), ("fc1", 5), ("fc2", 2)):
        real = cnn_weights()[f"{layer}.weight"]
        qparams = calibrate(real, "mse", IntFormat(bits), "symmetric", PerChannel(0))
        np.testing.assert_array_equal(weights[f"{layer}.weight"], fake_quantize(real, qparams))
    np.testing.assert_array_equal(weights["conv2.weight"], cnn_weights()["conv2.weight"])
    np.testing.assert_array_equal(weights["fc1.bias"], cnn_weights()["fc1.bias"])


def test_the_training_images_are_measured_in_parts():
    d, bits = digits(), (3, 3, 3, 3)
    logits = cnn_forward(d.images[d.train], mixed_weights(bits))["logits"]
    found = networks_of(3, "training")
    assert found.images == len(d.train) == 1438
    at = (0, *place(bits)[1:])
    assert abs(int(found.right[at]) - (logits.argmax(axis=1) == d.labels[d.train]).sum()) <= 1
    assert found.sqnr_db[at] == pytest.approx(sqnr_db(cnn_forward(d.images[d.train])["logits"], logits), abs=0.01)


@pytest.mark.parametrize("names", SHIPPED, ids=" ".join)
def test_the_tables_that_ship_are_what_is_measured(names):
    found, measured = every_network(*names), joined([networks_of(bits, *names) for bits in WIDTHS])
    np.testing.assert_array_equal(found.right, measured.right)
    for table in ("noise", "divergence"):  # kept as float32
        np.testing.assert_array_equal(getattr(found, table), getattr(measured, table).astype(np.float32))
    assert (found.signal, found.images) == (measured.signal, measured.images)


def test_what_is_compared_is_what_was_measured():
    table = every_network("test", "mse")
    first = replace(table, right=table.right[:1])
    changed = replace(first, right=first.right + (np.arange(8) == 3))  # an eighth of them, by one image
    assert compared([first], table) == "512 of 512 networks measured here give the stored results"
    assert compared([changed], table) == "448 of 512 networks measured here give the stored results"
    assert compared([], table) == "no network was measured here, so none was compared"
    with pytest.raises(ValueError, match="must be measured on the 359 images of stored: got 360 images"):
        compared([replace(first, images=360)], table)


def test_parts_joined_are_all_of_it():
    """And a part computed alone is that part, bit for bit."""
    whole = joined([networks_of(bits) for bits in WIDTHS])
    part = networks_of(4)
    for name in ("right", "noise", "divergence"):
        np.testing.assert_array_equal(getattr(whole, name)[place(4)[0]], getattr(part, name)[0])
    assert not whole.right.flags.writeable and not every_network().right.flags.writeable
    with pytest.raises(ValueError, match="all 8 widths of conv1: got 3"):
        joined([part] * 3)


def test_the_same_bits_with_one_thread_and_two():
    """And with as many as there are, where nothing holds them: each sum is then taken in an order of its own."""
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append([networks_of(bits, method="mse").noise.tobytes() for bits in WIDTHS])
    assert found[0] == found[1]


def test_nothing_holds_blas_and_the_networks_are_the_same(monkeypatch):
    whole = networks_of(5)
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    found = networks_of(5)
    np.testing.assert_array_equal(found.right, whole.right)
    np.testing.assert_allclose(found.noise, whole.noise, rtol=1e-4)  # float32 sums in another order


def test_bytes_by_hand():
    """Weights 144 + 4,608 + 32,768 + 640; output channels 16 + 32 + 64 + 10, each with a bias and a scale."""
    size = size_bytes()
    assert size[place(FLOAT)] == 4 * (38_160 + 122) == 153_128
    assert size[place(8)] == 38_160 + 4 * 122 + 4 * 122
    assert size[place((2, 3, 4, FLOAT))] == 36 + 1_728 + 16_384 + 2_560 + 4 * 122 + 4 * (16 + 32 + 64)


def test_a_bit_more_is_a_larger_file():
    for axis in range(len(LAYERS)):
        assert (np.diff(size_bytes(), axis=axis) > 0).all()


def test_places():
    assert [place(b) for b in WIDTHS] == [(i,) * 4 for i in range(8)]
    assert len({place(bits) for bits in itertools.product(WIDTHS, repeat=4)}) == 4096


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: place((8, 8, 8)), r"bits must be one or four of .*: got \(8, 8, 8\)"),
        (lambda: place(9), r"got \(9, 9, 9, 9\)"),
        (lambda: networks_of(9), r"conv1_bits must be one of \(2, .* 8, 32\), where 32 is float32: got 9"),
        (
            lambda: every_network("mine"),
            r"images must be one of 'test', 'training', 'calibration': got 'mine'",
        ),
        (lambda: every_network(method="best"), "method must be one of 'min-max', .*: got 'best'"),
    ],
)
def test_what_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()


def test_calibration_sees_training_images_alone():
    found = networks_of(FLOAT, "calibration")  # the last network is float32: its answers are those of the forward pass
    d = digits()
    chosen = d.train[: found.images]
    right = cnn_forward(d.images[chosen])["logits"].argmax(axis=1) == d.labels[chosen]
    assert found.images == 360 and found.right[0, -1, -1, -1] == right.sum()

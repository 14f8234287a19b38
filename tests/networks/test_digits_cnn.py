import numpy as np
import pytest

from qviz.data import digits
from qviz.networks import cnn_accuracy, cnn_forward, cnn_weights, training_activations


def torch_forward(torch, images, weights):
    """The same network, layer by layer, in torch."""
    f = torch.nn.functional
    w = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
    x = torch.from_numpy(images.copy())
    out = {"input": x}
    out["conv1"] = f.relu(f.conv2d(x, w["conv1.weight"], w["conv1.bias"], padding=1))
    out["conv2"] = f.relu(f.conv2d(out["conv1"], w["conv2.weight"], w["conv2.bias"], padding=1))
    out["pool"] = f.max_pool2d(out["conv2"], 2)
    out["fc1"] = f.relu(f.linear(out["pool"].flatten(1), w["fc1.weight"], w["fc1.bias"]))
    out["logits"] = f.linear(out["fc1"], w["fc2.weight"], w["fc2.bias"])
    return {name: array.numpy() for name, array in out.items()}


def test_forward_equals_torchs(reference):
    images = digits().images[:200]
    expected = torch_forward(reference("torch"), images, cnn_weights())
    ours = cnn_forward(images)
    assert list(ours) == list(expected)
    for name, array in ours.items():
        assert array.dtype == np.float32
        # Sums of up to 512 products in another order: a few float32 steps (1.2e-7) of the largest value.
        np.testing.assert_allclose(array, expected[name], rtol=0, atol=2e-6 * np.abs(expected[name]).max())


def test_one_tap_of_conv_by_hand():
    """A kernel with a single 1 at its top left moves the image down and right by one pixel."""
    weights = {name: np.zeros_like(array) for name, array in cnn_weights().items()}
    weights["conv1.weight"][3, 0, 0, 0] = 1
    weights["conv1.bias"][5] = 0.25
    image = digits().images[:1]
    conv1 = cnn_forward(image, weights)["conv1"]
    np.testing.assert_array_equal(conv1[0, 3, 1:, 1:], image[0, 0, :-1, :-1])
    assert not conv1[0, 3, 0].any()
    assert not conv1[0, 3, :, 0].any()
    assert (conv1[0, 5] == 0.25).all()


def test_relu_and_pool_by_hand():
    weights = {name: np.zeros_like(array) for name, array in cnn_weights().items()}
    weights["conv1.weight"][0, 0, 1, 1] = 1  # pass the image on
    weights["conv2.weight"][0, 0, 1, 1] = 1
    weights["conv2.weight"][1, 0, 1, 1] = -1  # ... and its negative, which ReLU makes 0
    image = digits().images[:1]
    out = cnn_forward(image, weights)
    np.testing.assert_array_equal(out["conv2"][0, 0], image[0, 0])
    assert not out["conv2"][0, 1].any()
    # the top row of blocks of the first digit, in sixteenths: see the docstring of digits()
    np.testing.assert_array_equal(out["pool"][0, 0, 0] * 16, [0, 15, 15, 5])


def test_accuracy_is_what_the_docstring_says():
    d = digits()
    predicted = cnn_forward(d.images[d.test])["logits"].argmax(axis=1)
    right = int((predicted == d.labels[d.test]).sum())
    assert f"{right} of the 359 test images ({right / 359:.4f})" in cnn_weights.__doc__
    assert right / 359 >= 0.985


def test_weights_are_what_training_left():
    weights = cnn_weights()
    assert list(weights) == [
        f"{layer}.{kind}" for layer in ("conv1", "conv2", "fc1", "fc2") for kind in ("weight", "bias")
    ]
    assert sum(array.nbytes for array in weights.values()) == 4 * 38282
    assert all(array.dtype == np.float32 and np.isfinite(array).all() for array in weights.values())


def test_weights_can_be_replaced_but_not_spoilt():
    weights = cnn_weights()
    with pytest.raises(ValueError, match="read-only"):
        weights["fc2.bias"][0] = 9
    weights["fc2.bias"] = np.full(10, 9.0)  # float64: taken as float32
    image = digits().images[:1]
    moved = cnn_forward(image, weights)["logits"]
    assert moved.dtype == np.float32
    assert not np.array_equal(moved, cnn_forward(image)["logits"])
    assert not (cnn_weights()["fc2.bias"] == 9).any()


def test_training_activations_follow_the_order_of_images():
    d = digits()
    stored = training_activations()
    few = cnn_forward(d.images[d.train[:7]])
    for name, array in few.items():
        # another batch size may sum in another order, as above
        np.testing.assert_allclose(stored[name][:7], array, rtol=0, atol=2e-6 * np.abs(array).max())
        assert not stored[name].flags.writeable


def test_no_images_give_no_activations():
    out = cnn_forward(np.empty((0, 1, 8, 8), np.float32))
    assert {name: array.shape[0] for name, array in out.items()} == dict.fromkeys(out, 0)


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match=r"images must have shape \(n, 1, 8, 8\): got \(8, 8\)"):
        cnn_forward(np.zeros((8, 8)))
    with pytest.raises(TypeError, match=r"images must be an array of real numbers: got dtype complex128; take \.real"):
        cnn_forward(np.zeros((1, 1, 8, 8), complex))
    with pytest.raises(ValueError, match=r"images must hold ink, from 0 to 1: got 1e\+38; divide them by"):
        cnn_forward(np.full((1, 1, 8, 8), 1e38))


def test_wrong_weights_are_refused():
    image = digits().images[:1]
    with pytest.raises(TypeError, match="weights must be a dict of arrays by name: got list"):
        cnn_forward(image, [1, 2])
    lacking = cnn_weights()
    lacking["fc3.bias"] = lacking.pop("fc2.bias")
    with pytest.raises(ValueError, match=r"missing or unknown are fc2\.bias, fc3\.bias"):
        cnn_forward(image, lacking)
    with pytest.raises(ValueError, match=r"weights\['fc2.bias'\] must have shape \(10,\): got \(5,\)"):
        cnn_forward(image, cnn_weights() | {"fc2.bias": np.zeros(5)})
    with pytest.raises(TypeError, match=r"weights\['fc2.bias'\] must be an array of real numbers: got dtype <U1"):
        cnn_forward(image, cnn_weights() | {"fc2.bias": np.array(["a"] * 10)})
    with pytest.raises(ValueError, match=r"weights\['fc2.bias'\] must be finite: got 1 NaN, first at index \(3,\)"):
        cnn_forward(image, cnn_weights() | {"fc2.bias": np.where(np.arange(10) == 3, np.nan, 0)})


def test_a_change_is_seen_by_every_later_layer_and_by_no_earlier_one():
    d = digits()
    images = d.images[:5]
    plain = cnn_forward(images)
    changed = cnn_forward(images, change={"conv2": np.zeros_like})
    assert np.array_equal(changed["conv1"], plain["conv1"])
    assert not changed["conv2"].any() and not changed["pool"].any()
    assert np.array_equal(changed["fc1"][0], changed["fc1"][4])  # nothing of the image is left


def test_a_change_of_the_pool_equals_the_same_change_made_by_hand():
    d = digits()
    w = cnn_weights()
    pool = np.round(cnn_forward(d.images[:5])["pool"]).reshape(5, 512)
    fc1 = np.maximum(pool @ w["fc1.weight"].T + w["fc1.bias"], 0)
    logits = fc1 @ w["fc2.weight"].T + w["fc2.bias"]
    # The same float32 sums in the same order: no tolerance is needed but for the matmul's own blocking.
    assert np.allclose(cnn_forward(d.images[:5], change={"pool": np.round})["logits"], logits, rtol=1e-5, atol=1e-5)


def test_an_unknown_change_is_named():
    with pytest.raises(ValueError, match=r"change must name activations among input, conv1.*: got conv9"):
        cnn_forward(digits().images[:1], change={"conv9": np.round})


def test_accuracy_counts_the_test_images():
    assert cnn_accuracy() == 355 / 359
    # With all logits equal the first class wins, so exactly the zeros are right.
    d = digits()
    assert cnn_accuracy(change={"logits": np.zeros_like}) == np.mean(d.labels[d.test] == 0)

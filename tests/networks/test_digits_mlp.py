"""The MLPs against torch, a case by hand, and what their docstrings say."""

import numpy as np
import pytest

from qviz.data import digits
from qviz.networks import mlp_forward, mlp_weights
from qviz.networks.digits_mlp import MLP_SHAPES, MLPS

IMAGES = digits().images[digits().test]


@pytest.mark.parametrize("seed", [0, MLPS - 1])
def test_forward_equals_torchs(reference, seed):
    torch = reference("torch")
    w = {name: torch.from_numpy(values.copy()) for name, values in mlp_weights(seed).items()}
    f, x = torch.nn.functional, torch.from_numpy(IMAGES.reshape(-1, 64))
    expected = {"input": x}
    expected["fc1"] = f.relu(f.linear(x, w["fc1.weight"], w["fc1.bias"]))
    expected["fc2"] = f.relu(f.linear(expected["fc1"], w["fc2.weight"], w["fc2.bias"]))
    expected["logits"] = f.linear(expected["fc2"], w["fc3.weight"], w["fc3.bias"])
    ours = mlp_forward(IMAGES, mlp_weights(seed))
    assert list(ours) == list(expected)
    for name, values in ours.items():
        assert values.dtype == np.float32
        # sums of 64 products in another order: a few float32 steps (1.2e-7) of the largest value
        np.testing.assert_allclose(values, expected[name], rtol=0, atol=2e-6 * float(expected[name].abs().max()))


def test_by_hand():
    """The first pixel, times 2, -1 and 3, passes every ReLU; the second, times -1, passes none."""
    weights = {name: np.zeros(shape) for name, shape in MLP_SHAPES.items()}
    weights["fc1.weight"][0, 0], weights["fc1.weight"][1, 1] = 2, -1
    weights["fc2.weight"][0, :2] = 1, 5
    weights["fc3.weight"][4, 0], weights["fc3.bias"][7] = -3, 0.5
    images = np.zeros((1, 1, 8, 8))
    images[0, 0, 0, :2] = 0.25, 1
    assert mlp_forward(images, weights)["logits"].tolist() == [[0, 0, 0, 0, -1.5, 0, 0, 0.5, 0, 0]]


def test_accuracy_is_what_the_docstring_says():
    labels = digits().labels[digits().test]
    logits = [mlp_forward(IMAGES, mlp_weights(seed))["logits"] for seed in range(MLPS)]
    right = [int((x.argmax(axis=1) == labels).sum()) for x in logits]
    assert f"{min(right)} to {max(right)} of the 359 test images" in mlp_weights.__doc__
    assert np.array_equal(mlp_forward(IMAGES)["logits"], logits[0])


def test_seeds_give_different_networks_of_one_shape():
    networks = [mlp_weights(seed) for seed in range(MLPS)]
    assert all({name: values.shape for name, values in w.items()} == dict(MLP_SHAPES) for w in networks)
    assert len({w["fc1.weight"].tobytes() for w in networks}) == MLPS
    with pytest.raises(ValueError, match="read-only"):
        networks[0]["fc1.weight"][0, 0] = 1


@pytest.mark.parametrize(("seed", "error"), [(-1, ValueError), (MLPS, ValueError), (1.0, TypeError)])
def test_a_seed_is_one_of_those_that_were_trained(seed, error):
    with pytest.raises(error, match=r"seed must be (a whole number )?from 0 to 7"):
        mlp_weights(seed)


def test_other_weights_and_images_are_refused():
    with pytest.raises(ValueError, match=r"the names of mlp_weights\(\): missing or unknown are fc3\.bias"):
        mlp_forward(IMAGES, {n: v for n, v in mlp_weights().items() if n != "fc3.bias"})
    with pytest.raises(ValueError, match=r"images must have shape \(n, 1, 8, 8\): got \(2, 64\)"):
        mlp_forward(np.zeros((2, 64)))

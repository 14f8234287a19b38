"""The digits network in integers: its layers one after the other, and from any activation on."""

import numpy as np
import pytest

from qviz.data import digits
from qviz.networks import integer_cnn
from qviz.networks.digits_cnn import ACTIVATIONS
from qviz.numerics.integer_layer import ROUNDINGS

NET = integer_cnn()
IMAGES = digits().images[digits().test][:4]


@pytest.mark.parametrize("way", ROUNDINGS)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_from_any_activation_on_it_is_the_same_network(name, way):
    whole = NET.run(IMAGES, way)
    assert tuple(whole) == ACTIVATIONS
    rest = NET.run_from(name, whole[name], way)
    assert tuple(rest) == ACTIVATIONS[ACTIVATIONS.index(name) :]
    for after, codes in rest.items():
        np.testing.assert_array_equal(codes, whole[after])


def test_what_it_cannot_run_from():
    with pytest.raises(ValueError, match=r"name must be one of 'input', 'conv1', .*'logits': got 'conv3'"):
        NET.run_from("conv3", np.zeros((1, 64), np.uint8))
    with pytest.raises(TypeError, match="codes must hold integers: got dtype float64"):
        NET.run_from("fc1", np.zeros((1, 64)))

"""The networks as shapes, against the arrays that the real one computes."""

from itertools import pairwise

import numpy as np

from qviz.data import digits
from qviz.networks import cnn_forward, cnn_weights
from qviz.networks.examples import NETWORKS


def test_the_digits_network_is_the_real_one():
    weights, seen = cnn_weights(), cnn_forward(digits().images[:1])
    inputs = {"conv1": seen["input"], "conv2": seen["conv1"], "fc1": seen["pool"], "fc2": seen["fc1"]}
    outputs = {"conv1": seen["conv1"], "conv2": seen["conv2"], "fc1": seen["fc1"], "fc2": seen["logits"]}
    layers = NETWORKS["digits CNN"]
    assert [layer.name for layer in layers] == list(inputs)
    for layer in layers:
        assert layer.weight == weights[f"{layer.name}.weight"].shape
        assert layer.biases == weights[f"{layer.name}.bias"].size
        assert (layer.inputs, layer.outputs) == (inputs[layer.name].size, outputs[layer.name].size)
    assert sum(layer.weights + layer.biases for layer in layers) == sum(array.size for array in weights.values())


def test_each_layer_of_a_network_feeds_the_next():
    for name in ("wide", "language model"):
        layers = NETWORKS[name]
        assert all(a.outputs == b.inputs for a, b in pairwise(layers))
        assert all(layer.weights == np.prod(layer.weight) == layer.multiplications for layer in layers)

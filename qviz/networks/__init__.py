"""The course's networks in NumPy: shapes, float32 and integer forward passes.

* digits_cnn: the small trained network of the course: its shape, weights and forward pass
* rescaled_cnn: the same network, with channels of unequal size
* integer_cnn: the same network in integers, from the pixels to the logits
* layer_shapes: layers as shapes, for what depends on no value: bytes and multiplications
* examples: NETWORKS, whole networks as layer shapes
"""

from .digits_cnn import cnn_accuracy, cnn_forward, cnn_weights, training_activations
from .examples import NETWORKS
from .integer_cnn import IntegerCNN, integer_cnn
from .layer_shapes import LayerShape
from .rescaled_cnn import rescaled_weights

__all__ = [
    "NETWORKS",
    "IntegerCNN",
    "LayerShape",
    "cnn_accuracy",
    "cnn_forward",
    "cnn_weights",
    "integer_cnn",
    "rescaled_weights",
    "training_activations",
]

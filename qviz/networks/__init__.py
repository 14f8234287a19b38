"""The course's networks in NumPy: shapes, float32 and integer forward passes.

* topology: the layers of the digits network, and the shapes of its weights and activations
* digits_cnn: the weights and the forward pass of this network
* digits_mlp: eight smaller networks for the digits, without convolutions, trained from different seeds
* rescaled_cnn: an equivalent network whose channels have very different ranges
* integer_cnn: the same network in integer arithmetic, from the pixels to the logits
* layer_shapes: layer shapes, from which bytes and multiplications are counted
* examples: NETWORKS, whole networks as layer shapes
"""

from .digits_cnn import cnn_accuracy, cnn_forward, cnn_weights, training_activations
from .digits_mlp import mlp_forward, mlp_weights
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
    "mlp_forward",
    "mlp_weights",
    "rescaled_weights",
    "training_activations",
]

"""The layers and shapes of the digits network, stated once; every other file derives what it needs from here.

input -> conv1, ReLU -> conv2, ReLU -> pool 2 x 2 -> fc1, ReLU -> fc2 = logits
"""

from types import MappingProxyType

WEIGHT_SHAPES = MappingProxyType(  # of each layer, in the order they run; convolutions are padded by 1
    {"conv1": (16, 1, 3, 3), "conv2": (32, 16, 3, 3), "fc1": (64, 512), "fc2": (10, 64)}
)
LAYERS = tuple(WEIGHT_SHAPES)

ACTIVATION_SHAPES = MappingProxyType(  # for one image, after ReLU where there is one
    {"input": (1, 8, 8), "conv1": (16, 8, 8), "conv2": (32, 8, 8), "pool": (32, 4, 4), "fc1": (64,), "logits": (10,)}
)
ACTIVATIONS = tuple(ACTIVATION_SHAPES)

INPUT_OF = MappingProxyType({"conv1": "input", "conv2": "conv1", "fc1": "pool", "fc2": "fc1"})  # activation by layer
OUTPUT_OF = MappingProxyType({"conv1": "conv1", "conv2": "conv2", "fc1": "fc1", "fc2": "logits"})

SCALE_OF = MappingProxyType({name: name for name in ACTIVATIONS} | {"pool": "conv2"})  # pooling keeps qparams

"""Real inputs that need no network, seeded distributions, and the reader's own files.

Sources and licences are in each docstring and, together, in SOURCES.md beside this file.
At run time: NumPy and the standard library.

images.py          digits, photograph
cnn.py             a small trained network: weights, and its forward pass in NumPy
switches.py        Switches: weights, activations and biases quantized, each on its own
switched.py        SwitchedCNN: what any setting of them does to the network; switch_outcome.py: how it is told
integer.py         the same network in integers
mixed.py           every network that it becomes with some bits for each layer, measured
mixed_file.py      one of them in a file, with no gaps between its codes
allocation.py      how sensitive each layer is, and how many bits that is worth
ways.py            the ways to quantize, and what speaks against each: plain data, with sources
decision.py        which of them is left after a few answers
tensors.py         TENSORS and tensor(name): everything above and the distributions, as flat float32
distributions.py   how each seeded distribution is drawn
outliers.py        how outliers are put in
networks.py        NETWORKS: layers as shapes, for what depends on no value
reading.py         read_array and list_arrays: an array, or those in .npy, .npz or .safetensors files

>>> sorted(TENSORS)[:4]
['Gaussian', 'Laplace', 'ReLU-like', 'bimodal']
"""

from qviz.data.cnn import cnn_accuracy, cnn_forward, cnn_weights, training_activations
from qviz.data.images import Digits, digits, photograph
from qviz.data.integer import IntegerCNN, integer_cnn
from qviz.data.reading import list_arrays, read_array
from qviz.data.switched import SwitchedCNN
from qviz.data.switches import Switches
from qviz.data.tensors import TENSORS, tensor

__all__ = [
    "TENSORS",
    "Digits",
    "IntegerCNN",
    "SwitchedCNN",
    "Switches",
    "cnn_accuracy",
    "cnn_forward",
    "cnn_weights",
    "digits",
    "integer_cnn",
    "list_arrays",
    "photograph",
    "read_array",
    "tensor",
    "training_activations",
]

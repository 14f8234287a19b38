"""Real inputs that need no network, seeded distributions, and the reader's own files.

Sources and licences are in each docstring and, together, in SOURCES.md beside this file.
At run time: NumPy and the standard library; `safetensors` only when such a file is read.

images.py          digits, photograph
cnn.py             a small trained network: weights, and its forward pass in NumPy
tensors.py         TENSORS and tensor(name): everything above and the distributions, as flat float32
distributions.py   how each seeded distribution is drawn
outliers.py        how outliers are put in
reading.py         read_array: an array or a .npy, .npz or .safetensors file

>>> sorted(TENSORS)[:4]
['Gaussian', 'Laplace', 'ReLU-like', 'bimodal']
"""

from qviz.data.cnn import cnn_accuracy, cnn_forward, cnn_weights, training_activations
from qviz.data.images import Digits, digits, photograph
from qviz.data.reading import read_array
from qviz.data.tensors import TENSORS, tensor

__all__ = [
    "TENSORS",
    "Digits",
    "cnn_accuracy",
    "cnn_forward",
    "cnn_weights",
    "digits",
    "photograph",
    "read_array",
    "tensor",
    "training_activations",
]

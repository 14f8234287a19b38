"""Results of the ablation: accuracy, the error of each layer, and bytes."""

import math
from dataclasses import dataclass

import numpy as np

from qviz.numerics import decibels


@dataclass(frozen=True)
class LayerResult:
    """The error of a layer's output against the float network, including errors of earlier layers; and its bytes.

    Attributes
    ----------
    name : str: "input" is the network's input, as the first layer reads it
    sqnr_db, cosine : float: of the output, after ReLU where there is one
    shift : float: share of the squared error that is the same for every image, 0 to 1; NaN where there is no error
    weight_bytes, bias_bytes : int: bytes of the packed codes, rounded up
    overhead_bytes : int: bytes of scales and zero points
    activation_bytes : int: bytes of the output, for one image
    """

    name: str
    sqnr_db: float
    cosine: float
    shift: float
    weight_bytes: int
    bias_bytes: int
    overhead_bytes: int
    activation_bytes: int


@dataclass(frozen=True)
class AblationResult:
    """Accuracy, errors and bytes of the network under one setting of the switches.

    Attributes
    ----------
    right, images : int: the number of correct predictions, and of images
    layers : tuple of LayerResult: the input, and the layers in the order they run
    """

    right: int
    images: int
    layers: tuple[LayerResult, ...]

    @property
    def accuracy(self) -> float:
        """Share of correct predictions, 0 to 1."""
        return self.right / self.images

    @property
    def sqnr_db(self) -> float:
        """SQNR of the logits."""
        return self.layers[-1].sqnr_db

    @property
    def cosine(self) -> float:
        """Cosine similarity of the logits."""
        return self.layers[-1].cosine

    @property
    def size_bytes(self) -> int:
        """Stored bytes: weights, biases, scales and zero points."""
        return sum(layer.weight_bytes + layer.bias_bytes + layer.overhead_bytes for layer in self.layers)

    @property
    def bias_share(self) -> float:
        """Share of the biases in the stored bytes, 0 to 1."""
        return sum(layer.bias_bytes for layer in self.layers) / self.size_bytes

    @property
    def activation_bytes(self) -> int:
        """Bytes of all activations for one image."""
        return sum(layer.activation_bytes for layer in self.layers)

    def __str__(self) -> str:
        return (
            f"{self.accuracy:.1%} right, {self.sqnr_db:4.1f} dB; {self.size_bytes:,} bytes stored, "
            f"{self.activation_bytes:,} in flight"
        )


def compare(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """Return SQNR in dB, cosine similarity, and the share of the squared error that is constant along axis 0.

    This computes `qviz.numerics.sqnr_db` and `cosine` in one pass, for float32 arrays that are known to be finite.

    Examples
    --------
    >>> x, y = np.array([[3.0, 4.0], [3.0, 4.0]]), np.array([[3.0, 4.5], [3.0, 4.5]])
    >>> [round(value, 4) for value in compare(x, y)]
    [20.0, 0.9985, 1.0]
    """
    x, y = x.astype(np.float64), y.astype(np.float64)  # makes the result independent of BLAS's order of additions
    error = (y - x).reshape(len(x), -1)
    x, y, off, mean = x.reshape(-1), y.reshape(-1), error.reshape(-1), error.mean(axis=0)
    noise = float(np.dot(off, off))
    if noise == 0:
        return math.inf, 1.0, math.nan
    signal = float(np.dot(x, x))
    length = math.sqrt(signal * float(np.dot(y, y)))
    cosine = float(np.dot(x, y)) / length if length else 0.0
    shift = len(error) * float(np.dot(mean, mean)) / noise
    return float(decibels(signal, noise)), max(-1.0, min(1.0, cosine)), min(1.0, shift)

"""The digits network in integer arithmetic, from the pixels to the logits, in NumPy."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType

import numpy as np

from qviz.data._files import read_only
from qviz.numerics import INT8, UINT8, IntFormat, PerChannel, PerTensor, _check, calibrate, dequantize, quantize
from qviz.numerics.integer_layer import IntegerLayer

from .digits_cnn import check_images, cnn_weights, max_pool, training_activations
from .topology import ACTIVATION_SHAPES, ACTIVATIONS, INPUT_OF, LAYERS, SCALE_OF


@dataclass(frozen=True, eq=False)
class IntegerCNN:
    """The network of `cnn_weights` with every layer replaced by an integer layer.

    Attributes
    ----------
    layers : mapping of "conv1", "conv2", "fc1" and "fc2" to IntegerLayer; the output codes of one are the input
        codes of the next

    >>> from qviz.data import digits
    >>> net, d = integer_cnn(), digits()
    >>> codes = net.run(d.images[d.test][:2])
    >>> codes["logits"].dtype.name, codes["logits"].argmax(axis=1).tolist(), d.labels[d.test][:2].tolist()
    ('uint8', [5, 9], [5, 9])
    """

    layers: Mapping[str, IntegerLayer]

    def run(self, images, way: str = "fbgemm") -> dict[str, np.ndarray]:
        """Run the network and return the codes of every activation, by the names of `cnn_forward`.

        Only the images are real numbers, (n, 1, 8, 8), ink 0..1. `way` is passed to `IntegerLayer.run`. Max pooling
        works on the codes directly, because a larger code stands for a larger number.
        """
        return self.run_from("input", quantize(check_images(images), self.layers["conv1"].x), way)

    def run_from(self, name: str, codes, way: str = "fbgemm") -> dict[str, np.ndarray]:
        """Run the layers after an activation, and return the codes of this activation and all later ones.

        Parameters
        ----------
        name : one of "input", "conv1", "conv2", "pool", "fc1", "logits"
        codes : its codes, for n images
        way : as for `IntegerLayer.run`

        Raises
        ------
        ValueError
            There is no such activation, or the codes do not have its shape or format.

        Examples
        --------
        >>> net = integer_cnn()
        >>> list(net.run_from("fc1", np.zeros((1, 64), np.uint8)))
        ['fc1', 'logits']
        """
        if name not in ACTIVATIONS:
            raise ValueError(f"name must be one of {', '.join(map(repr, ACTIVATIONS))}: got {name!r}")
        made = {"pool": "conv2", "logits": "fc2"}.get(name, name)
        codes = _check.codes(codes, (self.layers["conv1"].x if name == "input" else self.layers[made].y).fmt, "codes")
        if codes.shape[1:] != ACTIVATION_SHAPES[name] or codes.ndim == 0:
            raise ValueError(f"codes must have shape (n, *{ACTIVATION_SHAPES[name]}) at {name!r}: got {codes.shape}")
        seen = {name: codes}
        for after in ACTIVATIONS[ACTIVATIONS.index(name) + 1 :]:
            codes = seen[after] = self._next(after, codes, way)
        return seen

    def _next(self, name: str, codes: np.ndarray, way: str) -> np.ndarray:
        if name == "pool":
            return max_pool(codes)
        layer = self.layers["fc2" if name == "logits" else name]
        return layer.run(codes if layer.q_w.ndim == 4 else codes.reshape(len(codes), math.prod(codes.shape[1:])), way)

    def predict(self, images, way: str = "fbgemm") -> np.ndarray:
        """Return the predicted digit of each image, (n,)."""
        return self.run(images, way)["logits"].argmax(axis=1)

    def without_weight_zero_points(self) -> "IntegerCNN":
        """Return a network with the same codes but weight zero points of 0, as a kernel that ignores them computes."""
        forgotten = {
            name: replace(layer, w=replace(layer.w, zero_point=np.zeros_like(layer.w.zero_point)))
            for name, layer in self.layers.items()
        }
        return IntegerCNN(MappingProxyType(forgotten))

    def logits(self, images, way: str = "fbgemm") -> np.ndarray:
        """Return the dequantized logits, float32 (n, 10)."""
        return dequantize(self.run(images, way)["logits"], self.layers["fc2"].y)


@cache
def integer_cnn(weights: IntFormat = INT8, per_channel: bool = True, scheme: str = "symmetric") -> IntegerCNN:
    """Quantize the network after training: min-max on the training images, affine uint8 activations.

    Parameters
    ----------
    weights : IntFormat
        Signed format of the weights.
    per_channel : bool
        Whether each output channel of the weights has its own scale.
    scheme : {"symmetric", "affine"}
        Scheme of the weights; affine weights have a zero point.

    >>> layer = integer_cnn().layers["conv2"]
    >>> layer.q_w.shape, layer.w.scale.shape, layer.relu, int(layer.y.zero_point)
    ((32, 16, 3, 3), (32, 1), True, 0)
    """
    granularity = PerChannel(0) if per_channel else PerTensor()
    floats = cnn_weights()
    seen = {name: calibrate(array, "min-max", UINT8) for name, array in training_activations().items()}

    def layer(name: str) -> IntegerLayer:
        weight = floats[f"{name}.weight"]
        w = calibrate(weight, "min-max", weights, scheme, granularity)
        return IntegerLayer(
            read_only(quantize(weight, w)),
            seen[SCALE_OF[INPUT_OF[name]]],
            w,
            seen["logits" if name == "fc2" else name],
            floats[f"{name}.bias"],
            relu=name != "fc2",
            padding=1 if name.startswith("conv") else 0,
        )

    return IntegerCNN(MappingProxyType({name: layer(name) for name in LAYERS}))

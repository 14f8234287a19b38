"""A small convolutional network, trained on the digits: its weights, and its forward pass in NumPy."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import numpy as np

from qviz.data._files import load_shipped, read_only
from qviz.data.images import digits
from qviz.numerics import _check

from .topology import ACTIVATION_SHAPES, ACTIVATIONS, WEIGHT_SHAPES

CNN_SHAPES = MappingProxyType(  # weights and biases by name, in the order of the layers
    {
        f"{layer}.{kind}": shape
        for layer, weight in WEIGHT_SHAPES.items()
        for kind, shape in (("weight", weight), ("bias", weight[:1]))
    }
)
LARGEST_INK = 1e30  # far beyond any ink, and small enough that no layer's float32 result overflows
BATCH = 60  # images per convolution call, so that its unfolded windows take at most 12 MB


@cache
def _stored_weights():
    return load_shipped("cnn.npz")


def cnn_weights() -> dict[str, np.ndarray]:
    """Return the weights and biases of the trained network, float32, by name.

    Layers: conv1 (3 x 3, 1 to 16 channels) and conv2 (3 x 3, 16 to 32), both padded by 1, each then ReLU;
    a 2 x 2 max pool; fc1 (512 to 64), ReLU; fc2 (64 to 10). Weights are (out, in, ...), as in torch.
    The dict is new at each call, so entries can be replaced; the arrays are shared and read-only.

    Accuracy of these weights: 355 of the 359 test images (0.9889).

    Source: trained by tools/make_data.py in this repository on `digits().train`. Licence: that of qviz.

    >>> w = cnn_weights()
    >>> w["conv2.weight"].shape, w["conv2.weight"].dtype.name
    ((32, 16, 3, 3), 'float32')
    >>> sum(array.size for array in w.values())
    38282
    """
    return dict(_stored_weights())


def cnn_forward(images, weights=None, change=None) -> dict[str, np.ndarray]:
    """Run the network and return every activation, float32, by name.

    Parameters
    ----------
    images : real (n, 1, 8, 8), ink 0..1 as in `digits().images`
    weights : dict as from `cnn_weights()`, for instance with quantized entries; None for the stored weights
    change : dict of functions by activation name, or None
        Each is applied to that activation before the next layer reads it, for instance to quantize it.

    Returns
    -------
    dict : "input" (n, 1, 8, 8); after ReLU "conv1" (n, 16, 8, 8), "conv2" (n, 32, 8, 8) and "fc1" (n, 64);
        "pool" (n, 32, 4, 4); "logits" (n, 10), whose largest entry is the predicted digit

    Raises
    ------
    ValueError : a wrong shape, a missing or unknown weight, or an unknown activation in `change`
    TypeError : images or weights that are not real numbers

    Source: the layers follow torch.nn.functional conv2d, relu, max_pool2d and linear. Sums are taken in float64
    and rounded once, so the results are the same on every processor; torch's float32 sums differ in the last bits.

    >>> d = digits()
    >>> out = cnn_forward(d.images[d.test])
    >>> list(out)
    ['input', 'conv1', 'conv2', 'pool', 'fc1', 'logits']
    >>> out["conv2"].shape, out["logits"].shape
    ((359, 32, 8, 8), (359, 10))
    >>> int((out["logits"].argmax(axis=1) == d.labels[d.test]).sum()), len(d.test)
    (355, 359)
    """
    w = _stored_weights() if weights is None else check_weights(weights, CNN_SHAPES, "cnn_weights()")
    x = check_images(images)
    change = _check_change(change)
    seen: dict[str, np.ndarray] = {}

    def keep(name, activation):
        seen[name] = change[name](activation) if name in change else activation
        return seen[name]

    x = keep("input", x)
    x = keep("conv1", _relu(_conv3x3(x, w["conv1.weight"], w["conv1.bias"])))
    x = keep("conv2", _relu(_conv3x3(x, w["conv2.weight"], w["conv2.bias"])))
    x = keep("pool", max_pool(x))
    x = keep("fc1", _relu(linear(x.reshape(len(x), WEIGHT_SHAPES["fc1"][1]), w["fc1.weight"], w["fc1.bias"])))
    keep("logits", linear(x, w["fc2.weight"], w["fc2.bias"]))
    return seen


def cnn_accuracy(weights=None, change=None) -> float:
    """Return the accuracy on the 359 test images, 0 to 1.

    Parameters
    ----------
    weights, change : as for `cnn_forward`

    Raises
    ------
    ValueError, TypeError : as for `cnn_forward`

    Source: the test split of `digits()`.

    >>> round(cnn_accuracy(), 4)
    0.9889
    >>> round(cnn_accuracy(change={"conv2": np.round}), 4)
    0.9861
    """
    d = digits()
    logits = cnn_forward(d.images[d.test], weights, change)["logits"]
    return float(np.mean(logits.argmax(axis=1) == d.labels[d.test]))


@cache
def training_activations() -> dict[str, np.ndarray]:
    """Return `cnn_forward` of all training images, computed once; the arrays are shared and read-only.

    >>> training_activations()["conv1"].shape
    (1438, 16, 8, 8)
    """
    d = digits()
    return {name: read_only(array) for name, array in cnn_forward(d.images[d.train]).items()}


def linear(x, weight, bias):
    """Return x @ weight.T + bias for (n, in) and (out, in), summed in float64 and rounded once, to float32.

    The order of additions depends on the BLAS and the processor. In float32 it changes the last bits of the result. In
    float64 the products are exact and the differences between sums are so small that rounding to float32 removes them.
    """
    return (x.astype(np.float64) @ weight.T.astype(np.float64) + bias).astype(np.float32)


def _conv3x3(x, weight, bias):
    """Convolve (n, c, h, w) with (o, c, 3, 3), padded by 1, to (n, o, h, w)."""
    n, channels, height, width = x.shape
    weight = weight.reshape(len(weight), channels * 9).astype(np.float64)
    output = np.empty((n, len(weight), height, width), np.float32)
    for at in range(0, n, BATCH):
        padded = np.pad(x[at : at + BATCH].astype(np.float64), ((0, 0), (0, 0), (1, 1), (1, 1)))
        # Nine shifted copies of the image, one for each tap of the kernel: the convolution is then one matmul.
        shifted = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
        columns = shifted.reshape(len(padded), channels * 9, height * width)
        summed = weight @ columns + bias[:, np.newaxis]
        output[at : at + BATCH] = summed.reshape(len(padded), len(weight), height, width)
    return output


def _relu(x):
    """Cut off what is negative, in place: `x` is a sum that nobody else holds, 12 MB for the training images."""
    return np.maximum(x, 0, out=x)


def max_pool(x):
    """Keep the largest of each 2 x 2 block of (n, channels, height, width) numbers.

    >>> max_pool(np.arange(16).reshape(1, 1, 4, 4)).tolist()
    [[[[5, 7], [13, 15]]]]
    """
    x = _check.real_array(x)
    if x.ndim != 4 or x.shape[2] % 2 or x.shape[3] % 2:
        raise ValueError(f"x must be (n, channels, height, width), the last two even: got shape {x.shape}")
    rows = np.maximum(x[:, :, 0::2], x[:, :, 1::2])
    return np.maximum(rows[..., 0::2], rows[..., 1::2])


def check_images(images) -> np.ndarray:
    """Validate images of digits, and return them as float32.

    >>> check_images(np.zeros((2, 1, 8, 8))).dtype.name
    'float32'
    """
    x = _as_float32(images, "images")
    if (largest := np.abs(x).max(initial=0)) > LARGEST_INK:
        raise ValueError(f"images must hold ink, from 0 to 1: got {largest:.3g}; divide them by their largest value")
    if x.ndim != 4 or x.shape[1:] != ACTIVATION_SHAPES["input"]:
        raise ValueError(
            f"images must have shape (n, 1, 8, 8): got {x.shape}; for one image use digits().images[i : i + 1]"
        )
    return x


def _check_change(change):
    unknown = sorted(map(str, set(change or ()) - set(ACTIVATIONS)))
    if unknown:
        raise ValueError(f"change must name activations among {', '.join(ACTIVATIONS)}: got {', '.join(unknown)}")
    return change or {}


def check_weights(weights, shapes, source: str) -> dict[str, np.ndarray]:
    """Validate the weights of a network, whose shapes are given by name, and return them as float32.

    `source` is the call that returns such weights, for messages.

    >>> check_weights({"fc1.bias": [1, 2]}, {"fc1.bias": (2,)}, "cnn_weights()")
    {'fc1.bias': array([1., 2.], dtype=float32)}
    """
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights must be a dict of arrays by name: got {type(weights).__name__}; use {source}")
    wrong = sorted(map(str, set(weights) ^ set(shapes)))
    if wrong:
        raise ValueError(
            f"weights must hold exactly the names of {source}:"
            f" missing or unknown are {', '.join(wrong)}; start from {source} and replace entries"
        )
    checked = {name: _as_float32(weights[name], f"weights[{name!r}]") for name in shapes}
    for name, shape in shapes.items():
        if checked[name].shape != shape:
            raise ValueError(f"weights[{name!r}] must have shape {shape}: got {checked[name].shape}; reshape it")
    return checked


def _as_float32(value, argument):
    with np.errstate(over="ignore"):  # values beyond float32 become infinite, which `finite` rejects
        return _check.finite(_check.as_float(value, argument).astype(np.float32, copy=False), argument)

"""The digits network with rescaled channels: it computes the same function, but is hard to quantize."""

from functools import cache
from itertools import pairwise

import numpy as np

from qviz.data._files import read_only

from .digits_cnn import cnn_weights
from .topology import LAYERS

LARGEST = 4  # powers of two: factors from 1/16 to 16


def rescaled_weights() -> dict[str, np.ndarray]:
    """Return the weights and biases of a network that is equivalent to `cnn_weights`, with channels of unequal size.

    Each channel before a ReLU is multiplied by a power of two from 1/16 to 16, and the next layer's weights for it are
    divided by the same factor. ReLU and max pooling commute with a positive factor, and a power of two changes no
    mantissa, so the logits are the same to the last bit. But one scale per tensor now has to cover channels of very
    different size.

    The dict is new at each call; its arrays are shared and read-only. The factors are the same as in
    `qviz.pytorch.rescale_channels`, so both give the same network.

    Source: the reverse of cross-layer equalization, Nagel et al. 2019, arXiv 1906.04721, section 4.1.

    >>> from .digits_cnn import cnn_accuracy
    >>> round(cnn_accuracy(rescaled_weights()), 4)
    0.9889
    >>> sizes = abs(rescaled_weights()["conv1.weight"]).max(axis=(1, 2, 3))
    >>> bool(sizes.max() > 200 * sizes.min())
    True
    """
    return dict(_rescaled())


@cache
def _rescaled() -> dict[str, np.ndarray]:
    weights = cnn_weights()
    # reproduces torch.randint, which takes raw 32-bit numbers of the same Mersenne Twister modulo the range
    raw = np.random.RandomState(0)
    for one, two in pairwise(LAYERS):
        weight, bias, following = weights[f"{one}.weight"], weights[f"{one}.bias"], weights[f"{two}.weight"]
        powers = raw.randint(0, 2**32, len(bias), dtype=np.uint32) % (2 * LARGEST + 1)
        s = np.exp2(powers.astype(np.float32) - LARGEST)
        weights[f"{one}.weight"] = weight * s.reshape(-1, *[1] * (weight.ndim - 1))
        weights[f"{one}.bias"] = bias * s
        weights[f"{two}.weight"] = (following.reshape(len(following), len(s), -1) / s[:, None]).reshape(following.shape)
    return {name: read_only(values) for name, values in weights.items()}

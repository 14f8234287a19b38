"""Cross-layer equalization: give each channel the same range in the two layers that share it, without any data.

Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv 1906.04721: section 4.1, equations 8 to 11.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from qviz.numerics import _check

from ._inputs import vector_of, weight_of

SWEEPS = 100
ENOUGH = 1e-4  # stop when every |log(factor)| is below this; smaller changes do not affect the ranges visibly


def equalize_pair(weight, bias, next_weight) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rescale the channels between two layers so that each has the same range in both.

    ReLU, max pooling and the identity are positively homogeneous: f(s x) = s f(x) for s > 0. If the first layer's
    weights for a channel are divided by s and the second layer's are multiplied by s, the two layers together compute
    the same function. With r and r' the largest magnitudes of the channel's weights in the first and second layer,
    s = sqrt(r r') / r' makes them equal (equation 11).

    Parameters
    ----------
    weight : array (channels, in, ...)
        Weights of the first layer.
    bias : array (channels,)
        Biases of the first layer.
    next_weight : array (out, channels, ...), or (out, channels * n) where n positions of a channel were flattened
        Weights of the second layer.

    Returns
    -------
    weight, bias, next_weight : arrays of the same shapes and dtypes
        A channel that is all zeros in one of the layers is unchanged.

    Raises
    ------
    ValueError
        A value is NaN or infinite, or the channels of the two layers do not match.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> w1, b1, w2 = equalize_pair([[4.0], [1.0]], [2.0, 1.0], [[1.0, 4.0]])
    >>> w1.ravel(), b1, w2  # each channel reaches 2 in both layers
    (array([2., 2.]), array([1., 2.]), array([[2., 2.]]))
    """
    w1, w2 = weight_of(weight), weight_of(next_weight, "next_weight")
    channels = len(w1)
    b = vector_of(bias, channels, "bias", "channel of weight")
    if w2.shape[1] % channels:
        raise ValueError(f"next_weight must read the {channels} channels of weight along axis 1: got shape {w2.shape}")
    s = pair_factors(w1, w2)
    made, read = s.reshape(-1, *[1] * (w1.ndim - 1)), np.repeat(s, w2.shape[1] // channels)
    read = read.reshape(1, -1, *[1] * (w2.ndim - 2))
    with np.errstate(over="ignore", under="ignore"):
        results = (w1 / made).astype(w1.dtype), (b / s).astype(b.dtype), (w2 * read).astype(w2.dtype)
    if not all(np.isfinite(values).all() for values in results):
        raise ValueError(
            f"weight, bias and next_weight must fit {b.dtype} once they are rescaled: got factors from {s.min():.3g} "
            f"to {s.max():.3g}; use float64"
        )
    return results


def pair_factors(weight: np.ndarray, next_weight: np.ndarray) -> np.ndarray:
    """Return the factors s of `equalize_pair`, (channels,).

    Examples
    --------
    >>> pair_factors(np.array([[4.0], [1.0]]), np.array([[1.0, 4.0]]))
    array([2. , 0.5])
    """
    w1, w2 = weight_of(weight), weight_of(next_weight, "next_weight")
    here = np.abs(w1).reshape(len(w1), -1).max(axis=1).astype(np.float64)
    there = np.abs(w2).reshape(len(w2), len(w1), -1).max(axis=(0, 2)).astype(np.float64)
    used = (here > 0) & (there > 0)
    return np.divide(np.sqrt(here), np.sqrt(there), out=np.ones(len(w1)), where=used)


def equalize(weights: Mapping[str, np.ndarray], layers: Sequence[str]) -> dict[str, np.ndarray]:
    """Equalize each pair of consecutive layers in turn, until the factors converge.

    Parameters
    ----------
    weights : mapping with "name.weight" and "name.bias" of every layer, as from `qviz.networks.cnn_weights`
    layers : names of the layers in the order they run, with ReLU, max pooling or nothing between them

    Returns
    -------
    dict with the same names: an equivalent network

    Raises
    ------
    ValueError
        A name is missing, or `equalize_pair` rejects a value.

    Examples
    --------
    >>> before = {"a.weight": [[8.0]], "a.bias": [8.0], "b.weight": [[1.0]], "b.bias": [0.0], "c.weight": [[1.0]]}
    >>> after = equalize(before, ("a", "b", "c"))
    >>> [round(float(after[f"{name}.weight"][0, 0]), 2) for name in "abc"]
    [2.0, 2.0, 2.0]
    """
    needed = {f"{name}.weight" for name in layers} | {f"{name}.bias" for name in layers[:-1]}
    missing = sorted(needed - set(weights))
    if missing:
        raise ValueError(f"weights must hold the weight and bias of every layer: missing are {', '.join(missing)}")
    result = {name: _check.as_float(values, name) for name, values in weights.items()}
    for _ in range(SWEEPS):
        moved = 0.0
        for one, two in pairwise(layers):
            names = f"{one}.weight", f"{one}.bias", f"{two}.weight"
            moved = max(moved, np.abs(np.log(pair_factors(result[names[0]], result[names[2]]))).max())
            result |= zip(names, equalize_pair(*(result[name] for name in names)), strict=True)
        if moved < ENOUGH:
            break
    return result

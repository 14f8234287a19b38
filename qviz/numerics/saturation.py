"""Saturation of 16-bit sums of two 8-bit products: the arithmetic of x86 kernels without VNNI.

A sum of products of codes, uint8 activations times int8 weights, needs 32 bits. The instruction that those kernels use
(vpmaddubsw, AVX2 and AVX-512 without VNNI) multiplies, adds neighbouring products (0 and 1, 2 and 3, ...), and has 16
bits for each of these sums. A sum that does not fit saturates silently. The sums of pairs are added exactly, in 32
bits.

Two products always fit if activations have 7 bits, 2 * 127 * 128 = 32,512, or weights have 7 bits, 2 * 255 * 64 =
32,640. torch reduces activations, ONNX Runtime reduces weights; both call it `reduce_range`.

Sources: D. Balchev and V. Kuznetsov in pytorch issue 44939; Intel 64 and IA-32 Architectures Software Developer's
Manual, PMADDUBSW.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from . import _check
from .formats import INT16

LOW, HIGH = INT16.qmin, INT16.qmax


def pair_sums(activations, weights, saturate: bool = True) -> np.ndarray:
    """Multiply codes and add neighbouring products, with or without saturation to 16 bits.

    Parameters
    ----------
    activations : (..., k) integers, 0 to 255
    weights : (..., k) integers, -128 to 127; leading axes broadcast
    saturate : bool
        Whether each sum of two products is clipped to -32,768..32,767.

    Returns
    -------
    (..., ceil(k / 2)) int32 array
        For odd k, the last entry is a single product.

    Raises
    ------
    TypeError, ValueError
        A code is no integer or out of range, the last axes differ in length, or the others do not broadcast.

    Examples
    --------
    >>> pair_sums([211, 171], [71, 107]), pair_sums([211, 171], [71, 107], saturate=False)
    (array([32767], dtype=int32), array([33278], dtype=int32))
    """
    x, w = _codes(activations, "activations", 0, 255), _codes(weights, "weights", -128, 127)
    if x.shape[-1] != w.shape[-1]:
        raise ValueError(
            f"activations and weights must have equally long last axes: got shapes {x.shape} and {w.shape}"
        )
    products = x * _check.goes_with(w, x, "weights (and activations)")
    sums = products[..., ::2].copy()
    sums[..., : products.shape[-1] // 2] += products[..., 1::2]
    return np.clip(sums, LOW, HIGH, out=sums) if saturate else sums


def dot(activations, weights, saturate: bool = True) -> np.ndarray:
    """Multiply matrices of codes as a kernel does, with `pair_sums` added in 32 bits.

    Parameters
    ----------
    activations : (n, k) integers, 0 to 255
    weights : (m, k) integers, -128 to 127, one row per output
    saturate : bool
        True for a kernel without VNNI, False for one with VNNI.

    Returns
    -------
    (n, m) int32 array

    Raises
    ------
    TypeError, ValueError
        As for `pair_sums`.

    Notes
    -----
    Equal to fbgemm's linear and (ungrouped) convolution kernels on AVX2, bit for bit. The inputs of a convolution
    are channels-last: k runs over rows, then columns, then channels of the window.

    Examples
    --------
    >>> dot([[211, 171, 1]], [[71, 107, 5], [1, 1, 1]]).tolist()
    [[32772, 383]]
    """
    x, w = operands(activations, weights)
    columns = [pair_sums(x, row, saturate).sum(axis=1, dtype=np.int32) for row in w]
    return np.stack(columns, axis=1) if columns else np.zeros((len(x), 0), np.int32)


def operands(activations, weights) -> tuple[np.ndarray, np.ndarray]:
    """Return the checked codes of a linear layer's inputs (n, k) and weights (m, k), int32.

    Raises
    ------
    TypeError, ValueError
        As for `pair_sums`, or an array does not have two axes.

    Examples
    --------
    >>> [codes.shape for codes in operands([[211, 171, 1]], [[71, 107, 5], [1, 1, 1]])]
    [(1, 3), (2, 3)]
    """
    x, w = _codes(activations, "activations", 0, 255), _codes(weights, "weights", -128, 127)
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1]:
        raise ValueError(f"activations and weights must have two axes, (n, k) and (m, k): got {x.shape} and {w.shape}")
    return x, w


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """The errors of a random layer with activations of 8 to 3 bits.

    Attributes
    ----------
    activation_bits : tuple of int
    without, with_saturation : float64 arrays, one value per number of bits
        Root mean square error of the sums, relative to their root mean square.
    saturated : float64 array
        Fraction of the pairs whose sum does not fit 16 bits.
    """

    activation_bits: tuple[int, ...]
    without: np.ndarray
    with_saturation: np.ndarray
    saturated: np.ndarray


SPREADS = ("uniform", "bell-shaped")


@lru_cache(maxsize=8)
def layer_errors(spread: str = "uniform", outputs: int = 16, inputs: int = 256, samples: int = 64) -> LayerErrors:
    """Return the errors of a seeded random layer with activations of 8 to 3 bits, with and without saturation.

    The weights have 8 bits, and errors are relative to the layer with these rounded weights, so they come from
    activations and saturation only.

    Parameters
    ----------
    spread : {"uniform", "bell-shaped"}
        Uniform codes, the worst case; or Gaussian weights and half-Gaussian activations, each scaled so that its
        largest value has the largest code, which resembles a trained network.
    outputs, inputs, samples : int

    Returns
    -------
    LayerErrors

    Raises
    ------
    ValueError
        `spread` is unknown.

    Examples
    --------
    >>> errors = layer_errors()
    >>> errors.activation_bits[int(np.argmin(errors.with_saturation))]
    7
    """
    x, weights = _layer(_check.one_of(spread, SPREADS, "spread"), outputs, inputs, samples)
    truth = x @ weights.T.astype(np.float64)
    power = np.sqrt(np.mean(truth**2))
    bits, rows = (8, 7, 6, 5, 4, 3), []
    for b in bits:
        codes = np.rint(x * (2**b - 1)).astype(np.uint8)
        sums = (dot(codes, weights, saturate) / (2**b - 1) for saturate in (False, True))
        pairs = pair_sums(codes[:, None], weights, saturate=False)
        rows.append(
            [*(np.sqrt(np.mean((s - truth) ** 2)) / power for s in sums), np.mean((pairs < LOW) | (pairs > HIGH))]
        )
    return LayerErrors(bits, *np.array(rows).T)


def _layer(spread: str, outputs: int, inputs: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Return activations from 0 to 1, and weights as int8 codes."""
    rng = np.random.default_rng(0)
    x, w = (samples, inputs), (outputs, inputs)
    x, w = (
        (rng.random(x), rng.uniform(-1, 1, w)) if spread == "uniform" else (abs(rng.normal(size=x)), rng.normal(size=w))
    )
    return x / x.max(), np.rint(w / abs(w).max() * 127).astype(np.int8)


def _codes(codes, name: str, low: int, high: int) -> np.ndarray:
    array = _check.as_array(codes, name)
    if array.dtype.kind not in "iu" or array.ndim == 0:
        raise TypeError(f"{name} must be an array of integers: got dtype {array.dtype} and shape {array.shape}")
    if array.size and not (low <= array.min() and array.max() <= high):
        raise ValueError(f"{name} must be codes from {low} to {high}: got {array.min()} to {array.max()}")
    return array.astype(np.int32)

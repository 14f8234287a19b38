"""AWQ: before rounding, scale up the weights that multiply large inputs, so that they are rounded more finely.

Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan and Han, "AWQ: Activation-aware Weight Quantization for On-Device
LLM Compression and Acceleration", MLSys 2024, arXiv 2306.00978: section 3.2, equations 4 and 5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qviz.numerics import _check

from ._inputs import gram, inputs_of, matrix_of, weight_of

TRIED = 20  # exponents in [0, 1), as in the authors' code


@dataclass(frozen=True, eq=False)
class ScaledWeights:
    """Result of `search_scales`.

    Attributes
    ----------
    weight : array, shape of the weights: rounded, then divided by the factors, so that it fits the original inputs
    factors : float64 array (k,): by which the weights were multiplied before rounding
    exponent : float: of the mean magnitude of the inputs, 0 to 1; 0 is plain rounding
    errors : float64 array: the output error at each exponent tried, relative to plain rounding
    """

    weight: np.ndarray
    factors: np.ndarray
    exponent: float
    errors: np.ndarray


def search_scales(weight, inputs, quantize: Callable[[np.ndarray], np.ndarray], *, tried: int = TRIED) -> ScaledWeights:
    """Search for the scaling factors that minimize the output error of rounded weights.

    Outputs stay the same if the weights of an input are multiplied by s and the input is divided by s. The step size
    stays the same as long as the range of the group does not grow, so the rounding error of a scaled weight is divided
    by s. AWQ takes s = mean|x|^a, and searches for the a from 0 to 1 that is best for the layer as a whole.

    Parameters
    ----------
    weight : array (out, in, ...)
    inputs : array (samples, k)
        Layer inputs; k is the number of weights in a row of `weight`.
    quantize : function from weights to quantized weights of the same shape
        It must calibrate on each call, such as `lambda w: fake_quantize(w, calibrate(w, "min-max", "int4", ...))`.
    tried : int
        Number of exponents, evenly spaced in [0, 1); at least 1.

    Returns
    -------
    ScaledWeights

    Raises
    ------
    ValueError
        A shape does not fit, or a value is NaN or infinite.
    TypeError
        `quantize` is not callable, or a value is not a real number.

    Examples
    --------
    The first input is ten times as large as the rest. Its weight is small, and plain rounding would make it 0.

    >>> from qviz.numerics import calibrate, fake_quantize
    >>> to_3_bits = lambda w: fake_quantize(w, calibrate(w, "min-max", "int3", "symmetric"))
    >>> found = search_scales([[0.1, 1.0, -0.9]], [[10.0, 1.0, 1.0], [9.0, -1.0, 1.0]], to_3_bits)
    >>> to_3_bits(np.array([0.1, 1.0, -0.9])).round(2), found.weight.round(2)
    (array([ 0.,  1., -1.]), array([[ 0.11,  1.  , -1.  ]]))
    """
    w = weight_of(weight)
    if not callable(quantize):
        raise TypeError(f"quantize must be a function from weights to quantized weights: got {quantize!r}")
    tried = _check.whole_number(tried, "tried", 1)
    rows = matrix_of(w)
    size = np.abs(inputs_of(inputs, rows.shape[1])).mean(axis=0)
    products = gram(inputs, rows.shape[1])
    found = [_tried(w, rows, products, _factors(size, a), quantize) for a in np.arange(tried) / tried]
    errors = np.array([error for error, _, _ in found])
    best = int(np.argmin(errors))
    _, weight_hat, factors = found[best]
    return ScaledWeights(weight_hat, factors, best / tried, errors / (errors[0] or 1.0))


def _factors(size: np.ndarray, exponent: float) -> np.ndarray:
    """Return size^exponent, normalized so that the geometric mean of largest and smallest is 1, as the authors do."""
    powers = np.maximum(size, 1e-4 * (size.max() or 1.0)) ** exponent
    return powers / np.sqrt(powers.max() * powers.min())


def _tried(w: np.ndarray, rows: np.ndarray, products: np.ndarray, factors: np.ndarray, quantize):
    """Round with these factors, and return the output error, the weights and the factors."""
    scaled = (rows * factors).reshape(w.shape).astype(w.dtype)
    rounded = weight_of(quantize(scaled), "what quantize returns")
    if rounded.shape != w.shape:
        raise ValueError(f"quantize must return weights of shape {w.shape}: got shape {rounded.shape}")
    weight_hat = matrix_of(rounded) / factors
    difference = weight_hat - rows
    error = float(np.vdot(difference @ products, difference))
    return error, weight_hat.reshape(w.shape).astype(w.dtype), factors

"""AWQ: scale the weights that meet large inputs up before rounding, so that they are rounded more finely.

Lin, Tang, Tang, Yang, Chen, Wang, Xiao, Dang, Gan and Han, "AWQ: Activation-aware Weight Quantization for On-Device
LLM Compression and Acceleration", MLSys 2024, arXiv 2306.00978: section 3.2, equations 4 and 5.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qviz.numerics import _check

from ._inputs import gram, inputs_of, matrix_of, weight_of

TRIED = 20  # exponents from 0 to 1, as in the authors' code


@dataclass(frozen=True, eq=False)
class ScaledWeights:
    """What `search_scales` found.

    Attributes
    ----------
    weight : array, shape of the weights: rounded, and divided by the factors again, as the inputs meet it
    factors : float64 array (k,): by which the weights were multiplied before rounding
    exponent : float: of the mean magnitude of the inputs, 0 to 1; 0 is rounding without any factors
    errors : float64 array: the output error of each exponent tried, as a share of that without factors
    """

    weight: np.ndarray
    factors: np.ndarray
    exponent: float
    errors: np.ndarray


def search_scales(weight, inputs, quantize: Callable[[np.ndarray], np.ndarray], *, tried: int = TRIED) -> ScaledWeights:
    """Find the factors with which weights lose least when they are rounded.

    Outputs stay the same if the weights of an input are multiplied by s and the input is divided by s. A weight that
    is multiplied is rounded as coarsely as before, as long as the range of its group does not grow, so its error is
    divided by s. AWQ takes s = mean|x|^a, and tries which a from 0 to 1 is best for the layer as a whole.

    Parameters
    ----------
    weight : array (out, in, ...)
    inputs : array (samples, k)
        What each row of `weight` is multiplied with; k is the number of weights in a row.
    quantize : function of weights (shape of `weight`) to what they become
        With ranges chosen anew, such as `lambda w: fake_quantize(w, calibrate(w, "min-max", "int4", ...))`.
    tried : int
        How many exponents, evenly from 0 to below 1; at least 1.

    Returns
    -------
    ScaledWeights

    Raises
    ------
    ValueError
        A shape does not fit, or a value is NaN or infinite.
    TypeError
        `quantize` is no function, or a value not a real number.

    Examples
    --------
    One input is ten times the others. Its weight is small, and would be rounded to 0.

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
    """Return size^exponent, with 1 in the middle between the largest and the smallest, as the authors' code does."""
    powers = np.maximum(size, 1e-4 * (size.max() or 1.0)) ** exponent
    return powers / np.sqrt(powers.max() * powers.min())


def _tried(w: np.ndarray, rows: np.ndarray, products: np.ndarray, factors: np.ndarray, quantize):
    """Return the output error, the weights and the factors."""
    scaled = (rows * factors).reshape(w.shape).astype(w.dtype)
    rounded = weight_of(quantize(scaled), "what quantize returns")
    if rounded.shape != w.shape:
        raise ValueError(f"quantize must return weights of shape {w.shape}: got shape {rounded.shape}")
    weight_hat = matrix_of(rounded) / factors
    difference = weight_hat - rows
    error = float(np.vdot(difference @ products, difference))
    return error, weight_hat.reshape(w.shape).astype(w.dtype), factors

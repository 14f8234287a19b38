"""SmoothQuant: move outliers from the inputs of a layer into its weights.

Xiao, Lin, Seznec, Wu, Demouth and Han, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models", ICML 2023, arXiv 2211.10438: equations 3 and 4.
"""

import numpy as np

from qviz.numerics import _check

from ._inputs import vector_of, weight_of


def smoothing_factors(weight, largest_inputs, alpha: float = 0.5) -> np.ndarray:
    """Return the smoothing factor of each input: s = max|x|^alpha / max|w|^(1 - alpha), equation 4.

    Dividing inputs by s and multiplying weights by s leaves the outputs unchanged. Alpha 0 gives all weights the same
    range, 1 all inputs; 0.5 gives each input the same range as its weights, as in cross-layer equalization.

    Parameters
    ----------
    weight : array (out, in, ...)
    largest_inputs : array (in,), at least 0
        Largest magnitude of each input, or input channel, over some samples.
    alpha : float, 0 to 1

    Returns
    -------
    float64 array (in,): 1 for an input that is always zero, or whose weights are all zero

    Raises
    ------
    ValueError
        A shape does not fit, a value is NaN, infinite or negative, or `alpha` is not from 0 to 1.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> smoothing_factors([[1.0, 1.0]], [100.0, 1.0])
    array([10.,  1.])
    """
    w = weight_of(weight)
    inputs = vector_of(largest_inputs, w.shape[1], "largest_inputs", "input of weight").astype(np.float64)
    if (inputs < 0).any():
        raise ValueError(f"largest_inputs must be magnitudes, at least 0: got {inputs.min()}")
    alpha = _check.real_number(alpha, "alpha", "from 0 to 1")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be from 0 to 1: got {alpha}; 0.5 is usual")
    reach = np.abs(np.moveaxis(w, 1, 0)).reshape(w.shape[1], -1).max(axis=1).astype(np.float64)
    used = (inputs > 0) & (reach > 0)
    factors = np.ones(len(inputs))
    factors[used] = inputs[used] ** alpha / reach[used] ** (1 - alpha)
    return factors


def scale_inputs(weight, factors) -> np.ndarray:
    """Multiply the weights of each input by its factor, for a layer whose inputs are divided by `factors`.

    Parameters
    ----------
    weight : array (out, in, ...)
    factors : array (in,), above 0

    Returns
    -------
    array, shape and dtype of `weight`

    Raises
    ------
    ValueError
        A factor is not above 0, a shape does not fit, or the result overflows the dtype.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> scale_inputs([[1.0, 1.0]], [10.0, 1.0])
    array([[10.,  1.]])
    """
    w = weight_of(weight)
    s = _factors(factors, w.shape[1], "input of weight").reshape(1, -1, *[1] * (w.ndim - 2))
    with np.errstate(over="ignore", under="ignore"):
        return _check.finite((w * s).astype(w.dtype), "weight times factors")


def divide_outputs(weight, bias, factors) -> tuple[np.ndarray, np.ndarray]:
    """Divide the outputs of the previous layer by `factors`, by changing its weight and bias.

    Inference then needs no extra operation. The layer may also be a layer norm; only a ReLU may follow it.

    Parameters
    ----------
    weight : array (out, in, ...)
    bias : array (out,)
    factors : array (out,), above 0

    Raises
    ------
    ValueError
        As for `scale_inputs`.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> divide_outputs([[5.0], [1.0]], [10.0, 1.0], [10.0, 1.0])
    (array([[0.5],
           [1. ]]), array([1., 1.]))
    """
    w = weight_of(weight)
    b = vector_of(bias, len(w), "bias", "output of weight")
    s = _factors(factors, len(w), "output of weight")
    with np.errstate(over="ignore", under="ignore"):
        w, b = (w / s.reshape(-1, *[1] * (w.ndim - 1))).astype(w.dtype), (b / s).astype(b.dtype)
    return _check.finite(w, "weight divided by factors"), _check.finite(b, "bias divided by factors")


def _factors(factors, length: int, what: str) -> np.ndarray:
    s = vector_of(factors, length, "factors", what).astype(np.float64)
    if (s <= 0).any():
        raise ValueError(f"factors must be above 0: got {s.min()}")
    return s

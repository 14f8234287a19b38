"""SmoothQuant: move what is hard to quantize in the inputs of a layer into its weights.

Xiao, Lin, Seznec, Wu, Demouth and Han, "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
Language Models", ICML 2023, arXiv 2211.10438: equations 3 and 4.
"""

import numpy as np

from qviz.numerics import _check

from ._inputs import vector_of, weight_of


def smoothing_factors(weight, largest_inputs, alpha: float = 0.5) -> np.ndarray:
    """Return s for each input of a layer: s = max|x|^alpha / max|w|^(1 - alpha), equation 4.

    Inputs divided by s and weights multiplied by s give the same outputs. With alpha 0 the weights get equal ranges,
    with 1 the inputs do; with 0.5 an input and its weights reach equally far, as in cross-layer equalization.

    Parameters
    ----------
    weight : array (out, in, ...)
    largest_inputs : array (in,), at least 0
        The largest magnitude of each input, or input channel, on some samples.
    alpha : float, 0 to 1

    Returns
    -------
    float64 array (in,): 1 for an input that is always zero, or that no weight reads

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
    """Return the weights of a layer whose inputs are divided by `factors`: each input's weights times its factor.

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
        A factor is not above 0, a shape does not fit, or what comes out does not fit the dtype.
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
    """Return weight and bias of the layer before, whose outputs are to be divided by `factors`.

    So nothing is left to do at run time. It may be a layer norm's, with a ReLU or nothing in between.

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

"""Bias correction: rounded weights shift the mean of a layer's outputs, and its bias can take the shift away.

Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv 1906.04721: section 4.2, and appendix C for the expected value after a ReLU.
"""

import math

import numpy as np

from qviz.numerics import _check

from ._inputs import vector_of, weight_of

_ERF = np.vectorize(math.erf, otypes=[float])


def correct_bias(bias, weight, weight_hat, mean_inputs) -> np.ndarray:
    """Return the bias with which rounded weights have the mean output that the weights had: analytically.

    The output is off by (W^ - W) x, on average by (W^ - W) E[x]; that is subtracted from the bias (equation 16). No
    image is needed where E[x] is known, for instance from a batch norm by `mean_after_relu`.

    Parameters
    ----------
    bias : array (out,)
    weight, weight_hat : arrays (out, in, ...)
        Before and after rounding. Of a convolution, a channel's weights at all places meet the same mean.
    mean_inputs : array (in,)
        The mean of each input, or of each input channel.

    Returns
    -------
    array (out,), dtype of `bias`

    Raises
    ------
    ValueError
        A shape does not fit, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> correct_bias([0.5], [[1.0, 2.0]], [[1.0, 2.5]], [3.0, 4.0])  # 0.5 * 4 too much
    array([-1.5])
    """
    w, w_hat = weight_of(weight), weight_of(weight_hat, "weight_hat")
    if w.shape != w_hat.shape:
        raise ValueError(f"weight_hat must have the shape of weight, {w.shape}: got shape {w_hat.shape}")
    b = vector_of(bias, len(w), "bias", "output of weight")
    mean = vector_of(mean_inputs, w.shape[1], "mean_inputs", "input of weight").astype(np.float64)
    difference = w_hat.astype(np.float64) - w
    shift = difference.reshape(*w.shape[:2], -1).sum(axis=2) @ mean
    return _moved(b, shift)


def correct_bias_measured(bias, outputs, outputs_hat) -> np.ndarray:
    """Return the bias without the mean error of a layer's outputs, as measured on some inputs.

    Parameters
    ----------
    bias : array (out,)
    outputs, outputs_hat : arrays (samples, out, ...)
        Of the layer before its activation function: as it should be, and as it is with `bias`. The mean is taken over
        all axes but the channels' (appendix D of the paper). Whatever shifts the outputs is taken away: rounded
        weights, rounded inputs, and the zeros around an image.

    Returns
    -------
    array (out,), dtype of `bias`

    Raises
    ------
    ValueError
        The shapes differ, there is no sample, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> correct_bias_measured([0.5], [[1.0], [2.0]], [[1.5], [3.5]])
    array([-0.5])
    """
    y, y_hat = (weight_of(values, name) for values, name in ((outputs, "outputs"), (outputs_hat, "outputs_hat")))
    if y.shape != y_hat.shape:
        raise ValueError(f"outputs_hat must have the shape of outputs, {y.shape}: got shape {y_hat.shape}")
    b = vector_of(bias, y.shape[1], "bias", "channel of outputs")
    error = np.moveaxis(y_hat.astype(np.float64) - y, 1, 0).reshape(y.shape[1], -1)
    return _moved(b, error.mean(axis=1))


def mean_after_relu(mean, std) -> np.ndarray:
    """Return the mean of max(0, x) for normal x: std pdf(mean / std) + mean cdf(mean / std).

    Batch norm states mean and standard deviation of what enters the ReLU: its bias and its weight. So the means of
    the next layer's inputs are known without any data.

    Parameters
    ----------
    mean, std : arrays of one shape, or numbers; std at least 0

    Raises
    ------
    ValueError
        `std` is negative or does not go with `mean`, or a value is NaN or infinite.
    TypeError
        A value is not a real number.

    Examples
    --------
    >>> [round(float(m), 4) for m in mean_after_relu([0.0, 2.0, -2.0], 1.0)]
    [0.3989, 2.0085, 0.0085]
    """
    mean = _check.finite(_check.as_float(mean, "mean"), "mean").astype(np.float64)
    std = _check.finite(_check.as_float(std, "std"), "std").astype(np.float64)
    mean, std = np.broadcast_arrays(mean, _check.goes_with(std, mean, "std"))
    if (std < 0).any():
        raise ValueError(f"std must be at least 0: got {std.min()}")
    with np.errstate(over="ignore", under="ignore"):
        z = np.divide(mean, std, out=np.where(mean > 0, np.inf, -np.inf), where=std > 0)
        density = np.exp(-np.square(z) / 2) / math.sqrt(2 * math.pi)
        return std * density + mean * (1 + _ERF(z / math.sqrt(2))) / 2


def _moved(bias: np.ndarray, shift: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        corrected = (bias - shift).astype(bias.dtype)
    return _check.finite(corrected, "the corrected bias")

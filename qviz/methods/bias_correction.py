"""Bias correction: rounded weights shift the mean of a layer's outputs; a change of the bias removes the shift.

Nagel, van Baalen, Blankevoort and Welling, "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv 1906.04721: section 4.2, and appendix C for the expected value after a ReLU.
"""

import math

import numpy as np

from qviz.numerics import _check

from ._inputs import vector_of, weight_of

_ERF = np.vectorize(math.erf, otypes=[float])


def correct_bias(bias, weight, weight_hat, mean_inputs) -> np.ndarray:
    """Correct the bias analytically, so that rounded weights give the same mean output as the original ones.

    The output error is (W^ - W) x, with mean (W^ - W) E[x]; that mean is subtracted from the bias (equation 16). No
    data is needed where E[x] is known, for instance from a batch norm with `mean_after_relu`.

    Parameters
    ----------
    bias : array (out,)
    weight, weight_hat : arrays (out, in, ...)
        Before and after rounding. In a convolution, all weights of an input channel multiply the same mean.
    mean_inputs : array (in,)
        Mean of each input, or of each input channel.

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
    """Subtract the measured mean error of a layer's outputs from its bias.

    Parameters
    ----------
    bias : array (out,)
    outputs, outputs_hat : arrays (samples, out, ...)
        Outputs before the activation function: of the float layer, and of the quantized layer with `bias`. The mean is
        taken over all axes except the channel axis (appendix D of the paper). This removes every constant shift,
        whether it comes from rounded weights, rounded inputs or zero padding.

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

    The bias and weight of a batch norm are the mean and standard deviation of the inputs of the ReLU, so the mean
    inputs of the next layer are known without any data.

    Parameters
    ----------
    mean, std : arrays of one shape, or numbers; std at least 0

    Raises
    ------
    ValueError
        `std` is negative or its shape does not match `mean`, or a value is NaN or infinite.
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

"""Integer biases, and the number of bits that they need.

An integer layer sums products of codes. A step of that sum is worth `scale_x * scale_w`, so a bias that is added to it
is quantized with this scale and zero point 0.
"""

import numpy as np

from . import _check


def quantize_bias(bias, scale, bits: int = 32) -> np.ndarray:
    """Quantize biases: `clip(round_half_even(bias / scale), -2**(bits - 1), 2**(bits - 1) - 1)`.

    Parameters
    ----------
    bias : array of any shape and real dtype, finite
    scale : float, or an array that broadcasts against `bias`
        In the units of `bias`; `scale_x * scale_w` if the codes are added to a sum of products.
    bits : int, 2 to 32

    Returns
    -------
    int64 array, shape of `bias`

    Raises
    ------
    ValueError
        `bias` is not finite, a scale is not positive and finite, shapes do not broadcast, or `bits` is out of range.
    TypeError
        `bias` or `scale` does not hold real numbers, or `bits` is not a whole number.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.4: int32, scale `S_1 S_2`, zero point 0.

    Examples
    --------
    >>> quantize_bias([0.7, -0.2, 0.03], 0.02 * 0.5)
    array([ 70, -20,   3])
    >>> quantize_bias([0.7, -0.2, 0.03], 0.02 * 0.5, bits=6)  # the highest code of 6 bits is 31
    array([ 31, -20,   3])
    """
    steps = bias_steps(bias, scale)
    reach = 2 ** (_check.whole_number(bits, "bits", 2, 32) - 1)
    return np.clip(steps, -reach, reach - 1).astype(np.int64)


def fake_quantize_bias(bias, scale, bits: int = 32) -> np.ndarray:
    """Quantize and dequantize biases: `scale * quantize_bias(bias, scale, bits)`.

    Parameters
    ----------
    bias, scale, bits : as for `quantize_bias`

    Returns
    -------
    float64 array, shape of `bias`

    Raises
    ------
    ValueError, TypeError
        As for `quantize_bias`.

    Examples
    --------
    >>> fake_quantize_bias([0.7, -0.2, 0.03], 0.25, bits=8)
    array([ 0.75, -0.25,  0.  ])
    """
    return quantize_bias(bias, scale, bits) * _check.as_float(scale, "scale").astype(np.float64)


def bias_bits(bias, scale) -> int:
    """Return the fewest bits with which no code is clipped, at least 2.

    Parameters
    ----------
    bias, scale : as for `quantize_bias`

    Returns
    -------
    int

    Raises
    ------
    ValueError, TypeError
        As for `quantize_bias`.

    Examples
    --------
    >>> bias_bits([0.7, -0.2, 0.03], 0.02 * 0.5)  # 70 exceeds 63, the highest code of 7 bits
    8
    >>> bias_bits([-0.64], 0.02 * 0.5)  # -64 is the lowest code of 7 bits
    7
    """
    steps = bias_steps(bias, scale)
    largest = np.where(steps < 0, -steps - 1, steps).max(initial=1.0)
    return int(np.frexp(largest)[1]) + 1


def bias_steps(bias, scale) -> np.ndarray:
    """Return biases rounded to whole steps of their scale, without clipping.

    Parameters
    ----------
    bias, scale : as for `quantize_bias`

    Returns
    -------
    float64 array, shape of `bias`

    Raises
    ------
    ValueError, TypeError
        As for `quantize_bias`.

    Examples
    --------
    >>> bias_steps([0.7, -0.2, 0.03], 0.02 * 0.5)
    array([ 70., -20.,   3.])
    """
    bias = _check.finite(_check.as_float(bias, "bias"), "bias").astype(np.float64)
    scale = _check.as_float(scale, "scale").astype(np.float64)
    bad = ~(np.isfinite(scale) & (scale > 0))
    if bad.any():
        raise ValueError(f"scale must be positive and finite: got {scale[bad][0]}")
    try:
        fits = np.broadcast_shapes(bias.shape, scale.shape) == bias.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"scale must be one number, or one for each bias: got shape {scale.shape} for biases of shape {bias.shape}"
        )
    with np.errstate(over="ignore"):  # quantize_bias clips infinity, int32_bias refuses it
        return np.rint(bias / scale)

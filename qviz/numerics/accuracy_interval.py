"""The uncertainty of an accuracy that was measured on a limited number of images."""

import numpy as np

from . import _check


def accuracy_interval(accuracy, images: int, z: float = 1.96) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's score interval for the accuracy on the population of all images.

    Parameters
    ----------
    accuracy : array of fractions, 0 to 1
    images : int
        Number of images on which each accuracy was measured, at least 1.
    z : float
        Half width in standard deviations; 1.96 gives a 95 % interval.

    Returns
    -------
    low, high : float64 arrays, shape of `accuracy`

    Raises
    ------
    TypeError
        An accuracy is not a real number, or `images` is not a whole number.
    ValueError
        An accuracy is not from 0 to 1, `images` below 1, or `z` negative.

    Notes
    -----
    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22, 1927. Unlike the normal approximation, it never exceeds 1. Networks tested on
    the *same* images can be compared more precisely than by their intervals, with a paired bootstrap
    (`qviz.experiments.hard_to_quantize.difference`, and `interval` there for one network).

    Examples
    --------
    >>> low, high = accuracy_interval(355 / 359, 359)
    >>> round(float(low), 3), round(float(high), 3)
    (0.972, 0.996)
    """
    p = _check.finite(_check.as_float(accuracy, "accuracy"), "accuracy").astype(np.float64)
    n = _check.whole_number(images, "images", 1)
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(f"accuracy must be from 0 to 1: got {p.min():g} to {p.max():g}; divide percent by 100")
    if not 0 <= _check.real_number(z, "z") < np.inf:
        raise ValueError(f"z must be at least 0 and finite: got {z}")
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return middle - half, middle + half

"""Fused multiply-add: a product and a sum with a single rounding."""

import numpy as np


def fused_multiply_add(a, b, c) -> np.ndarray:
    """Return a * b + c of float32 arrays, rounded once to float32, as a processor's FMA instruction does.

    Notes
    -----
    float64 represents the product exactly, but not always the sum. So the sum is rounded to odd, after which rounding
    to float32 is correct (Boldo and Melquiond 2008).

    Examples
    --------
    >>> a = np.float32(1 + 2**-12)
    >>> a * a - np.float32(1), fused_multiply_add(a, a, -1)  # the first loses the last bit of the square
    (np.float32(0.00048828125), np.float32(0.00048834085))
    """
    product = np.asarray(a, np.float32).astype(np.float64) * np.asarray(b, np.float32)
    c = np.asarray(c, np.float32).astype(np.float64)
    near = product + c
    part = near - product
    lost = (product - (near - part)) + (c - part)  # near + lost is the exact sum (Knuth's TwoSum)
    even = np.asarray(near).view(np.int64) & 1 == 0
    odd = np.where((lost != 0) & even & np.isfinite(near), np.nextafter(near, np.copysign(np.inf, lost)), near)
    return odd.astype(np.float32)[()]

"""Real images: handwritten digits, and a photograph."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ._files import load_shipped, read_only


@dataclass(frozen=True, eq=False)
class Digits:
    """1797 handwritten digits with a fixed split into training and test images.

    Attributes
    ----------
    images : (1797, 1, 8, 8) float32
        Image, channel, row, column; from 0 to 1, which is full ink, in steps of 1/16.
    labels : (1797,) int64, 0 to 9
    train, test : (1438,) and (359,) int64
        Sorted indices; each class is split 80 to 20.
    """

    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray


@cache
def digits() -> Digits:
    """Return the handwritten digits; their arrays are shared and read-only.

    Returns
    -------
    Digits

    Notes
    -----
    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    doi 10.24432/C50P49, the 1797 images of its test part as bundled with scikit-learn. Licence: CC BY 4.0. Changes:
    divided by 16. The split is stored, so it does not depend on NumPy's generators.

    Examples
    --------
    >>> d = digits()
    >>> d.images.shape, d.images.dtype.name, len(d.train), len(d.test)
    ((1797, 1, 8, 8), 'float32', 1438, 359)
    >>> int(d.labels[0])
    0
    >>> print((d.images[0, 0] * 16).astype(int))
    [[ 0  0  5 13  9  1  0  0]
     [ 0  0 13 15 10 15  5  0]
     [ 0  3 15  2  0 11  8  0]
     [ 0  4 12  0  0  8  8  0]
     [ 0  5  8  0  0  9  8  0]
     [ 0  4 11  0  1 12  7  0]
     [ 0  2 14  5 10 12  0  0]
     [ 0  0  6 13 10  0  0  0]]
    """
    stored = load_shipped("digits.npz")
    labels = stored["labels"].astype(np.int64)
    test = stored["test"].astype(np.int64)
    return Digits(
        images=read_only((stored["pixels"].astype(np.float32) / 16)[:, np.newaxis]),
        labels=read_only(labels),
        train=read_only(np.setdiff1d(np.arange(len(labels)), test)),
        test=read_only(test),
    )


@cache
def photograph() -> np.ndarray:
    """Return a grey photograph of a coffee cup, shared and read-only.

    Its smooth gradients break into bands at 3 bits.

    Returns
    -------
    (256, 384) float32 array, from 0 (black) to 1 (white)

    Notes
    -----
    Source: "coffee", photographed by Rachel Michetti, courtesy of Pikolo Espresso Bar, as bundled with scikit-image.
    Licence: CC0 by the photographer. Changes: converted to grey (Rec. 709 luma, gamma kept), scaled from 600 x 400 to
    384 x 256 pixels, 8 bits.

    Examples
    --------
    >>> p = photograph()
    >>> p.shape, p.dtype.name, float(p.min()), float(p.max())
    ((256, 384), 'float32', 0.0, 1.0)
    >>> len(np.unique(p))  # 8 bits can hold 256 values
    256
    >>> across = p[80, 210:250:4]  # across the inside of the cup, from shade to light
    >>> [int(v) for v in np.round(across * 255)]
    [86, 82, 87, 95, 110, 146, 151, 154, 176, 179]
    >>> [int(v) for v in np.round(across * 7)]  # bands at 3 bits, which have 8 values
    [2, 2, 2, 3, 3, 4, 4, 4, 5, 5]
    """
    return read_only(load_shipped("photograph.npz")["grey"].astype(np.float32) / 255)

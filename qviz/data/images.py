"""Two sets of real pictures: handwritten digits and one photograph."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ._files import load_shipped, read_only


@dataclass(frozen=True, eq=False)  # eq=False: arrays have no single truth value to compare by
class Digits:
    """1797 handwritten digits and one fixed split of them.

    Attributes
    ----------
    images : float32 (1797, 1, 8, 8): image, channel, row, column; ink from 0 to 1 (full) in steps of 1/16
    labels : int64 (1797,): the digit that was written, 0..9
    train, test : int64 (1438,) and (359,): sorted indices into both; each class is split 80 to 20
    """

    images: np.ndarray
    labels: np.ndarray
    train: np.ndarray
    test: np.ndarray


@cache
def digits() -> Digits:
    """Return the handwritten digits, with one fixed split into training and test images.

    The arrays are shared and read-only; use `.copy()` for one of your own. The split is stored, not drawn
    at run time, so that it cannot change with NumPy's generators.

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, 1998, doi 10.24432/C50P49, the 1797 images of its test part as bundled with scikit-learn.
    Licence: CC BY 4.0. Changed here: divided by 16.

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
    """Return a photograph of a coffee cup in grey: float32 (256, 384), 0 is black and 1 is white.

    Its porcelain holds smooth gradients, which break into bands at 3 bits; its values use the whole range.
    The array is shared and read-only; use `.copy()` for one of your own.

    Source: "coffee", photographed by Rachel Michetti, courtesy of Pikolo Espresso Bar, as bundled with
    scikit-image. Licence: CC0 by the photographer. Changed here: to grey (Rec. 709 luma, gamma kept),
    from 600 x 400 to 384 x 256 pixels, 8 bits.

    >>> p = photograph()
    >>> p.shape, p.dtype.name, float(p.min()), float(p.max())
    ((256, 384), 'float32', 0.0, 1.0)
    >>> len(np.unique(p))  # 8 bits can hold 256 values
    256
    >>> across = p[80, 210:250:4]  # along the inside of the cup, from shade to light
    >>> [int(v) for v in np.round(across * 255)]
    [86, 82, 87, 95, 110, 146, 151, 154, 176, 179]
    >>> [int(v) for v in np.round(across * 7)]  # at 3 bits, 8 values, it breaks into bands
    [2, 2, 2, 3, 3, 4, 4, 4, 5, 5]
    """
    return read_only(load_shipped("photograph.npz")["grey"].astype(np.float32) / 255)

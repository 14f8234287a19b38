"""An array that lies in a file: what it is, before any of its values are read."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

MAX_BYTES = 2**30


@dataclass(frozen=True)
class Stored:
    """One array of a file.

    Parameters
    ----------
    shape : tuple of int
    dtype : str
        Its type in the file, such as "float32" or "bfloat16".
    read : function of the most bytes that it may take
        Reads this array, and nothing else of the file.

    Examples
    --------
    >>> Stored((2, 3), "float32", lambda max_bytes: np.ones((2, 3), np.float32))
    float32 (2, 3)
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[int], np.ndarray]

    def __repr__(self) -> str:
        return f"{self.dtype} {self.shape}"

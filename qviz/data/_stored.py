"""A description of an array in a file, whose values are not read yet."""

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
        Type in the file, such as "float32" or "bfloat16".
    read : function from max_bytes to the array
        It reads only this array from the file.

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

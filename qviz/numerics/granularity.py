"""Granularity: whether a tensor, a channel or a group of values shares one scale.

Each granularity is a reshape to `(n_groups, n)` and back. All other modules work on these rows.
"""

import math
import re
from dataclasses import dataclass

import numpy as np

from . import _check

MOST_AXES = 64  # NumPy's limit


@dataclass(frozen=True)
class PerTensor:
    """One scale for the whole tensor.

    Examples
    --------
    >>> PerTensor().to_groups(np.zeros((4, 3, 2))).shape
    (1, 24)
    """

    def to_groups(self, x) -> np.ndarray:
        """Reshape `x` of any shape to `(1, x.size)`."""
        return _check.as_array(x).reshape(1, -1)

    def from_groups(self, groups: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Undo `to_groups` for an array of this shape."""
        return _reshaped(groups, shape)

    def __str__(self) -> str:
        return "per tensor"


@dataclass(frozen=True)
class PerChannel:
    """One scale for each index along `axis`.

    Parameters
    ----------
    axis : int
        A negative axis counts from the end.

    Raises
    ------
    TypeError
        `axis` is not a whole number.
    ValueError
        In `to_groups`: the array has no such axis.

    Examples
    --------
    One scale per output channel of a convolution's weights, (out, in, height, width):

    >>> PerChannel(axis=0).to_groups(np.zeros((16, 8, 3, 3))).shape
    (16, 72)
    """

    axis: int = 0

    def __post_init__(self):
        object.__setattr__(self, "axis", _check.whole_number(self.axis, "axis", -MOST_AXES, MOST_AXES - 1))

    def to_groups(self, x) -> np.ndarray:
        """Move `axis` to the front and reshape to `(x.shape[axis], values per channel)`."""
        x = _check.as_array(x)
        axis = _check.axis_of(self.axis, x.shape)
        others = x.shape[:axis] + x.shape[axis + 1 :]
        return np.moveaxis(x, axis, 0).reshape(x.shape[axis], math.prod(others))

    def from_groups(self, groups: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Undo `to_groups` for an array of this shape."""
        axis = _check.axis_of(self.axis, shape)
        moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
        return np.moveaxis(_reshaped(groups, moved), 0, axis)

    def __str__(self) -> str:
        return f"per channel (axis {self.axis})"


@dataclass(frozen=True)
class PerGroup:
    """One scale for every `size` consecutive values along `axis`.

    Parameters
    ----------
    axis : int
        A negative axis counts from the end.
    size : int
        Values per group, at least 1.

    Raises
    ------
    TypeError
        `axis` or `size` is not a whole number.
    ValueError
        `size` is less than 1. In `to_groups`: there is no such axis, or `size` does not divide its length.

    Examples
    --------
    >>> PerGroup(axis=-1, size=4).to_groups(np.zeros((8, 16))).shape
    (32, 4)
    """

    axis: int = -1
    size: int = 32

    def __post_init__(self):
        object.__setattr__(self, "axis", _check.whole_number(self.axis, "axis", -MOST_AXES, MOST_AXES - 1))
        object.__setattr__(self, "size", _check.whole_number(self.size, "group size", 1, 2**31))

    def to_groups(self, x) -> np.ndarray:
        """Move `axis` to the end and reshape to `(x.size / size, size)`."""
        x = _check.as_array(x)
        axis = _check.axis_of(self.axis, x.shape)
        if x.shape[axis] % self.size:
            raise ValueError(self._does_not_divide(x.shape, x.shape[axis]))
        return np.moveaxis(x, axis, -1).reshape(x.size // self.size, self.size)

    def from_groups(self, groups: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Undo `to_groups` for an array of this shape."""
        axis = _check.axis_of(self.axis, shape)
        moved = (*shape[:axis], *shape[axis + 1 :], shape[axis])
        return np.moveaxis(_reshaped(groups, moved), -1, axis)

    def _does_not_divide(self, shape: tuple[int, ...], length: int) -> str:
        small = [d for d in range(1, math.isqrt(length) + 1) if length % d == 0]
        fits = {*small, *(length // d for d in small)}
        near = [max(d for d in fits if d < self.size), *sorted(d for d in fits if d > self.size)[:1]]
        return (
            f"group size must divide axis {self.axis}: got {self.size} for length {length} "
            f"(shape {shape}); try {' or '.join(map(str, near))}"
        )

    def __str__(self) -> str:
        return f"per group of {self.size} (axis {self.axis})"


def _reshaped(groups, shape: tuple[int, ...]) -> np.ndarray:
    groups = _check.as_array(groups, "groups")
    if groups.size != math.prod(shape):
        raise ValueError(f"groups must hold the {math.prod(shape)} values of shape {shape}: got shape {groups.shape}")
    return groups.reshape(shape)


Granularity = PerTensor | PerChannel | PerGroup
PER_TENSOR = PerTensor()


def as_granularity(granularity, name: str = "granularity") -> Granularity:
    """Return the granularity given by an instance, a class, or the text that `str` returns for one.

    The text may omit the axis, which is then the class's default: 0 per channel, -1 per group.

    Raises
    ------
    TypeError
        `granularity` is none of these.

    Examples
    --------
    >>> as_granularity("per channel"), as_granularity("per channel (axis 1)"), as_granularity("per group of 64")
    (PerChannel(axis=0), PerChannel(axis=1), PerGroup(axis=-1, size=64))
    """
    words = r"per (?:(tensor)|(channel)|group of (\d{1,9}))(?: \(axis (-?\d{1,2})\))?"
    if isinstance(granularity, str) and (parts := re.fullmatch(words, granularity.replace("_", " "))):
        tensor, channel, size, axis = parts.groups()
        where = {"axis": int(axis)} if axis else {}
        if not (tensor and axis):
            return PER_TENSOR if tensor else PerChannel(**where) if channel else PerGroup(size=int(size), **where)
    must = "a granularity or words for one, such as PerChannel(0), 'per tensor', 'per channel' or 'per group of 32'"
    return _check.made(granularity, name, Granularity, must)

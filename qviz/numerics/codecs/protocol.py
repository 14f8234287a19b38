"""The interface of every number format, on which explorers, methods and networks rely."""

import math
from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .. import _check
from ._grouping import count_groups, from_groups, grouping_of, to_groups


class Codec(ABC):
    """A number format: a map from groups of real values to integer codes and back.

    A subclass has `choose_params`, `encode` and `decode`, which work on all groups at once, the rows of an
    (n_groups, n) array, and `bits_per_value`. `fake_quantize` applies the first three to an array of any shape.

    Attributes
    ----------
    name : str
    bits : float
        Bits of one code.
    group_size : int or None
        Number of neighbouring values that share parameters in this format; None means the whole tensor.
    """

    name: str
    bits: float
    group_size: int | None = None
    whole_groups = False  # whether encode needs rows of exactly group_size values

    @abstractmethod
    def choose_params(self, groups, weights=None) -> Any:
        """Choose the parameters, such as a scale, of each group.

        Parameters
        ----------
        groups : (n_groups, n) array of finite numbers
        weights : array that broadcasts with `groups`, or None
            Weight of each value's squared error, at least 0. Formats whose parameters depend only on the largest value
            ignore them.

        Returns
        -------
        parameters for `encode` and `decode` of the same codec; None if the format has none
        """

    @abstractmethod
    def encode(self, groups, params) -> np.ndarray:
        """Return the codes of each group's values: integers, shape of `groups`."""

    @abstractmethod
    def decode(self, codes, params) -> np.ndarray:
        """Return the real values of each group's codes: float32, shape of `codes`."""

    @property
    def codes(self) -> np.ndarray:
        """All codes, ascending."""
        return np.arange(2 ** int(self.bits))

    def levels(self, params, group: int = 0) -> np.ndarray:
        """Return the distinct real values of one group's codes, ascending.

        Parameters
        ----------
        params : from `choose_params`
        group : int
            Row of `groups`; in a format with blocks of blocks, all of its small blocks are included.

        Examples
        --------
        >>> from qviz.numerics.codecs import as_codec
        >>> codec = as_codec("int2")
        >>> codec.levels(codec.choose_params([[-0.5, 1.0], [3.0, 2.0]]), 1)
        array([-6., -3.,  0.,  3.], dtype=float32)
        """
        rows = np.full(len(self.codes), group)
        columns = self.group_size if self.whole_groups else 1
        codes = np.repeat(self.codes[:, None], columns, axis=1)
        return np.unique(self.decode(codes, rows_of_params(params, rows)))

    def group_bits(self, n: int) -> float:
        """Return the bits of the parameters of one group of `n` values."""
        return 0

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of parameters that are stored per tensor."""
        return 0

    def bits_per_value(self, shape, granularity=None) -> float:
        """Return the bits stored per value: its code, and its share of all scales and tables.

        Parameters
        ----------
        shape : int or tuple of int
        granularity : None, int, PerTensor, PerChannel or PerGroup, or words such as "per channel"
            None means the format's own group size, an int a group size along the last axis.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            The shape has no values, or cannot be cut into such groups.
        """
        shape = _check.shape_of(shape, "shape")
        count = math.prod(shape)
        if count == 0:
            raise ValueError(f"shape must hold at least one value to have bits per value: got {shape}")
        n_groups = count_groups(shape, self.grouping(granularity))
        params = n_groups * self.group_bits(-(-count // n_groups)) + self.tensor_bits(n_groups)
        return self.bits + params / count

    def grouping(self, granularity=None):
        """Return the granularity that this format uses for `granularity`."""
        return grouping_of(granularity, self.group_size)

    def fake_quantize(self, x, granularity=None, weights=None) -> np.ndarray:
        """Encode and decode an array of any shape.

        Parameters
        ----------
        x : array of any shape and real dtype
            The last group of an axis may be shorter.
        granularity : None, int, PerTensor, PerChannel or PerGroup, or words such as "per channel"
            None means the format's own group size, an int a group size along the last axis.
        weights : array that broadcasts with `x`, or None
            As in `choose_params`.

        Returns
        -------
        float32 array, shape of `x`

        Raises
        ------
        ValueError
            `x` holds NaN, an infinity, or a value beyond float32; or cannot be cut into such groups.
        TypeError
            `x` does not hold real numbers.
        """
        x = as_float32(x)
        if x.size == 0:
            self.grouping(granularity)
            return np.zeros(x.shape, np.float32)
        groups, weights = self.groups_of(x, granularity, weights)
        params = self.choose_params(groups, weights)
        values = self.decode(self.encode(groups, params), params)
        return from_groups(values, x.shape, self.grouping(granularity))

    def groups_of(self, x, granularity=None, weights=None) -> tuple[np.ndarray, np.ndarray | None]:
        """Cut an array and its weights into the rows that `choose_params` takes.

        Parameters
        ----------
        x, granularity, weights : as in `fake_quantize`; at least one value

        Returns
        -------
        groups : (n_groups, n) float32
            A shorter last group is padded by repeating its last value.
        weights : (n_groups, n) float32 or None
            0 for padding; None if all weights are equal.

        Raises
        ------
        ValueError, TypeError
            As for `fake_quantize`, or `x` is empty.
        """
        x, granularity = as_float32(x), self.grouping(granularity)
        if x.size == 0:
            raise ValueError(f"x must hold at least one value to be cut into groups: got shape {x.shape}")
        groups, real = to_groups(x, granularity, self.whole_groups)
        if weights is None:
            return groups, real
        weights = np.broadcast_to(as_weights(weights, x.shape), x.shape)
        rows, _ = to_groups(weights, granularity, self.whole_groups)
        return groups, rows if real is None else rows * real

    def __str__(self) -> str:
        return self.name


def rows_of_params(params, rows: np.ndarray):
    """Return the parameters of these groups: the given rows of each array in `params`, all else unchanged."""
    if isinstance(params, np.ndarray):
        return params[rows] if params.ndim else params
    if isinstance(params, tuple):
        return tuple(rows_of_params(part, rows) for part in params)
    if is_dataclass(params):
        parts = {field.name: rows_of_params(getattr(params, field.name), rows) for field in fields(params)}
        return type(params)(**parts)
    return params


def as_float32(x, name: str = "x") -> np.ndarray:
    """Return `x` as finite float32."""
    x = _check.as_float(x, name)
    if x.size and not np.isfinite([x.min(), x.max()]).all():  # takes half the time of checking each value
        _check.finite(x, name)
    if x.dtype == np.float32:
        return x
    with np.errstate(over="ignore"):
        small = x.astype(np.float32)
    beyond = np.isinf(small)
    if beyond.any():
        raise ValueError(f"{name} must fit float32, up to 3.4e38: got {x[beyond].flat[0]:.3g}; scale it down first")
    return small


def as_groups(groups) -> np.ndarray:
    """Return (n_groups, n) finite float32 values, with n at least 1."""
    groups = as_float32(groups, "groups")
    if groups.ndim != 2 or groups.shape[1] == 0:
        raise ValueError(f"groups must be (n_groups, n) with at least one value in each: got shape {groups.shape}")
    return groups


def as_weights(weights, shape: tuple[int, ...]) -> np.ndarray:
    """Return `weights` as float32; they must be at least 0 and broadcast to `shape`."""
    weights = as_float32(weights, "weights")
    if (weights < 0).any():
        raise ValueError(f"weights must be at least 0: got {weights.min():.3g}")
    try:
        np.broadcast_to(weights, shape)
    except ValueError:
        raise ValueError(f"weights must broadcast to shape {shape}: got shape {weights.shape}") from None
    return weights

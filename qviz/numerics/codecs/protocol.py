"""What every number format can do, so that explorers, methods and networks need to know no more of it."""

import math
from abc import ABC, abstractmethod
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .. import _check
from ._grouping import count_groups, from_groups, grouping_of, to_groups


class Codec(ABC):
    """A number format: how groups of real values become integer codes and come back.

    A subclass has four verbs, all of which work on every group at once: `choose_params`, `encode`, `decode`,
    `bits_per_value`. Groups are the rows of an (n_groups, n) array. Whoever has an array of another shape calls
    `fake_quantize`, which cuts it into groups and uses the first three.

    Attributes
    ----------
    name : str
    bits : float
        Bits of one code.
    group_size : int or None
        How many neighbouring values share parameters by the format's own definition; None is the whole tensor.
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
            How much the squared error of each value counts, at least 0. A format whose parameters follow from the
            largest value alone does not use them.

        Returns
        -------
        whatever `encode` and `decode` of the same codec take; None where the format has no parameters
        """

    @abstractmethod
    def encode(self, groups, params) -> np.ndarray:
        """Turn the values of each group into codes: integers of the shape of `groups`."""

    @abstractmethod
    def decode(self, codes, params) -> np.ndarray:
        """Turn the codes of each group into real values: float32 of the shape of `codes`."""

    @property
    def codes(self) -> np.ndarray:
        """Every code there is, rising."""
        return np.arange(2 ** int(self.bits))

    def levels(self, params, group: int = 0) -> np.ndarray:
        """Return the different real values that codes of one group stand for, rising.

        Parameters
        ----------
        params : from `choose_params`
        group : int
            Which row; in a format with blocks of blocks, the levels of all of its small blocks.

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
        """Return how many bits the parameters of one group of `n` values take."""
        return 0

    def tensor_bits(self, n_groups: int) -> float:
        """Return how many bits the parameters that all groups of a tensor share take."""
        return 0

    def bits_per_value(self, shape, granularity=None) -> float:
        """Return how many bits are stored for each value: its code, and its share of all scales and tables.

        Parameters
        ----------
        shape : int or tuple of int
        granularity : None, int, PerTensor, PerChannel or PerGroup, or words such as "per channel"
            None is the format's own group size, a whole number so many neighbours along the last axis.

        Raises
        ------
        ValueError
            The shape holds no value, or cannot be cut so.
        """
        shape = _check.shape_of(shape, "shape")
        count = math.prod(shape)
        if count == 0:
            raise ValueError(f"shape must hold at least one value to have bits per value: got {shape}")
        n_groups = count_groups(shape, self.grouping(granularity))
        params = n_groups * self.group_bits(-(-count // n_groups)) + self.tensor_bits(n_groups)
        return self.bits + params / count

    def grouping(self, granularity=None):
        """Return the granularity that this format uses where a caller asks for `granularity`."""
        return grouping_of(granularity, self.group_size)

    def fake_quantize(self, x, granularity=None, weights=None) -> np.ndarray:
        """Encode and decode an array of any shape: what a quantized network sees of `x`.

        Parameters
        ----------
        x : array of any shape and real dtype
            The last group of an axis may be shorter. Empty stays empty.
        granularity : None, int, PerTensor, PerChannel or PerGroup, or words such as "per channel"
            None is the format's own group size, a whole number so many neighbours along the last axis.
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
        """Cut an array into rows, and its weights with it: what `choose_params` takes.

        Parameters
        ----------
        x, granularity, weights : as in `fake_quantize`; at least one value

        Returns
        -------
        groups : (n_groups, n) float32
            A shorter last group is filled up by repeating its last value.
        weights : (n_groups, n) float32 or None
            0 where a row was filled up; None where every value counts the same.
        """
        x, granularity = as_float32(x), self.grouping(granularity)
        groups, real = to_groups(x, granularity, self.whole_groups)
        if weights is None:
            return groups, real
        weights = np.broadcast_to(as_weights(weights, x.shape), x.shape)
        rows, _ = to_groups(weights, granularity, self.whole_groups)
        return groups, rows if real is None else rows * real

    def __str__(self) -> str:
        return self.name


def rows_of_params(params, rows: np.ndarray):
    """Return the parameters of these groups: of each array in `params` the rows, and the rest as it is."""
    if isinstance(params, np.ndarray):
        return params[rows] if params.ndim else params
    if isinstance(params, tuple):
        return tuple(rows_of_params(part, rows) for part in params)
    if is_dataclass(params):
        parts = {field.name: rows_of_params(getattr(params, field.name), rows) for field in fields(params)}
        return type(params)(**parts)
    return params


def as_float32(x, name: str = "x") -> np.ndarray:
    """Return `x` as finite float32, or say what is wrong with it."""
    x = _check.as_float(x, name)
    if x.size and not np.isfinite([x.min(), x.max()]).all():  # half as long as to ask each value
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
    """Return (n_groups, n) finite float32 values, n at least 1."""
    groups = as_float32(groups, "groups")
    if groups.ndim != 2 or groups.shape[1] == 0:
        raise ValueError(f"groups must be (n_groups, n) with at least one value in each: got shape {groups.shape}")
    return groups


def as_weights(weights, shape: tuple[int, ...]) -> np.ndarray:
    """Return `weights` as float32 that are at least 0 and broadcast to this shape."""
    weights = as_float32(weights, "weights")
    if (weights < 0).any():
        raise ValueError(f"weights must be at least 0: got {weights.min():.3g}")
    try:
        np.broadcast_to(weights, shape)
    except ValueError:
        raise ValueError(f"weights must broadcast to shape {shape}: got shape {weights.shape}") from None
    return weights

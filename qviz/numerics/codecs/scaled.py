"""Formats with a table of values and one scale per group: scaled floats, and tables such as NF4."""

from dataclasses import dataclass

import numpy as np

from .. import _check
from .._groups import largest_of
from ._grouping import in_blocks
from .floating_point import FP8_E4M3, FloatFormat, checked_codes, look_up
from .protocol import Codec, as_groups


@dataclass(frozen=True)
class Scaled(Codec):
    """A table of values times a scale, which maps its largest magnitude to the largest in the group.

    Parameters
    ----------
    element : FloatFormat or Table
        The values before scaling. A FloatFormat is made to saturate.
    name : str
    group_size : int or None
        None means the whole tensor.
    scales : Codec or None
        Storage format of the scales; None means float32.

    Raises
    ------
    TypeError, ValueError
        `element` or `scales` has the wrong type, or `group_size` is less than 1.

    Notes
    -----
    The scale is 0 if a group is all zero or its scale underflows in `scales`; such a group decodes to zeros.

    Examples
    --------
    >>> from qviz.numerics.codecs import FP4_E2M1
    >>> fp4 = Scaled(FP4_E2M1, "FP4", group_size=4)
    >>> fp4.fake_quantize([0.1, -0.3, 0.25, 0.6])  # the levels are 0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6
    array([ 0.1, -0.3,  0.2,  0.6], dtype=float32)
    >>> fp4.bits_per_value(1024)
    12.0
    """

    element: object
    name: str = "scaled"
    group_size: int | None = None
    scales: Codec | None = None

    def __post_init__(self):
        if not all(hasattr(self.element, part) for part in ("values", "nearest", "max", "bits")):
            raise TypeError(f"element must be a FloatFormat or a Table: got {self.element!r}")
        if isinstance(self.element, FloatFormat):
            object.__setattr__(self, "element", self.element.saturating())
        if self.group_size is not None:
            _check.whole_number(self.group_size, "group_size", 1)
        as_scales(self.scales)

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.element.bits

    def choose_params(self, groups, weights=None) -> np.ndarray:
        """Return the scale of each row, (n_groups, 1) float32; `weights` are ignored."""
        scale = (largest(as_groups(groups)) / self.element.max).astype(np.float32)
        return scale if self.scales is None else stored(scale, self.scales)

    def scale_of(self, params) -> np.ndarray:
        """Return the real scale of each row, (n_groups, 1) float32."""
        return params

    def encode(self, groups, params) -> np.ndarray:
        """Divide by the scale, and return the code of the nearest value in the table."""
        scale = self.scale_of(params)
        with np.errstate(over="ignore"):  # division by a tiny scale gives infinity, and then the largest value
            return self._encode(groups, np.divide, np.where(scale == 0, np.float32(1), scale))

    def _encode(self, groups, operation, factor: np.ndarray) -> np.ndarray:
        """Divide or multiply each row by its factor, and return the nearest codes."""
        dtype = np.uint8 if self.bits <= 8 else np.uint16
        return in_blocks(lambda x, f: self.element.nearest(operation(x, f)), rows_of(groups, factor), (factor,), dtype)

    def decode(self, codes, params) -> np.ndarray:
        """Look up the codes, and multiply by the scale."""
        table, scale = self.element.values, self.scale_of(params)
        codes = checked_codes(codes, len(table), self.name)
        with np.errstate(over="ignore"):  # a level may exceed the largest float
            return in_blocks(lambda c, s: look_up(table, c) * s, rows_of(codes, scale), (scale,), np.float32)

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of all scales."""
        return scale_bits(self.scales, n_groups)


@dataclass(frozen=True)
class Centered(Codec):
    """Another codec, applied to the values minus their mean, which is stored in 32 bits.

    NF4's double quantization stores its scales like this, because they are all positive and similar.

    Parameters
    ----------
    codec : Codec

    Notes
    -----
    Source: Dettmers et al. 2023, "QLoRA", section 3.

    Examples
    --------
    >>> from qviz.numerics.codecs import Affine
    >>> Centered(Affine("int2")).fake_quantize([10.0, 11.0, 12.0])  # the mean is 11, and the levels -2, -1, 0, 1
    array([10., 11., 12.], dtype=float32)
    """

    codec: Codec

    @property
    def name(self) -> str:
        """The codec's name with "centered"."""
        return f"{self.codec}, centered"

    @property
    def bits(self) -> float:
        """Bits of a code."""
        return self.codec.bits

    @property
    def group_size(self) -> int | None:
        """Group size of the codec."""
        return self.codec.group_size

    def choose_params(self, groups, weights=None) -> tuple:
        """Return the (weighted) mean of all groups, and the codec's parameters for the differences from it."""
        groups = as_groups(groups)
        weights = None if weights is None else np.broadcast_to(weights, groups.shape)
        mean = np.average(groups.astype(np.float64), weights=weights) if groups.size else 0
        mean = np.float32(mean)
        return mean, self.codec.choose_params(groups - mean, weights)

    def encode(self, groups, params) -> np.ndarray:
        """Subtract the mean and encode."""
        mean, rest = params
        return self.codec.encode(as_groups(groups) - mean, rest)

    def decode(self, codes, params) -> np.ndarray:
        """Decode and add the mean."""
        mean, rest = params
        return self.codec.decode(codes, rest) + mean

    def group_bits(self, n: int) -> float:
        """Return the bits of the codec's parameters per group."""
        return self.codec.group_bits(n)

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of the codec's parameters per tensor, and 32 for the mean."""
        return self.codec.tensor_bits(n_groups) + 32


def largest(groups: np.ndarray) -> np.ndarray:
    """Return the largest magnitude in each row, (n_groups, 1) float32."""
    return largest_of(groups).astype(np.float32)


def rows_of(rows, scale: np.ndarray) -> np.ndarray:
    """Return values or codes as a 2-d array with one row per scale."""
    rows = np.asarray(rows) if isinstance(rows, np.ndarray) else _check.as_array(rows, "groups")
    if rows.ndim != 2 or len(rows) != len(scale):
        raise ValueError(f"params hold {len(scale)} scales, but there are {rows.shape} values; choose params for these")
    return rows if rows.dtype.kind in "iu" else rows.astype(np.float32, copy=False)


def as_scales(codec) -> Codec | None:
    """Return the storage format of scales: a codec, or None for float32."""
    if codec is not None and not isinstance(codec, Codec):
        raise TypeError(f"scales must be a codec such as FP16, or None for float32: got {codec!r}")
    return codec


def stored(scale: np.ndarray, codec: Codec) -> np.ndarray:
    """Return (n_groups, 1) scales rounded by a codec, which saturates instead of rounding to infinity."""
    kept = codec.saturating() if isinstance(codec, FloatFormat) else codec
    return kept.fake_quantize(scale.ravel()).reshape(-1, 1)


def scale_bits(codec: Codec | None, n_groups: int) -> float:
    """Return the bits of `n_groups` scales."""
    return n_groups * (32 if codec is None else codec.bits_per_value(n_groups))


# QLoRA: blocks of 256 scales, "8-bit Floats", one float32 for each block.
DOUBLE = Centered(Scaled(FP8_E4M3, "FP8 scales", 256))

"""The simple block formats of llama.cpp's GGUF files: Q8_0, Q4_0, Q4_1, Q5_0 and Q5_1.

A block is 32 values along a row. A name gives the bits, and whether a block has a minimum besides its scale (_1) or not
(_0). k_quants.py has the formats with blocks of blocks.
"""

import math
from dataclasses import dataclass

import numpy as np

from .. import _check
from .._groups import ends_of
from ._gguf_bytes import join_fifth_bits, join_halves, split_fifth_bits, split_halves
from ._grouping import count_groups, in_blocks
from .floating_point import checked_codes
from .protocol import Codec, as_groups
from .scaled import rows_of

_BLOCKS = {"Q8_0": 34, "Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24}  # bytes
# Added before truncation, this rounds a float32 to nearest, half away from zero; 0.5 would round 0.49999997 to 1.
_ALMOST_HALF = np.nextafter(np.float32(0.5), np.float32(0))
_BEYOND = np.float32(2**30)  # beyond every format, because scales are float16


@dataclass(frozen=True)
class BlockParams:
    """Scale and minimum of each block, before they are rounded to float16 for storage.

    Attributes
    ----------
    scale : (n_groups, 1) float32
        Used unrounded to encode, and rounded to float16 to decode.
    minimum : (n_groups, 1) float32, or None
    """

    scale: np.ndarray
    minimum: np.ndarray | None = None


class GGUFCodec(Codec):
    """Base class of GGUF's block formats, with whole blocks and their bytes."""

    whole_groups = True
    block_bytes: int

    def grouping(self, granularity=None):
        """Return groups of the block size; any other granularity is refused."""
        chosen = super().grouping(granularity)
        if getattr(chosen, "size", None) != self.group_size:
            raise ValueError(f"granularity must be None or groups of {self.group_size} for {self}: got {chosen}")
        return chosen

    def bits_per_value(self, shape, granularity=None) -> float:
        """Return the bits stored per value, with a shorter last block stored as a whole one."""
        super().bits_per_value(shape, granularity)
        shape = _check.shape_of(shape, "shape")
        return 8 * self.block_bytes * count_groups(shape, self.grouping(granularity)) / math.prod(shape)

    def _blocks(self, groups) -> np.ndarray:
        groups = as_groups(groups)
        if groups.shape[1] != self.group_size:
            raise ValueError(f"groups must be blocks of {self.group_size} for {self}: got shape {groups.shape}")
        largest = max(-groups.min(initial=0), groups.max(initial=0))
        return groups if largest <= _BEYOND else np.clip(groups, -_BEYOND, _BEYOND)

    def _bytes(self, packed) -> np.ndarray:
        packed = _check.as_array(packed, "packed")
        if packed.dtype != np.uint8 or packed.ndim != 2 or packed.shape[1] != self.block_bytes:
            raise ValueError(
                f"packed must be uint8, (n_groups, {self.block_bytes}) for {self}: "
                f"got {packed.dtype} of shape {packed.shape}"
            )
        return packed


@dataclass(frozen=True)
class GGUFBlock(GGUFCodec):
    """A block of 32 values with a float16 scale and, in names that end in _1, a float16 minimum.

    Parameters
    ----------
    name : {"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"}

    Raises
    ------
    ValueError
        `name` is unknown.

    Notes
    -----
    The bytes equal those of the gguf package, which follows llama.cpp's reference. A scale beyond float16 becomes its
    largest number. In Q4_0 and Q5_0, the value of largest magnitude gets the lowest code, -8 or -16, so the scale of a
    positive one is negative. Rounding adds one half and truncates; Q8_0 rounds half away from zero.

    Examples
    --------
    >>> codec = GGUFBlock("Q4_0")
    >>> codec.bits_per_value((4096, 4096))
    4.5
    >>> p = codec.choose_params([[-8.0] + [1.0] * 31])
    >>> codec.pack(codec.encode([[-8.0] + [1.0] * 31], p), p)[0, :4]
    array([  0,  60, 144, 153], dtype=uint8)
    """

    name: str
    group_size = 32

    def __post_init__(self):
        _check.one_of(self.name, _BLOCKS, "name")

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return int(self.name[1])

    @property
    def block_bytes(self) -> int:
        """Bytes of a block."""
        return _BLOCKS[self.name]

    @property
    def _has_minimum(self) -> bool:
        return self.name.endswith("_1")

    def choose_params(self, groups, weights=None) -> BlockParams:
        """Choose scale and minimum of each block from its extremes; `weights` are ignored."""
        x = self._blocks(groups)
        low, high = (end.astype(np.float32) for end in ends_of(x))
        if self._has_minimum:
            return BlockParams(_fits((high - low) / np.float32(2**self.bits - 1)), _fits(low))
        if self.name == "Q8_0":
            return BlockParams(_fits(np.maximum(-low, high) / np.float32(127)))
        signed = np.where(high > -low, high, low)
        both = np.flatnonzero(high == -low)  # of equal magnitudes, the first in the block is used
        signed[both, 0] = x[both, np.abs(x[both]).argmax(axis=1)]
        return BlockParams(_fits(signed / np.float32(-(2 ** (self.bits - 1)))))

    def encode(self, groups, params: BlockParams) -> np.ndarray:
        """Return codes from 0 on; without a minimum, the middle one means zero."""
        with np.errstate(divide="ignore", over="ignore"):
            inverse = np.where(params.scale == 0, np.float32(0), np.float32(1) / params.scale)
        shift = np.zeros_like(params.scale) if params.minimum is None else params.minimum
        with np.errstate(over="ignore", invalid="ignore"):  # 0 times an infinite inverse
            return in_blocks(self._steps, self._blocks(groups), (inverse, shift), np.uint8)

    def _steps(self, x: np.ndarray, inverse: np.ndarray, shift: np.ndarray) -> np.ndarray:
        steps = (x - shift) * inverse if self._has_minimum else x * inverse
        if self.name == "Q8_0":
            steps += np.copysign(_ALMOST_HALF, steps)
            np.trunc(steps, out=steps)
            steps += np.float32(128)
        else:
            steps += np.float32(self._zero + 0.5)
        # Negative steps truncate upward, but are clipped to the lowest code anyway.
        low = np.float32(self.name == "Q8_0")
        return np.fmin(np.fmax(steps, low, out=steps), np.float32(2**self.bits - 1), out=steps)

    def decode(self, codes, params: BlockParams) -> np.ndarray:
        """Multiply by the float16 scale, and add the float16 minimum."""
        codes, scale = rows_of(checked_codes(codes, 2**self.bits, self.name), params.scale), _half(params.scale)
        zero = np.float32(self._zero)
        if self._has_minimum:
            return in_blocks(lambda c, s, m: c * s + m, codes, (scale, _half(params.minimum)), np.float32)
        return in_blocks(lambda c, s: (c - zero) * s, codes, (scale,), np.float32)

    def pack(self, codes, params: BlockParams) -> np.ndarray:
        """Return the bytes of each block in a file, (n_groups, block_bytes) uint8."""
        codes = checked_codes(codes, 2**self.bits, self.name).astype(np.uint8)
        parts = [params.scale] + [params.minimum] * self._has_minimum
        parts = [part.astype("<f2").view(np.uint8) for part in parts]
        if self.name == "Q8_0":
            return np.hstack([*parts, codes ^ np.uint8(128)])  # two's complement
        if self.bits == 5:
            parts.append(join_fifth_bits(codes))
        return np.hstack([*parts, join_halves(codes & np.uint8(15))])

    def unpack(self, packed) -> tuple[np.ndarray, BlockParams]:
        """Undo `pack`: return codes, and parameters rounded to float16."""
        packed = self._bytes(packed)
        n = 1 + self._has_minimum
        halves = packed[:, : 2 * n].copy().view("<f2").astype(np.float32)
        params = BlockParams(halves[:, :1], halves[:, 1:] if self._has_minimum else None)
        rest = packed[:, 2 * n :]
        if self.name == "Q8_0":
            return rest ^ np.uint8(128), params
        codes = split_halves(rest[:, -16:])
        return (codes | split_fifth_bits(rest[:, :4]) << np.uint8(4) if self.bits == 5 else codes), params

    @property
    def _zero(self) -> int:
        """The code of zero in formats without a minimum."""
        return 0 if self._has_minimum else 2 ** (self.bits - 1)


def _half(values: np.ndarray) -> np.ndarray:
    """Round to float16 and back."""
    return values.astype(np.float16).astype(np.float32)


def _fits(values: np.ndarray) -> np.ndarray:
    """Clip to the range of float16."""
    return np.clip(values, np.float32(-65504), np.float32(65504))

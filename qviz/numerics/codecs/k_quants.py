"""GGUF's k-quants, Q2_K to Q6_K: blocks of 256 values with 8 or 16 sub-blocks.

The scales of the sub-blocks are integers of a few bits, times one float16 per block.
"""

from dataclasses import dataclass

import numpy as np

from .. import _check
from ._gguf_bytes import (
    deinterleave,
    interleave,
    join_scales_and_minima,
    join_sixteen_scales,
    split_scales_and_minima,
    split_sixteen_scales,
)
from .floating_point import checked_codes
from .gguf import GGUFCodec
from .protocol import as_weights

BLOCK = 256


@dataclass(frozen=True)
class _Layout:
    """The numbers of one format."""

    bits: int
    sub_blocks: int  # per block
    scale_bits: int
    has_minimum: bool
    block_bytes: int


_LAYOUTS = {
    "Q2_K": _Layout(2, 16, 4, True, 84),
    "Q3_K": _Layout(3, 16, 6, False, 110),
    "Q4_K": _Layout(4, 8, 6, True, 144),
    "Q5_K": _Layout(5, 8, 6, True, 176),
    "Q6_K": _Layout(6, 16, 8, False, 210),
}


@dataclass(frozen=True)
class KParams:
    """The scales of each block of 256, as stored.

    Attributes
    ----------
    scale : (n_groups, 1) float16
        Factor of the integer scales.
    scales : (n_groups, sub_blocks) integers
        From -32 to 31 in Q3_K and from -128 to 127 in Q6_K, otherwise from 0 on.
    minimum : (n_groups, 1) float16, or None
        Factor of the integer minima.
    minima : (n_groups, sub_blocks) integers, or None
        Their product with `minimum` is subtracted, so no real minimum is above zero.
    """

    scale: np.ndarray
    scales: np.ndarray
    minimum: np.ndarray | None = None
    minima: np.ndarray | None = None


@dataclass(frozen=True)
class KQuant(GGUFCodec):
    """A k-quant of GGUF.

    Parameters
    ----------
    name : {"Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"}

    Raises
    ------
    ValueError
        `name` is unknown.

    Notes
    -----
    Bytes decode as in llama.cpp. The choice of scales is not part of the format, and is qviz's own: each sub-block
    tries several steps, improves each by least squares, and keeps the one with the least (weighted) squared error; then
    scales are rounded to integers, and codes are chosen again. llama.cpp's search is similar but gives different bytes.
    File names such as Q4_K_M mean a mixture: most tensors in Q4_K, some in Q6_K.

    Examples
    --------
    >>> [KQuant(f"Q{bits}_K").bits_per_value((16, 256)) for bits in (2, 3, 4, 5, 6)]
    [2.625, 3.4375, 4.5, 5.5, 6.5625]
    """

    name: str
    group_size = BLOCK

    def __post_init__(self):
        _check.one_of(self.name, _LAYOUTS, "name")

    @property
    def layout(self) -> _Layout:
        """Bits, sub-blocks and bytes of this format."""
        return _LAYOUTS[self.name]

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return self.layout.bits

    @property
    def block_bytes(self) -> int:
        """Bytes of a block of 256."""
        return self.layout.block_bytes

    def choose_params(self, groups, weights=None) -> KParams:
        """Search the scales of each sub-block, and round them to integers times one float16 per block."""
        groups = self._blocks(groups)
        w = None if weights is None else self._small(np.broadcast_to(as_weights(weights, groups.shape), groups.shape))
        x = self._small(groups)
        if not self.layout.has_minimum:
            return KParams(*self._to_integers(_search_signed(x, w, self.bits)))
        step, low = _search_affine(x, w, self.bits)
        return KParams(*self._to_integers(step), *self._to_integers(low))

    def encode(self, groups, params: KParams) -> np.ndarray:
        """Return the nearest codes for the stored scales, from 0 on."""
        scale, minimum = self._real(params)
        x = self._small(self._blocks(groups))
        if minimum is not None:
            x = x + minimum
        with np.errstate(divide="ignore", over="ignore"):
            steps = np.rint(np.divide(x, scale, out=np.zeros_like(x), where=scale != 0)) + np.float32(self._zero)
        return np.clip(steps, 0, 2**self.bits - 1).astype(np.uint8).reshape(-1, BLOCK)

    def decode(self, codes, params: KParams) -> np.ndarray:
        """Multiply by the scale of the sub-block, and subtract its minimum."""
        codes = checked_codes(codes, 2**self.bits, self.name)
        scale, minimum = self._real(params)
        values = scale * (self._small(codes.astype(np.float32)) - np.float32(self._zero))
        return (values if minimum is None else values - minimum).reshape(-1, BLOCK)

    def pack(self, codes, params: KParams) -> np.ndarray:
        """Return the bytes of each block in a file, (n_groups, block_bytes) uint8."""
        q = checked_codes(codes, 2**self.bits, self.name).astype(np.uint8)
        halves = [h.astype("<f2").view(np.uint8) for h in (params.scale, params.minimum) if h is not None]
        scales = (params.scales + self._scale_zero).astype(np.uint8)
        match self.name:
            case "Q2_K":
                parts = [scales | params.minima.astype(np.uint8) << np.uint8(4), interleave(q, 2, 32), *halves]
            case "Q3_K":
                high = interleave(q >> np.uint8(2), 1, 32)
                parts = [high, interleave(q & np.uint8(3), 2, 32), join_sixteen_scales(scales), *halves]
            case "Q4_K" | "Q5_K":
                parts = [*halves, join_scales_and_minima(scales, params.minima.astype(np.uint8))]
                parts += [interleave(q >> np.uint8(4), 1, 32)] * (self.bits == 5)
                parts += [interleave(q & np.uint8(15), 4, 32)]
            case "Q6_K":
                low = interleave(q & np.uint8(15), 4, 64)
                parts = [
                    low,
                    interleave(q >> np.uint8(4), 2, 32),
                    params.scales.astype(np.int8).view(np.uint8),
                    *halves,
                ]
        return np.hstack(parts)

    def unpack(self, packed) -> tuple[np.ndarray, KParams]:
        """Undo `pack`."""
        packed = self._bytes(packed)

        def half(at: int) -> np.ndarray:
            return packed[:, at : at + 2].copy().view("<f2")

        match self.name:
            case "Q2_K":
                params = KParams(half(80), packed[:, :16] & np.uint8(15), half(82), packed[:, :16] >> np.uint8(4))
                return deinterleave(packed[:, 16:80], 2, 32), params
            case "Q3_K":
                scales = split_sixteen_scales(packed[:, 96:108]).astype(np.int8) - np.int8(32)
                codes = deinterleave(packed[:, 32:96], 2, 32) | deinterleave(packed[:, :32], 1, 32) << np.uint8(2)
                return codes, KParams(half(108), scales)
            case "Q4_K" | "Q5_K":
                scales, minima = split_scales_and_minima(packed[:, 4:16])
                codes = deinterleave(packed[:, -128:], 4, 32)
                if self.bits == 5:
                    codes = codes | deinterleave(packed[:, 16:48], 1, 32) << np.uint8(4)
                return codes, KParams(half(0), scales, half(2), minima)
            case _:
                codes = deinterleave(packed[:, :128], 4, 64) | deinterleave(packed[:, 128:192], 2, 32) << np.uint8(4)
                return codes, KParams(half(208), packed[:, 192:208].copy().view(np.int8))

    def _small(self, rows: np.ndarray) -> np.ndarray:
        """Cut blocks into sub-blocks: (n_groups, sub_blocks, values)."""
        return rows.reshape(len(rows), self.layout.sub_blocks, BLOCK // self.layout.sub_blocks)

    @property
    def _zero(self) -> int:
        """The code of zero in formats without a minimum."""
        return 0 if self.layout.has_minimum else 2 ** (self.bits - 1)

    @property
    def _scale_zero(self) -> int:
        """The offset of scales that are stored unsigned."""
        return 32 if self.name == "Q3_K" else 0

    def _to_integers(self, scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return one float16 per block, and the integers whose products with it are nearest to the scales."""
        bits = self.layout.scale_bits
        low, high = (0, 2**bits - 1) if self.layout.has_minimum else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        at = np.abs(scales).argmax(axis=1)[:, None]
        most = np.take_along_axis(scales, at, axis=1)  # gets exactly the lowest integer if scales are signed
        half = np.clip(most / (high if low == 0 else low), -65504, 65504).astype(np.float16)
        unit = half.astype(np.float32)
        ratio = np.divide(scales, unit, out=np.zeros_like(scales), where=unit != 0)
        return half, np.clip(np.rint(ratio), low, high).astype(np.uint8 if low == 0 else np.int8)

    def _real(self, params: KParams) -> tuple[np.ndarray, np.ndarray | None]:
        """Return scale and minimum of each sub-block, (n_groups, sub_blocks, 1) float32."""
        scale = (params.scale.astype(np.float32) * params.scales.astype(np.float32))[..., None]
        if params.minimum is None:
            return scale, None
        return scale, (params.minimum.astype(np.float32) * params.minima.astype(np.float32))[..., None]


_SHRINK = np.arange(-9, 10) / 10  # tried additions to the number of steps into which the range is divided


def _search_affine(x: np.ndarray, w: np.ndarray | None, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Return step and negated minimum of each sub-block, both (n_groups, sub_blocks) and at least 0."""
    top = 2**bits - 1
    low = np.minimum(x.min(axis=2, keepdims=True), 0)
    reach = x.max(axis=2, keepdims=True) - low
    step, minus = reach / top, -low
    best = step, minus
    least = _error(x, w, _codes(x + minus, step, 0, top) * step - minus)
    for shrink in _SHRINK:
        q = _codes(x - low, reach / (top + shrink), 0, top)
        step, minus = _fit_line(x, q, w)
        q = _codes(x + minus, step, 0, top)
        best, least = _keep_better(x, w, q * step - minus, (step, minus), best, least)
    return best[0][..., 0], best[1][..., 0]


def _search_signed(x: np.ndarray, w: np.ndarray | None, bits: int) -> np.ndarray:
    """Return the step of each sub-block, (n_groups, sub_blocks); it may be negative."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    at = np.abs(x).argmax(axis=2)[..., None]
    most = np.take_along_axis(x, at, axis=2)
    best = (most / low,)
    least = _error(x, w, _codes(x, best[0], low, high) * best[0])
    for shrink in _SHRINK:
        q = _codes(x, most / (low + shrink), low, high)
        step = _ratio(_sum(x * q, w), _sum(q * q, w))
        q = _codes(x, step, low, high)
        best, least = _keep_better(x, w, q * step, (step,), best, least)
    return best[0][..., 0]


def _codes(x: np.ndarray, step: np.ndarray, low: int, high: int) -> np.ndarray:
    return np.clip(np.rint(_ratio(x, step)), low, high)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a / b, or 0 where b is 0."""
    with np.errstate(over="ignore"):
        return np.divide(a, b, out=np.zeros(np.broadcast_shapes(a.shape, b.shape), np.float32), where=b != 0)


def _sum(values: np.ndarray, w: np.ndarray | None) -> np.ndarray:
    """Return the weighted sum over each sub-block, in float64 so that it is the same on every machine."""
    return (values if w is None else values * w).sum(axis=2, keepdims=True, dtype=np.float64)


def _error(x: np.ndarray, w: np.ndarray | None, x_hat: np.ndarray) -> np.ndarray:
    return _sum((x - x_hat) ** 2, w)


def _fit_line(x: np.ndarray, q: np.ndarray, w: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the least-squares step and negated minimum for codes `q`, both at least 0."""
    mass = float(x.shape[2]) if w is None else _sum(w, None)
    sq, sx, sqq, sxq = _sum(q, w), _sum(x, w), _sum(q * q, w), _sum(x * q, w)
    step = _ratio(mass * sxq - sx * sq, mass * sqq - sq * sq)
    minus = _ratio(step * sq - sx, np.broadcast_to(mass, sx.shape))
    through_zero = (minus < 0) | (step < 0)
    step = np.where(through_zero, np.maximum(_ratio(sxq, sqq), 0), step)
    return step, np.where(through_zero, np.float32(0), minus)


def _keep_better(x, w, x_hat, found: tuple, best: tuple, least):
    """Return the parameters with the lesser squared error, found or best so far, and that error."""
    error = _error(x, w, x_hat)
    better = error < least
    return tuple(np.where(better, f, b) for f, b in zip(found, best, strict=True)), np.where(better, error, least)

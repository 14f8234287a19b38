"""Block floating-point formats: Microscaling (MX) and NVFP4."""

import math
from dataclasses import dataclass

import numpy as np

from .. import _check
from .floating_point import FP4_E2M1, FP8_E4M3, FloatFormat
from .protocol import as_groups
from .scaled import Scaled, largest

RULES = ("floor", "ceil", "even", "rceil")
_ONE = np.uint32(1 << 23)  # the exponent's lowest bit in float32
_SMALLEST = np.float32(2.0**-120)  # NVFP4 scale per tensor, so that products with its reciprocal stay finite


@dataclass(frozen=True)
class MX(Scaled):
    """An MX format: blocks of floats that share a power-of-two scale.

    Parameters
    ----------
    element : FloatFormat
    name : str
    group_size : int or None
        32 in every MX format.
    rule : {"floor", "ceil", "even", "rceil"}
        The exponent of the scale, from the largest magnitude a of the block, the element's largest value m, and the
        exponent e of m.

        * floor: floor(log2(a)) - e, the rule of the specification. Values above m times the scale are clipped.
        * ceil: ceil(log2(a)) - e.
        * even: floor(log2(a rounded to the element's mantissa bits)) - e.
        * rceil: ceil(log2(a / m)), the smallest power of two that clips nothing.

    Raises
    ------
    ValueError
        `rule` is unknown, or `group_size` is less than 1.
    TypeError
        `element` is no FloatFormat.

    Notes
    -----
    The parameters are the scales' codes in E8M0: code c means 2^(c - 127). An all-zero block has code 0. Source: OCP
    Microscaling Formats (MX) specification 1.0, sections 5 and 6.3; the four rules are those of torchao. torchao
    divides by no scale below 2^-126, and for rceil computes a logarithm in float32, which is inexact if a / m is within
    1e-6 of a power of two.

    Examples
    --------
    >>> MXFP4 = MX(FP4_E2M1, "MXFP4")
    >>> block = np.float32([[7.9, 1.0, -0.3]])
    >>> p = MXFP4.choose_params(block)
    >>> MXFP4.scale_of(p), MXFP4.decode(MXFP4.encode(block, p), p)
    (array([[1.]], dtype=float32), array([[ 6. ,  1. , -0.5]], dtype=float32))
    >>> MX(FP4_E2M1, rule="ceil").fake_quantize(block)
    array([[ 8.,  1., -0.]], dtype=float32)
    """

    element: FloatFormat
    name: str = "MX"
    group_size: int | None = 32
    rule: str = "floor"

    def __post_init__(self):
        _check.made(self.element, "element", FloatFormat, "a FloatFormat, such as FP4_E2M1")
        _check.one_of(self.rule, RULES, "rule")
        super().__post_init__()

    def choose_params(self, groups, weights=None) -> np.ndarray:
        """Return the code of each row's scale, (n_groups, 1) uint8; `weights` are ignored."""
        a, fmt = largest(as_groups(groups)), self.element
        if self.rule == "rceil":
            a = a / np.float32(fmt.max)
        bits = a.view(np.uint32)
        if self.rule == "even":
            bits = bits + np.uint32(1 << (22 - fmt.mantissa_bits))
        elif self.rule != "floor":
            bits = bits + (_ONE - 1)  # carries into the exponent unless `a` is a power of two
        exponent = (bits >> 23).astype(np.int64) - 127
        if self.rule != "rceil":
            exponent -= math.frexp(fmt.max)[1] - 1
        return (np.clip(exponent, -127, 127) + 127).astype(np.uint8)

    def scale_of(self, params) -> np.ndarray:
        """Return the scales, (n_groups, 1) float32."""
        return np.ldexp(np.float32(1), np.asarray(params).astype(np.int32) - 127)

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of all scales, 8 each."""
        return 8 * n_groups


@dataclass(frozen=True)
class NVParams:
    """The scales of a tensor in NVFP4, a product of two.

    Attributes
    ----------
    block_scale : (n_groups, 1) uint8
        Codes of E4M3.
    tensor_scale : np.float32
    """

    block_scale: np.ndarray
    tensor_scale: np.float32


@dataclass(frozen=True)
class NVFP4(Scaled):
    """FP4 with an E4M3 scale per 16 values and a float32 scale per tensor.

    The tensor scale is chosen so that the largest block scale is the largest number of E4M3, 448.

    Notes
    -----
    The arithmetic is that of torchao's `nvfp4_quantize`: no block scale is below 2^-6, the smallest normal number of
    E4M3, and values are multiplied by the reciprocal of both scales. The tensor scale is at least 2^-120, so much
    smaller values become zero.

    Examples
    --------
    >>> codec = NVFP4()
    >>> p = codec.choose_params([[6.0] * 16, [0.6] * 16])
    >>> FP8_E4M3.decode(p.block_scale).ravel(), round(float(p.tensor_scale), 6)
    (array([448.,  44.], dtype=float32), 0.002232)
    >>> codec.bits_per_value(1024)
    4.53125
    """

    element: FloatFormat = FP4_E2M1
    name: str = "NVFP4"
    group_size: int | None = 16

    def choose_params(self, groups, weights=None) -> NVParams:
        """Return the scales of the blocks and the tensor; `weights` are ignored."""
        a = largest(as_groups(groups))
        most = a.max(initial=0)
        tensor_scale = np.maximum(most / np.float32(FP8_E4M3.max * self.element.max), _SMALLEST)
        if most == 0:
            tensor_scale = np.float32(1)
        scale = np.clip(a / np.float32(self.element.max) / tensor_scale, np.float32(2.0**-6), np.float32(FP8_E4M3.max))
        return NVParams(FP8_E4M3.encode(scale), tensor_scale)

    def scale_of(self, params: NVParams) -> np.ndarray:
        """Return the product of both scales, (n_groups, 1) float32."""
        return params.tensor_scale * FP8_E4M3.decode(params.block_scale)

    def encode(self, groups, params: NVParams) -> np.ndarray:
        """Multiply by the reciprocal of both scales and round to FP4."""
        blocks = FP8_E4M3.decode(params.block_scale)
        factor = np.float32(1) / params.tensor_scale / blocks
        return self._encode(groups, np.multiply, factor)

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of all scales: 8 per block and 32 per tensor."""
        return 8 * n_groups + 32

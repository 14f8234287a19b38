"""Small floating-point formats: a sign, an exponent and a mantissa in 2 to 16 bits.

The code of a value is the bits themselves: sign, exponent field, mantissa field, from the highest bit down.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from .. import _check
from ._grouping import in_blocks
from .protocol import Codec, as_groups

VARIANTS = ("ieee", "fn", "finite")
_MANTISSA, _BIAS = 23, 127  # of float32
_EXPONENT = np.uint32(0x7F800000)
_SIGN = np.uint32(0x80000000)
_PIECE = 1 << 18  # values: with fewer, the calls take longer than a cache further away


@dataclass(frozen=True)
class FloatFields:
    """What the bits of one code mean.

    Attributes
    ----------
    sign, exponent, mantissa : int
        The three fields as whole numbers, as stored.
    kind : {"zero", "subnormal", "normal", "infinity", "NaN"}
    power : int
        The power of two that the significand is multiplied by.
    significand : float
        1 + mantissa / 2^mantissa_bits; of a subnormal or zero, without the 1.
    value : float
    """

    sign: int
    exponent: int
    mantissa: int
    kind: str
    power: int
    significand: float
    value: float


@dataclass(frozen=True)
class FloatFormat(Codec):
    """A floating-point format of 2 to 16 bits without a scale: each value is rounded by itself.

    Parameters
    ----------
    exponent_bits : int
        1 to 8. The bias is 2^(exponent_bits - 1) - 1.
    mantissa_bits : int
        0 or more; with the sign, 16 bits at most.
    variant : {"ieee", "fn", "finite"}
        What the highest codes mean. "ieee": the top exponent is kept for infinity and NaN. "fn": only the very last
        code is NaN, and there is no infinity, as in the E4M3 that networks use. "finite": every code is a number.
    saturate : bool
        What becomes of a value beyond the largest: that largest value, or else infinity (NaN where the format has no
        infinity). A "finite" format always saturates.

    Raises
    ------
    ValueError
        The numbers of bits do not go together.
    TypeError
        An argument is of another kind.

    Notes
    -----
    Rounding is to nearest, ties to the even code. NaN becomes the format's NaN with the same sign; a format without
    one refuses it. Sources: IEEE 754-2019 for FP16; Micikevicius et al. 2022, "FP8 formats for deep learning", for E4M3
    and E5M2; OCP Microscaling Formats specification 1.0, section 5.3, for the rest.

    Examples
    --------
    >>> FP8_E4M3.encode([1.0, 0.3, -9.0])
    array([ 56,  42, 209], dtype=uint8)
    >>> FP8_E4M3.decode([56, 42, 209])
    array([ 1.    ,  0.3125, -9.    ], dtype=float32)
    >>> FP8_E5M2.max, FP4_E2M1.max, FloatFormat(3, 4).name
    (57344.0, 6.0, 'E3M4')
    """

    exponent_bits: int
    mantissa_bits: int
    variant: str = "ieee"
    saturate: bool = False

    def __post_init__(self):
        exponent = _check.whole_number(self.exponent_bits, "exponent_bits", 1, 8)
        mantissa = _check.whole_number(self.mantissa_bits, "mantissa_bits", 0, 15 - exponent)
        _check.one_of(self.variant, VARIANTS, "variant")
        object.__setattr__(self, "exponent_bits", exponent)
        object.__setattr__(self, "mantissa_bits", mantissa)
        object.__setattr__(self, "saturate", _check.yes_or_no(self.saturate, "saturate"))
        if exponent == 8 and self.variant != "ieee":
            raise ValueError(
                f"exponent_bits must be at most 7 for variant {self.variant!r}: 8 go beyond float32; or use 'ieee'"
            )
        if self.max == 0:
            raise ValueError(
                f"exponent_bits and mantissa_bits leave {self.variant!r} no number but zero: "
                f"got {exponent} and {mantissa}; use more bits, or variant 'finite'"
            )

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def name(self) -> str:
        """The name by its fields, such as E4M3."""
        return f"E{self.exponent_bits}M{self.mantissa_bits}"

    @property
    def bias(self) -> int:
        """What is subtracted from the exponent field."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def dtype(self) -> np.dtype:
        """The smallest unsigned integer type that holds every code."""
        return np.dtype(np.uint8 if self.bits <= 8 else np.uint16)

    @property
    def max_code(self) -> int:
        """The code of the largest number."""
        last = 2 ** (self.bits - 1) - 1
        return last - {"ieee": 2**self.mantissa_bits, "fn": 1, "finite": 0}[self.variant]

    @property
    def nan_code(self) -> int | None:
        """The code of NaN, without its sign; None where there is none."""
        last = 2 ** (self.bits - 1) - 1
        if self.variant == "ieee":  # the highest bit of the mantissa is set, the others are not
            return self.max_code + 1 + 2 ** (self.mantissa_bits - 1) if self.mantissa_bits else None
        return last if self.variant == "fn" else None

    @property
    def max(self) -> float:
        """The largest number."""
        return float(self._magnitude(self.max_code))

    @property
    def smallest_normal(self) -> float:
        """The smallest number with a leading 1."""
        return 2.0 ** (1 - self.bias)

    @property
    def values(self) -> np.ndarray:
        """(2^bits,) read-only float32: the value of every code, in the order of the codes."""
        return _values(self)

    def choose_params(self, groups, weights=None) -> None:
        """Return None: there is nothing to choose."""
        as_groups(groups)

    def encode(self, groups, params=None) -> np.ndarray:
        """Round each value to the nearest code; any shape will do.

        Raises
        ------
        ValueError
            A value is NaN, and the format has none.
        """
        x = _check.as_float(groups, "groups")
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(np.float32, copy=False)
        if self.nan_code is None and np.isnan(x).any():
            bad = _check.describe_bad(x, np.isnan(x))
            raise ValueError(f"groups must not hold NaN, which {self} has no code for: got {bad}; replace it first")
        return in_blocks(self.nearest, x.reshape(1, -1), (), self.dtype, _PIECE).reshape(x.shape)

    def decode(self, codes, params=None) -> np.ndarray:
        """Return the value of each code; any shape will do.

        Raises
        ------
        ValueError
            A code is not one of the format.
        TypeError
            The codes are not integers.
        """
        codes = checked_codes(codes, 2**self.bits, self.name)
        if self.exponent_bits == 8 and self.bits == 16:  # bfloat16: the upper half of a float32
            # Written two bytes further on, each code is the upper half of a number, and its zeros the next lower half.
            values = np.empty(codes.size + 1, "<f4")
            values.view("<u2")[0] = 0
            values.view(np.uint8)[2:-2].view("<u4")[...] = codes.reshape(-1)
            return values[:-1].reshape(codes.shape).astype(np.float32, copy=False)
        return look_up(self.values, codes)

    def levels(self, params=None, group: int = 0) -> np.ndarray:
        """Return the different values that are no NaN, rising."""
        return _levels(self)

    def fields(self, code: int) -> FloatFields:
        """Take a code apart into its fields.

        Examples
        --------
        >>> parts = FP8_E4M3.fields(0b1_0010_101)
        >>> parts.sign, parts.exponent, parts.mantissa, parts.kind, parts.power, parts.significand, parts.value
        (1, 2, 5, 'normal', -5, 1.625, -0.05078125)
        """
        code = _check.whole_number(code, "code", 0, 2**self.bits - 1)
        sign, rest = divmod(code, 2 ** (self.bits - 1))
        exponent, mantissa = divmod(rest, 2**self.mantissa_bits)
        value = float(self.values[code])
        if np.isnan(value) or np.isinf(value):
            kind = "NaN" if np.isnan(value) else "infinity"
        else:
            kind = "normal" if exponent else "subnormal" if mantissa else "zero"
        significand = (exponent > 0) + mantissa / 2**self.mantissa_bits
        return FloatFields(sign, exponent, mantissa, kind, max(exponent, 1) - self.bias, significand, value)

    def saturating(self) -> "FloatFormat":
        """Return the same format, in which a value beyond the largest becomes the largest."""
        return replace(self, saturate=True)

    def _magnitude(self, code):
        exponent, mantissa = code >> self.mantissa_bits, code & (2**self.mantissa_bits - 1)
        significand = mantissa + np.where(exponent > 0, 2**self.mantissa_bits, 0)
        power = np.maximum(exponent, 1) - self.bias - self.mantissa_bits
        return np.ldexp(significand.astype(np.float64), power)

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Return the code of each float32 of `x`, in the lowest 16 bits: what `encode` does, without its checks.
        It rounds to whole multiples of the step at each value's own exponent, by the processor's own rounding.
        """
        x = np.ascontiguousarray(x)
        bits, has_nan = x.view(np.uint32), np.isnan(x.max(initial=0))
        code = self._nearest_wide(bits) if self.exponent_bits == 8 else self._nearest_narrow(bits)
        if has_nan:
            nan = np.isnan(x)
            code[nan] = self.nan_code | (bits[nan] & _SIGN) >> (32 - self.bits)
        return code

    def _nearest_wide(self, bits: np.ndarray) -> np.ndarray:
        """Round away the lower bits of a float32, whose other fields are those of the format.

        They are rounded as a whole number: a float64 of 2^52 units of the last bit that is kept has none below it.
        """
        shift = _MANTISSA - self.mantissa_bits
        total = bits.view(np.int32).astype(np.float64)
        total += 1.5 * 2.0 ** (52 + shift)  # the half makes room for negative numbers
        code = total.view(np.uint64)
        if self.bits < 16 or self.saturate:
            code = code.astype(np.uint32) & np.uint32(2**self.bits - 1)
        if self.saturate:
            code -= code % 2 ** (self.bits - 1) > self.max_code
        return code

    def _nearest_narrow(self, bits: np.ndarray) -> np.ndarray:
        """Add 2^23 steps, which leaves room for whole steps alone, to the magnitude.

        The bits of the sum, less those of what was added, are their number. A carry into the next exponent comes out
        right by itself.
        """
        shift = _MANTISSA - self.mantissa_bits
        lowest, top = (np.uint32((_BIAS + e) << _MANTISSA) for e in self._exponents)
        code = bits & ~_SIGN
        np.minimum(code, top, out=code)  # all beyond is beyond the largest number as well
        tie = (code & ~_EXPONENT) == 1 << (_MANTISSA - 1) if self.mantissa_bits == 0 else None
        step = code & _EXPONENT
        np.maximum(step, lowest, out=step)
        step += shift << _MANTISSA
        total = code.view(np.float32)
        total += step.view(np.float32)
        code -= step
        step -= lowest + np.uint32(shift << _MANTISSA)
        step >>= shift
        code += step
        if tie is not None:  # there the sum's last bit is not the last bit of the code
            code -= tie & (code % 2 == 1) & (code > 1)
        np.minimum(code, self._beyond, out=code)
        sign = bits & _SIGN
        sign >>= 32 - self.bits
        code |= sign
        return code

    @property
    def _exponents(self) -> tuple[int, int]:
        """The exponent of the smallest normal number, and one above that of the largest field."""
        return 1 - self.bias, 2**self.exponent_bits - self.bias

    @property
    def _beyond(self) -> int:
        """The code for what is beyond the largest number."""
        saturates = self.saturate or self.variant == "finite"
        return self.max_code + (not saturates)


@cache
def _values(fmt: FloatFormat) -> np.ndarray:
    codes = np.arange(2 ** (fmt.bits - 1))
    with np.errstate(over="ignore"):
        magnitudes = fmt._magnitude(codes).astype(np.float32)
    if fmt.variant != "finite":
        magnitudes[fmt.max_code + 1 :] = np.nan
    if fmt.variant == "ieee":
        magnitudes[fmt.max_code + 1] = np.inf
    values = np.concatenate([magnitudes, -magnitudes])
    values.flags.writeable = False
    return values


@cache
def _levels(fmt: FloatFormat) -> np.ndarray:
    levels = np.unique(fmt.values[~np.isnan(fmt.values)])
    levels.flags.writeable = False
    return levels


def checked_codes(codes, count: int, name: str) -> np.ndarray:
    """Return `codes` as an array if they are integers from 0 to `count` - 1."""
    codes = _check.as_array(codes, "codes")
    if codes.size == 0:
        return codes.astype(np.uint8)
    if codes.dtype.kind not in "iu":
        raise TypeError(f"codes must hold integers: got dtype {codes.dtype}; call encode first")
    full = codes.dtype.kind == "u" and 256**codes.dtype.itemsize <= count
    if not full and not (codes.min() >= 0 and codes.max() < count):
        raise ValueError(f"codes must be those of {name}, from 0 to {count - 1}: got {codes.min()} to {codes.max()}")
    return codes


def look_up(table: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return `table[codes]`, checked before; "clip" lets NumPy leave out a check of its own.

    It makes intp of all codes it is given, so it is given few at a time.
    """
    values = np.empty(codes.shape, table.dtype)
    flat, out = codes.reshape(-1), values.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        np.take(table, flat[start : start + _PIECE], mode="clip", out=out[start : start + _PIECE])
    return values


FP16 = FloatFormat(5, 10)
BF16 = FloatFormat(8, 7)
FP8_E4M3 = FloatFormat(4, 3, "fn")
FP8_E4M3_IEEE = FloatFormat(4, 3)
FP8_E5M2 = FloatFormat(5, 2)
FP6_E3M2 = FloatFormat(3, 2, "finite")
FP6_E2M3 = FloatFormat(2, 3, "finite")
FP4_E2M1 = FloatFormat(2, 1, "finite")

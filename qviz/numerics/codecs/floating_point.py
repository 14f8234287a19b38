"""Floating-point formats of 2 to 16 bits.

The code of a value is its bit pattern: sign, exponent and mantissa, from the highest bit down.
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
_PIECE = 1 << 18  # values per block: with smaller ones, calls cost more time than a faster cache saves


@dataclass(frozen=True)
class FloatFields:
    """The fields of one code.

    Attributes
    ----------
    sign, exponent, mantissa : int
        The three fields as stored.
    kind : {"zero", "subnormal", "normal", "infinity", "NaN"}
    power : int
        The exponent of two by which the significand is scaled.
    significand : float
        1 + mantissa / 2^mantissa_bits, without the 1 for subnormals and zero.
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
    """A floating-point format of 2 to 16 bits, without a scale.

    Parameters
    ----------
    exponent_bits : int
        1 to 8. The bias is 2^(exponent_bits - 1) - 1.
    mantissa_bits : int
        0 or more, with at most 16 bits in total.
    variant : {"ieee", "fn", "finite"}
        Meaning of the highest codes. "ieee": the highest exponent is reserved for infinity and NaN. "fn": only the
        last code is NaN, and there is no infinity, as in the E4M3 of networks. "finite": all codes are numbers.
    saturate : bool
        Whether values beyond the largest become the largest, or else infinity (NaN in a format without infinity). A
        "finite" format always saturates.

    Raises
    ------
    ValueError
        The numbers of bits are out of range, or not possible for `variant`.
    TypeError
        An argument has the wrong type.

    Notes
    -----
    Values are rounded to nearest, ties to even. NaN becomes the format's NaN with the same sign; a format without NaN
    refuses it. Sources: IEEE 754-2019 for FP16; Micikevicius et al. 2022, "FP8 formats for deep learning", for E4M3
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
                f"exponent_bits must be at most 7 for variant {self.variant!r}: 8 exceed float32's range; or use 'ieee'"
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
        """The name, such as E4M3."""
        return f"E{self.exponent_bits}M{self.mantissa_bits}"

    @property
    def bias(self) -> int:
        """The exponent bias, which is subtracted from the exponent field."""
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
        """The code of NaN with sign 0, or None if the format has no NaN."""
        last = 2 ** (self.bits - 1) - 1
        if self.variant == "ieee":  # only the highest bit of the mantissa is set
            return self.max_code + 1 + 2 ** (self.mantissa_bits - 1) if self.mantissa_bits else None
        return last if self.variant == "fn" else None

    @property
    def max(self) -> float:
        """The largest number."""
        return float(self._magnitude(self.max_code))

    @property
    def smallest_normal(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (1 - self.bias)

    @property
    def values(self) -> np.ndarray:
        """The values of all codes, in the order of the codes: (2^bits,) read-only float32."""
        return _values(self)

    def choose_params(self, groups, weights=None) -> None:
        """Return None: the format has no parameters."""
        as_groups(groups)

    def encode(self, groups, params=None) -> np.ndarray:
        """Return the code of the nearest value, for an array of any shape.

        Raises
        ------
        ValueError
            A value is NaN, and the format has no NaN.
        """
        x = _check.as_float(groups, "groups")
        with np.errstate(over="ignore", under="ignore"):
            x = x.astype(np.float32, copy=False)
        if self.nan_code is None and np.isnan(x).any():
            bad = _check.describe_bad(x, np.isnan(x))
            raise ValueError(f"groups must not hold NaN, which {self} has no code for: got {bad}; replace it first")
        return in_blocks(self.nearest, x.reshape(1, -1), (), self.dtype, _PIECE).reshape(x.shape)

    def decode(self, codes, params=None) -> np.ndarray:
        """Return the value of each code, for an array of any shape.

        Raises
        ------
        ValueError
            A number is not a code of the format.
        TypeError
            The codes are not integers.
        """
        codes = checked_codes(codes, 2**self.bits, self.name)
        if self.exponent_bits == 8 and self.bits == 16:  # bfloat16: the upper half of a float32
            # Written as uint32 with an offset of two bytes, a code is an upper half, and its zeros the next lower half.
            values = np.empty(codes.size + 1, "<f4")
            values.view("<u2")[0] = 0
            values.view(np.uint8)[2:-2].view("<u4")[...] = codes.reshape(-1)
            return values[:-1].reshape(codes.shape).astype(np.float32, copy=False)
        return look_up(self.values, codes)

    def levels(self, params=None, group: int = 0) -> np.ndarray:
        """Return the distinct values except NaN, ascending."""
        return _levels(self)

    def fields(self, code: int) -> FloatFields:
        """Return the fields of a code.

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
        """Return the same format with `saturate=True`."""
        return replace(self, saturate=True)

    def _magnitude(self, code):
        exponent, mantissa = code >> self.mantissa_bits, code & (2**self.mantissa_bits - 1)
        significand = mantissa + np.where(exponent > 0, 2**self.mantissa_bits, 0)
        power = np.maximum(exponent, 1) - self.bias - self.mantissa_bits
        return np.ldexp(significand.astype(np.float64), power)

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Return the code of each float32 of `x`, in the lowest 16 bits, without the checks of `encode`."""
        x = np.ascontiguousarray(x)
        bits, has_nan = x.view(np.uint32), np.isnan(x.max(initial=0))
        code = self._nearest_wide(bits) if self.exponent_bits == 8 else self._nearest_narrow(bits)
        if has_nan:
            nan = np.isnan(x)
            code[nan] = self.nan_code | (bits[nan] & _SIGN) >> (32 - self.bits)
        return code

    def _nearest_wide(self, bits: np.ndarray) -> np.ndarray:
        """Round off the lower bits of float32, whose exponent the format shares.

        The bits are rounded as an integer: adding 2^52 units of the last kept bit in float64 leaves no bits below it.
        """
        shift = _MANTISSA - self.mantissa_bits
        total = bits.view(np.int32).astype(np.float64)
        total += 1.5 * 2.0 ** (52 + shift)  # 1.5 instead of 1, so that negative numbers stay in the same binade
        code = total.view(np.uint64)
        if self.bits < 16 or self.saturate:
            code = code.astype(np.uint32) & np.uint32(2**self.bits - 1)
        if self.saturate:
            code -= code % 2 ** (self.bits - 1) > self.max_code
        return code

    def _nearest_narrow(self, bits: np.ndarray) -> np.ndarray:
        """Round magnitudes by adding 2^23 steps, so that float32 keeps only whole steps.

        The bits of the sum minus those of the addend are the number of steps. A carry into the next exponent is correct
        without extra work.
        """
        shift = _MANTISSA - self.mantissa_bits
        lowest, top = (np.uint32((_BIAS + e) << _MANTISSA) for e in self._exponents)
        code = bits & ~_SIGN
        np.minimum(code, top, out=code)  # top exceeds the largest number
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
        if tie is not None:  # without a mantissa, the last bit of the sum is not the last bit of the code
            code -= tie & (code % 2 == 1) & (code > 1)
        np.minimum(code, self._beyond, out=code)
        sign = bits & _SIGN
        sign >>= 32 - self.bits
        code |= sign
        return code

    @property
    def _exponents(self) -> tuple[int, int]:
        """The exponent of the smallest normal number, and the largest field's exponent plus 1."""
        return 1 - self.bias, 2**self.exponent_bits - self.bias

    @property
    def _beyond(self) -> int:
        """The code of values beyond the largest number."""
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
    """Return `table[codes]` for checked codes; in blocks, because NumPy converts each to intp."""
    values = np.empty(codes.shape, table.dtype)
    flat, out = codes.reshape(-1), values.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        piece = slice(start, start + _PIECE)
        np.take(table, flat[piece], mode="clip", out=out[piece])  # "clip" skips a check
    return values


FP16 = FloatFormat(5, 10)
BF16 = FloatFormat(8, 7)
FP8_E4M3 = FloatFormat(4, 3, "fn")
FP8_E4M3_IEEE = FloatFormat(4, 3)
FP8_E5M2 = FloatFormat(5, 2)
FP6_E3M2 = FloatFormat(3, 2, "finite")
FP6_E2M3 = FloatFormat(2, 3, "finite")
FP4_E2M1 = FloatFormat(2, 1, "finite")

"""Integer formats: bits, signedness and the range of codes."""

import re
from dataclasses import dataclass

import numpy as np

from . import _check


@dataclass(frozen=True)
class IntFormat:
    """An integer format of 2 to 16 bits.

    Parameters
    ----------
    bits : int
        Width, 2 to 16.
    signed : bool
        Two's complement if True, otherwise codes start at 0.
    narrow : bool
        Omit the lowest code, which makes a signed format symmetric: int8 narrow is -127..127.

    Raises
    ------
    TypeError
        `bits` is not a whole number, or `signed` or `narrow` is not a bool.
    ValueError
        `bits` is not from 2 to 16.

    Notes
    -----
    Follows the quant_min and quant_max of torch and the narrow_range of TensorFlow.

    Examples
    --------
    >>> f = IntFormat(4)
    >>> f.qmin, f.qmax, f.levels, f.dtype.name, str(f)
    (-8, 7, 16, 'int8', 'int4')
    >>> IntFormat(12, signed=False).dtype.name
    'uint16'
    """

    bits: int = 8
    signed: bool = True
    narrow: bool = False

    def __post_init__(self):
        object.__setattr__(self, "bits", _check.whole_number(self.bits, "bits", 2, 16))
        object.__setattr__(self, "signed", _check.yes_or_no(self.signed, "signed"))
        object.__setattr__(self, "narrow", _check.yes_or_no(self.narrow, "narrow"))

    @property
    def qmin(self) -> int:
        """The lowest code."""
        return (-(2 ** (self.bits - 1)) if self.signed else 0) + self.narrow

    @property
    def qmax(self) -> int:
        """The highest code."""
        return 2 ** (self.bits - self.signed) - 1

    @property
    def levels(self) -> int:
        """The number of codes."""
        return self.qmax - self.qmin + 1

    @property
    def dtype(self) -> np.dtype:
        """The smallest NumPy integer type that holds every code."""
        return np.dtype(f"{'' if self.signed else 'u'}int{8 if self.bits <= 8 else 16}")

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}{' narrow' if self.narrow else ''}"


INT2, INT3, INT4, INT8, INT16 = (IntFormat(b) for b in (2, 3, 4, 8, 16))
UINT2, UINT3, UINT4, UINT8, UINT16 = (IntFormat(b, signed=False) for b in (2, 3, 4, 8, 16))


def as_format(fmt, name: str = "fmt") -> IntFormat:
    """Return the format given by an instance or a name.

    Raises
    ------
    TypeError
        `fmt` is neither a format nor the name of one.
    ValueError
        The name has fewer than 2 or more than 16 bits.

    Examples
    --------
    >>> as_format("uint4") == UINT4, as_format("int8 narrow")
    (True, IntFormat(bits=8, signed=True, narrow=True))
    """
    if isinstance(fmt, str) and (parts := re.fullmatch(r"(u?)int(\d{1,3})( narrow)?", fmt)):
        unsigned, bits, narrow = parts.groups()
        return IntFormat(int(bits), not unsigned, bool(narrow))
    return _check.made(fmt, name, IntFormat, "an IntFormat or the name of one, such as 'int8' or 'uint4'")

"""Bit packing: eight codes of 3 bits take three bytes."""

import math

import numpy as np

from . import _check
from .formats import IntFormat, as_format


def pack(codes, fmt: IntFormat) -> np.ndarray:
    """Pack codes into bytes, without unused bits between them.

    `code - qmin` is written with its lowest bit first, also across the end of a byte. Unused bits in the last byte are
    zero.

    Parameters
    ----------
    codes : integer array of any shape
        As from `quantize`.
    fmt : IntFormat, or its name such as "int4"
        2 to 16 bits.

    Returns
    -------
    (ceil(codes.size * bits / 8),) uint8 array

    Raises
    ------
    TypeError
        The codes are not integers.
    ValueError
        A code is out of the format's range.

    Examples
    --------
    After subtracting qmin, -8, the codes are 0 in the low and 9 in the high half of the byte.

    >>> pack([-8, 1], IntFormat(4))
    array([144], dtype=uint8)
    >>> pack(np.zeros((100, 100), np.int8), IntFormat(3)).nbytes
    3750
    """
    fmt = as_format(fmt)
    codes = _check.codes(codes, fmt, "codes")
    above = (codes.ravel().astype(np.int32) - fmt.qmin).astype("<u2")
    bits = np.unpackbits(above.view(np.uint8).reshape(-1, 2), axis=1, count=fmt.bits, bitorder="little")
    return np.packbits(bits.ravel(), bitorder="little")


def unpack(packed, fmt: IntFormat, shape: int | tuple[int, ...]) -> np.ndarray:
    """Undo `pack`.

    Parameters
    ----------
    packed : 1-d uint8 array
    fmt : IntFormat, or its name such as "int4"
        Format of the codes.
    shape : int or tuple of int
        Shape of the packed array, which is not stored.

    Returns
    -------
    `fmt.dtype` array of this shape

    Raises
    ------
    TypeError
        `packed` is not a uint8 array; a cast would turn 300 into 44, and 3.7 into 3.
    ValueError
        The number of bytes does not match `shape` and `fmt`.

    Examples
    --------
    >>> unpack(pack([[-8, 1], [7, 0]], IntFormat(4)), IntFormat(4), (2, 2))
    array([[-8,  1],
           [ 7,  0]], dtype=int8)
    """
    packed, fmt = _check.as_array(packed, "packed"), as_format(fmt)
    if packed.dtype != np.uint8:
        raise TypeError(f"packed must be a uint8 array, as from pack: got dtype {packed.dtype}")
    shape = _check.shape_of(shape, "shape")
    count, needed = math.prod(shape), packed_bytes(math.prod(shape), fmt)
    if packed.shape != (needed,):
        raise ValueError(f"packed must be {needed} bytes for {count} codes of {fmt}: got shape {packed.shape}")
    bits = np.unpackbits(packed, count=count * fmt.bits, bitorder="little").reshape(count, fmt.bits)
    halves = np.packbits(bits, axis=1, bitorder="little")
    above = np.zeros((count, 2), np.uint8)
    above[:, : halves.shape[1]] = halves
    return (above.view("<u2").ravel().astype(np.int32) + fmt.qmin).astype(fmt.dtype).reshape(shape)


def packed_bytes(count: int, fmt: IntFormat) -> int:
    """Return the number of bytes that packed codes take.

    Parameters
    ----------
    count : int
        Number of codes, at least 0.
    fmt : IntFormat, or its name such as "int4"

    Returns
    -------
    int

    Examples
    --------
    >>> packed_bytes(10, IntFormat(3))
    4
    """
    return -(-_check.whole_number(count, "count", 0) * as_format(fmt).bits // 8)

"""The layout of codes and scales in the bytes of a GGUF block; arrays are (n_groups, ...) uint8."""

import numpy as np


def join_halves(codes: np.ndarray) -> np.ndarray:
    """Pack two 4-bit codes per byte: the first half of the row in the low bits, the second in the high bits."""
    middle = codes.shape[1] // 2
    return codes[:, :middle] | codes[:, middle:] << np.uint8(4)


def split_halves(packed: np.ndarray) -> np.ndarray:
    """Undo `join_halves`."""
    return np.hstack([packed & np.uint8(15), packed >> np.uint8(4)])


def join_fifth_bits(codes: np.ndarray) -> np.ndarray:
    """Pack the fifth bits of 32 codes into 4 bytes, the first code in the lowest bit."""
    return np.packbits(codes >> np.uint8(4) & np.uint8(1), axis=1, bitorder="little")


def split_fifth_bits(packed: np.ndarray) -> np.ndarray:
    """Undo `join_fifth_bits`, to 0 or 1 for each code."""
    return np.unpackbits(packed, axis=1, bitorder="little")


def _shifts(each: int, bits: int) -> np.ndarray:
    return (np.arange(each, dtype=np.uint8) * np.uint8(bits))[:, None]


def interleave(codes: np.ndarray, bits: int, run: int) -> np.ndarray:
    """Pack 8 / bits codes per byte: each 8 / bits consecutive runs share `run` bytes, the first in the lowest bits."""
    each = 8 // bits
    stretches = codes.shape[1] // (each * run)
    runs = codes.reshape(len(codes), stretches, each, run) << _shifts(each, bits)
    return np.bitwise_or.reduce(runs, axis=2).reshape(len(codes), stretches * run)


def deinterleave(packed: np.ndarray, bits: int, run: int) -> np.ndarray:
    """Undo `interleave`."""
    each = 8 // bits
    stretches = packed.shape[1] // run
    runs = packed.reshape(len(packed), stretches, 1, run) >> _shifts(each, bits)
    return (runs & np.uint8(2**bits - 1)).reshape(len(packed), stretches * each * run)


def join_scales_and_minima(scales: np.ndarray, minima: np.ndarray) -> np.ndarray:
    """Pack 8 scales and 8 minima of 6 bits into 12 bytes, as Q4_K and Q5_K do.

    The first four of each take the low 6 bits of the first eight bytes. Of the last four, the high 2 bits fill these
    bytes, and the low 4 bits take the last four bytes.
    """
    first = [part[:, :4] | (part[:, 4:] >> np.uint8(4)) << np.uint8(6) for part in (scales, minima)]
    return np.hstack([*first, scales[:, 4:] & np.uint8(15) | minima[:, 4:] << np.uint8(4)])


def split_scales_and_minima(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Undo `join_scales_and_minima`."""
    first, second, low = np.split(packed, 3, axis=1)
    low_parts = (low & np.uint8(15), low >> np.uint8(4))
    parts = [
        np.hstack([high & np.uint8(63), rest | (high >> np.uint8(6)) << np.uint8(4)])
        for high, rest in zip((first, second), low_parts, strict=True)
    ]
    return parts[0], parts[1]


def join_sixteen_scales(scales: np.ndarray) -> np.ndarray:
    """Pack 16 scales of 6 bits into 12 bytes, as Q3_K does: low 4 bits in eight bytes, high 2 bits in four."""
    return np.hstack([join_halves(scales & np.uint8(15)), interleave(scales >> np.uint8(4), 2, 4)])


def split_sixteen_scales(packed: np.ndarray) -> np.ndarray:
    """Undo `join_sixteen_scales`."""
    return split_halves(packed[:, :8]) | deinterleave(packed[:, 8:], 2, 4) << np.uint8(4)

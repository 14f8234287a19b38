"""Argument checks, and the wording of every message: which argument, what it must be, what arrived, what to do."""

import numpy as np


def as_float(x, name: str = "x") -> np.ndarray:
    """Return `x` as float32 or float64, the two dtypes all arithmetic here is done in.

    float32 and float64 stay; float16 and integers of at most 16 bits become float32, which holds them
    exactly; wider integers become float64. Nothing is copied that need not be.
    """
    array = np.asarray(x)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size in (4, 8):
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    if kind == "f" and size < 4 or kind in "iub" and size <= 2:
        return array.astype(np.float32)
    if kind in "iu" or kind == "f":
        return array.astype(np.float64)
    raise TypeError(f"{name} must be an array of real numbers: got dtype {array.dtype}; convert it to float32 first")


def finite(x: np.ndarray, name: str = "x") -> np.ndarray:
    """Return `x`, or say how many NaN or infinite values it holds and where the first one is."""
    bad = ~np.isfinite(x)
    if bad.any():
        raise ValueError(f"{name} must be finite: got {describe_bad(x, bad)}; drop or replace them first")
    return x


def describe_bad(x: np.ndarray, bad: np.ndarray) -> str:
    """Word the values of `x` under the mask `bad`, such as '2 NaN, first at index (0, 3)'."""
    nan, inf = int(np.isnan(x).sum()), int((bad & np.isinf(x)).sum())
    what = " and ".join(text for n, text in ((nan, f"{nan} NaN"), (inf, f"{inf} infinite")) if n)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{what}, first at index {first}" if first else what


def one_of(value, choices, name: str):
    """Return `value` if it is among `choices`, or list them."""
    if value in choices:
        return value
    listed = ", ".join(repr(c) for c in choices)
    raise ValueError(f"{name} must be one of {listed}: got {value!r}")


def whole_number(value, name: str, low: int, high: int) -> int:
    """Return `value` as int if it is a whole number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be a whole number from {low} to {high}: got {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low} to {high}: got {value}")
    return int(value)


def axis_of(axis: int, ndim: int, shape: tuple[int, ...]) -> int:
    """Return `axis` counted from the front, or say which axes there are."""
    if ndim == 0:
        raise ValueError(f"axis {axis} needs an array with at least one axis: got a 0-d value; use PerTensor()")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must be from {-ndim} to {ndim - 1} for shape {shape}: got {axis}")
    return axis % ndim

"""Argument checks, and the wording of every message.

A message says which argument, what it must be, what arrived, and what to do.
"""

from dataclasses import fields

import numpy as np


def as_float(x, name: str = "x") -> np.ndarray:
    """Return `x` as float32 or float64 in native byte order, the dtypes all arithmetic here is done in.

    float32 and float64 stay; float16, bool and integers of at most 16 bits become float32, which holds them
    exactly; wider integers and long double become float64. Nothing is copied that need not be.
    """
    try:
        array = np.asarray(x)
    except ValueError as error:  # rows of unequal length
        raise TypeError(f"{name} must be an array of real numbers: {error}") from None
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers: got dtype {array.dtype}; convert it to float32 first"
        )
    if kind == "f" and size in (4, 8):
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes an infinity, which callers check
        return array.astype(np.float32 if size <= 2 else np.float64)


def finite(x: np.ndarray, name: str = "x") -> np.ndarray:
    """Return `x`, or say how many NaN or infinite values it holds and where the first one is."""
    bad = ~np.isfinite(x)
    if bad.any():
        raise ValueError(f"{name} must be finite: got {describe_bad(x, bad)}; drop or replace them first")
    return x


def describe_bad(x: np.ndarray, bad: np.ndarray) -> str:
    """Word the values of `x` under the mask `bad`, such as '2 NaN, first at index (0, 3)'."""
    nan, inf = int((bad & np.isnan(x)).sum()), int((bad & np.isinf(x)).sum())
    what = " and ".join(text for n, text in ((nan, f"{nan} NaN"), (inf, f"{inf} infinite")) if n)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{what}, first at index {first}" if first else what


def one_of(value, choices, name: str):
    """Return `value` if it is among `choices`, or list them."""
    if isinstance(value, str) and value in choices:
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


def yes_or_no(value, name: str) -> bool:
    """Return `value` if it is a bool; 0 and 1 are refused, because they are often a number in the wrong place."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False: got {value!r}")
    return bool(value)


def codes(q, fmt, name: str) -> np.ndarray:
    """Return `q` as an array if it holds integers from `fmt.qmin` to `fmt.qmax`."""
    q = np.asarray(q)
    if q.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers: got dtype {q.dtype}; call quantize first")
    if q.size and not fmt.qmin <= q.min() <= q.max() <= fmt.qmax:
        raise ValueError(f"{name} must hold codes of {fmt}, from {fmt.qmin} to {fmt.qmax}: got {q.min()} to {q.max()}")
    return q


def axis_of(axis: int, shape: tuple[int, ...]) -> int:
    """Return `axis` counted from the front, or say which axes there are."""
    ndim = len(shape)
    if ndim == 0:
        raise ValueError(f"axis {axis} needs an array with at least one axis: got a 0-d value; use PerTensor()")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must be from {-ndim} to {ndim - 1} for shape {shape}: got {axis}")
    return axis % ndim


def same_fields(a, b) -> bool:
    """Compare two dataclasses that hold arrays, field by field; the `==` of dataclasses cannot."""
    return type(a) is type(b) and all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name))
        if isinstance(getattr(a, f.name), np.ndarray)
        else getattr(a, f.name) == getattr(b, f.name)
        for f in fields(a)
    )

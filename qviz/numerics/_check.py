"""Argument checks. Every message names the argument, what it must be, what was passed, and how to fix it."""

from contextlib import suppress
from dataclasses import fields
from numbers import Integral, Real

import numpy as np

NUMPY_HAS = ("torch.float16", "torch.float32", "torch.float64")
SMALL_FLOATS = ("bfloat16", "float8")  # of ml_dtypes; float32 represents them exactly
LARGEST = 1e37  # in a plot, whose limits are widened and subtracted in float32
ADVICE = {"c": "take .real, .imag or abs()", "V": "take one field of it"}


def as_array(x, name: str = "x") -> np.ndarray:
    """Return `x` (list, number, torch tensor, table column, ...) as an array, without a copy where possible."""
    if any(isinstance(part, np.ma.MaskedArray) for part in (x, *(x if isinstance(x, list | tuple) else ()))):
        raise TypeError(f"{name} must not be a masked array: its mask would be lost; try {name}.compressed()")
    try:
        array = np.asarray(_from_torch(x) if hasattr(x, "detach") and hasattr(x, "cpu") else x)
        if array.dtype.name.startswith(SMALL_FLOATS):
            array = array.astype(np.float32)
    except Exception as error:  # rows of unequal length, a tensor without data, or anything that __array__ raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        rows = "check that its rows are equally long"
        advice = "pass a dense tensor with values" if hasattr(x, "detach") else rows
        raise TypeError(f"{name} must be an array of real numbers: {reason}; {advice}") from error
    if array.dtype == object and array.ndim == 0 and not isinstance(x, np.ndarray):
        what = "None" if x is None else f"a {type(x).__name__}"
        raise TypeError(f"{name} must be an array of real numbers: got {what}; pass an array, a list or a tensor")
    return array


def _from_torch(tensor) -> np.ndarray:
    """Return the values of a torch tensor, through its methods alone: torch need not be imported here."""
    tensor = tensor.detach().cpu()
    tensor = tensor.dequantize() if tensor.is_quantized else tensor
    tensor = tensor if str(tensor.layout) == "torch.strided" else tensor.to_dense()
    if tensor.is_floating_point() and str(tensor.dtype) not in NUMPY_HAS:
        tensor = tensor.float()  # bfloat16 and float8: exact in float32
    return tensor.resolve_conj().resolve_neg().numpy()


def real_array(x, name: str = "x") -> np.ndarray:
    """Return `x` as an array; its dtype must be real."""
    array = as_array(x, name)
    if array.dtype.kind not in "fiub":
        advice = ADVICE.get(array.dtype.kind, "convert it to float32 first")
        raise TypeError(f"{name} must be an array of real numbers: got dtype {array.dtype}; {advice}")
    return array


def as_float(x, name: str = "x") -> np.ndarray:
    """Return `x` in native byte order as float32 if that represents its dtype exactly, else as float64."""
    array = real_array(x, name)
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "f" and size in (4, 8):
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):  # a long double beyond float64 becomes infinite, which callers check
        return array.astype(np.float32 if size <= 2 else np.float64)


def finite(x: np.ndarray, name: str = "x") -> np.ndarray:
    """Return `x` if it is finite; the message counts NaN and infinities and locates the first."""
    bad = ~np.isfinite(x)
    if bad.any():
        raise ValueError(f"{name} must be finite: got {describe_bad(x, bad)}; drop or replace them first")
    return x


def drawable(x, name: str = "x", axes: int | None = None, least: int = 1) -> np.ndarray:
    """Return `x` as float32 or float64 if it can be plotted: at least `least` values, none beyond LARGEST."""
    x = finite(as_float(x, name), name)
    if axes is not None and x.ndim != axes:
        raise ValueError(f"{name} must have {axes} axes: got shape {x.shape}")
    if x.size < least:
        raise ValueError(f"{name} must hold at least one value to be drawn: got shape {x.shape}")
    if np.abs(x).max(initial=0.0) > LARGEST:
        raise ValueError(f"{name} must hold no value beyond {LARGEST:.0e} to be drawn: got {np.abs(x).max():.3g}")
    return x


def goes_with(values: np.ndarray, like: np.ndarray, name: str) -> np.ndarray:
    """Return `values` if they broadcast with `like`."""
    try:
        np.broadcast_shapes(values.shape, like.shape)
    except ValueError:
        raise ValueError(f"{name} must broadcast with shape {like.shape}: got shape {values.shape}") from None
    return values


def describe_bad(x: np.ndarray, bad: np.ndarray) -> str:
    """Describe the values of `x` under the mask `bad`, such as '2 NaN, first at index (0, 3)'."""
    nan, inf = int((bad & np.isnan(x)).sum()), int((bad & np.isinf(x)).sum())
    what = " and ".join(text for n, text in ((nan, f"{nan} NaN"), (inf, f"{inf} infinite")) if n)
    first = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{what}, first at index {first}" if first else what


def one_of(value, choices, name: str):
    """Return `value` if it is among `choices`; the message lists them."""
    if isinstance(value, str) and value in choices:
        return value
    listed = ", ".join(repr(c) for c in choices)
    raise ValueError(f"{name} must be one of {listed}: got {value!r}")


def whole_number(value, name: str, low: int, high: int | None = None) -> int:
    """Return `value` as int if it is an integer, Python's or NumPy's but no bool, from `low` to `high`."""
    to_high = f"from {low} to {high}" if high is not None else f"at least {low}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number {'of ' * (high is None)}{to_high}: got {value!r}")
    if value < low or (high is not None and value > high):
        raise ValueError(f"{name} must be {to_high}: got {value}")
    return int(value)


def real_number(value, name: str, must: str = "") -> float:
    """Return `value` as a Python number if it is real; `must` completes the message, such as 'from 0 to 1'."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number{' ' * bool(must)}{must}: got {value!r}")
    return float(value) if isinstance(value, np.generic) else value  # a NumPy float32 would make results float32


def yes_or_no(value, name: str) -> bool:
    """Return `value` if it is a bool; 0 and 1 are refused, because they are often misplaced numbers."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False: got {value!r}")
    return bool(value)


def shape_of(shape, name: str) -> tuple[int, ...]:
    """Return a shape as a tuple of int; one integer is the length of a single axis."""
    lengths = shape if isinstance(shape, list | tuple) else [shape]
    return tuple(whole_number(length, name if length is shape else f"each length of {name}", 0) for length in lengths)


def codes(q, fmt, name: str) -> np.ndarray:
    """Return `q` as an array if it holds integers from `fmt.qmin` to `fmt.qmax`."""
    q = as_array(q, name)
    if q.size == 0:  # an empty list becomes float64
        return q.astype(fmt.dtype)
    if q.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers: got dtype {q.dtype}; call quantize first")
    if not fmt.qmin <= q.min() <= q.max() <= fmt.qmax:
        raise ValueError(f"{name} must hold codes of {fmt}, from {fmt.qmin} to {fmt.qmax}: got {q.min()} to {q.max()}")
    return q


def made(value, name: str, kind, must: str):
    """Return `value` if it is of this kind; a class is called without arguments: `MinMax` means `MinMax()`."""
    if isinstance(value, type) and issubclass(value, kind):
        with suppress(TypeError):  # it needs arguments
            value = value()
    if isinstance(value, type) or not isinstance(value, kind):
        raise TypeError(f"{name} must be {must}: got {value!r}")
    return value


def axis_of(axis: int, shape: tuple[int, ...]) -> int:
    """Return `axis` counted from the front; the message lists the axes."""
    ndim = len(shape)
    if ndim == 0:
        raise ValueError(f"axis {axis} needs an array with at least one axis: got a 0-d value; use PerTensor() for x")
    if not -ndim <= axis < ndim:
        raise ValueError(f"axis must be from {-ndim} to {ndim - 1} for shape {shape}: got {axis}")
    return axis % ndim


def same_fields(a, b) -> bool:
    """Compare two dataclasses whose fields may be arrays, for which the generated `==` fails."""
    return type(a) is type(b) and all(
        np.array_equal(getattr(a, f.name), getattr(b, f.name))
        if isinstance(getattr(a, f.name), np.ndarray)
        else getattr(a, f.name) == getattr(b, f.name)
        for f in fields(a)
    )

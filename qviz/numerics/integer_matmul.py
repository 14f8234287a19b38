"""Integer sums of products, uint8 x int8 -> int32, with the terms of the zero points kept separate.

A code q represents scale * (q - zero_point), so a layer needs the sum of (q_x - z_x) * (q_w - z_w). Expanded, it has
four terms, of which only the first needs products (Jacob et al. 2018, equation 7):

    sum q_x q_w  -  z_x sum q_w  -  z_w sum q_x  +  n z_x z_w

`requantize` turns the sum into a code, and `integer_layer` combines both.
"""

import math
from dataclasses import dataclass

import numpy as np

from . import _check
from .granularity import PerChannel, PerTensor
from .qparams import QParams, as_qparams

INT32 = np.iinfo(np.int32)


@dataclass(frozen=True, eq=False)
class Accumulator:
    """The four terms of a sum of products; each broadcasts to the shape of `total`.

    Attributes
    ----------
    products : int32 array (n, out) or (n, out, height, width)
        Sum of q_x * q_w.
    weight_sums : int32 array
        -z_x times the sum of q_w: one number per output channel, which can be computed in advance.
    input_sums : int32 array
        -z_w times the sum of q_x; zero for symmetric weights.
    zero_points : int32 array
        n * z_x * z_w, for sums of n products.

    Examples
    --------
    >>> from qviz.numerics import INT8, UINT8
    >>> q_x, q_w = np.array([[13, 10]], np.uint8), np.array([[2, -5]], np.int8)
    >>> a = accumulate(q_x, q_w, QParams(0.1, 10, UINT8), QParams(0.5, 1, INT8))
    >>> a.products.item(), a.weight_sums.item(), a.input_sums.item(), a.zero_points.item()
    (-24, 30, -23, 20)
    >>> a.total  # (13 - 10) * (2 - 1) + (10 - 10) * (-5 - 1)
    array([[3]], dtype=int32)
    """

    products: np.ndarray
    weight_sums: np.ndarray
    input_sums: np.ndarray
    zero_points: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """Sum of (q_x - z_x) * (q_w - z_w), int32."""
        return self.products + self.weight_sums + self.input_sums + self.zero_points


def accumulate(q_x, q_w, x: QParams, w: QParams, stride: int = 1, padding: int = 0) -> Accumulator:
    """Sum the products of codes for a linear layer or a convolution.

    Parameters
    ----------
    q_x : codes of `x`, (n, in), or (n, in, height, width)
    q_w : codes of `w`, (out, in), or (out, in, kernel height, kernel width)
    x : QParams, per tensor
    w : QParams, per tensor or PerChannel(0)
    stride, padding : int
        Of a convolution, the same for height and width. Padding has the zero point of `x`, the code of 0.0.

    Returns
    -------
    Accumulator

    Raises
    ------
    ValueError
        Shapes do not match, an array holds a number that is no code, a granularity is not supported, or the sums may
        not fit int32, where a kernel would wrap around silently. They fit if in * kernel height * kernel width *
        (levels of x - 1) * (levels of w - 1) does: at 8 bits, up to 33,025 products.
    TypeError
        An array does not hold integers.

    Notes
    -----
    Source: Jacob et al. 2018, section 2.3. Like torch's, the convolution does not flip the kernel.

    Examples
    --------
    >>> from qviz.numerics import INT8, UINT8
    >>> image, kernel = np.full((1, 1, 2, 2), 7, np.uint8), np.ones((1, 1, 3, 3), np.int8)
    >>> accumulate(image, kernel, QParams(0.1, 5, UINT8), QParams(0.5, 0, INT8), padding=1).total
    array([[[[8, 8],
             [8, 8]]]], dtype=int32)
    """
    q_x, q_w = _check.codes(q_x, as_qparams(x, "x").fmt, "q_x"), _check.codes(q_w, as_qparams(w, "w").fmt, "q_w")
    _check_layer(q_x, q_w, x, w)
    rows = q_x if q_w.ndim == 2 else _windows(q_x, q_w.shape[2:], int(x.zero_point), stride, padding)
    rows, columns = rows.astype(np.int32), q_w.reshape(len(q_w), math.prod(q_w.shape[1:])).astype(np.int32)
    z_x, z_w = int(x.zero_point), w.zero_point.reshape(-1).astype(np.int32)
    terms = (
        rows @ columns.T,
        -z_x * columns.sum(axis=1, dtype=np.int32),
        -z_w * rows.sum(axis=-1, keepdims=True, dtype=np.int32),
        columns.shape[1] * z_x * z_w,
    )
    return Accumulator(*(term if q_w.ndim == 2 else _channels_second(term) for term in terms))


def as_int32(values, name: str) -> np.ndarray:
    """Return integers as int32.

    Raises
    ------
    TypeError
        `values` are not integers; a cast would silently truncate them.
    ValueError
        A value does not fit int32.

    Examples
    --------
    >>> as_int32([3, -4], "total")
    array([ 3, -4], dtype=int32)
    """
    values = _check.as_array(values, name)
    if values.dtype.kind not in "iu":
        raise TypeError(f"{name} must hold integers: got dtype {values.dtype}; round it first, for instance by np.rint")
    return fit_int32(values, name)


def fit_int32(values: np.ndarray, name: str) -> np.ndarray:
    """Return whole numbers of any dtype as int32; ValueError if one does not fit.

    Examples
    --------
    >>> fit_int32(np.array([3.0, -4.0]), "total")
    array([ 3, -4], dtype=int32)
    """
    bad = (values < INT32.min) | (values > INT32.max)
    if bad.any():
        raise ValueError(f"{name} must fit int32, {INT32.min} to {INT32.max}: got {values[bad][0]}")
    return values.astype(np.int32)


def _windows(q_x, kernel: tuple[int, int], zero_point: int, stride: int, padding: int) -> np.ndarray:
    """Return the inputs of each output value: (n, height, width, in * kernel height * kernel width)."""
    stride = _check.whole_number(stride, "stride", 1, 2**16)
    padding = _check.whole_number(padding, "padding", 0, 2**16)
    edge = (padding, padding)
    padded = np.pad(q_x, ((0, 0), (0, 0), edge, edge), constant_values=zero_point)
    if any(k > size for k, size in zip(kernel, padded.shape[2:], strict=True)):
        raise ValueError(f"the kernel must not be larger than the padded image: got {kernel} for {padded.shape[2:]}")
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))[:, :, ::stride, ::stride]
    n, channels, height, width = views.shape[:4]
    return views.transpose(0, 2, 3, 1, 4, 5).reshape(n, height, width, channels * math.prod(kernel))


def _channels_second(term: np.ndarray) -> np.ndarray:
    """Move a term from (n, height, width, out) to torch's (n, out, height, width)."""
    return np.moveaxis(np.reshape(term, (1,) * (4 - np.ndim(term)) + np.shape(term)), -1, 1)


def _check_layer(q_x, q_w, x: QParams, w: QParams) -> None:
    if q_w.ndim not in (2, 4) or q_x.ndim != q_w.ndim or q_x.shape[1] != q_w.shape[1]:
        raise ValueError(
            "q_x and q_w must be (n, in) and (out, in), or (n, in, height, width) and (out, in, kernel height, "
            f"kernel width): got {q_x.shape} and {q_w.shape}"
        )
    if not isinstance(x.granularity, PerTensor):
        raise ValueError(f"x must have one scale per tensor: got {x.granularity}")
    if w.granularity not in (PerTensor(), PerChannel(0)) or w.scale.size not in (1, len(q_w)):
        raise ValueError(
            f"w must have one scale, or one for each of the {len(q_w)} output channels (PerChannel(0)): "
            f"got {w.scale.size}, {w.granularity}"
        )
    depth = math.prod(q_w.shape[1:])
    if depth * (x.fmt.levels - 1) * (w.fmt.levels - 1) > INT32.max:
        raise ValueError(
            f"sums of {depth:,} products of {x.fmt} and {w.fmt} might not fit int32: use fewer bits, or split the layer"
        )

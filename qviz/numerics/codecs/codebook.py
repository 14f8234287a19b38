"""Codebooks: any table of levels, NF4, and tables fitted by k-means."""

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np

from .. import _check
from ._grouping import in_blocks
from ._lloyd import count_below, kmeans
from .floating_point import checked_codes
from .protocol import Codec, as_float32, as_groups, as_weights
from .scaled import DOUBLE, Scaled, as_scales, rows_of, stored


@dataclass(frozen=True, eq=False)
class Table:
    """A table of values; code 0 is the lowest.

    Parameters
    ----------
    values : (k,) floats, 2 to 65,536 of them, strictly ascending
        Stored as read-only float32.

    Raises
    ------
    ValueError
        The values are not strictly ascending, not finite, or too few or too many.
    TypeError
        They are not real numbers.

    Notes
    -----
    A value halfway between two is rounded down, as in bitsandbytes.

    Examples
    --------
    >>> Table([-1, 0, 0.5, 1]).nearest(np.float32([-0.6, 0.2, 0.75, 9]))
    array([0, 1, 2, 3], dtype=uint8)
    """

    values: np.ndarray
    _middle: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        values = as_float32(self.values, "values").copy()
        if values.ndim != 1 or not 2 <= values.size <= 65536:
            raise ValueError(f"values must be a list of 2 to 65,536 numbers: got shape {values.shape}")
        falls = np.flatnonzero(np.diff(values) <= 0)
        if falls.size:
            first, second = values[falls[0] : falls[0] + 2]
            raise ValueError(f"values must ascend: got {second:g} after {first:g}; sort them and remove duplicates")
        values.flags.writeable = False
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "_middle", middle_of(values))

    def __eq__(self, other) -> bool:
        return type(self) is type(other) and np.array_equal(self.values, other.values)

    def __hash__(self) -> int:
        return hash(self.values.tobytes())

    @property
    def bits(self) -> int:
        """Bits of a code."""
        return int(self.values.size - 1).bit_length()

    @property
    def max(self) -> float:
        """The largest magnitude."""
        return float(np.abs(self.values).max())

    def nearest(self, x: np.ndarray) -> np.ndarray:
        """Return the code of the nearest value for each float32 of `x`, of any shape."""
        return count_below(self._middle[None], x.reshape(1, -1)).reshape(x.shape)


def normal_float(bits: int = 4) -> Table:
    """Return the table of NormalFloat: quantiles of a Gaussian, with an exact zero.

    Apart from zero, there is one more positive value than negative ones. Each half holds the normal quantiles at evenly
    spaced probabilities from 1/2 to an outermost one, the average of those for tables of 2^bits and of 2^bits - 1
    values, because the quantile at probability 1 is infinite.

    Parameters
    ----------
    bits : int
        2 to 8.

    Returns
    -------
    Table

    Notes
    -----
    Source: Dettmers et al. 2023, "QLoRA", section 3 and appendix E. Float32 is used where bitsandbytes uses it, so the
    table for 4 bits equals the published one bit for bit.

    Examples
    --------
    >>> normal_float(4).values.round(4)
    array([-1.    , -0.6962, -0.5251, -0.3949, -0.2844, -0.1848, -0.0911,
            0.    ,  0.0796,  0.1609,  0.2461,  0.3379,  0.4407,  0.5626,
            0.723 ,  1.    ], dtype=float32)
    """
    count = 2 ** _check.whole_number(bits, "bits", 2, 8)
    outermost = round(1 - (1 / count + 1 / (count - 1)) / 4, 7)
    positive, negative = (_quantiles(outermost, n) for n in (count // 2, count // 2 - 1))
    values = np.concatenate([-negative, [0], positive[::-1]]).astype(np.float32)
    return Table(values / values[-1])


def _quantiles(outermost: float, count: int) -> np.ndarray:
    """Return normal quantiles at `count` evenly spaced float32 probabilities from `outermost` down to 1/2, excluded."""
    first, last, i = np.float32(outermost), np.float32(0.5), np.arange(count, dtype=np.float32)
    step = (last - first) / np.float32(count)
    from_end = last - step * (np.float32(count) - i)  # torch.linspace computes from the nearer end
    probabilities = np.where(i < (count + 1) // 2, first + step * i, from_end)
    return np.float32([NormalDist().inv_cdf(float(p)) for p in probabilities])


def nf4(group_size: int = 64, double: bool = False) -> Scaled:
    """Return NF4: 4-bit NormalFloat with one scale per block.

    Parameters
    ----------
    group_size : int
    double : bool
        Quantize the scales too: minus their mean, in blocks of 256, to 8-bit floats.

    Returns
    -------
    Scaled

    Examples
    --------
    >>> nf4().bits_per_value((4096, 4096)), round(nf4(double=True).bits_per_value((4096, 4096)), 3)
    (4.5, 4.127)
    """
    double = _check.yes_or_no(double, "double")
    return Scaled(normal_float(4), "NF4 double" if double else "NF4", group_size, DOUBLE if double else None)


@dataclass(frozen=True)
class KMeans(Codec):
    """One table per group, fitted to its values by k-means, which minimizes the squared error.

    Parameters
    ----------
    bits : int
        1 to 8; a table has 2^bits values.
    group_size : int or None
        None means one table for the whole tensor.
    entries : Codec or None
        Storage format of the tables; None means float32.

    Raises
    ------
    TypeError, ValueError
        `bits` or `group_size` is out of range, or `entries` is no Codec.

    Notes
    -----
    The result is optimal for up to 128 values and close to optimal for more (Lloyd's algorithm from a good start). With
    `weights`, such as the diagonal of a Hessian, the weighted squared error is minimized. Sources: Lloyd 1982 and Max
    1960; for networks, Han et al. 2016, "Deep compression", and Choi et al. 2017, "Towards the limit of network
    quantization", section 3.

    Examples
    --------
    >>> KMeans(1).fake_quantize([0.0, 1.0, 5.0, 7.0])
    array([0.5, 0.5, 6. , 6. ], dtype=float32)
    >>> KMeans(4).bits_per_value((64, 1024))  # 4 + 16 * 32 / 65,536
    4.0078125
    """

    bits: int = 4
    group_size: int | None = None
    entries: Codec | None = None

    def __post_init__(self):
        object.__setattr__(self, "bits", _check.whole_number(self.bits, "bits", 1, 8))
        if self.group_size is not None:
            _check.whole_number(self.group_size, "group_size", 1)
        as_scales(self.entries)

    @property
    def name(self) -> str:
        """The name, such as "k-means 4 bit"."""
        return f"k-means {self.bits} bit"

    def choose_params(self, groups, weights=None) -> np.ndarray:
        """Return the table of each row, (n_groups, 2^bits) float32, ascending."""
        groups = as_groups(groups)
        if weights is not None:
            weights = np.broadcast_to(as_weights(weights, groups.shape), groups.shape)
        tables = kmeans(groups, 2**self.bits, weights).astype(np.float32)
        return tables if self.entries is None else stored(tables, self.entries).reshape(tables.shape)

    def encode(self, groups, params) -> np.ndarray:
        """Return the nearest entry of the row's table for each value."""
        return in_blocks(lambda x, m: count_below(m, x), rows_of(groups, params), (middle_of(params),), np.uint8)

    def decode(self, codes, params) -> np.ndarray:
        """Look up each code in its row's table."""
        codes = rows_of(checked_codes(codes, 2**self.bits, self.name), params)
        return in_blocks(lambda c, t: np.take_along_axis(t, c.astype(np.intp), 1), codes, (params,), np.float32)

    def group_bits(self, n: int) -> float:
        """Return the bits of a table."""
        return 2**self.bits * (32 if self.entries is None else self.entries.bits)


def middle_of(values: np.ndarray) -> np.ndarray:
    """Return the midpoints of neighbours along the last axis, rounded down to float32.

    A float32 exceeds the rounded midpoint if and only if it exceeds the exact one.
    """
    true = (values[..., 1:].astype(np.float64) + values[..., :-1]) / 2
    middle = true.astype(np.float32)
    return np.where(middle > true, np.nextafter(middle, np.float32(-np.inf)), middle)

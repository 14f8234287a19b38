"""Formats of very few bits: powers of two, ternary and binary."""

from dataclasses import dataclass

import numpy as np

from .. import _check
from ._grouping import in_blocks
from .block import MX
from .floating_point import FloatFormat
from .protocol import Codec, as_groups, as_weights
from .scaled import as_scales, rows_of, scale_bits, stored

THRESHOLDS = ("twn", "best")


def power_of_two(bits: int = 4, group_size: int | None = None) -> MX:
    """Return a format whose levels are zero and powers of two, so that multiplications become shifts.

    A code is a sign and an exponent, of which the lowest means zero. The highest level is the power of two nearest to
    the largest magnitude.

    Parameters
    ----------
    bits : int
        2 to 8.
    group_size : int or None
        None means the whole tensor.

    Returns
    -------
    MX

    Notes
    -----
    Source: Zhou et al. 2017, "Incremental network quantization", equations 1 to 4.

    Examples
    --------
    >>> power_of_two(4).fake_quantize([1.6, -0.3, 0.02, 0.001])
    array([ 2.     , -0.25   ,  0.03125,  0.     ], dtype=float32)
    """
    bits = _check.whole_number(bits, "bits", 2, 8)
    # a float without a mantissa; the rule "even" rounds the largest magnitude to a power of two
    return MX(FloatFormat(bits - 1, 0, "finite"), f"power of two {bits} bit", group_size, rule="even")


class _Signs(Codec):
    """Base class of formats with codes -1, 0 and 1 times one scale per group."""

    group_size: int | None
    scales: Codec | None

    def __post_init__(self):
        if self.group_size is not None:
            _check.whole_number(self.group_size, "group_size", 1)
        as_scales(self.scales)

    codes = np.arange(-1, 2)

    def decode(self, codes, params) -> np.ndarray:
        """Return the codes times the scale."""
        scale = self._scale(params)
        codes = rows_of(_check.codes(codes, _Three, "codes"), scale)
        return in_blocks(lambda c, s: c * s, codes, (scale,), np.float32)

    def tensor_bits(self, n_groups: int) -> float:
        """Return the bits of all scales."""
        return scale_bits(self.scales, n_groups)

    def _scale(self, params) -> np.ndarray:
        return params

    def _stored(self, scale: np.ndarray) -> np.ndarray:
        scale = scale.astype(np.float32)
        return scale if self.scales is None else stored(scale, self.scales)


class _Three:
    """The range of codes for `_check.codes`."""

    qmin, qmax, dtype = -1, 1, np.int8


@dataclass(frozen=True)
class Binary(_Signs):
    """The sign times a scale, the mean magnitude of the group.

    Parameters
    ----------
    group_size : int or None
        None means the whole tensor.
    scales : Codec or None
        Storage format of the scales; None means float32.

    Notes
    -----
    The mean magnitude is the scale with the least squared error (Rastegari et al. 2016, "XNOR-Net", equation 6). Zero
    has no code of its own and is stored as +1, but an all-zero group has scale 0 and decodes to zeros.

    Examples
    --------
    >>> Binary().fake_quantize([1.0, -2.0, 3.0])
    array([ 2., -2.,  2.], dtype=float32)
    """

    group_size: int | None = None
    scales: Codec | None = None
    name = "binary"
    bits = 1
    codes = np.array([-1, 1])

    def choose_params(self, groups, weights=None) -> np.ndarray:
        """Return the (weighted) mean magnitude of each row, (n_groups, 1) float32."""
        groups, w = _weighted(groups, weights)
        total = w.sum(axis=1, keepdims=True)
        return self._stored((np.abs(groups) * w).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1))

    def encode(self, groups, params) -> np.ndarray:
        """Return -1 below zero, else 1."""
        return in_blocks(lambda x, s: np.where(x < 0, -1, 1), rows_of(groups, params), (params,), np.int8)


@dataclass(frozen=True)
class Ternary(_Signs):
    """Codes -1, 0 and 1 times a scale: 0 up to a threshold, and the mean magnitude of all values beyond it.

    Parameters
    ----------
    group_size : int or None
        None means the whole tensor.
    threshold : {"twn", "best"}
        "twn": 0.7 times the mean magnitude, which is near the optimum for a Gaussian. "best": the threshold with the
        least squared error.
    scales : Codec or None
        Storage format of the scales; None means float32.

    Raises
    ------
    TypeError, ValueError
        `threshold` is unknown, `group_size` is less than 1, or `scales` is no Codec.

    Notes
    -----
    A code takes 1.6 bits, because five fit in a byte: 3^5 = 243. Source: Li et al. 2016, "Ternary weight networks",
    equations 5 and 6.

    Examples
    --------
    >>> Ternary().fake_quantize([0.1, -0.2, 2.0, -4.0])  # the threshold is 0.7 * 1.575
    array([ 0.,  0.,  3., -3.], dtype=float32)
    """

    group_size: int | None = None
    threshold: str = "twn"
    scales: Codec | None = None
    name = "ternary"
    bits = 1.6

    def __post_init__(self):
        _check.one_of(self.threshold, THRESHOLDS, "threshold")
        super().__post_init__()

    def choose_params(self, groups, weights=None) -> tuple[np.ndarray, np.ndarray]:
        """Return scale and threshold of each row, both (n_groups, 1) float32; only the scale is counted as stored."""
        groups, w = _weighted(groups, weights)
        size = np.abs(groups)
        if self.threshold == "twn":
            total = w.sum(axis=1, keepdims=True)
            limit = 0.7 * (size * w).sum(axis=1, keepdims=True) / np.where(total > 0, total, 1)
        else:
            limit = _best_threshold(size, np.broadcast_to(w, size.shape))
        limit = limit.astype(np.float32)
        kept = (size > limit) * w
        mass = kept.sum(axis=1, keepdims=True)
        return self._stored((size * kept).sum(axis=1, keepdims=True) / np.where(mass > 0, mass, 1)), limit

    def encode(self, groups, params) -> np.ndarray:
        """Return the sign of values beyond the threshold, else 0."""
        rows = rows_of(groups, params[0])
        return in_blocks(lambda x, t: (x > t).astype(np.int8) - (x < -t), rows, (params[1],), np.int8)

    def _scale(self, params) -> np.ndarray:
        return params[0]


def _weighted(groups, weights) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 rows, whose sums do not depend on the machine, and weights of the same shape."""
    groups = as_groups(groups)
    weights = np.ones((1, 1)) if weights is None else as_weights(weights, groups.shape)
    return groups.astype(np.float64), np.broadcast_to(weights, groups.shape)


def _best_threshold(size: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the threshold of each row with the least squared error, (n_groups, 1).

    Keeping the i largest magnitudes reduces the error by (their weighted sum)^2 / (sum of their weights).
    """
    order = np.argsort(-size, axis=1)
    size, weights = (np.take_along_axis(values, order, axis=1) for values in (size, weights))
    total, mass = np.cumsum(size * weights, axis=1), np.cumsum(weights, axis=1)
    gain = np.divide(total**2, mass, out=np.zeros_like(total), where=mass > 0)
    last = gain.argmax(axis=1)[:, None]
    return np.take_along_axis(np.pad(size, ((0, 0), (0, 1))), last + 1, axis=1)  # the largest that is not kept

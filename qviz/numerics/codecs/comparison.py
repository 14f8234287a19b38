"""One array in every format: its size and its error."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..metrics import mse, sqnr_db
from .block import MX
from .protocol import Codec, as_float32
from .registry import CODECS


@dataclass(frozen=True)
class Measured:
    """A 1-d array in one format.

    Attributes
    ----------
    codec : Codec
    groups : (n_groups, n) float32
        The original values, one row per group; a shorter last row is padded with its last value.
    params : from `codec.choose_params`
    values : (n_groups, n) float32
        The decoded values.
    bits_per_value : float
        Including scales and tables.
    mse : float
        Infinite if a value became infinite, as 1e6 does in FP16.
    sqnr_db : float
        Infinite if there is no error, minus infinity if a value became infinite.
    """

    codec: Codec
    groups: np.ndarray
    params: Any
    values: np.ndarray
    bits_per_value: float
    mse: float
    sqnr_db: float


def compare_formats(x, granularity=None, rule: str = "floor", names: Iterable[str] = tuple(CODECS)) -> dict:
    """Measure the size and the error of an array in each format.

    Parameters
    ----------
    x : array of any shape, at least one value, finite
        It is flattened.
    granularity : None, int, PerTensor, PerChannel or PerGroup, or words such as "per channel"
        None means each format's own group size. GGUF formats always use their own block size.
    rule : one of RULES
        Rule for the scale of MX formats.
    names : keys of CODECS

    Returns
    -------
    dict of str to Measured, in the order of `names`

    Raises
    ------
    ValueError
        `x` is empty or not finite, or cannot be cut into such groups.

    Examples
    --------
    >>> x = np.random.default_rng(0).standard_normal(4096)
    >>> found = compare_formats(x, names=["int4", "NVFP4"])
    >>> {name: (round(m.bits_per_value, 2), round(m.sqnr_db, 1)) for name, m in found.items()}
    {'int4': (4.01, 15.8), 'NVFP4': (4.51, 20.5)}
    """
    x = as_float32(x).ravel()
    if x.size == 0:
        raise ValueError(f"x must hold at least one value to be compared: got shape {x.shape}")
    return {name: _measure(x, with_rule(CODECS[name], rule), granularity) for name in names}


def with_rule(codec: Codec, rule: str) -> Codec:
    """Return an MX format with this rule for its scale; other codecs, and power-of-two formats, unchanged."""
    return replace(codec, rule=rule) if isinstance(codec, MX) and codec.element.mantissa_bits else codec


def _measure(x: np.ndarray, codec: Codec, granularity) -> Measured:
    granularity = None if codec.whole_groups else granularity
    groups, weights = codec.groups_of(x, granularity)
    params = codec.choose_params(groups, weights)
    values = codec.decode(codec.encode(groups, params), params)
    x_hat = values.ravel()[: x.size]  # without padding
    bits = codec.bits_per_value(x.shape, granularity)
    if not np.isfinite(x_hat).all():  # beyond the largest value of a format without a scale
        return Measured(codec, groups, params, values, bits, np.inf, -np.inf)
    return Measured(codec, groups, params, values, bits, mse(x, x_hat), sqnr_db(x, x_hat))

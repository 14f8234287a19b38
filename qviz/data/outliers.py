"""Put a few very large values into a tensor: what calibration methods differ most about."""

from functools import lru_cache

import numpy as np

from qviz.numerics import _check

from ._files import read_only

MAX_FRACTION = 0.05
MAX_FACTOR = 10.0  # outliers reach from 1 to 10 times the largest magnitude


def add_outliers(x, fraction, seed) -> np.ndarray:
    """Replace a fraction of x by outliers, and return the result; x itself is left alone.

    round(fraction * len(x)) values are replaced, each by 1 to 10 times the largest magnitude in x (uniform).
    Signs are random, unless x is nowhere negative (or nowhere positive): then outliers keep to that side.
    With the same seed a larger fraction keeps the outliers of a smaller one and adds more, so moving a slider
    does not reshuffle them.

    Parameters
    ----------
    x : real (n,), not empty
    fraction : float in 0..0.05, in parts of 1; 0 returns x unchanged
    seed : int

    >>> x = np.linspace(-1, 1, 100, dtype=np.float32)
    >>> y = add_outliers(x, 0.02, seed=0)
    >>> int((x != y).sum()), float(abs(x).max()), round(float(abs(y).max()), 2)
    (2, 1.0, 8.09)
    """
    x = _check.as_float(x)
    if x.ndim != 1:
        raise ValueError(f"x must have one axis: got shape {x.shape}; use x.ravel()")
    count = round(fraction * len(x))
    if count == 0:
        return x
    _check.finite(x)
    positions, factors, signs = _plan(len(x), seed)
    lowest, highest = float(x.min()), float(x.max())
    if lowest >= 0:
        signs = np.float32(1)
    elif highest <= 0:
        signs = np.float32(-1)
    else:
        signs = signs[:count]
    changed = x.copy()
    with np.errstate(over="ignore"):  # an outlier beyond the largest float is infinite
        changed[positions[:count]] = factors[:count] * signs * max(-lowest, highest)
    return changed


@lru_cache(maxsize=8)
def _plan(n, seed):
    """Return positions, factors and signs for the largest fraction; a smaller one takes the first few."""
    # A second stream: with the tensor's own seed alone, outliers would follow its values.
    rng = np.random.default_rng([seed, 1])
    count = round(MAX_FRACTION * n)
    positions = rng.choice(n, size=count, replace=False)
    factors = rng.uniform(1, MAX_FACTOR, size=count).astype(np.float32)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), size=count)
    return read_only(positions), read_only(factors), read_only(signs)

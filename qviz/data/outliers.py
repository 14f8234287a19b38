"""Add outliers, with which calibration methods differ most, to a tensor."""

from functools import lru_cache

import numpy as np

from qviz.numerics import _check

from ._files import read_only

MAX_FRACTION = 0.05
MAX_FACTOR = 10.0  # outliers reach from 1 to 10 times the largest magnitude


def add_outliers(x, fraction, seed) -> np.ndarray:
    """Return a copy of `x` in which a fraction of the values is replaced by outliers.

    Each outlier is 1 to 10 times (uniformly) the largest magnitude in `x`. Signs are random, unless all values of `x`
    have one sign, which outliers then have too. For the same seed, a larger fraction adds to the outliers of a smaller
    one, so a slider does not reshuffle them.

    Parameters
    ----------
    x : (n,) array of real dtype, not empty
    fraction : float, 0 to 0.05
        round(fraction * n) values are replaced.
    seed : int

    Returns
    -------
    (n,) float array; `x` itself if no value is replaced

    Raises
    ------
    ValueError
        `x` has more than one axis or, if there are outliers, NaN or infinities.
    TypeError
        `x` does not hold real numbers.

    Examples
    --------
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
    positions, factors, signs = (values[:count] for values in _plan(len(x), seed))
    lowest, highest = float(x.min()), float(x.max())
    signs = np.float32(1) if lowest >= 0 else np.float32(-1) if highest <= 0 else signs
    changed = x.copy()
    with np.errstate(over="ignore"):  # an outlier beyond the largest float is infinite
        changed[positions] = factors * signs * max(-lowest, highest)
    return changed


@lru_cache(maxsize=8)
def _plan(n, seed):
    """Return positions, factors and signs for MAX_FRACTION; smaller fractions use the first of them."""
    # With the seed alone, the outliers would come from the random numbers of the tensor's values.
    rng = np.random.default_rng([seed, 1])
    count = round(MAX_FRACTION * n)
    positions = rng.choice(n, size=count, replace=False)
    factors = rng.uniform(1, MAX_FACTOR, size=count).astype(np.float32)
    signs = rng.choice(np.array([-1, 1], dtype=np.float32), size=count)
    return read_only(positions), read_only(factors), read_only(signs)

"""Seeded distributions that resemble those of weights and activations."""

from types import MappingProxyType

import numpy as np

DEFAULT_N = 100_000


def _gaussian(rng, n):
    return rng.standard_normal(n)


def _laplace(rng, n):
    return rng.laplace(size=n)


def _heavy_tailed(rng, n):
    return rng.standard_t(3, size=n)


def _relu_like(rng, n):
    return np.maximum(rng.standard_normal(n), 0)


def _bimodal(rng, n):
    centres = rng.choice([-2.0, 2.0], size=n)
    return centres + 0.5 * rng.standard_normal(n)


def _uniform(rng, n):
    return rng.uniform(-1, 1, size=n)


DRAW = MappingProxyType(
    {
        "Gaussian": _gaussian,
        "Laplace": _laplace,
        "heavy-tailed": _heavy_tailed,
        "ReLU-like": _relu_like,
        "bimodal": _bimodal,
        "uniform": _uniform,
    }
)


def draw(name, n, seed) -> np.ndarray:
    """Draw values from a distribution with NumPy's default_rng.

    Parameters
    ----------
    name : str
        A key of DRAW.
    n : int
        Number of values.
    seed : int

    Returns
    -------
    (n,) float32 array

    Notes
    -----
    NumPy does not guarantee the same values in every version, so the course pins one.

    Examples
    --------
    >>> [round(float(v), 3) for v in draw("uniform", 3, seed=0)]
    [0.274, -0.46, -0.918]
    """
    return DRAW[name](np.random.default_rng(seed), n).astype(np.float32)

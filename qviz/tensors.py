"""The named tensors that the course offers, and how to get each."""

from functools import cache, lru_cache
from types import MappingProxyType

import numpy as np

from .data._files import read_only
from .data.distributions import DEFAULT_N, DRAW, draw
from .data.images import digits, photograph
from .data.outliers import MAX_FRACTION, add_outliers
from .networks.digits_cnn import cnn_weights, training_activations
from .numerics import _check

TENSORS = MappingProxyType(
    {
        "Gaussian": "seeded; mean 0, standard deviation 1",
        "Laplace": "seeded; mean 0, scale 1: a sharper peak and longer tails than the Gaussian",
        "heavy-tailed": "seeded; Student t with 3 degrees of freedom: rare, very large values",
        "ReLU-like": "seeded; a Gaussian after ReLU: about half the values are exactly 0",
        "bimodal": "seeded; two Gaussians at -2 and 2, standard deviation 0.5",
        "uniform": "seeded; every value from -1 to 1 equally likely",
        "conv1 weights": "small CNN trained on the digits: 144 values",
        "conv2 weights": "small CNN trained on the digits: 4,608 values",
        "fc1 weights": "small CNN trained on the digits: 32,768 values",
        "conv1 activations": "small CNN, after ReLU, on the training images of the digits",
        "conv2 activations": "small CNN, after ReLU, on the training images of the digits",
        "fc1 activations": "small CNN, after ReLU, on the training images of the digits",
        "photograph": "grey values of a photograph, 0 to 1: 98,304 values",
        "digits": "ink of the handwritten digits, 0 to 1 in steps of 1/16",
    }
)

CACHED_UP_TO = 4_000_000  # values; a cache of sixteen larger samples would fill a laptop's memory


def tensor(name, *, n=DEFAULT_N, seed=0, outliers=0.0) -> np.ndarray:
    """Return the values of a named tensor: float32, 1-D, read-only.

    Parameters
    ----------
    name : a key of TENSORS
    n : number of values; a real tensor gives its first n, or all if it has fewer; None for all
        (100,000 for a seeded distribution)
    seed : int >= 0; seeds the distribution, and the positions and sizes of the outliers
    outliers : fraction of the values, 0 to 0.05, replaced by 1 to 10 times the largest magnitude;
        on the positive side only where no value is negative. 0 changes nothing

    Raises
    ------
    ValueError : an unknown name, or n, seed or outliers out of range
    TypeError : n or seed is not an integer, or outliers is not a number

    Sources: qviz/data/SOURCES.md.

    >>> x = tensor("Gaussian")
    >>> x.shape, x.dtype.name, round(float(x.std()), 2)
    ((100000,), 'float32', 1.0)
    >>> tensor("conv2 weights", n=None).shape  # (32, 16, 3, 3), flattened
    (4608,)
    >>> y = tensor("Gaussian", outliers=0.001)
    >>> int((x != y).sum()), round(float(abs(x).max()), 1), round(float(abs(y).max()), 1)
    (100, 4.7, 47.2)
    """
    _check_name(name)
    n = None if n is None else _check.whole_number(n, "n", 1)
    seed = _check.whole_number(seed, "seed", 0)
    return read_only(add_outliers(_base(name, n, seed), _check_outliers(outliers), seed))


def _base(name, n, seed):
    """Return the tensor without outliers."""
    if name not in DRAW:
        return _real(name)[:n]
    n = DEFAULT_N if n is None else n
    return _sample(name, n, seed) if n <= CACHED_UP_TO else draw(name, n, seed)


@lru_cache(maxsize=16)
def _sample(name, n, seed):
    return read_only(draw(name, n, seed))


@cache
def _real(name):
    """Return all values of a real tensor, flattened in C order (image by image), as a view where possible."""
    if name == "photograph":
        return photograph().reshape(-1)
    if name == "digits":
        return digits().images.reshape(-1)
    layer, kind = name.split()
    array = cnn_weights()[f"{layer}.weight"] if kind == "weights" else training_activations()[layer]
    return array.reshape(-1)


def _check_name(name):
    if not isinstance(name, str) or name not in TENSORS:
        raise ValueError(f"name must be one of qviz.TENSORS: got {name!r}; choose from {', '.join(TENSORS)}")


def _check_outliers(value):
    value = _check.real_number(value, "outliers", f"from 0 to {MAX_FRACTION}, the fraction of values to replace")
    if not 0 <= value <= MAX_FRACTION:  # NaN fails this too
        raise ValueError(f"outliers must be a fraction from 0 to {MAX_FRACTION}: got {value}; 0.001 is 1 in 1000")
    return value

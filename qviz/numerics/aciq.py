"""ACIQ: the range that is best for a bell-shaped distribution, in closed form."""

import math
from dataclasses import dataclass

import numpy as np

from . import _check
from ._groups import Groups, OneGroup
from .formats import INT8, IntFormat
from .qparams import SCHEMES

# standard deviation / mean absolute deviation: sqrt(2) for Laplace, sqrt(pi / 2) for Gaussian, and halfway
_TELLING_RATIO = (math.sqrt(2) + math.sqrt(math.pi / 2)) / 2


@dataclass(frozen=True)
class ACIQ(OneGroup):
    """Clip at the analytic optimum for a bell-shaped distribution: no search at all.

    The optimal distance from the mean is a fixed multiple of the spread: b, the mean absolute deviation, for
    Laplace, and the standard deviation for Gaussian. The multiple depends on the number of bits alone.

    Parameters
    ----------
    distribution : {"laplace", "gaussian", "auto"}
        "auto" takes the one whose ratio of standard deviation to mean absolute deviation is nearer: 1.41 for
        Laplace, 1.25 for Gaussian.

    Raises
    ------
    ValueError
        `distribution` is unknown.

    Notes
    -----
    Banner et al. 2019, "Post training 4-bit quantization of convolutional networks for rapid-deployment",
    equations 6 to 10. Tensors without values of one sign get the one-sided form of the authors' code: all codes
    lie between 0 and mean + distance, as if there were one bit more. For the symmetric scheme the reach is
    |mean| + distance, as in Intel's Distiller. Mean and spread are read off the bins, and the result never
    exceeds what was seen.

    Examples
    --------
    >>> [round(ACIQ.multiple("laplace", bits), 2) for bits in (2, 3, 4)]
    [2.83, 3.9, 5.03]
    >>> [round(ACIQ.multiple("gaussian", bits), 2) for bits in (2, 3, 4)]
    [1.71, 2.15, 2.56]
    """

    distribution: str = "auto"

    def __post_init__(self):
        _check.one_of(self.distribution, ("laplace", "gaussian", "auto"), "distribution")

    @staticmethod
    def multiple(distribution: str, bits: int) -> float:
        """Return the optimal clipping distance, in units of the spread.

        Parameters
        ----------
        distribution : {"laplace", "gaussian"}
        bits : int, 1 to 17

        Raises
        ------
        ValueError
            An argument is out of range.

        Notes
        -----
        The paper's E(a), the expected squared error of clipping at a, is least where its derivative is 0. For
        Laplace that is a = 3 * 4**bits * exp(-a), from equation 8, and for Gaussian from equation 10.

        Examples
        --------
        >>> round(ACIQ.multiple("laplace", 8), 2)
        9.9
        """
        _check.one_of(distribution, ("laplace", "gaussian"), "distribution")
        steps = 3.0 * 4.0 ** _check.whole_number(bits, "bits", 1, 17)
        if distribution == "laplace":
            return _root(lambda a: a - steps * math.exp(-a))
        tail = math.sqrt(2 / math.pi)
        return _root(lambda a: a * math.erfc(a / math.sqrt(2)) - tail * math.exp(-a * a / 2) + a / steps)

    def choose_ranges(
        self, groups: Groups, fmt: IntFormat = INT8, scheme: str = "affine"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Add the tabulated multiple of the spread of each group to its mean."""
        symmetric = _check.one_of(scheme, SCHEMES, "scheme") == "symmetric"
        mean, sigma, b = _mean_and_spreads(groups)
        low, high = groups.min, groups.max
        one_sided = (not symmetric) & ((low >= 0) | (high <= 0))
        distance = np.where(one_sided, self._distance(sigma, b, fmt.bits + 1), self._distance(sigma, b, fmt.bits))
        if symmetric:
            lo, hi = -np.abs(mean) - distance, np.abs(mean) + distance
        else:
            lo, hi = np.where(low >= 0, low, mean - distance), np.where(high <= 0, high, mean + distance)
        return np.clip(lo, low, high), np.clip(hi, low, high)

    def _distance(self, sigma: np.ndarray, b: np.ndarray, bits: int) -> np.ndarray:
        with np.errstate(over="ignore"):  # beyond 1.7e308 no spread is larger, as an infinite one says
            laplace = sigma > _TELLING_RATIO * b if self.distribution == "auto" else self.distribution == "laplace"
        multiple = np.where(laplace, self.multiple("laplace", bits), self.multiple("gaussian", bits))
        with np.errstate(over="ignore"):  # an infinite distance keeps all that was seen
            return multiple * np.where(laplace, b, sigma)


def _mean_and_spreads(groups: Groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation and mean absolute deviation; counted in bins first, lest squares overflow."""
    weights = np.ones(groups.bins.shape) if groups.weights is None else groups.weights

    def average(of_bins: np.ndarray) -> np.ndarray:
        return (weights * of_bins).sum(axis=1, keepdims=True) / groups.count

    mean = average(groups.bins + 0.5)
    away = groups.bins + 0.5 - mean
    sigma, b = np.sqrt(average(away**2)), average(np.abs(away))
    return groups.left + mean * groups.width, sigma * groups.width, b * groups.width


def _root(f) -> float:
    """Bisect a function that rises from negative to positive between 0 and 40."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2

"""ACIQ: the optimal clipping range for a Gaussian or Laplace distribution, in closed form."""

import math
from dataclasses import dataclass

import numpy as np

from . import _check
from ._groups import Groups, OneGroup
from .formats import INT8, IntFormat
from .qparams import SCHEMES

# standard deviation / mean absolute deviation is sqrt(2) for Laplace and sqrt(pi / 2) for Gaussian; halfway between:
_RATIO_BETWEEN = (math.sqrt(2) + math.sqrt(math.pi / 2)) / 2


@dataclass(frozen=True)
class ACIQ(OneGroup):
    """Clip at the analytic optimum for a Gaussian or Laplace distribution, without a search.

    The optimal distance from the mean is a multiple of the spread, which is the mean absolute deviation b for Laplace
    and the standard deviation for Gaussian. The multiple depends only on the number of bits.

    Parameters
    ----------
    distribution : {"laplace", "gaussian", "auto"}
        "auto" chooses by the ratio of standard deviation to mean absolute deviation: 1.41 for Laplace, 1.25 for
        Gaussian, whichever is nearer.

    Raises
    ------
    ValueError
        `distribution` is unknown.

    Notes
    -----
    Banner et al. 2019, "Post training 4-bit quantization of convolutional networks for rapid-deployment",
    equations 6 to 10. Tensors whose values all have one sign get the one-sided form of the authors' code: all codes
    lie between 0 and mean + distance, as if there were one more bit. For the symmetric scheme the threshold is
    |mean| + distance, as in Intel's Distiller. Mean and spread are computed from the histogram, and the range is
    clipped to the observed minimum and maximum.

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
        The derivative of the paper's E(a), the expected squared error of clipping at a, is zero. For Laplace that
        means a = 3 * 4**bits * exp(-a), from equation 8; for Gaussian it follows from equation 10.

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
        """Return each group's mean -/+ the optimal multiple of its spread."""
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
        with np.errstate(over="ignore"):  # an infinite product compares correctly; an infinite distance clips nothing
            laplace = sigma > _RATIO_BETWEEN * b if self.distribution == "auto" else self.distribution == "laplace"
            multiple = np.where(laplace, self.multiple("laplace", bits), self.multiple("gaussian", bits))
            return multiple * np.where(laplace, b, sigma)


def _mean_and_spreads(groups: Groups) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, standard deviation and mean absolute deviation; computed in bins, where squares cannot overflow."""
    weights = np.ones(groups.bins.shape) if groups.weights is None else groups.weights

    def average(of_bins: np.ndarray) -> np.ndarray:
        return (weights * of_bins).sum(axis=1, keepdims=True) / groups.count

    mean = average(groups.bins + 0.5)
    away = groups.bins + 0.5 - mean
    sigma, b = np.sqrt(average(away**2)), average(np.abs(away))
    return groups.left + mean * groups.width, sigma * groups.width, b * groups.width


def _root(f) -> float:
    """Return the root of an increasing function between 0 and 40, by bisection."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return (low + high) / 2

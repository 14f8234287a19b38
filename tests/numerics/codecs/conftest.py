"""Values that are hard to round, for every format."""

import numpy as np
import pytest


def rounding_cases(values: np.ndarray) -> np.ndarray:
    """Return every level, every midpoint between two, and the float32 on both sides of each; infinities as well."""
    levels = np.unique(values[np.isfinite(values)].astype(np.float64))
    middle = ((levels[1:] + levels[:-1]) / 2).astype(np.float32)
    step = levels[-1] - levels[-2]
    beyond = np.float32(np.minimum([levels[-1] + step / 2, levels[-1] + step, 3e38], 3.4e38))
    points = np.concatenate([levels.astype(np.float32), middle, beyond, -beyond])
    sides = [np.nextafter(points, np.float32(end)) for end in (np.inf, -np.inf)]
    return np.concatenate([points, *sides, np.float32([0.0, -0.0, 1e-45, -1e-45, 1e-38, np.inf, -np.inf])])


def any_bits(n: int, seed: int = 0) -> np.ndarray:
    """Return float32 of random bits, so that every exponent is as frequent as any other; NaN left out."""
    x = np.random.default_rng(seed).integers(0, 2**32, n, dtype=np.uint32).view(np.float32)
    return np.where(np.isnan(x), np.float32(1.5), x)


@pytest.fixture(name="rounding_cases")
def rounding_cases_fixture():
    return rounding_cases


@pytest.fixture(name="any_bits")
def any_bits_fixture():
    return any_bits

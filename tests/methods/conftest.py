"""Layers that several files of this folder share."""

from itertools import product

import numpy as np
import pytest
from hypothesis import settings

# No deadline: the machine may be shared. The same examples each time: a failure in CI is one at the desk.
settings.register_profile("methods", deadline=None, derandomize=True)
settings.load_profile("methods")


def make_layer(seed: int, out: int = 6, k: int = 12, samples: int = 60):
    """Return weights (out, k) and inputs (samples, k) that depend on one another, as those after a ReLU do."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((samples, k)) @ rng.standard_normal((k, k)) + rng.standard_normal(k)
    return rng.standard_normal((out, k)), np.maximum(mixed, 0)


def output_error(weight, weight_hat, inputs) -> float:
    """Return the mean squared error of a layer's outputs: the metric that GPTQ and AdaRound make small."""
    return float(np.mean(((np.asarray(weight_hat, float) - weight) @ np.asarray(inputs, float).T) ** 2))


def least_error(weight, inputs, levels_of) -> float:
    """Return the least output error of one row of weights, by trying every combination of its levels."""
    combinations = np.array(list(product(*levels_of)))
    return float(np.min(np.mean(((combinations - weight) @ inputs.T) ** 2, axis=1)))


@pytest.fixture(scope="session")  # functions alone: hypothesis may call them as often as it likes
def layer():
    """Return `make_layer`."""
    return make_layer


@pytest.fixture(scope="session")
def error_of():
    """Return `output_error`."""
    return output_error


@pytest.fixture(scope="session")
def brute_force():
    """Return `least_error`."""
    return least_error

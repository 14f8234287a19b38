"""Oracles and inputs that several files of this folder share."""

import warnings

import numpy as np
import pytest
from hypothesis import settings

# No deadline: the machine may be shared. The same examples each time: a failure in CI is one at the desk.
settings.register_profile("numerics", deadline=None, derandomize=True)
settings.load_profile("numerics")


def _quietly(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)


@pytest.fixture(name="quietly")
def quietly_fixture():
    """Return `call(function, *args)`, which drops warnings: torch.ao is deprecated as a whole, and still the oracle."""
    return _quietly


@pytest.fixture
def ao():
    """Return `make(name, **options)`, which builds one of torch's observers without its warnings."""
    module = pytest.importorskip("torch.ao.quantization")
    return lambda name, **options: _quietly(getattr(module, name), **options)


@pytest.fixture
def collector(capsys):
    """Return `make(method, bins, ...)`, which builds ONNX Runtime's histogram, and swallow what it prints."""
    calibrate = pytest.importorskip("onnxruntime.quantization.calibrate")

    def make(method, bins, quantized_bins=128, percentile=99.99, symmetric=False):
        return calibrate.HistogramCollector(method, symmetric, bins, quantized_bins, percentile, None)

    return make


def tensors(n: int = 20_000, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the shapes that weights and activations come in, as float32."""
    rng = np.random.default_rng(seed)
    normal = rng.standard_normal(n)
    made = {
        "gaussian": normal,
        "laplace": rng.laplace(size=n),
        "student t": rng.standard_t(3, size=n),
        "relu": np.maximum(rng.standard_normal(n), 0),
        "bimodal": np.concatenate([rng.normal(-1, 0.1, n // 2), rng.normal(3, 0.5, n - n // 2)]),
        "negative": -rng.exponential(size=n),
        "far from zero": rng.normal(5, 0.1, n),
        "one outlier": np.concatenate([rng.standard_normal(n - 1), [100.0]]),
        "uniform": rng.uniform(-1, 1, n),
    }
    return {name: x.astype(np.float32) for name, x in made.items()}


TENSORS = tensors()


@pytest.fixture(params=TENSORS)
def x(request):
    """Each of `tensors()` in turn."""
    return TENSORS[request.param]

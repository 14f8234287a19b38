import numpy as np
import pytest

from qviz.data import digits, photograph
from qviz.networks import cnn_weights, training_activations
from qviz.tensors import CACHED_UP_TO, TENSORS, _sample, tensor

SEEDED = ["Gaussian", "Laplace", "heavy-tailed", "ReLU-like", "bimodal", "uniform"]
REAL = {
    "conv1 weights": lambda: cnn_weights()["conv1.weight"],
    "conv2 weights": lambda: cnn_weights()["conv2.weight"],
    "fc1 weights": lambda: cnn_weights()["fc1.weight"],
    "conv1 activations": lambda: training_activations()["conv1"],
    "conv2 activations": lambda: training_activations()["conv2"],
    "fc1 activations": lambda: training_activations()["fc1"],
    "photograph": photograph,
    "digits": lambda: digits().images,
}


def test_the_names_are_exactly_these_in_this_order():
    assert list(TENSORS) == [*SEEDED, *REAL]
    assert all(isinstance(text, str) and text for text in TENSORS.values())


def test_the_list_cannot_be_changed():
    with pytest.raises(TypeError, match="does not support item assignment"):
        TENSORS["mine"] = "x"


@pytest.mark.parametrize("name", TENSORS)
def test_every_tensor_is_flat_finite_float32_and_read_only(name):
    x = tensor(name)
    assert (x.dtype, x.ndim) == (np.float32, 1)
    assert 0 < len(x) <= 100_000
    assert np.isfinite(x).all()
    assert not x.flags.writeable


@pytest.mark.parametrize("name", REAL)
def test_real_tensors_are_their_source_in_order(name):
    whole = REAL[name]().ravel()
    np.testing.assert_array_equal(tensor(name, n=None), whole)
    np.testing.assert_array_equal(tensor(name, n=100), whole[:100])
    assert len(tensor(name, n=10**9)) == len(whole)


@pytest.mark.parametrize("name", REAL)
def test_sizes_in_descriptions_are_true(name):
    stated = [word for word in TENSORS[name].split() if word.replace(",", "").isdigit() and len(word) >= 3]
    assert stated in ([], [f"{tensor(name, n=None).size:,}"])


@pytest.mark.parametrize("name", SEEDED)
def test_seeds_decide_everything(name):
    np.testing.assert_array_equal(tensor(name, n=500, seed=4), tensor(name, n=500, seed=4))
    assert not np.array_equal(tensor(name, n=500, seed=4), tensor(name, n=500, seed=5))
    assert len(tensor(name, n=1)) == 1
    assert len(tensor(name, n=None)) == 100_000


def test_the_global_generator_is_neither_used_nor_moved():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    tensor("Laplace", n=321, seed=9, outliers=0.02)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_samples_are_cached_but_not_huge_ones():
    assert tensor("uniform", n=1000) is tensor("uniform", n=1000)
    asked = _sample.cache_info().misses
    assert len(tensor("uniform", n=CACHED_UP_TO + 1)) == CACHED_UP_TO + 1
    assert _sample.cache_info().misses == asked


def test_numpy_integers_and_floats_are_welcome():
    assert len(tensor("uniform", n=np.int64(7), seed=np.uint8(1), outliers=np.float32(0.01))) == 7


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"name": "gaussian"}, ValueError, "name must be one of qviz.TENSORS: got 'gaussian'"),
        ({"name": ["Gaussian"]}, ValueError, "name must be one of qviz.TENSORS"),
        ({"name": "uniform", "n": 0}, ValueError, "n must be at least 1: got 0"),
        ({"name": "uniform", "n": 2.0}, TypeError, "n must be a whole number of at least 1: got 2.0"),
        ({"name": "uniform", "n": True}, TypeError, "n must be a whole number of at least 1: got True"),
        ({"name": "uniform", "seed": -1}, ValueError, "seed must be at least 0: got -1"),
        ({"name": "uniform", "seed": None}, TypeError, "seed must be a whole number of at least 0: got None"),
        (
            {"name": "uniform", "outliers": 0.06},
            ValueError,
            "outliers must be a fraction from 0 to 0.05: got",
        ),
        ({"name": "uniform", "outliers": -0.01}, ValueError, "outliers must be a fraction from 0 to 0.05"),
        ({"name": "uniform", "outliers": float("nan")}, ValueError, "outliers must be a fraction"),
        ({"name": "uniform", "outliers": "1%"}, TypeError, "outliers must be a number"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, text):
    with pytest.raises(error, match=text):
        tensor(**arguments)

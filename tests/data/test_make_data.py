"""tools/make_data.py: what is cheap to remake is what is stored, and equal arrays give equal bytes."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from qviz.data._files import load_shipped
from qviz.networks import mlp_weights
from qviz.networks.digits_cnn import CNN_SHAPES

TOOL = Path(__file__).parents[2] / "tools" / "make_data.py"


@pytest.fixture
def make_data():
    spec = importlib.util.spec_from_file_location("make_data", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_digits_and_split_are_remade_exactly(make_data, reference):
    reference("sklearn")
    stored = load_shipped("digits.npz")
    remade = make_data.make_digits()
    assert list(remade) == list(stored)
    for name, array in remade.items():
        np.testing.assert_array_equal(array, stored[name])


def test_photograph_is_remade_exactly(make_data):
    pytest.importorskip("skimage")  # needed to remake the data, not to take the course
    np.testing.assert_array_equal(make_data.make_photograph()["grey"], load_shipped("photograph.npz")["grey"])


def test_network_has_the_stored_shapes(make_data, reference):
    reference("torch")
    shapes = {name: tuple(value.shape) for name, value in make_data.build_network().named_parameters()}
    assert shapes == dict(CNN_SHAPES)


def test_an_mlp_is_remade(make_data, reference):
    """On another processor, training in float64 differs by less than 1e-6: few weights round to another float16 then.

    That one is a neighbour: at most 2^-10 of the weight away, or 1e-6 where float16 is subnormal.
    """
    torch = reference("torch")
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        weights, _ = make_data.make_trained(make_data.build_mlp, make_data.make_digits(), seed=0)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
    stored = mlp_weights(seed=0)
    assert {name: values.shape for name, values in weights.items()} == {n: v.shape for n, v in stored.items()}
    pairs = [(weights[name].astype(np.float16).astype(np.float32).ravel(), stored[name].ravel()) for name in stored]
    remade, kept = (np.concatenate(part) for part in zip(*pairs, strict=True))
    assert (remade != kept).mean() < 0.02
    np.testing.assert_allclose(remade, kept, rtol=2**-10, atol=1e-6)


def test_training_moves_images_by_at_most_one_pixel(make_data, reference):
    torch = reference("torch")
    dot = torch.zeros(500, 1, 8, 8)
    dot[:, 0, 4, 4] = 1
    moved = make_data.shift(dot, torch.Generator().manual_seed(0))
    _, _, rows, columns = torch.nonzero(moved, as_tuple=True)
    assert moved.shape == dot.shape
    assert {(r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)} == {
        (r, c) for r in (3, 4, 5) for c in (3, 4, 5)
    }


def test_equal_arrays_give_equal_bytes(make_data, tmp_path, capsys):
    arrays = {"a": np.arange(5), "b": np.ones((2, 2), np.float32)}
    make_data.write(tmp_path / "1.npz", arrays)
    make_data.write(tmp_path / "2.npz", arrays)
    assert (tmp_path / "1.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    assert "b (2, 2) float32" in capsys.readouterr().out


def test_stored_files_stay_small():
    sizes = {path.name: path.stat().st_size for path in (TOOL.parents[1] / "qviz/data/files").iterdir()}
    tables = {"networks.npz", "hard_to_quantize.npz", "trainings.npz", "capstone.npz", "migration.npz"}
    assert set(sizes) == {"digits.npz", "photograph.npz", "cnn.npz", "mlps.npz"} | tables
    assert max(sizes.values()) < 150_000

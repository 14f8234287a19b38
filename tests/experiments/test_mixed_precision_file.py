"""A network with a width for each layer comes back from its file, which has no gaps."""

import numpy as np
import pytest

from qviz.experiments.mixed_precision import FLOAT, mixed_weights, size_bytes
from qviz.experiments.mixed_precision import place as place_of
from qviz.experiments.mixed_precision_file import load_mixed, save_mixed
from qviz.networks import cnn_accuracy


@pytest.mark.parametrize("method", ["min-max", "mse"])
@pytest.mark.parametrize("bits", [8, (6, 3, 4, 8), (2, FLOAT, 7, 5)], ids=str)
def test_it_comes_back(bits, method, tmp_path):
    save_mixed(tmp_path / "digits.bin", bits, method)
    found, whole = load_mixed(tmp_path / "digits.bin"), mixed_weights(bits, method)
    assert found.keys() == whole.keys()
    for name, weight in whole.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], weight, rtol=2e-7)  # the scale is rounded to float32, the product too
    assert cnn_accuracy(found) == pytest.approx(cnn_accuracy(whole), abs=1 / 359)


@pytest.mark.parametrize("bits", [FLOAT, 8, 4, (6, 3, 4, 8), 2], ids=str)
def test_it_has_the_bytes_that_were_counted(bits, tmp_path):
    """And, for each of at most 13 arrays, the two headers of a zip file and one of NumPy."""
    path = tmp_path / "digits.npz"
    save_mixed(path, bits)
    assert 0 < path.stat().st_size - size_bytes()[place_of(bits)] < 13 * 300


def test_an_unknown_width_is_told(tmp_path):
    with pytest.raises(ValueError, match="bits must be one or four of"):
        save_mixed(tmp_path / "digits.npz", 9)

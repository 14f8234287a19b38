"""What files hold: against the file itself, torch's own tensors, and the count of layer_shapes."""

import zipfile

import pytest

torch = pytest.importorskip("torch")

from qviz.networks.examples import NETWORKS
from qviz.networks.layer_shapes import stored_bytes
from qviz.numerics import IntFormat, PerChannel
from qviz.pytorch import engines
from qviz.pytorch.digits_model import digits_cnn, digits_tensors
from qviz.pytorch.labs.speed import Stack, quantized
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.saved_model import saved_bytes
from qviz.pytorch.size_and_latency import state_dict_bytes

pytestmark = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models here")
IMAGES = digits_tensors()[0]


def at(bits, **options):
    return quantize_model(digits_cnn(), PTQConfig(weight_bits=bits, **options), IMAGES)


def test_float32_by_hand(tmp_path):
    """38,282 numbers of 4 bytes; the container is the rest of the file."""
    found = state_dict_bytes(digits_cnn())
    assert (found.codes, found.scales, found.zero_points, found.reals) == (0, 0, 0, 38282 * 4)
    torch.save(digits_cnn().state_dict(), tmp_path / "model.pt")  # the name is in it, once for each tensor
    assert found.file_bytes == (tmp_path / "model.pt").stat().st_size


def test_int8_by_hand():
    """Per channel: 122 scales of 8 bytes and as many zero points; 5 activations have one of 4 and one of 8."""
    found = state_dict_bytes(at(8))
    assert (found.codes, found.reals) == (38160, 122 * 4)
    assert (found.scales, found.zero_points) == (122 * 8 + 5 * 4, 122 * 8 + 5 * 8)
    alone = state_dict_bytes(at(8, per_channel=False))
    assert (alone.scales, alone.zero_points) == (5 * 4, 5 * 8)


def test_every_number_is_in_the_file(tmp_path):
    """torch.save writes storages as files of a zip archive: their sizes add up to what is counted."""
    model = at(8)
    torch.save(model.state_dict(), tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        storages = sum(entry.file_size for entry in archive.infolist() if "/data/" in entry.filename)
    assert storages == state_dict_bytes(model).memory_bytes


def test_fewer_bits_are_no_smaller_in_a_file_of_torch():
    files = {bits: state_dict_bytes(at(bits)) for bits in (8, 4, 2)}
    assert files[8] == files[4] == files[2]
    assert files[8].file_bytes * 3.2 < state_dict_bytes(digits_cnn()).file_bytes < files[8].file_bytes * 3.3


def test_a_packed_file_is_what_numerics_counts_and_a_frame():
    """The frame: a line in the header for each of 22 tensors (12 of weights and biases), and the metadata."""
    for bits in (2, 3, 8):
        parts = [stored_bytes(layer, IntFormat(bits), PerChannel(0)).total for layer in NETWORKS["digits CNN"]]
        assert 0 < saved_bytes(at(bits), packed=True) - sum(parts) < 22 * 100 + 800


def test_int8_is_at_least_3_8_times_smaller_where_weights_dominate():
    wide = Stack((64, 1024, 1024, 10)).eval()
    assert (
        state_dict_bytes(wide).file_bytes > 3.8 * state_dict_bytes(quantized(wide, IMAGES[:32].flatten(1))).file_bytes
    )

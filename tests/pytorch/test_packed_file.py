"""What a file holds: against the file itself, torch's own tensors, and the count of numerics."""

import zipfile

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.networks.examples import NETWORKS
from qviz.networks.layer_shapes import stored_bytes
from qviz.numerics import IntFormat, PerChannel
from qviz.pytorch import engines
from qviz.pytorch.digits_model import digits_cnn, digits_tensors
from qviz.pytorch.labs.speed import Stack, quantized
from qviz.pytorch.packed_file import held, load_packed, packed_bytes, save_packed
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.sub8bit import weighted

pytestmark = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models here")
IMAGES = digits_tensors()[0]


def at(bits, **options):
    return quantize_model(digits_cnn(), PTQConfig(weight_bits=bits, **options), IMAGES)


def test_float32_by_hand(tmp_path):
    """38,282 numbers of 4 bytes; the container is the rest of the file."""
    found = held(digits_cnn())
    assert (found.codes, found.scales, found.zero_points, found.reals) == (0, 0, 0, 38282 * 4)
    torch.save(digits_cnn().state_dict(), tmp_path / "model.pt")  # the name is in it, once for each tensor
    assert found.file_bytes == (tmp_path / "model.pt").stat().st_size


def test_int8_by_hand():
    """Per channel: 122 scales of 8 bytes and as many zero points; 5 activations have one of 4 and one of 8."""
    found = held(at(8))
    assert (found.codes, found.reals) == (38160, 122 * 4)
    assert (found.scales, found.zero_points) == (122 * 8 + 5 * 4, 122 * 8 + 5 * 8)
    alone = held(at(8, per_channel=False))
    assert (alone.scales, alone.zero_points) == (5 * 4, 5 * 8)


def test_every_number_is_in_the_file(tmp_path):
    """torch.save writes storages as files of a zip archive: their sizes add up to what is counted."""
    model = at(8)
    torch.save(model.state_dict(), tmp_path / "x.pt")
    with zipfile.ZipFile(tmp_path / "x.pt") as archive:
        storages = sum(entry.file_size for entry in archive.infolist() if "/data/" in entry.filename)
    assert storages == held(model).memory_bytes


def test_fewer_bits_are_no_smaller_in_a_file_of_torch():
    files = {bits: held(at(bits)) for bits in (8, 4, 2)}
    assert files[8] == files[4] == files[2]
    assert files[8].file_bytes * 3.2 < held(digits_cnn()).file_bytes < files[8].file_bytes * 3.3


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("per_channel", [True, False])
def test_packed_and_back(bits, per_channel, tmp_path):
    model = at(bits, per_channel=per_channel)
    save_packed(model, tmp_path / "x.npz")
    loaded = load_packed(tmp_path / "x.npz")
    assert list(loaded) == list(weighted(model))
    for name, layer in weighted(model).items():
        codes, scales, bias = loaded[name]
        np.testing.assert_array_equal(codes, layer.weight().int_repr())
        np.testing.assert_array_equal(bias, layer.bias().detach())
        real = codes * scales.astype(np.float32).reshape(-1, *[1] * (codes.ndim - 1))
        np.testing.assert_array_equal(real, layer.weight().dequantize())  # so float32 scales lose nothing


def test_a_layer_without_bias_and_a_file_of_any_name(tmp_path):
    model = at(4)
    with engines.quiet(), engines.using():
        model.fc1.set_weight_bias(model.fc1.weight(), None)
    save_packed(model, tmp_path / "x.bin")
    assert [path.name for path in tmp_path.iterdir()] == ["x.bin"]
    loaded = load_packed(tmp_path / "x.bin")
    assert [bias is None for _, _, bias in loaded.values()] == [False, False, True, False]
    np.testing.assert_array_equal(loaded["fc1"][0], model.fc1.weight().int_repr())


def test_a_packed_file_is_what_numerics_counts_and_a_frame():
    """The frame of an .npz: about 260 bytes an array, of which there are four a layer and one more."""
    for bits in (2, 3, 8):
        parts = [stored_bytes(layer, IntFormat(bits), PerChannel(0)).total for layer in NETWORKS["digits CNN"]]
        frame = packed_bytes(at(bits)) - sum(parts)
        assert 0 < frame < 17 * 300


def test_int8_is_at_least_3_8_times_smaller_where_weights_dominate():
    wide = Stack((64, 1024, 1024, 10)).eval()
    assert held(wide).file_bytes > 3.8 * held(quantized(wide, IMAGES[:32].flatten(1))).file_bytes


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: torch.nn.Linear(2, 2), "model must come from quantize_model or convert: got Linear"),
        (lambda: at(8, weight_scheme="affine"), "weights must be symmetric: conv1 has a zero point that is not 0"),
    ],
)
def test_refusals(make, text, tmp_path):
    with pytest.raises(ValueError, match=text):
        save_packed(make(), tmp_path / "x.npz")

"""The code that the decision helper shows is run, and what its rules say of torch is so."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from torch.ao.quantization import PerChannelMinMaxObserver, get_default_qconfig

from qviz.experiments.methods import METHODS
from qviz.pytorch import digits_model, engines
from qviz.pytorch.size_and_latency import size_bytes

ENGINE = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models")


@pytest.fixture(scope="module")
def data():
    return digits_model.digits_tensors()


def run(code, bits, data):
    """Run a way's code as a reader would, and return its names."""
    if "torchao" in code:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says while it is imported is not ours
            pytest.importorskip("torchao")
    names = {"torch": torch, "model": digits_model.digits_cnn(), "images": data[0], "labels": data[1]}
    with engines.quiet(), torch.random.fork_rng(devices=[]):
        exec(code.format(bits=bits), names)
    return names


@pytest.mark.parametrize("way", [pytest.param(w, marks=ENGINE if w in ("dynamic", "QAT") else ()) for w in METHODS])
def test_code_runs_and_what_comes_out_reads_digits(way, data, tmp_path, monkeypatch):
    """With 4-bit weights no way loses more than 2.5 points: 9 of 359 images; dynamic has 8 bits."""
    _, _, x, y = data
    monkeypatch.chdir(tmp_path)  # where mixed precision leaves its file
    quantized = run(METHODS[way].code, 4, data)["quantized"].eval()
    x = x.to(torch.bfloat16) if way == "16-bit floats" else x
    with engines.quiet(), torch.no_grad():
        right = float((quantized(x).argmax(1) == y).double().mean())
    assert right > 0.9889 - 0.025


def packing(way):
    """Return the code for size, of 2 to 7 bits."""
    return METHODS[way].code + METHODS[way].packed


PACKED = [way for way in METHODS if "model.safetensors" in packing(way)]


def test_every_way_to_fewer_bits_is_packed():
    assert set(PACKED) == set(METHODS) - {"dynamic", "16-bit floats"}


@pytest.mark.parametrize(
    "way", [pytest.param(w, marks=() if w in ("mixed precision", "weight-only") else ENGINE) for w in PACKED]
)
def test_few_bits_make_a_smaller_file(way, data, tmp_path, monkeypatch):
    """torch's own file has a byte for each code of 3 bits, or four where they are floats again."""
    monkeypatch.chdir(tmp_path)
    packed, torchs = {}, {}
    for bits in (3, 8):
        names = run(packing(way), bits, data)
        packed[bits] = (tmp_path / "model.safetensors").stat().st_size
        torchs[bits] = size_bytes(names["quantized"])
    linear = 64 * 512 + 10 * 64  # the weights that every way makes codes of
    assert torchs[3] == torchs[8]
    assert packed[3] < packed[8] - 0.6 * linear  # 5 bits of 8 less
    assert packed[3] < torchs[3] - 0.6 * linear


def test_the_readers_model_is_left_alone(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = run(METHODS["mixed precision"].code, 4, data)
    assert names["quantized"] is not names["model"]
    assert torch.equal(names["model"].fc1.weight, digits_model.digits_cnn().fc1.weight)


@pytest.mark.parametrize("way", METHODS)
def test_code_has_no_braces_left(way):
    code = packing(way).format(bits=5)
    compile(code, way, "exec")
    assert "{{" not in code and "bits}" not in code
    assert max(map(len, code.splitlines())) <= 100  # a readout does not scroll


def test_torch_sets_up_one_scale_per_tensor_for_phones_alone():
    with engines.quiet():
        kinds = {name: type(get_default_qconfig(name).weight()) for name in ("qnnpack", "x86", "fbgemm")}
    assert {name for name, kind in kinds.items() if kind is PerChannelMinMaxObserver} == {"x86", "fbgemm"}


@ENGINE
def test_dynamic_leaves_convolutions_as_they_are():
    names = {"torch": torch, "model": digits_model.digits_cnn()}
    with engines.quiet(), engines.using():
        exec(METHODS["dynamic"].code.format(bits=8), names)
    quantized = names["quantized"]
    assert type(quantized.conv1) is torch.nn.Conv2d and type(quantized.fc1) is not torch.nn.Linear

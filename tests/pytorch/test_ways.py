"""The code that the decision helper shows is run, and what its rules say of torch is so."""

import warnings

import pytest

torch = pytest.importorskip("torch")

from torch.ao.quantization import PerChannelMinMaxObserver, get_default_qconfig  # noqa: E402

from qviz.data.ways import WAYS  # noqa: E402
from qviz.pytorch import engines, models  # noqa: E402

LIBRARY = {"weight-only": "torchao"}
ENGINE = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models")


@pytest.fixture(scope="module")
def data():
    return models.digits_tensors()


@pytest.mark.parametrize("way", [pytest.param(w, marks=ENGINE if w in ("dynamic", "QAT") else ()) for w in WAYS])
def test_code_runs_and_what_comes_out_reads_digits(way, data):
    """With 4-bit weights no way loses more than 2.5 points: 9 of 359 images; dynamic has 8 bits."""
    if way in LIBRARY:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says while it is imported is not ours
            pytest.importorskip(LIBRARY[way])
    images, labels, x, y = data
    names = {"torch": torch, "model": models.digits_cnn(), "images": images, "labels": labels}
    with engines.quiet(), torch.random.fork_rng(devices=[]):
        exec(WAYS[way].code.format(bits=4), names)
        quantized = names["quantized"].eval()
        x = x.to(torch.bfloat16) if way == "stay float" else x
        with torch.no_grad():
            right = float((quantized(x).argmax(1) == y).double().mean())
    assert right > 0.9889 - 0.025


@pytest.mark.parametrize("way", WAYS)
def test_code_has_no_braces_left(way):
    code = WAYS[way].code.format(bits=5)
    compile(code, way, "exec")
    assert "{{" not in code and "bits}" not in code
    assert max(map(len, code.splitlines())) <= 100  # a readout does not scroll


def test_torch_sets_up_one_scale_per_tensor_for_phones_alone():
    with engines.quiet():
        kinds = {name: type(get_default_qconfig(name).weight()) for name in ("qnnpack", "x86", "fbgemm")}
    assert {name for name, kind in kinds.items() if kind is PerChannelMinMaxObserver} == {"x86", "fbgemm"}


@ENGINE
def test_dynamic_leaves_convolutions_as_they_are():
    names = {"torch": torch, "model": models.digits_cnn()}
    with engines.quiet(), engines.using():
        exec(WAYS["dynamic"].code.format(bits=8), names)
    quantized = names["quantized"]
    assert type(quantized.conv1) is torch.nn.Conv2d and type(quantized.fc1) is not torch.nn.Linear

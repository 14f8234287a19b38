"""How the comparison of two networks reads, what it refuses, and that it changes neither of them."""

import copy
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch")

from torch.ao import quantization

from qviz.pytorch import digits_model, engines
from qviz.pytorch.conversion import FIXES, convert
from qviz.pytorch.layer_comparison import agreement
from qviz.pytorch.qat import QATConfig, prepare, train_qat

LAYERS = ["quant", "conv1", "conv2", "fc1", "fc2"]


@pytest.fixture(scope="module")
def fake():
    return train_qat(digits_model.digits_cnn(), QATConfig(2, 4, epochs=0)).model


@pytest.fixture(scope="module")
def x():
    return digits_model.digits_tensors()[2]


def test_agreement_reads_well(fake, x):
    lines = str(agreement(fake, convert(fake), x)).splitlines()
    assert lines[0].split() == ["layer", "weights", "outputs", "steps", "out", "of", "range"]
    assert [line.split()[0] for line in lines[1:-1]] == LAYERS
    assert all(len(a) == len(b) for a, b in pairwise(lines[:-1]))
    assert lines[-1] == "same predictions: 100.00%"


def test_looking_changes_neither(fake, x):
    """torch's observers watch in eval mode too, so that a prediction on brighter images would move every range."""
    watching, converted = copy.deepcopy(fake), convert(fake)
    watching.apply(quantization.enable_observer)
    before = copy.deepcopy(watching.state_dict())
    found = str(agreement(watching, converted, 3 * x))
    assert all(torch.equal(before[name], value) for name, value in watching.state_dict().items())
    assert found == str(agreement(fake, converted, 3 * x))
    with torch.no_grad():
        watching(3 * x)
    assert not all(torch.equal(before[name], value) for name, value in watching.state_dict().items())


@pytest.mark.parametrize("fixes", [FIXES, (), FIXES[:1], FIXES[1:]], ids=str)
@pytest.mark.parametrize("fake_quantize", ["torch", "torch_fused"])  # qviz's rounds a tie in the weights otherwise
def test_where_no_engine_is_the_same_is_simulated_faults_included(fake_quantize, fixes, x, monkeypatch):
    fake = train_qat(digits_model.digits_cnn(), QATConfig(2, 4, epochs=0, fake_quantize=fake_quantize)).model
    real = str(agreement(fake, convert(fake, fixes), x))
    monkeypatch.setattr(engines, "supported", lambda: ())
    simulated = convert(fake, fixes)
    assert str(agreement(fake, simulated, x)) == real  # the outputs have no ties here
    assert simulated.engine == "simulated" and not simulated.training
    before = copy.deepcopy(simulated.state_dict())
    digits_model.accuracy(simulated, 100 * x, digits_model.digits_tensors()[3])
    assert all(torch.equal(before[name], value) for name, value in simulated.state_dict().items())


def test_agreement_refuses(fake, x):
    converted = convert(fake, FIXES)
    with pytest.raises(ValueError, match="fake must be in eval mode"):
        agreement(prepare(digits_model.digits_cnn(), QATConfig()), converted, x)
    with pytest.raises(ValueError, match="fake must have fake-quantize in it: it has none"):
        agreement(converted, converted, x)
    with pytest.raises(ValueError, match="x must hold at least one image: got none"):
        agreement(fake, converted, x[:0])
    with pytest.raises(ValueError, match=r"converted must give out integers at layer 'quant': got torch\.float32"):
        agreement(fake, fake, x)
    small = torch.nn.Sequential(quantization.QuantStub(), torch.nn.Flatten()).eval()
    with pytest.raises(ValueError, match="only one of them has the layers conv1, conv2, fc1, fc2, quant"):
        agreement(fake, small, x)
    with pytest.raises(TypeError, match="converted must be a network: got NoneType"):
        agreement(fake, None, x)

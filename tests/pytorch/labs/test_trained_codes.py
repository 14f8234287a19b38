"""The two halves of what a training changed: put together they are the trained network again."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import digits_model
from qviz.pytorch.labs.snapshots import weight_snapshots
from qviz.pytorch.labs.trained_codes import all_but_codes, codes_alone, with_codes
from qviz.pytorch.qat import QATConfig, train_qat


@pytest.fixture(scope="module", params=[True, False], ids=["per channel", "per tensor"])
def run(request):
    return train_qat(digits_model.digits_cnn(), QATConfig(2, 4, per_channel=request.param, epochs=1))


@pytest.fixture(scope="module")
def images():
    return digits_model.digits_tensors()[2]


def codes_of(network):
    return {name: snapshot.codes for name, snapshot in weight_snapshots(network).items()}


def same(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def ranges_and_biases(network):
    """Everything that a training moves, apart from the weights."""
    state = network.state_dict()
    return {n: t.numpy().copy() for n, t in state.items() if "weight" not in n.split(".")}


def test_its_own_codes_change_nothing(run, images):
    """The oracle: with the codes that it has, the network must give the same logits bit for bit."""
    with torch.no_grad():
        again = with_codes(run.model, {name: s.codes for name, s in run.snapshots[-1].items()})
        assert torch.equal(again(images), run.model(images))


def test_codes_alone_takes_the_codes_and_nothing_else(run):
    network = codes_alone(digits_model.digits_cnn(), run)
    assert same(codes_of(network), {name: s.codes for name, s in run.snapshots[-1].items()})
    before = train_qat(digits_model.digits_cnn(), QATConfig(2, 4, per_channel=run.config.per_channel, epochs=0)).model
    assert same(ranges_and_biases(network), ranges_and_biases(before))
    assert not same(ranges_and_biases(network), ranges_and_biases(run.model))


def test_all_but_codes_leaves_the_codes_of_before(run):
    network = all_but_codes(run)
    assert same(codes_of(network), {name: s.codes for name, s in run.snapshots[0].items()})
    assert same(ranges_and_biases(network), ranges_and_biases(run.model))
    assert not same(codes_of(run.model), codes_of(network)), "the run itself is not changed"


def test_refusals(run):
    codes = {name: s.codes for name, s in run.snapshots[0].items()}
    with pytest.raises(ValueError, match="codes must be of the layers conv1, conv2, fc1, fc2: got conv1"):
        with_codes(run.model, {"conv1": codes["conv1"]})
    with pytest.raises(ValueError, match=r"codes of fc2 must have shape \(10, 64\): got \(64, 10\)"):
        with_codes(run.model, codes | {"fc2": codes["fc2"].T})
    with torch.random.fork_rng(devices=[]):
        norms = train_qat(digits_model.DigitsCNN(batch_norm=True), QATConfig(2, 4, epochs=0)).model
    with pytest.raises(ValueError, match="network must have no batch norm"):
        with_codes(norms, codes)

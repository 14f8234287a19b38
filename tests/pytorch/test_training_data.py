"""Quantization-aware training on a reader's own data, with a loss of their own."""

import math

import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.ao import quantization
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from qviz.pytorch import QATConfig, TrainingData, convert, digits_cnn, digits_tensors, train_qat

TRAIN, TRAIN_LABELS, TEST, LABELS = digits_tensors()
X = torch.linspace(-1, 1, 200)[:, None]


def line(weight=2.2, bias=-1.1):
    """A network that is nearly right about 2 x - 1, and whose outputs cover all of it: observers hardly widen later."""
    model = nn.Sequential(quantization.QuantStub(), nn.Linear(1, 1), quantization.DeQuantStub())
    nn.init.constant_(model[1].weight, weight)
    nn.init.constant_(model[1].bias, bias)
    return model


def test_it_learns_what_the_targets_say():
    """The best line is known. Half a step of input, weight and output comes to about 0.03."""
    run = train_qat(line(), QATConfig(epochs=10, lr=0.02), data=TrainingData((X, 2 * X - 1), loss=mse_loss))
    assert len(run.history) == 11 and math.isnan(run.history[1].accuracy) and "not measured" in str(run)
    error = (convert(run.model)(X) - (2 * X - 1)).abs().max()
    before = (line()(X) - (2 * X - 1)).abs().max()
    assert before > 0.29 and error < 0.05


def test_a_loader_and_a_pair_are_the_same_data():
    """In one batch, whose order is then all that differs: float32 sums of 50 numbers."""
    pair = TrainingData((X[:50], 2 * X[:50]), loss=mse_loss)
    loader = TrainingData(DataLoader(TensorDataset(X[:50], 2 * X[:50]), batch_size=50), loss=mse_loss)
    runs = [train_qat(line(), QATConfig(epochs=3), data=data) for data in (pair, loader)]
    for a, b in zip(*[run.model.parameters() for run in runs], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_accuracy_is_that_of_the_test_data():
    data = TrainingData((TRAIN, TRAIN_LABELS), (TEST, LABELS))
    run, course = (train_qat(digits_cnn(), QATConfig(4, 8, epochs=1), data=d) for d in (data, None))
    assert run.history[0].accuracy == course.history[0].accuracy  # 1,024 of the images show the same ranges, nearly
    assert run.history[1].accuracy > 0.95


def test_the_float_network_and_the_random_state_stay():
    model, before = line(), torch.random.get_rng_state()
    train_qat(model, QATConfig(epochs=1), data=TrainingData((X, X), loss=mse_loss))
    assert model[1].weight.item() == pytest.approx(2.2) and torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("arguments", "kind", "text"),
    [
        ({"train": X}, TypeError, "train must hold pairs of tensors, inputs and targets: got Tensor"),
        ({"train": []}, TypeError, "got no batch"),
        ({"train": iter([(X, X)])}, TypeError, "train must be gone through once for each epoch: got list_iterator"),
        ({"train": (X, X[:3])}, ValueError, "a target for each input, at least one: got 200 and 3"),
        ({"train": (X.double(), X)}, TypeError, "train must be a float32 tensor"),
        ({"train": (X * torch.nan, X)}, ValueError, "train must be finite"),
        ({"train": (X, X), "loss": "mse"}, TypeError, "loss must be a function of output and targets: got str"),
        ({"train": (X, X), "test": (X, X)}, TypeError, "y must be a tensor of whole numbers"),
    ],
)
def test_what_is_refused(arguments, kind, text):
    with pytest.raises(kind, match=text):
        TrainingData(**arguments)


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (lambda out, y: (out - y) ** 2, r"loss must return one number that has a gradient: got shape \(64, 64\)"),
        (lambda out, y: 1.0, "got float"),
        (nn.functional.cross_entropy, "it fails on the first batch"),
    ],
)
def test_a_loss_that_does_not_fit_is_refused_before_training(loss, text):
    seen = []
    with pytest.raises(ValueError, match=text):
        train_qat(line(), QATConfig(), seen.append, data=TrainingData((X, (X > 0)[:, 0].int()), loss=loss))
    assert not seen

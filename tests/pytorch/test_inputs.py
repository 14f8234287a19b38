"""Inputs come as a tensor, or in batches as a DataLoader gives them; both lead to the same network."""

import pytest

torch = pytest.importorskip("torch")
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from qviz.pytorch import digits_model, engines, measure, ptq
from qviz.pytorch.inputs import inputs_of, labelled
from qviz.pytorch.migration import pt2e, quantize_api

TRAIN, TRAIN_Y, X, Y = digits_model.digits_tensors()
FLOAT = digits_model.digits_cnn()
CONFIG = ptq.PTQConfig(samples=40)
LOADER = DataLoader(TensorDataset(TRAIN, TRAIN_Y), batch_size=32)
needs_an_engine = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models here")


def one_by_one():
    yield from TRAIN[:40].split(7)


@pytest.mark.parametrize(
    "batches", [LOADER, list(LOADER), DataLoader(TRAIN, batch_size=9), TRAIN[:40].split(16)], ids=range(4)
)
def test_batches_calibrate_as_one_tensor_does(batches):
    plain, batched = (ptq.simulate_model(FLOAT, CONFIG, data)(X) for data in (TRAIN, batches))
    assert torch.equal(plain, batched)


@needs_an_engine
@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_the_kernel_answers_alike(flow):
    config = ptq.PTQConfig(samples=40, flow=flow)
    assert torch.equal(ptq.quantize_model(FLOAT, config, LOADER)(X), ptq.quantize_model(FLOAT, config, TRAIN)(X))


def test_no_more_batches_are_asked_for_than_are_used():
    asked = []

    def batches():
        for batch in TRAIN.split(16):
            asked.append(len(batch))
            yield batch

    ptq.simulate_model(FLOAT, CONFIG, batches())
    assert asked == [16, 16, 16]


def test_a_generator_serves_once():
    assert torch.equal(ptq.simulate_model(FLOAT, CONFIG, one_by_one())(X), ptq.simulate_model(FLOAT, CONFIG, TRAIN)(X))


def test_evaluate_takes_pairs():
    q = ptq.simulate_model(FLOAT, CONFIG, TRAIN)
    plain = measure.evaluate(FLOAT, q, X, Y)
    batched = measure.evaluate(FLOAT, q, DataLoader(TensorDataset(X, Y), batch_size=50))
    assert (batched.accuracy, batched.agreement) == (plain.accuracy, plain.agreement)
    assert measure.evaluate(FLOAT, q, X.split(50), Y).accuracy == plain.accuracy


def test_torchao_takes_batches_too():
    pytest.importorskip("torchao")
    by_loader, plain = (quantize_api.quantize_static(FLOAT, data)(X) for data in (LOADER, TRAIN))
    assert torch.equal(by_loader, plain)
    by_loader, plain = (pt2e.activation_qparams(pt2e.quantize(FLOAT, data, samples=40)) for data in (LOADER, TRAIN))
    assert by_loader == plain


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (
            [],
            ValueError,
            "must hold batches of inputs of one shape, at least one batch: got an empty list",
        ),
        (
            [1.0, 2.0],
            TypeError,
            "calibration_x must be a tensor, or batches of inputs: batch must be a float32",
        ),
        ([TRAIN[:2].double()], TypeError, r"got torch\.float64; use torch\.as_tensor\(batch\)\.float\(\)"),
        ([TRAIN[:2], torch.zeros(2, 3)], ValueError, r"of one shape, .*: got \(1, 8, 8\) and \(3,\)"),
        ([{"x": [1.0]}], TypeError, r"batch\['x'\] must be a float32 tensor: got list"),
        ([TRAIN[:2] / 0], ValueError, "calibration_x must be a tensor, or batches of inputs: batch must be finite"),
        (
            TRAIN[:2].to_sparse(),
            TypeError,
            r"must be a dense tensor: .*; use calibration_x\.to_dense\(\)",
        ),
        (nn.Linear(2, 2), TypeError, "calibration_x must be a float32 tensor: got Linear"),
    ],
)
def test_what_is_no_input_is_refused(data, error, text):
    with pytest.raises(error, match=text):
        inputs_of(data, "calibration_x")


def test_labels_must_come_from_somewhere():
    with pytest.raises(TypeError, match="y must be a tensor of whole numbers: got None; give labels, or batches"):
        labelled(X)
    with pytest.raises(TypeError, match="got None"):
        labelled([X[:2], X[2:4]])

"""Results hold numbers that can be checked against direct computation."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.numerics import Histogram, fake_quantize, sqnr_db
from qviz.pytorch import digits_model, engines, size_and_latency
from qviz.pytorch.conversion import convert
from qviz.pytorch.measure import Reference, evaluate, layer_names, outputs_of
from qviz.pytorch.ptq import PTQConfig, quantize_model, simulate_model
from qviz.pytorch.qat import QATConfig, train_qat

TRAIN, _, X, Y = digits_model.digits_tensors()
FLOAT = digits_model.digits_cnn()
NAMES = ["input", "conv1", "conv2", "fc1", "fc2"]


def result(config=PTQConfig(), **keywords):  # noqa: B008
    model = quantize_model(FLOAT, config, TRAIN)
    return model, evaluate(FLOAT, model, X, Y, **keywords)


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_numbers_are_those_of_a_direct_computation(flow):
    model, r = result(PTQConfig(3, 4, method="mse", flow=flow))
    with torch.inference_mode(), engines.quiet():
        theirs, mine = model(X), FLOAT(X)
    assert r.accuracy == float((theirs.argmax(1) == Y).double().mean())
    assert r.float_accuracy == pytest.approx(355 / 359)
    assert r.agreement == float((theirs.argmax(1) == mine.argmax(1)).double().mean())
    assert [layer.name for layer in r.layers] == NAMES
    assert r.layers[-1].sqnr_db == pytest.approx(sqnr_db(mine.numpy(), theirs.numpy()), abs=1e-3)
    first = r.layers[0]
    assert first.sqnr_db == pytest.approx(sqnr_db(X.numpy(), fake_quantize(X.numpy(), first.qparams)), abs=0.5)
    assert r.engine == engines.preferred()


@pytest.mark.parametrize("flow", ["eager", "fx"])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_ranges_are_those_that_the_layers_keep(flow, bits):
    model, r = result(PTQConfig(bits, bits, method="percentile", flow=flow))
    for layer in r.layers:
        assert layer.qparams.fmt.bits == bits and not layer.qparams.fmt.signed
        assert isinstance(layer.seen, Histogram)
    assert float(r.layers[1].qparams.scale) == pytest.approx(model.conv1.scale)
    weights = r.layers[1].weights
    assert weights.qparams.scale.shape == (16, 1)
    assert weights.sqnr_db == pytest.approx(sqnr_db(weights.real, weights.quantized), rel=1e-9)  # sums in another order
    np.testing.assert_array_equal(weights.quantized, model.conv1.weight().dequantize().numpy())
    assert (0 < r.layers[3].clipped < 0.05) or bits == 2  # there half a step covers the rest
    for layer in r.layers[1:]:
        assert_weights_keep(layer.weights, bits)


def assert_weights_keep(weights, bits):
    """Clipped to the range that is told, no weight is more than half a step away from what became of it."""
    p = weights.qparams
    assert str(p.fmt) == f"int{bits}"
    real, quantized = (p.granularity.to_groups(w).astype(float) for w in (weights.real, weights.quantized))
    assert (np.abs(np.clip(real, p.lo, p.hi) - quantized) <= p.scale / 2 * (1 + 1e-4)).all()  # float32 at ties


@pytest.mark.parametrize("config", [PTQConfig(2, per_channel=False), PTQConfig(3, dynamic=True)], ids=str)
def test_ranges_of_weights_per_tensor_and_in_a_dynamic_network(config):
    for layer in result(config)[1].layers[-2:]:
        assert_weights_keep(layer.weights, config.weight_bits)


def test_a_simulated_network_has_the_same_result():
    config = PTQConfig(4, 4)
    r = result(config)[1]
    s = evaluate(FLOAT, simulate_model(FLOAT, config, TRAIN), X, Y)
    assert s.engine == "simulated" and [x.name for x in s.layers] == NAMES
    assert s.accuracy == pytest.approx(r.accuracy, abs=1 / 359)
    for mine, theirs in zip(s.layers, r.layers, strict=True):
        assert mine.sqnr_db == pytest.approx(theirs.sqnr_db, abs=0.05)
        assert mine.qparams.fmt == theirs.qparams.fmt
        assert float(mine.qparams.scale) == pytest.approx(float(theirs.qparams.scale), rel=1e-6)


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_a_dynamic_network_has_two_layers_of_integers(flow):
    _, r = result(PTQConfig(dynamic=True, flow=flow))
    assert [x.name for x in r.layers] == ["fc1", "fc2"]
    assert all(x.qparams is None and np.isnan(x.clipped) and x.sqnr_db > 30 for x in r.layers)


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("told", [True, False])
def test_a_network_from_training_with_quantization(bits, told):
    model = convert(train_qat(FLOAT, QATConfig(bits, bits, epochs=0)).model)
    if not told:  # as torch alone converts it, or a file that says less
        del model.made
    r = evaluate(FLOAT, model, X, Y)
    assert r.engine == engines.preferred() and [x.name for x in r.layers] == NAMES
    assert all(x.qparams.fmt.bits == bits for x in r.layers)
    for layer in r.layers[1:]:
        assert_weights_keep(layer.weights, bits)


def test_a_simulated_network_from_training_has_the_same_result(monkeypatch):
    run = train_qat(FLOAT, QATConfig(4, 4, epochs=0))
    r = evaluate(FLOAT, convert(run.model), X, Y)
    monkeypatch.setattr(engines, "supported", lambda: ())
    s = evaluate(FLOAT, convert(run.model), X, Y)
    assert s.engine == "simulated" and [x.name for x in s.layers] == NAMES
    assert s.accuracy == pytest.approx(r.accuracy, abs=1 / 359)  # sums in float32: a tie may fall
    for mine, theirs in zip(s.layers, r.layers, strict=True):
        assert mine.sqnr_db == pytest.approx(theirs.sqnr_db, abs=0.05)
        assert (mine.qparams.fmt, mine.qparams.hi) == (theirs.qparams.fmt, pytest.approx(theirs.qparams.hi, rel=1e-6))
    for mine, theirs in zip(s.layers[1:], r.layers[1:], strict=True):
        np.testing.assert_allclose(mine.weights.quantized, theirs.weights.quantized, rtol=1e-6)


def test_only_arrays_and_numbers_and_text():
    def leaves(value):
        if dataclasses.is_dataclass(value):
            return [leaf for f in dataclasses.fields(value) for leaf in leaves(getattr(value, f.name))]
        if isinstance(value, tuple):
            return [leaf for part in value for leaf in leaves(part)]
        return [value]

    _, r = result()
    kinds = {type(leaf) for leaf in leaves(r)}
    assert kinds <= {float, int, str, bool, np.ndarray, type(None)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        r.accuracy = 1.0


def test_the_size_is_what_is_on_disk(tmp_path):
    model, r = result()
    torch.save(model.state_dict(), tmp_path / "model.pt")
    assert r.size_bytes == (tmp_path / "model.pt").stat().st_size
    weights = sum(p.numel() for p in FLOAT.parameters())
    assert weights < r.size_bytes < r.float_size_bytes < 4 * weights + 10_000


def test_fewer_bits_in_a_container_of_8_save_nothing():
    assert result(PTQConfig(2, 2))[1].size_bytes == result()[1].size_bytes


def test_time_is_taken_only_when_asked_for_and_threads_are_put_back():
    before = torch.get_num_threads()
    _, r = result()
    assert np.isnan(r.latency.median_ms) and r.latency.repeats == 0
    _, r = result(repeats=3, batch=8, threads=before + 1)
    assert r.latency.median_ms > 0 and r.latency.spread_ms >= 0
    assert (r.float_latency.batch, r.float_latency.threads) == (8, before + 1)
    assert torch.get_num_threads() == before


def test_threads_are_put_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        size_and_latency.latency(FLOAT, torch.zeros(3), threads=before + 1)
    assert torch.get_num_threads() == before


def test_the_text_of_a_result():
    text = str(result()[1])
    assert text.startswith("accuracy 0.9889 (float 0.9889), same answer 1.0000\n")
    assert "engine: " + engines.preferred() in text and len(text.splitlines()) == 8


def test_hooks_are_removed():
    model, _ = result()
    assert outputs_of(model, X[:2], layer_names(model)).keys() == {*NAMES[1:], ""}
    assert not any(m._forward_hooks for m in model.modules())


def test_no_inputs_or_too_few_labels():
    model, _ = result()
    for x, y in ((X[:0], Y[:0]), (X, Y[:3])):
        with pytest.raises(ValueError, match="as many inputs as labels, at least one: got"):
            evaluate(FLOAT, model, x, y)


def test_networks_that_are_exchanged_or_not_converted():
    model, _ = result()
    fake = train_qat(FLOAT, QATConfig(epochs=0)).model
    for wrong in (model, fake, simulate_model(FLOAT, PTQConfig(), TRAIN)):
        with pytest.raises(ValueError, match="model_float must be a float network: it is quantized already"):
            evaluate(wrong, FLOAT, X, Y)
        with pytest.raises(ValueError, match="model must be a float network"):
            Reference(wrong, X, Y)
    for wrong in (FLOAT, fake):
        with pytest.raises(ValueError, match="model_q must have quantized layers: it has none; convert it first"):
            evaluate(FLOAT, wrong, X, Y)


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (X, Y.float(), TypeError, r"y must be a tensor of whole numbers: got torch\.float32; use .*\.long\(\)"),
        (X, Y.numpy(), TypeError, "y must be a tensor of whole numbers: got ndarray"),
        (X, Y[:, None], ValueError, r"y must have one axis, a label for each input: got shape \(359, 1\)"),
        (X.double(), Y, TypeError, r"x must be a float32 tensor: got torch\.float64; use .*\.float\(\)"),
        (X / 0, Y, ValueError, r"x must be finite: got nan at index \(0, 0, 0, 0\), and 22976 such values in all"),
    ],
)
def test_inputs_and_labels_of_another_kind(x, y, error, message):
    with pytest.raises(error, match=message):
        evaluate(FLOAT, result()[0], x, y)

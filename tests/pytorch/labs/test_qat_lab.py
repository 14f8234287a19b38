"""What the laboratory says is what train_qat, convert and accuracy say, and asking trains nothing."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import conversion, digits_model, engines, layer_comparison
from qviz.pytorch.labs import qat_lab
from qviz.pytorch.labs.qat_lab import QATLab
from qviz.pytorch.qat import QATConfig, train_qat

SHORT = {"weight_bits": 2, "activation_bits": 4, "epochs": 2, "seed": 3, "lr": 5e-3}
needs_engine = pytest.mark.skipif(engines.preferred() is None, reason="no engine")


@pytest.fixture(scope="module")
def lab():
    return QATLab()


@pytest.fixture(scope="module")
def trained(lab):
    return lab.train(**SHORT)


@pytest.fixture(scope="module")
def run():
    return train_qat(digits_model.digits_cnn(), QATConfig(**SHORT))


@pytest.fixture
def no_training(monkeypatch):
    def fail(*arguments, **keywords):
        raise AssertionError("it trained")

    monkeypatch.setattr(digits_model, "_one_epoch", fail)


def test_training_is_that_of_train_qat(trained, run):
    assert trained.losses.tolist() == [e.loss for e in run.history[1:]]
    assert trained.accuracies.tolist() == [e.accuracy for e in run.history]
    assert trained.crossings.tolist() == np.sum([run.crossings(name) for name in run.snapshots[0]], axis=0).tolist()
    assert trained.weights == sum(p.numel() for n, p in digits_model.digits_cnn().named_parameters() if "weight" in n)
    assert trained.complete and trained.done == 2


@needs_engine
def test_the_converted_network_is_measured(trained, run):
    _, _, x, y = digits_model.digits_tensors()
    converted = conversion.convert(run.model)
    assert trained.converted_accuracy == digits_model.accuracy(converted, x, y)
    assert trained.agreement == layer_comparison.agreement(run.model, converted, x).predictions
    assert trained.engine == engines.preferred()


def test_asking_observes_and_trains_nothing(lab, trained, no_training):
    asked = lab(**{**SHORT, "seed": 4, "lr": 1e-3})
    assert asked.done == 0 and not asked.complete and math.isnan(asked.converted_accuracy) and asked.engine == ""
    assert asked.config == QATConfig(**{**SHORT, "seed": 4, "lr": 1e-3})
    assert asked.accuracies.tolist() == trained.accuracies[:1].tolist()  # the network before training is the same
    assert lab(**SHORT) is trained


def test_without_an_epoch_it_is_ptq_and_complete(lab, trained, no_training):
    ptq = lab(**{**SHORT, "epochs": 0})
    assert ptq.complete and ptq.accuracies.tolist() == trained.accuracies[:1].tolist()
    if engines.preferred():
        assert ptq.converted_accuracy == pytest.approx(ptq.accuracies[0], abs=0.003)  # a tie may turn one image


def test_a_training_that_was_left_is_remembered_as_far_as_it_went(lab, trained):
    settings = {**SHORT, "epochs": 3}
    steps = lab.epochs(**settings)
    seen = [next(steps) for _ in range(2)]
    steps.close()
    assert [r.done for r in seen] == [0, 1] and lab(**settings) is seen[1]
    assert not seen[1].complete and seen[1].engine == ""
    assert [r.done for r in lab.epochs(**settings)] == [0, 1, 2, 3] and lab(**settings).complete


def test_it_keeps_the_last_ones_only(monkeypatch):
    monkeypatch.setattr(qat_lab, "KEPT", 3)
    lab = QATLab()
    for bits in (2, 3, 4, 5, 2):
        lab(weight_bits=bits)
    assert [config.weight_bits for config in lab._known] == [4, 5, 2]


def test_where_no_engine_is_the_result_is_simulated(monkeypatch):
    real = QATLab()(epochs=0)
    monkeypatch.setattr(engines, "supported", lambda: ())
    result = QATLab()(epochs=0)
    assert result.complete and result.engine == "simulated"
    assert (result.converted_accuracy, result.agreement) == (result.accuracies[-1], 1.0)
    assert result.accuracies.tolist() == real.accuracies.tolist()


def test_an_interrupt_within_a_training_keeps_its_epochs(monkeypatch):
    lab, whole, asked = QATLab(), digits_model._one_epoch, []

    def interrupted(*arguments):
        asked.append(0)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(digits_model, "_one_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lab.train(**SHORT)
    assert lab(**SHORT).done == 1 and not lab(**SHORT).complete


@pytest.mark.parametrize("call", [lambda lab: lab(weight_bits=9), lambda lab: lab.epochs(weight_bits=9)])
def test_settings_out_of_range(lab, call):
    with pytest.raises(ValueError, match="weight_bits must be from 2 to 8: got 9"):
        call(lab)

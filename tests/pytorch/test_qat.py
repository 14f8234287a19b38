"""Quantization-aware training: what is trained, noted and frozen, and what stays untouched."""

import copy
import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.ao import quantization
from torch.ao.nn.intrinsic import qat as intrinsic_qat

from qviz.pytorch import digits_model, engines, qat
from qviz.pytorch.labs.snapshots import observers_off, weight_behind
from qviz.pytorch.ptq import PTQConfig
from qviz.pytorch.qat import QATConfig, fake_quantizes, freeze, prepare, train_qat, train_qat_by_epoch, weight_snapshots
from qviz.pytorch.qat_config import FAKE_QUANTIZES

SHORT = QATConfig(2, 4, epochs=3, freeze_observers_after=2, freeze_batch_norm_after=1)


@pytest.fixture(scope="module")
def data():
    return digits_model.digits_tensors()


@pytest.fixture(scope="module")
def run():
    return train_qat(digits_model.digits_cnn(), SHORT)


@pytest.fixture(scope="module")
def norm_run():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = digits_model.DigitsCNN(batch_norm=True)
    digits_model.train(model, epochs=1, lr=3e-3, seed=0)
    means = []
    run = train_qat(model, SHORT, progress=lambda r: means.append(r.model.conv1.bn.running_mean.clone()))
    return run, means


def weights(model):
    return {n: p.detach().clone() for n, p in model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def test_prepare_fuses_a_copy_and_puts_a_fake_quantize_everywhere():
    model = digits_model.digits_cnn()
    before = weights(model)
    prepared = prepare(model, QATConfig(2, 4))
    assert prepared.training and not model.training and same(before, weights(model))
    assert isinstance(prepared.conv1, intrinsic_qat.ConvReLU2d) and isinstance(prepared.fc1, intrinsic_qat.LinearReLU)
    outputs = [f"{n}.activation_post_process" for n in ("quant", "conv1", "conv2", "fc1", "fc2")]
    inputs = [f"{n}.weight_fake_quant" for n in ("conv1", "conv2", "fc1", "fc2")]
    assert set(fake_quantizes(prepared)) == {*outputs, *inputs}


def test_prepare_takes_a_network_that_is_fused_already_or_cannot_be():
    assert isinstance(prepare(digits_model.digits_cnn().fuse(), QATConfig()).conv1, intrinsic_qat.ConvReLU2d)
    small = torch.nn.Sequential(quantization.QuantStub(), torch.nn.Linear(10, 5), quantization.DeQuantStub())
    assert len(fake_quantizes(prepare(small, QATConfig()))) == 3


def test_prepare_refuses(run):
    with pytest.raises(ValueError, match="model has fake-quantize in it already"):
        prepare(run.model, SHORT)
    with pytest.raises(TypeError, match="model must be a float network: got NoneType"):
        train_qat(None, SHORT)
    words = r"config must be a QATConfig: got PTQConfig; for a PTQConfig there is ptq\.quantize_model"
    with pytest.raises(TypeError, match=words):
        train_qat(digits_model.digits_cnn(), PTQConfig())
    with pytest.raises(ValueError, match="needs a QuantStub at its input and a DeQuantStub at its output"):
        prepare(torch.nn.Linear(10, 5), SHORT)


def test_training_raises_accuracy_and_is_noted(run, data):
    _, _, x, y = data
    assert [e.number for e in run.history] == [0, 1, 2, 3] and len(run.snapshots) == 4 and not run.stopped
    assert np.isnan(run.history[0].loss) and run.history[3].loss < run.history[1].loss
    # PTQ of this network at W2A4 gets about 55 % right, and three epochs about 95 %
    assert run.history[0].accuracy < 0.75 and run.history[3].accuracy > 0.9
    assert digits_model.accuracy(run.model, x, y) == run.history[3].accuracy


def test_the_same_seed_gives_the_same_training_and_nothing_global_moves(run):
    model = digits_model.digits_cnn()
    random, engine = torch.get_rng_state(), torch.backends.quantized.engine
    before = weights(model)
    again = train_qat(model, SHORT)
    assert again.history[1:] == run.history[1:] and same(weights(again.model), weights(run.model))
    assert same(weights(model), before) and not fake_quantizes(model)
    assert torch.equal(torch.get_rng_state(), random) and torch.backends.quantized.engine == engine
    other = train_qat(model, dataclasses.replace(SHORT, epochs=1, seed=1))
    assert other.history[1] != run.history[1]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit_and_is_put_back(run, threads):
    counts = []
    with engines.threads(threads):
        again = train_qat(digits_model.digits_cnn(), SHORT, progress=lambda _: counts.append(torch.get_num_threads()))
        assert torch.get_num_threads() == threads
    assert counts == [threads] * 4
    assert again.history[1:] == run.history[1:] and same(weights(again.model), weights(run.model))


def test_an_epoch_at_a_time_is_the_same_training(run):
    steps = train_qat_by_epoch(digits_model.digits_cnn(), SHORT)
    lengths = [len(mine.history) for mine in steps]
    assert lengths == [1, 2, 3, 4]
    steps = train_qat_by_epoch(digits_model.digits_cnn(), SHORT)
    mine = [next(steps) for _ in range(4)][-1]
    assert mine.model.training and not mine.stopped
    assert list(steps) == [] and not mine.model.training and not mine.stopped
    assert mine.history[1:] == run.history[1:] and same(weights(mine.model), weights(run.model))


@pytest.mark.parametrize("epochs", [0, 2])
def test_closed_in_between_it_leaves_a_frozen_model(data, epochs):
    steps = train_qat_by_epoch(digits_model.digits_cnn(), SHORT)
    mine = [next(steps) for _ in range(epochs + 1)][-1]
    steps.close()
    assert mine.stopped and len(mine.history) == epochs + 1 and not mine.model.training
    before = weights(mine.model)
    assert digits_model.accuracy(mine.model, data[2], data[3]) == mine.history[-1].accuracy
    assert same(weights(mine.model), before)


@pytest.mark.parametrize("fake_quantize", ["qviz", "torch_fused"])
def test_other_fake_quantizes_start_alike_and_learn(run, fake_quantize):
    other = train_qat(digits_model.digits_cnn(), dataclasses.replace(SHORT, fake_quantize=fake_quantize))
    assert other.history[3].accuracy > 0.85
    if fake_quantize == "qviz":  # ties apart, see test_ste
        assert other.history[0].accuracy == pytest.approx(run.history[0].accuracy, abs=0.02)


def test_ptq_ranges_are_those_of_the_float_network(data):
    run = train_qat(digits_model.digits_cnn(), QATConfig(epochs=0))
    float_model, highest = digits_model.digits_cnn().fuse(), {}
    for name in ("conv1", "conv2", "fc1"):
        layer = float_model.get_submodule(name)
        layer.register_forward_hook(lambda m, i, y, n=name: highest.update({n: float(y.max())}))
    with torch.no_grad():
        float_model(data[0])
    for name, expected in highest.items():
        found = run.model.get_submodule(name).activation_post_process
        assert float(found.scale) * 255 == pytest.approx(expected, rel=1e-6)


def test_at_the_end_nothing_moves_any_more(run, data):
    assert not run.model.training
    before = weights(run.model)
    with torch.no_grad():
        run.model(data[2] * 100)
    assert same(weights(run.model), before)


def test_observers_freeze_when_they_should():
    scales = []
    train_qat(
        digits_model.digits_cnn(),
        dataclasses.replace(SHORT, epochs=3, freeze_observers_after=1),
        progress=lambda r: scales.append(float(r.model.conv2.activation_post_process.scale)),
    )
    assert scales[0] != scales[1] == scales[2] == scales[3]


def test_batch_norm_freezes_when_it_should(norm_run):
    run, means = norm_run
    assert not torch.equal(means[0], means[1])
    assert torch.equal(means[1], means[2]) and torch.equal(means[2], means[3])
    assert run.history[3].accuracy > 0.8


def test_looking_moves_no_range(run, data):
    model = prepare(digits_model.digits_cnn(), SHORT)
    model(data[0])
    before = weights(model)
    with observers_off(model), torch.no_grad():
        model(data[0] * 3)
    assert same(weights(model), before)
    assert all(int(f.observer_enabled) == 1 for f in fake_quantizes(model).values())
    freeze(model, batch_norm=False)
    assert all(int(f.observer_enabled) == 0 for f in fake_quantizes(model).values())


def test_snapshots_are_what_the_network_computes_with(run, norm_run):
    for model in (run.model, norm_run[0].model):
        for name, snapshot in weight_snapshots(model).items():
            layer = model.get_submodule(name)
            used = layer.weight_fake_quant(weight_behind(layer)).detach().numpy()
            scale = snapshot.qparams.scale.reshape(-1, *[1] * (used.ndim - 1)).astype(np.float32)
            np.testing.assert_array_equal(snapshot.codes * scale, used)
            assert snapshot.codes.min() >= -2 and snapshot.codes.max() <= 1
    folded = norm_run[0].snapshots[-1]["conv1"].values
    assert not np.allclose(folded, norm_run[0].model.conv1.weight.detach().numpy())


def test_weights_cross_edges_and_are_counted(run):
    first, last = run.snapshots[0]["conv2"], run.snapshots[1]["conv2"]
    assert run.crossings("conv2")[0] == (first.codes != last.codes).sum() > 0
    assert len(run.crossings("conv2")) == 3
    assert run.crossings() == np.sum([run.crossings(name) for name in run.snapshots[0]], axis=0).tolist()
    moved = [(run.snapshots[0][name].codes != run.snapshots[-1][name].codes).ravel() for name in run.snapshots[0]]
    assert run.changed() == np.concatenate(moved).mean() and run.changed("conv1") == moved[0].mean()
    with pytest.raises(ValueError, match="layer must be one of conv1, conv2, fc1, fc2: got 'conv3'"):
        run.crossings("conv3")
    with pytest.raises(ValueError, match="layer must be one of"):
        run.changed("conv3")
    lines = str(run).splitlines()
    assert len(lines) == 4 and lines[0] == f"epoch  0: {run.history[0].accuracy:.2%} right"
    assert lines[3].endswith(f"loss {run.history[3].loss:.3f}, {run.crossings()[2]:,} crossings")


def test_it_stops_when_asked():
    asked = []
    run = train_qat(digits_model.digits_cnn(), SHORT, should_stop=lambda: asked.append(0) or len(asked) > 30)
    assert run.stopped and [e.number for e in run.history] == [0, 1] and not run.model.training


def interrupt(when):
    def progress(run):
        if len(run.history) > when:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("when", [0, 1])
def test_an_interrupt_leaves_a_usable_model(data, when):
    run = train_qat(digits_model.digits_cnn(), SHORT, progress=interrupt(when))
    assert run.stopped and len(run.history) == when + 1 and not run.model.training
    before = weights(run.model)
    assert digits_model.accuracy(run.model, data[2], data[3]) == run.history[-1].accuracy
    assert same(weights(run.model), before)


def test_an_interrupt_before_anything_was_observed_is_passed_on(monkeypatch):
    def interrupted(model, inputs):
        raise KeyboardInterrupt

    monkeypatch.setattr("qviz.pytorch.qat._observe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_qat(digits_model.digits_cnn(), SHORT)


def test_a_mistake_in_progress_is_heard():
    def progress(run):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train_qat(digits_model.digits_cnn(), SHORT, progress=progress)


def test_a_prepared_model_can_be_copied_and_saved(run, data):
    other = prepare(digits_model.digits_cnn(), SHORT).eval()
    other.load_state_dict(run.model.state_dict())
    freeze(other)
    with torch.no_grad():
        expected = run.model(data[2])
        assert torch.equal(other(data[2]), expected) and torch.equal(copy.deepcopy(run.model)(data[2]), expected)


@pytest.mark.parametrize("kind", FAKE_QUANTIZES)
@pytest.mark.parametrize("per_channel", [True, False])
def test_observing_in_parts_is_observing_all_at_once(kind, per_channel, monkeypatch):
    config = QATConfig(4, 4, per_channel=per_channel, epochs=0, fake_quantize=kind)
    found = []
    for part in (100, 10_000):  # the second one is a single batch
        monkeypatch.setattr(qat, "PART", part)
        model = train_qat(digits_model.digits_cnn(), config).model
        found.append({name: (fake.scale, fake.zero_point) for name, fake in fake_quantizes(model).items()})
    for name, pair in found[0].items():
        assert all(torch.equal(mine, theirs) for mine, theirs in zip(pair, found[1][name], strict=True)), name

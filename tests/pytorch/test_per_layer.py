"""Layers with bits of their own or in float: the same integers as torch's own settings for single layers give."""

import json
from dataclasses import asdict

import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.ao import quantization
from torch.ao.quantization import quantize_fx

from qviz.numerics import INT2, INT4, INT8
from qviz.pytorch import (
    PTQConfig,
    QATConfig,
    accuracy,
    convert,
    digits_cnn,
    digits_tensors,
    engines,
    evaluate,
    load,
    prepare,
    quantize_model,
    save,
    simulate_model,
    train_qat,
)
from qviz.pytorch.qat import freeze
from qviz.pytorch.reproducible import ReproducibleSums

MODEL = digits_cnn()
TRAIN, _, TEST, LABELS = digits_tensors()
MIXED = {"conv1": 8, "fc1": 2}


def codes(layer):
    return layer.weight().int_repr()


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_each_layer_has_the_codes_of_a_network_with_its_bits_everywhere(flow):
    """The range of a weight depends on that weight alone, so the uniform networks are the oracle."""
    mixed = quantize_model(MODEL, PTQConfig(weight_bits=4, flow=flow, layers=MIXED), TRAIN)
    for name, bits in {"conv1": 8, "conv2": 4, "fc1": 2, "fc2": 4}.items():
        uniform = quantize_model(MODEL, PTQConfig(weight_bits=bits, flow=flow), TRAIN)
        assert torch.equal(codes(mixed.get_submodule(name)), codes(uniform.get_submodule(name))), name


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_the_simulation_answers_alike(flow):
    """As for uniform bits, but for values at a tie; so few bits are right often enough to tell networks apart."""
    config = PTQConfig(weight_bits=4, flow=flow, layers=MIXED)
    real, simulated = (make(MODEL, config, TRAIN) for make in (quantize_model, simulate_model))
    with engines.using(), ReproducibleSums():
        same = (real(TEST).argmax(1) == simulated(TEST).argmax(1)).double().mean()
    assert same > 0.99 and 0.3 < accuracy(real, TEST, LABELS) < 0.9


def test_the_report_knows_each_format():
    result = evaluate(MODEL, quantize_model(MODEL, PTQConfig(weight_bits=4, layers=MIXED), TRAIN), TEST, LABELS)
    formats = {layer.name: layer.weights.qparams.fmt for layer in result.layers if layer.weights}
    assert formats == {"conv1": INT8, "conv2": INT4, "fc1": INT2, "fc2": INT4}


def test_a_layer_left_in_float_by_fx_is_what_torch_makes_of_it():
    """torch's own words for it are a QConfigMapping."""
    config = PTQConfig(flow="fx", layers={"fc2": None})
    with engines.using(), engines.quiet(), ReproducibleSums():
        mapping = quantization.QConfigMapping().set_global(config.qconfig()).set_module_name("fc2", None)
        theirs = quantize_fx.prepare_fx(digits_cnn().fuse().eval(), mapping, (TRAIN[:1],))
        for batch in TRAIN[:256].split(32):
            theirs(batch)
        theirs = quantize_fx.convert_fx(theirs)
        ours = quantize_model(MODEL, config, TRAIN)
        assert type(ours.fc2) is nn.Linear and torch.equal(ours(TEST), theirs(TEST))


def test_a_layer_left_in_float_by_hand_in_the_eager_flow():
    class Head(nn.Module):
        """A linear layer between stubs of its own."""

        def __init__(self):
            super().__init__()
            self.quant, self.body = quantization.QuantStub(), nn.Linear(64, 32)
            self.leave, self.head = quantization.DeQuantStub(), nn.Linear(32, 10)

        def forward(self, x):
            return self.head(self.leave(self.body(self.quant(x.flatten(1)))))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Head()
    quantized = quantize_model(model, PTQConfig(layers={"head": None}), TRAIN)
    assert type(quantized.head) is nn.Linear and torch.equal(quantized.head.weight, model.head.weight)
    assert "quantized" in type(quantized.body).__module__ and not hasattr(model.head, "qconfig")
    trained = convert(train_qat_of(model, QATConfig(layers={"head": None})))
    assert type(trained.head) is nn.Linear


def train_qat_of(model, config):
    prepared = prepare(model, config, TRAIN)
    assert not hasattr(prepared.head, "weight_fake_quant")
    prepared(TRAIN)
    freeze(prepared)
    return prepared.eval()


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_dynamic(flow):
    config = PTQConfig(dynamic=True, flow=flow, layers={"fc1": 3, "fc2": None})
    quantized = quantize_model(MODEL, config, TRAIN)
    assert int(codes(quantized.fc1).abs().max()) <= 4 and type(quantized.fc2) is nn.Linear
    assert type(simulate_model(MODEL, config, TRAIN).fc2) is nn.Linear


def test_qat_trains_each_layer_with_its_bits():
    run = train_qat(digits_cnn(), QATConfig(8, 8, epochs=1, layers={"fc1": 2}))
    assert run.model.fc1.weight_fake_quant.quant_max == 1 and run.model.conv2.weight_fake_quant.quant_max == 127
    assert set(codes(convert(run.model).fc1).unique().tolist()) <= {-2, -1, 0, 1}


def test_settings_can_be_hashed_and_written_down():
    config = PTQConfig(layers={"b": None, "a": 4})
    assert config == PTQConfig(layers=[("a", 4), ("b", None)]) and len({config, QATConfig(layers=config.layers)}) == 2
    assert PTQConfig(**json.loads(json.dumps(asdict(config)))) == config


@pytest.mark.parametrize(
    ("layers", "kind", "text"),
    [
        (
            {"fc9": 4},
            ValueError,
            "layers must name layers of the model that have weights: got 'fc9'; choose from",
        ),
        ({"fc9": None}, ValueError, "got 'fc9'"),
        ({"pool": 4}, ValueError, "got 'pool'"),
        ({"": None}, ValueError, "got ''"),
        ({"fc1": 9}, ValueError, r"layers\['fc1'\] must be from 2 to 8: got 9"),
        ({"fc1": 4.5}, TypeError, r"layers\['fc1'\] must be a whole number"),
        ({1: 4}, TypeError, "layers must have names for keys, such as 'conv1': got 1"),
        (4, TypeError, "layers must be a mapping of layers' names to weight bits or None: got 4"),
    ],
)
def test_what_is_refused(layers, kind, text):
    with pytest.raises(kind, match=text):
        quantize_model(MODEL, PTQConfig(layers=layers), TRAIN)
    with pytest.raises(kind, match=text):
        prepare(MODEL, QATConfig(layers=layers))


@pytest.mark.parametrize("layers", [MIXED, MIXED | {"fc2": None}])
def test_it_is_saved_and_loaded_bit_for_bit(layers, tmp_path):
    config = PTQConfig(weight_bits=4, flow="fx", layers=layers)
    quantized = quantize_model(MODEL, config, TRAIN)
    save(quantized, tmp_path / "mixed.safetensors")
    loaded = load(tmp_path / "mixed.safetensors", MODEL, TRAIN[:1])
    with engines.using(), ReproducibleSums():
        assert torch.equal(loaded(TEST), quantized(TEST)) and loaded.made.config == config

"""Networks that people post with an error: each is the smallest that fails, with its right answer."""

import copy

import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.ao import quantization
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub

from qviz.pytorch import digits_model, engines, saved_model
from qviz.pytorch.conversion import convert
from qviz.pytorch.layer_comparison import agreement
from qviz.pytorch.measure import evaluate
from qviz.pytorch.migration import pt2e, quantize_api, torchao_env
from qviz.pytorch.ptq import PTQConfig, quantize_model, simulate_model
from qviz.pytorch.ptq_config import METHODS
from qviz.pytorch.qat import QATConfig, freeze, prepare, train_qat
from qviz.pytorch.size_and_latency import state_dict_bytes

pytestmark = pytest.mark.skipif("fbgemm" not in engines.supported(), reason="fbgemm is not in this build of torch")
P = PTQConfig(samples=64)


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval()


def inputs(*shape):
    return torch.randn(64, *shape, generator=torch.Generator().manual_seed(1))


def run(model, x):
    with torch.inference_mode(), engines.quiet():
        return model(x)


def sqnr_db(real, got):
    return float(10 * torch.log10(real.square().sum() / (real - got).square().sum().clamp_min(1e-30)))


class Block(nn.Module):
    """A block of MobileNetV2 without a shortcut: it holds a sum and a layer that its forward does not call."""

    def __init__(self, shortcut=False):
        super().__init__()
        self.layer, self.spare = nn.Linear(8, 8), nn.Linear(8, 8)
        self.sum, self.shortcut = FloatFunctional(), shortcut

    def forward(self, x):
        return self.sum.add(x, self.layer(x)) if self.shortcut else self.layer(x)


def block(**options):
    return seeded(lambda: nn.Sequential(QuantStub(), Block(**options), DeQuantStub()))


@pytest.mark.parametrize("method", METHODS)
def test_modules_that_forward_never_calls(method, tmp_path):
    """c1: as in torch's own flow, to the bit, and in quantize_, QAT and files as well."""
    model, x = block(), inputs(8)
    config = PTQConfig(samples=64, method=method)
    mine = quantize_model(model, config, x)
    alone = nn.Sequential(QuantStub(), copy.deepcopy(model[1].layer), DeQuantStub()).eval()
    assert torch.equal(run(mine, x), run(quantize_model(alone, config, x), x))
    assert sqnr_db(run(mine, x), run(simulate_model(model, config, x), x)) > 60
    saved_model.save(mine, tmp_path / "x.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "x.safetensors", model, x), x), run(mine, x))


def test_modules_that_training_never_calls():
    """c1: nothing fails at the end of a training."""
    x, prepared = inputs(8), prepare(block(), QATConfig(4, 4), inputs(8))
    prepared(x).sum().backward()
    freeze(prepared.eval())
    converted = convert(prepared)
    assert agreement(prepared, converted, x).layers[-1].outputs_different < 0.01  # ties
    assert isinstance(converted[1].spare, nn.Linear) and converted[1].spare.weight.dtype == torch.float32

    class Spare(digits_model.DigitsCNN):
        def __init__(self):
            super().__init__()
            self.spare, self.sum = nn.Linear(3, 3), FloatFunctional()

    done = train_qat(seeded(Spare), QATConfig(epochs=1))
    assert done.history[-1].accuracy > 0.1 and convert(done.model).made.config == done.config


@pytest.mark.skipif(not torchao_env.installed(), reason="torchao is not here")
def test_quantize_static_leaves_what_forward_never_calls():
    model = nn.Sequential(Block())
    assert quantize_api.quantized_layers(quantize_api.quantize_static(model, inputs(8))) == ["0.layer"]


@pytest.mark.parametrize("bits", [4, 6])
@pytest.mark.parametrize("method", ["min-max", "mse"])
def test_a_sum_keeps_to_its_bits(bits, method):
    """c2: in eager the codes of the sum went up to 17 of 15, and 77 of 63."""
    model, x = block(shortcut=True), inputs(8)
    config = PTQConfig(4, bits, samples=64, method=method)
    converted = quantize_model(model, config, x)
    seen = []
    converted[2].register_forward_pre_hook(lambda m, i: seen.append(i[0].int_repr()))
    out = run(converted, x * 3)  # beyond what was calibrated: every range is reached
    assert seen[0].max() == 2**bits - 1
    assert sqnr_db(run(simulate_model(model, config, x), x * 3), out) > 60


def test_few_bits_of_a_convolution_in_one_dimension():
    """c3 and c8: three distinct weights at 2 bits, in the kernel, the simulation, and while it trains."""
    model = seeded(lambda: nn.Sequential(QuantStub(), nn.Conv1d(3, 8, 3), DeQuantStub()))
    x, config = inputs(3, 9), PTQConfig(weight_bits=2, samples=64)
    converted, simulated = quantize_model(model, config, x), simulate_model(model, config, x)
    assert torch.equal(converted[1].weight().dequantize(), simulated[1].weight)
    assert sqnr_db(run(simulated, x), run(converted, x)) > 60
    prepared = prepare(model, QATConfig(weight_bits=2))
    assert prepared[1].weight_fake_quant.quant_max == 1


@pytest.mark.parametrize("layer", [nn.ELU, nn.PReLU, nn.Hardswish])
def test_scales_that_torch_keeps_outside_of_the_state_dict(layer, tmp_path):
    """c4"""
    make = lambda: nn.Sequential(QuantStub(), nn.Linear(8, 8), layer(), nn.Linear(8, 4), DeQuantStub())  # noqa: E731
    model, x = seeded(make), inputs(8)
    converted = quantize_model(model, P, x)
    saved_model.save(converted, tmp_path / "x.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "x.safetensors", make(), x), x), run(converted, x))


def test_a_batch_norm_with_torchs_observers(tmp_path):
    """c5: torch's observers answer with zero points in int32, qviz's in int64."""
    make = lambda: nn.Sequential(QuantStub(), nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), DeQuantStub())  # noqa: E731
    model, x = seeded(make), inputs(1, 5, 5)
    converted = quantize_model(model, PTQConfig(samples=64, method="torch min-max"), x)
    saved_model.save(converted, tmp_path / "x.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "x.safetensors", make(), x), x), run(converted, x))


def test_measuring_a_network_that_fx_fused():
    """c6: the convolution's row compares what comes after the ReLU in both."""
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 4)))
    x, y = inputs(3, 8, 8), torch.zeros(64, dtype=torch.int64)
    config = PTQConfig(samples=64, flow="fx")
    for make in (quantize_model, simulate_model):
        rows = {row.name: row for row in evaluate(model, make(model, config, x), x, y).layers}
        assert list(rows) == ["input", "0", "3"]
        assert rows["0"].sqnr_db > 35 and rows["0"].clipped == 0
        assert rows["0"].real.min() == 0


def test_measuring_where_the_input_is_not_quantized():
    """c6: numbers of words are no codes of the first quantized tensor."""

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.words, self.layer = nn.Embedding(10, 6), nn.Linear(6, 3)

        def forward(self, x):
            return self.layer(self.words(x.long()).mean(1))

    x, y = torch.randint(0, 10, (64, 5)).float(), torch.zeros(64, dtype=torch.int64)
    model = seeded(Words)
    rows = evaluate(model, quantize_model(model, PTQConfig(samples=64, flow="fx"), x), x, y).layers
    assert [row.name for row in rows] == ["layer"]


@pytest.mark.skipif(not torchao_env.installed(), reason="torchao is not here")
def test_pt2e_quantizes_a_network_as_it_is_in_eval_mode():
    """c7: a Dropout in train mode would drop half of the values for good."""
    make = lambda: nn.Sequential(nn.Linear(8, 32), nn.Dropout(0.5), nn.Linear(32, 4))  # noqa: E731
    model, x = seeded(make).train(), inputs(8)
    quantized = pt2e.quantize(model, x, samples=64)
    assert model.training
    assert torch.equal(run(quantized, x), run(quantized, x))
    assert torch.equal(run(quantized, x), run(pt2e.quantize(model.eval(), x, samples=64), x))


def test_a_transposed_convolution_per_channel_is_refused_before_any_work(monkeypatch):
    """c9"""
    model = seeded(lambda: nn.Sequential(QuantStub(), nn.ConvTranspose2d(3, 4, 3), DeQuantStub()))
    x, words = inputs(3, 5, 5), r"layer '1' \(ConvTranspose2d\) has one scale .* use per_channel=False"
    monkeypatch.setattr(nn.ConvTranspose2d, "forward", lambda *_: pytest.fail("it ran"))
    for make in (lambda: quantize_model(model, P, x), lambda: simulate_model(model, P, x)):
        with pytest.raises(ValueError, match=words):
            make()
    with pytest.raises(ValueError, match=words):
        prepare(model, QATConfig())


class Fusing(nn.Sequential):
    def __init__(self):
        super().__init__(QuantStub(), nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), DeQuantStub())


class FuseInPlace(Fusing):
    def fuse(self):
        quantization.fuse_modules(self, [["1", "2", "3"]], inplace=True)


class FuseModel(Fusing):  # torchvision's name
    def fuse_model(self, is_qat=None):
        fuse = quantization.fuse_modules_qat if is_qat else quantization.fuse_modules
        fuse(self, [["1", "2", "3"]], inplace=True)


@pytest.mark.parametrize("kind", [FuseInPlace, FuseModel])
def test_methods_that_fuse(kind):
    """c10"""
    model, x = seeded(kind), inputs(1, 6, 6)
    converted = quantize_model(model, P, x)
    assert type(converted[1]).__name__ == "ConvReLU2d" and type(model[1]) is nn.Conv2d
    prepared = prepare(model, QATConfig(4, 4), x)
    assert type(prepared[1]).__name__ == ("ConvBnReLU2d" if kind is FuseModel else "ConvReLU2d")
    prepared(x).sum().backward()
    freeze(prepared.eval())
    assert agreement(prepared, convert(prepared), x).layers[-1].outputs_different < 0.01  # ties


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("relu", [True, False])
def test_a_batch_norm_is_trained(dims, relu, tmp_path):
    """What fusing in train mode makes: ConvBn and ConvBnReLU in one, two and three dimensions."""

    class Net(nn.Sequential):
        def fuse(self):
            fuse = quantization.fuse_modules_qat if self.training else quantization.fuse_modules
            return fuse(self, [["1", "2", "3"] if relu else ["1", "2"]])

    parts = getattr(nn, f"Conv{dims}d"), getattr(nn, f"BatchNorm{dims}d")
    make = lambda: Net(QuantStub(), parts[0](2, 4, 3), parts[1](4), nn.ReLU(), DeQuantStub())  # noqa: E731
    model, x = seeded(make), inputs(2, *[6] * dims)
    prepared = prepare(model, QATConfig(4, 4), x)
    prepared(x).sum().backward()
    freeze(prepared.eval())
    converted = convert(prepared)
    assert agreement(prepared, converted, x).layers[1].outputs_different < 0.01  # ties
    saved_model.save(converted, tmp_path / "x.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "x.safetensors", make().eval(), x), x), run(converted, x))


def test_a_linear_batch_norm_is_trained():
    class Net(nn.Sequential):
        def fuse(self):
            fuse = quantization.fuse_modules_qat if self.training else quantization.fuse_modules
            return fuse(self, [["1", "2"]])

    model = seeded(lambda: Net(QuantStub(), nn.Linear(6, 8), nn.BatchNorm1d(8), DeQuantStub()))
    x = inputs(6)
    prepared = prepare(model, QATConfig(4, 4), x)
    assert type(prepared[1]).__name__ == "LinearBn1d"
    prepared(x).sum().backward()
    freeze(prepared.eval())
    assert agreement(prepared, convert(prepared), x).layers[1].outputs_different < 0.01  # ties


def broken(value):
    model = digits_model.digits_cnn()
    with torch.no_grad():
        model.conv2.weight[3, 1, 0, 2] = value
    return model


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_named(value):
    """c11: by every method, flow and door."""
    train_x, words = (
        digits_model.digits_tensors()[0],
        rf"conv2.weight has {value} at index \(3, 1, 0, 2\), and 1 such values",
    )
    configs = [PTQConfig(method=method) for method in METHODS]
    for config in (*configs, PTQConfig(flow="fx"), PTQConfig(dynamic=True), PTQConfig(dynamic=True, flow="fx")):
        for make in (quantize_model, simulate_model):
            with pytest.raises(ValueError, match=words):
                make(broken(value), config, train_x)
    for other in (lambda: prepare(broken(value), QATConfig()), lambda: train_qat(broken(value), QATConfig())):
        with pytest.raises(ValueError, match=words):
            other()
    if torchao_env.installed():
        with pytest.raises(ValueError, match=words):
            pt2e.quantize(broken(value), train_x)


def test_half_precision_is_refused():
    """c12"""
    train_x, words = (
        digits_model.digits_tensors()[0],
        r"must be float32: conv1.weight is torch.float16; use model.float\(\)",
    )
    for config in (PTQConfig(), PTQConfig(flow="fx"), PTQConfig(dynamic=True)):
        with pytest.raises(ValueError, match=words):
            quantize_model(digits_model.digits_cnn().half(), config, train_x)
    with pytest.raises(ValueError, match=words):
        prepare(digits_model.digits_cnn().half(), QATConfig())


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_a_layer_told_to_stay_float_does(flow, tmp_path):
    """As the sentences advise: qconfig = None, in every flow, and in the simulation."""

    def make():
        model = nn.Sequential(QuantStub(), nn.Linear(8, 8), DeQuantStub(), nn.Linear(8, 8), nn.GRUCell(8, 4))
        model[3].qconfig = model[4].qconfig = None
        return model

    model, x = seeded(make), inputs(8)
    config = PTQConfig(2, 4, samples=64, flow=flow)
    converted, simulated = quantize_model(model, config, x), simulate_model(model, config, x)
    assert type(converted.get_submodule("3")) is type(simulated.get_submodule("3")) is nn.Linear
    assert torch.equal(simulated.get_submodule("3").weight, model[3].weight)
    assert sqnr_db(run(simulated, x), run(converted, x)) > 60
    saved_model.save(converted, tmp_path / "x.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "x.safetensors", model, x), x), run(converted, x))


def test_packing_a_layer_of_many_inputs(tmp_path):
    """Shapes were stored in 16 bits."""
    model = seeded(lambda: nn.Sequential(QuantStub(), nn.Linear(70_000, 2), DeQuantStub()))
    converted = quantize_model(model, PTQConfig(4, samples=1, method="torch min-max"), inputs(70_000)[:2])
    saved_model.save(converted, tmp_path / "x", packed=True)
    loaded = saved_model.load(tmp_path / "x", model, inputs(70_000)[:1])
    assert torch.equal(loaded[1].weight().int_repr(), converted[1].weight().int_repr())


def test_packing_leaves_nothing_out(tmp_path):
    """The float32 convolutions of a dynamic network were not in its file."""
    _, _, x, _ = digits_model.digits_tensors()
    model = quantize_model(digits_model.digits_cnn(), PTQConfig(4, dynamic=True), x)
    saved_model.save(model, tmp_path / "x", packed=True)
    assert torch.equal(run(saved_model.load(tmp_path / "x"), x), run(model, x))


def test_the_scale_of_an_input_of_fx_is_a_scale():
    train_x = digits_model.digits_tensors()[0]
    found = [
        state_dict_bytes(quantize_model(digits_model.digits_cnn(), PTQConfig(flow=flow), train_x))
        for flow in ("eager", "fx")
    ]
    assert found[0].reals == found[1].reals == 122 * 4  # the biases
    assert found[0].scales == found[1].scales


def test_an_instance_norm_with_running_statistics():
    """pytorch 58843, 72057: its kernel ignores them, 1.0 dB; the advice gives the same function, and keeps it."""

    def make(kind, flow):
        norm = kind(3, track_running_stats=True)
        norm.running_mean += 1
        norm.running_var *= 4
        layers = nn.Conv2d(3, 3, 3), norm
        return nn.Sequential(QuantStub(), *layers, DeQuantStub()) if flow == "eager" else nn.Sequential(*layers)

    x = inputs(3, 9, 9)
    for flow in ("eager", "fx"):
        model, advised = (seeded(lambda k=k, f=flow: make(k, f)) for k in (nn.InstanceNorm2d, nn.BatchNorm2d))
        torch.testing.assert_close(run(model, x), run(advised, x))
        with pytest.raises(ValueError, match=r"\(InstanceNorm2d\) takes its running statistics .* a BatchNorm2d"):
            quantize_model(model, PTQConfig(samples=64, flow=flow), x)
        assert sqnr_db(run(model, x), run(quantize_model(advised, PTQConfig(samples=64, flow=flow), x), x)) > 30


@pytest.mark.parametrize("flow", ["eager", "fx"])
def test_a_batch_norm_without_running_statistics(flow):
    layers = nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3, track_running_stats=False)
    model = nn.Sequential(QuantStub(), *layers, DeQuantStub()) if flow == "eager" else nn.Sequential(*layers)
    with pytest.raises(ValueError, match=r"\(BatchNorm2d\) keeps no running statistics, .* track_running_stats=True"):
        quantize_model(model, PTQConfig(samples=64, flow=flow), inputs(3, 9, 9))


NOT_PYTHON = {
    "scripted": (torch.jit.script, "it is scripted or traced; give the one that it was made from"),
    "traced": (lambda m: torch.jit.trace(m, inputs(6)), "it is scripted or traced; give the one"),
    "compiled": (lambda m: torch.compile(m, backend="eager"), "it is compiled; give the one"),
    "meta": (lambda m: m.to("meta"), "must have weights: 0.weight is on the meta device"),
    "lazy": (lambda m: nn.Sequential(nn.LazyLinear(2)), "0.weight is made at the first call; call model on an input"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", NOT_PYTHON)
def test_networks_without_layers_or_weights_are_refused(kind):
    make, words = NOT_PYTHON[kind]
    model = make(nn.Sequential(nn.Linear(6, 3)).eval())
    for config in (P, PTQConfig(samples=64, flow="fx"), PTQConfig(samples=64, dynamic=True)):
        for quantize in (quantize_model, simulate_model):
            with pytest.raises(ValueError, match=words):
                quantize(model, config, inputs(6))
    with pytest.raises(ValueError, match=words):
        prepare(model, QATConfig())


def test_a_network_made_in_inference_mode():
    """torch refuses to look at its weights outside; a copy is as any other."""
    with torch.inference_mode():
        model = seeded(lambda: nn.Sequential(QuantStub(), nn.Linear(6, 3), DeQuantStub()))
    other = seeded(lambda: nn.Sequential(QuantStub(), nn.Linear(6, 3), DeQuantStub()))
    results = [run(quantize_model(m, P, inputs(6)), inputs(6)) for m in (model, other)]
    assert torch.equal(*results)
    prepare(model, QATConfig())(inputs(6)).sum().backward()


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.layer, self.dequant = QuantStub(), nn.Linear(6, 3), DeQuantStub()

    def forward(self, x, y):
        return self.dequant(self.layer(self.quant(x + y)))


@pytest.mark.parametrize("how", [("eager", False), ("fx", False), ("eager", True), ("fx", True)])
def test_inputs_that_the_network_cannot_take_are_the_fault(how):
    config = PTQConfig(samples=4, flow=how[0], dynamic=how[1])
    narrow = nn.Sequential(QuantStub(), nn.Linear(5, 3), DeQuantStub())
    for model, words in (
        (narrow, "cannot be multiplied"),
        (TwoInputs(), "missing 1 required positional argument: 'y'"),
    ):
        with pytest.raises(ValueError, match=rf"^calibration_x must hold inputs .* on shape \(1, 6\): .*{words}"):
            quantize_model(model, config, inputs(6))
        with pytest.raises(ValueError, match=rf"^example_x must hold inputs .* on shape \(1, 6\): .*{words}"):
            prepare(model, QATConfig(), inputs(6))


class Answers(TwoInputs):
    def __init__(self, wrap):
        super().__init__()
        self.wrap = wrap

    def forward(self, x):
        return self.wrap(super().forward(x, 0))


@pytest.mark.parametrize(("wrap", "got"), [(lambda y: (y, y), "tuple"), (lambda y: {"logits": y}, "dict")])
def test_an_answer_that_is_no_tensor_is_refused(wrap, got):
    """As GoogLeNet and the networks of transformers give."""
    model = seeded(lambda: Answers(wrap))
    for make in (quantize_model, simulate_model):
        with pytest.raises(ValueError, match=rf"model must answer with numbers \(n, classes\): got {got}; quantize"):
            evaluate(model, make(model, P, inputs(6)), inputs(6), torch.zeros(64, dtype=torch.long))

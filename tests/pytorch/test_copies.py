"""Networks as people have them: weights computed at each call or shared, layers called twice, tensors left behind."""

import copy
import subprocess
import sys
import threading

import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.ao.quantization import DeQuantStub, QuantStub
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from qviz.pytorch import engines, saved_model
from qviz.pytorch.measure import evaluate
from qviz.pytorch.ptq import PTQConfig, quantize_model, simulate_model
from qviz.pytorch.qat import QATConfig, prepare
from qviz.pytorch.sub8bit import weighted

pytestmark = [
    pytest.mark.skipif("fbgemm" not in engines.supported(), reason="fbgemm is not in this build of torch"),
    pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning"),
]
X = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
IMAGES = torch.randn(64, 3, 7, 7, generator=torch.Generator().manual_seed(2))


def seeded(make):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make()


def run(model, x):
    with torch.no_grad(), engines.quiet():
        return model(x)


def assert_same(mine, theirs, config, x):
    """Two networks that are the same function are the same integers, and the same simulation."""
    quantized = [quantize_model(model, config, x) for model in (mine, theirs)]
    codes = [[layer.weight().int_repr() for layer in weighted(model).values()] for model in quantized]
    assert len(codes[0]) == len(codes[1]) > 0
    assert all(map(torch.equal, *codes))
    for first, second in (quantized, [simulate_model(model, config, x) for model in (mine, theirs)]):
        assert torch.equal(run(first, x), run(second, x))
    return quantized[0]


def stubs(*layers, flow):
    return nn.Sequential(QuantStub(), *layers, DeQuantStub()) if flow == "eager" else nn.Sequential(*layers)


COMPUTED = {
    "weight_norm": weight_norm,
    "spectral_norm": spectral_norm,
    "parametrizations.weight_norm": parametrizations.weight_norm,
    "parametrizations.spectral_norm": parametrizations.spectral_norm,
    "parametrizations.orthogonal": parametrizations.orthogonal,
    "pruned": lambda layer: prune.l1_unstructured(layer, "weight", 0.4),
    "pruned twice": lambda layer: prune.random_structured(prune.l1_unstructured(layer, "weight", 2), "weight", 1, 0),
}


@pytest.mark.parametrize("how", [("eager", False), ("fx", False), ("eager", True)])
@pytest.mark.parametrize("compute", COMPUTED)
def test_a_weight_that_is_computed_is_quantized_as_a_plain_one(compute, how, tmp_path):
    """pytorch 28594, 48448, 82570: torch copies no such layer; simulated, its weight was not rounded at all."""
    config = PTQConfig(weight_bits=3, samples=64, flow=how[0], dynamic=how[1])
    model = seeded(lambda: stubs(COMPUTED[compute](nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 3), flow=how[0]))
    model(X)  # with gradients, so that the weight has a history
    model.eval()
    layer = next(m for m in model if isinstance(m, nn.Linear))
    plain = seeded(lambda: stubs(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3), flow=how[0]).eval())
    run(model, X)
    first, second = (m for m in plain if isinstance(m, nn.Linear))
    for mine, theirs in ((first, layer), (second, list(model)[-2 if how[0] == "eager" else -1])):
        mine.weight.data, mine.bias.data = theirs.weight.detach().clone(), theirs.bias.detach().clone()
    before, kind = run(model, X), type(layer)
    quantized = assert_same(model, plain, config, X)
    assert type(layer) is kind and torch.equal(run(model, X), before)  # not changed
    saved_model.save(quantized, tmp_path / "model.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "model.safetensors", model, X), X), run(quantized, X))


@pytest.mark.parametrize("compute", ["weight_norm", "spectral_norm", "pruned"])
def test_a_hook_that_computes_a_weight_is_refused_in_training(compute):
    model = seeded(lambda: stubs(COMPUTED[compute](nn.Linear(6, 8)), flow="eager"))
    with pytest.raises(ValueError, match=r"layer '1' \(Linear\) computes its weight anew .* remove"):
        prepare(model, QATConfig())


class Watched(nn.Module):
    """It keeps what passes, as Grad-CAM wants it."""

    def __init__(self):
        super().__init__()
        self.quant, self.layer, self.dequant, self.kept = QuantStub(), nn.Linear(6, 3), DeQuantStub(), []

    def forward(self, x):
        self.kept = [self.layer(self.quant(x))]
        return self.dequant(self.kept[0])


def test_what_a_call_left_behind_is_copied():
    model = seeded(Watched).eval()
    fresh = copy.deepcopy(model)
    model(X)
    assert model.kept[0].requires_grad
    assert_same(model, fresh, PTQConfig(samples=64), X)
    assert model.kept[0].requires_grad
    prepare(model, QATConfig())


def test_what_cannot_be_copied_is_said():
    model = seeded(Watched)
    model.lock = threading.Lock()
    for call in (lambda: quantize_model(model, PTQConfig(samples=4), X), lambda: prepare(model, QATConfig())):
        with pytest.raises(ValueError, match=r"copy.deepcopy can copy.*lock.*take out"):
            call()


@pytest.mark.parametrize("flow", ["eager", "fx"])
@pytest.mark.parametrize("method", ["torch min-max", "mse"])
def test_layers_that_share_a_weight(method, flow):
    """Simulated, the second layer rounded what the first had rounded already."""
    model = seeded(lambda: stubs(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), flow=flow).eval())
    layers = [m for m in model if isinstance(m, nn.Linear)]
    layers[1].weight.data = layers[0].weight.data.clone()
    own = copy.deepcopy(model)
    layers[1].weight = layers[0].weight
    assert_same(model, own, PTQConfig(weight_bits=3, samples=64, flow=flow, method=method), X)


class Repeated(nn.Module):
    """A layer called twice, with another behind it each time; or, with its own copies, the same function."""

    def __init__(self, layer, behind, copies):
        super().__init__()
        self.layer, self.other = layer, copy.deepcopy(layer) if copies else None
        self.behind = nn.ModuleList(behind)

    def forward(self, x):
        other = self.layer if self.other is None else self.other
        return self.behind[1](other(self.behind[0](self.layer(x))))


def scaled(factor):
    layer = nn.Linear(6, 6)
    layer.weight.data *= factor
    return layer


def norm(factor):
    layer = nn.BatchNorm2d(3)
    layer.weight.data *= factor
    layer.running_mean += 1
    return layer


REPEATED = {
    "a batch norm each": (lambda: nn.Conv2d(3, 3, 3), lambda: [norm(3.0), norm(0.5)], IMAGES),
    "fused once": (lambda: nn.Linear(6, 6), lambda: [nn.ReLU(), nn.Identity()], X),
    "not fused": (lambda: scaled(9.0), lambda: [nn.Identity(), nn.Identity()], X),
    "activations": (lambda: nn.LeakyReLU(0.3), lambda: [scaled(30.0), scaled(0.01)], X),
}


# a dynamic network quantizes linear layers alone, and those of images have none
@pytest.mark.parametrize(
    ("case", "dynamic"),
    [(case, d) for case in REPEATED for d in (False, True) if not (d and REPEATED[case][2] is IMAGES)],
)
def test_fx_gives_each_call_of_a_layer_its_own(case, dynamic, tmp_path):
    """pytorch 104593 and 197539: all calls got the batch norm, the ReLU or the range of one."""
    layer, behind, x = REPEATED[case]
    model, own = (seeded(lambda c=c: Repeated(layer(), behind(), c).eval()) for c in (False, True))
    config, y = PTQConfig(samples=64, flow="fx", dynamic=dynamic), torch.zeros(64, dtype=torch.long)
    assert torch.equal(run(model, x), run(own, x))
    quantized = assert_same(model, own, config, x)
    saved_model.save(quantized, tmp_path / "model.safetensors")
    assert torch.equal(run(saved_model.load(tmp_path / "model.safetensors", model, x), x), run(quantized, x))
    if x is X:
        mine, theirs = (evaluate(m, quantize_model(m, config, x), x, y) for m in (model, own))
        assert [a.sqnr_db for a in mine.layers] == [a.sqnr_db for a in theirs.layers]
        assert min(a.sqnr_db for a in mine.layers) > 30


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x):
        return self.layer(2 * x if x.sum() > 0 else x)


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_forward_that_fx_cannot_trace_is_refused(dynamic):
    with pytest.raises(ValueError, match=r"model cannot be traced by FX: .*control flow; .*flow='eager'"):
        quantize_model(Branching(), PTQConfig(samples=4, flow="fx", dynamic=dynamic), X)


def test_fx_does_not_load_the_compiler():
    """It would, to note which line of code each operation comes from: a second and 70 MB in each kernel."""
    program = """
import sys
from qviz.pytorch import PTQConfig, digits_cnn, digits_tensors, evaluate, quantize_model
from torch import fx
train_x, _, x, y = digits_tensors()
for config in (PTQConfig(flow="fx"), PTQConfig(flow="fx", dynamic=True)):
    evaluate(digits_cnn(), quantize_model(digits_cnn(), config, train_x), x, y)
print("torch._dynamo" in sys.modules, fx.config.do_not_emit_stack_traces)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

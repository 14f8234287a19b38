"""Every layer that torch.ao converts, in every flow: quantized, simulated, measured, saved and loaded, or refused."""

import copy
import os

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn
from torch.ao import quantization
from torch.ao.nn.intrinsic import LinearReLU
from torch.ao.quantization import quantize_fx  # noqa: F401  (loads the backend config)
from torch.ao.quantization.backend_config import get_native_backend_config
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from qviz.pytorch import engines, saved_model
from qviz.pytorch.conversion import convert
from qviz.pytorch.layer_comparison import agreement
from qviz.pytorch.measure import evaluate
from qviz.pytorch.ptq import PTQConfig, quantize_model, simulate_model
from qviz.pytorch.qat import QATConfig, freeze, prepare
from qviz.pytorch.sub8bit import weighted

from .layer_cases import CASES, LAYERS

pytestmark = pytest.mark.skipif("fbgemm" not in engines.supported(), reason="fbgemm is not in this build of torch")

# 7 bits of weights, because 8 times 8 saturate without VNNI; 8 of activations, where sigmoid has its own
CHOICES = [(7, 8, "torch min-max"), (2, 4, "mse")]
# Each layer in both flows, the choices taking turns; `start.py test --thorough` tries every pair.
AFTER_TRAINING = [
    (name, flow, *choice)
    for i, name in enumerate(CASES)
    for j, flow in enumerate(("eager", "fx"))
    for k, choice in enumerate(CHOICES)
    if (i + j + k) % 2 == 0 or "QVIZ_STATES" in os.environ
]
DECIDED = ("integers", "averages", "float")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Tensors this small are not worth waking a second one."""
    with engines.threads(1):
        yield


def torchs_layers():
    """Return every kind of float layer that torch.ao says it can convert or train."""
    found = set(quantization.get_default_static_quant_module_mappings())
    found |= set(quantization.get_default_dynamic_quant_module_mappings())
    found |= set(quantization.get_default_qat_module_mappings())
    for config in get_native_backend_config().configs:
        found |= {kind for kind in tree_leaves(config.pattern) if isinstance(kind, type)}
    return {kind for kind in found if ".qat." not in kind.__module__}


# what these are for is in other tests, or made by torch alone
NO_CASE = {
    quantization.QuantStub,  # in each case
    quantization.DeQuantStub,
    nn.modules.linear.NonDynamicallyQuantizableLinear,  # inside MultiheadAttention
    torch.ao.nn.intrinsic.ConvAdd2d,  # kernels of onednn, made by FX for that backend alone
    torch.ao.nn.intrinsic.ConvAddReLU2d,
    torch.ao.nn.intrinsic.ConvBn1d,  # what fusing in train mode makes: see test_a_batch_norm_is_trained
    torch.ao.nn.intrinsic.ConvBn2d,
    torch.ao.nn.intrinsic.ConvBn3d,
    torch.ao.nn.intrinsic.ConvBnReLU1d,
    torch.ao.nn.intrinsic.ConvBnReLU2d,
    torch.ao.nn.intrinsic.ConvBnReLU3d,
    torch.ao.nn.intrinsic.LinearBn1d,
}


def test_every_layer_of_torch_is_decided():
    """A new torch may convert more: then this fails until the table says what happens to it."""
    assert torchs_layers() - set(LAYERS) - NO_CASE == set()
    assert NO_CASE <= torchs_layers()


class Codes(TorchFunctionMode):
    """Note the largest code of every quantized tensor that an operation takes, and the scales of these."""

    LOOKING = ("clamp", "contiguous", "q_scale", "q_zero_point", "__get__")  # what clips, before it has clipped

    def __init__(self):
        super().__init__()
        self.highest, self.scales = -1, [0.0]

    def note(self, value):
        for tensor in tree_leaves(value):
            if isinstance(tensor, torch.Tensor) and tensor.is_quantized and tensor.dtype == torch.quint8:
                if tensor.qscheme() == torch.per_tensor_affine and tensor.numel():
                    self.highest = max(self.highest, int(tensor.int_repr().max()))
                    self.scales.append(tensor.q_scale())

    def __torch_function__(self, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunction():
            if getattr(func, "__name__", "") not in self.LOOKING:
                self.note(args)
        return func(*args, **(kwargs or {}))


def run(model, x):
    with torch.inference_mode(), engines.quiet():
        return model(x)


def watched(model, x):
    codes = Codes()
    with codes:
        run(model, x)
    return codes


def assert_kept_to_bits(model, x, config):
    codes, fmt = watched(model, x), config.weight_format
    assert codes.highest <= config.activation_format.qmax
    for layer in weighted(model).values():
        weight = layer.weight().int_repr()
        assert fmt.qmin <= weight.min() and weight.max() <= fmt.qmax
    return codes.scales[-1]


def assert_alike(mine, theirs, step, decision, ties=0.01):
    """Sums of float32 in another order: a value within 1e-5 of a tie may fall to the other side, by one step."""
    steps = (mine - theirs).abs() / step
    assert steps.max() < 1.01 if step else torch.allclose(mine, theirs)
    assert (steps > 0.5).float().mean() <= (0.5 if decision == "averages" else ties)


def sqnr_db(real, got):
    return float(10 * torch.log10(real.square().sum() / (real - got).square().sum().clamp_min(1e-30)))


def assert_saved(model, case, x, path):
    """Bit-identical, packed, within what was calibrated and beyond."""
    saved_model.save(model, path, packed=True)
    loaded = saved_model.load(path, case.build(), x)
    for some in (x, x if case.first_float else x * 1.5):
        assert torch.equal(run(loaded, some), run(model, some))


@pytest.mark.parametrize(("name", "flow", "weight_bits", "activation_bits", "method"), AFTER_TRAINING)
def test_after_training(name, flow, weight_bits, activation_bits, method, tmp_path):
    case = CASES[name]
    model, x, decision = case.build(), case.inputs(), case.decided(flow, activation_bits)
    config = PTQConfig(weight_bits, activation_bits, per_channel=case.per_channel, method=method, samples=64, flow=flow)
    before = copy.deepcopy(model.state_dict())
    if decision not in DECIDED:
        for make in (quantize_model, simulate_model):
            with pytest.raises(ValueError, match=decision) as caught:
                make(model, config, x)
            assert "\n" not in str(caught.value)
        return
    converted, simulated = quantize_model(model, config, x), simulate_model(model, config, x)
    step = assert_kept_to_bits(converted, x, config)
    assert_alike(run(converted, x), run(simulated, x), step, decision)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    if weight_bits == 7:
        assert sqnr_db(run(model, x), run(converted, x)) > 20  # 7 bits of weights: about 35 dB
    measured(model, converted, simulated, x, weight_bits)
    assert_saved(converted, case, x, tmp_path / "x.safetensors")


def measured(model, converted, simulated, x, weight_bits):
    """Each layer is compared with itself: values before a ReLU with codes after it would be 3 dB apart."""
    y = torch.zeros(len(x), dtype=torch.int64)
    kernel, grid = evaluate(model, converted, x, y), evaluate(model, simulated, x, y)
    assert [layer.name for layer in kernel.layers] == [layer.name for layer in grid.layers]
    for mine, theirs in zip(kernel.layers, grid.layers, strict=True):
        assert mine.sqnr_db == pytest.approx(theirs.sqnr_db, abs=0.3)
        if weight_bits == 7:
            assert mine.sqnr_db > 20 and not mine.clipped > 0


@pytest.mark.parametrize(("weight_bits", "activation_bits", "method"), CHOICES)
@pytest.mark.parametrize("name", CASES)
def test_with_quantization_in_training(name, weight_bits, activation_bits, method, tmp_path):
    case = CASES[name]
    model, x, decision = case.build(), case.inputs(), case.decided("qat", activation_bits)
    config = QATConfig(weight_bits, activation_bits, per_channel=case.per_channel)
    if decision not in DECIDED:
        with pytest.raises(ValueError, match=decision) as caught:
            prepare(model, config, x)
        assert "\n" not in str(caught.value)
        return
    fake = prepare(model, config, x)
    for _ in range(2):
        fake(x).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in fake.parameters() if p.requires_grad)
    fake.eval()
    freeze(fake)
    converted = convert(fake)
    step = assert_kept_to_bits(converted, x, config)
    assert_alike(run(fake, x), run(converted, x), step, decision)
    found = agreement(fake, converted, x)
    assert {x.weights_different for x in found.layers if x.weights_different == x.weights_different} == {0}
    y = torch.zeros(len(x), dtype=torch.int64)
    assert evaluate(model, converted, x, y).layers
    assert_saved(converted, case, x, tmp_path / "x.safetensors")


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")  # torch's word on its float convolution
@pytest.mark.parametrize(("flow", "weight_bits"), [("eager", 2), ("fx", 8)])
@pytest.mark.parametrize("name", [name for name in CASES if name != "linear"])
def test_dynamic_quantizes_linear_layers_and_leaves_the_others(name, weight_bits, flow, tmp_path):
    case = CASES[name]
    model, x = case.build(), case.inputs()
    config = PTQConfig(weight_bits, dynamic=True, flow=flow)
    converted, simulated = quantize_model(model, config, x), simulate_model(model, config, x)
    layers = weighted(converted)
    assert layers.keys() <= {
        name for name, module in model.named_modules() if isinstance(module, nn.Linear | LinearReLU)
    }
    np.testing.assert_allclose(run(converted, x), run(simulated, x), atol=1e-4)
    if layers:
        y = torch.zeros(len(x), dtype=torch.int64)
        rows = [evaluate(model, some, x, y).layers for some in (converted, simulated)]
        assert [row.name for row in rows[0]] == [row.name for row in rows[1]] == list(layers)
        assert_saved(converted, case, x, tmp_path / "x.safetensors")


def test_dynamic_refuses_a_function_that_takes_the_weight_of_a_layer():
    case = CASES["linear"]
    with pytest.raises(ValueError, match="forward of Network calls an operation on integers"):
        quantize_model(case.build(), PTQConfig(dynamic=True), case.inputs())

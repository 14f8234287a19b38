"""The three switches of qviz.data against torch: its fake-quantization, the simulation, and fbgemm itself."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from qviz.experiments import SwitchedCNN, Switches
from qviz.experiments.ablation import activation_qparams, bias_scale, switched_weights
from qviz.networks.topology import LAYERS
from qviz.numerics import bias_bits, cosine
from qviz.pytorch import digits_model, engines
from qviz.pytorch.labs.kernel_bias import bias_in_kernel
from qviz.pytorch.ptq import PTQConfig, quantize_model, simulate_model

TRAIN, _, X, Y = digits_model.digits_tensors()
CNN = SwitchedCNN()
# Sums in another order differ in the last bits of float32; of logits up to 20 that is some 1e-5.
CLOSE = {"rtol": 1e-5, "atol": 5e-5}


def run(model):
    with torch.inference_mode(), engines.quiet():
        return model(X).numpy()


@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize("granularity", ["per tensor", "per channel"])
def test_weights_alone_are_torchs_fake_quantization(bits, granularity):
    model, qmax = digits_model.digits_cnn(), 2 ** (bits - 1) - 1
    with torch.no_grad():
        for layer in LAYERS:
            w = model.get_submodule(layer).weight
            largest = w.abs().amax(dim=tuple(range(1, w.dim()))) if granularity == "per channel" else w.abs().max()
            scale, ends = largest / qmax, (-qmax - 1, qmax)
            if granularity == "per channel":
                w.copy_(torch.fake_quantize_per_channel_affine(w, scale, torch.zeros(len(w)).int(), 0, *ends))
            else:
                w.copy_(torch.fake_quantize_per_tensor_affine(w, float(scale), 0, *ends))
    ours = CNN.activations(Switches(weight_bits=bits, granularity=granularity).with_on("weights"))["logits"]
    np.testing.assert_allclose(ours, run(model), **CLOSE)


def test_activations_alone_are_torchs_fake_quantization():
    switches, model = Switches(activation_bits=5).with_on("activations"), digits_model.digits_cnn()
    places = {"quant": "input", "relu1": "conv1", "relu2": "conv2", "relu3": "fc1", "fc2": "logits"}
    for module, name in places.items():
        p = activation_qparams(name, switches)
        values = float(p.scale), int(p.zero_point), p.fmt.qmin, p.fmt.qmax
        model.get_submodule(module).register_forward_hook(
            lambda module, x, y, values=values: torch.fake_quantize_per_tensor_affine(y, *values)
        )
    ours, theirs = CNN.activations(switches)["logits"], run(model)
    # A sum near a tie may go to the other code; then that image's logits move by a step or so.
    assert np.mean(np.isclose(ours, theirs, **CLOSE).all(axis=1)) > 0.95
    assert cosine(ours, theirs) > 0.9999


@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(8, 8), (4, 5)])
@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_and_activations_are_the_simulated_network(weight_bits, activation_bits, per_channel):
    config = PTQConfig(weight_bits, activation_bits, per_channel=per_channel, samples=len(TRAIN))
    granularity = "per channel" if per_channel else "per tensor"
    switches = Switches(True, True, False, weight_bits, activation_bits, granularity=granularity)
    ours, theirs = CNN.activations(switches)["logits"], run(simulate_model(digits_model.digits_cnn(), config, TRAIN))
    assert np.mean(np.isclose(ours, theirs, **CLOSE)) > 0.9  # the rest fell to the other side of a tie
    assert cosine(ours, theirs) > 0.9999


@pytest.mark.skipif(engines.preferred() is None, reason="no engine with integer kernels on this machine")
def test_8_bits_and_int32_biases_are_as_right_as_the_kernels():
    config = PTQConfig(samples=len(TRAIN))
    theirs = run(quantize_model(digits_model.digits_cnn(), config, TRAIN)).argmax(axis=1)
    ours = CNN.activations(Switches())["logits"].argmax(axis=1)
    assert np.mean(ours == theirs) >= 358 / 359  # an image whose two best logits are a step apart may differ


def test_int32_holds_every_bias_of_the_network():
    for bits in (2, 4, 8):
        switches = Switches(weight_bits=bits, activation_bits=bits)
        for layer in LAYERS:
            bias = digits_model.digits_cnn().get_submodule(layer).bias.detach().numpy()
            assert bias_bits(bias, bias_scale(layer, switches)) <= 16
            step = np.max(bias_scale(layer, switches))
            error = np.abs(switched_weights(switches)[f"{layer}.bias"] - bias).max()
            assert error <= step / 2 * (1 + 1e-6)  # stored as float32


@pytest.mark.skipif("fbgemm" not in engines.supported(), reason="fbgemm is not on this machine")
@pytest.mark.parametrize("steps", [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 17.75])
def test_fbgemm_adds_a_bias_that_is_no_whole_number_of_steps(steps):
    """An int32 bias would come out as a whole number: these fractions are exact in float32."""
    assert bias_in_kernel(steps, "fbgemm") == steps


@pytest.mark.skipif("qnnpack" not in engines.supported(), reason="qnnpack is not on this machine")
def test_qnnpack_rounds_the_bias_first():
    assert [bias_in_kernel(steps, "qnnpack") for steps in (0.25, 0.75, 3.0)] == [0.0, 1.0, 3.0]


@pytest.mark.parametrize("steps", [-1, 61, float("nan")])
def test_a_bias_beyond_the_output_is_refused(steps):
    with pytest.raises(ValueError, match="steps must be from 0 to 60: got"):
        bias_in_kernel(steps)

"""What pages print does not depend on the processor: other kernels, tried in processes of their own, give the same."""

import os
import subprocess
import sys

import numpy as np
import pytest

from qviz import networks

torch = pytest.importorskip("torch")

from qviz.pytorch import digits_model, engines, reproducible
from qviz.pytorch.ptq import PTQConfig, quantize_model
from qviz.pytorch.reproducible import ReproducibleSums

TRAIN, _, X, Y = digits_model.digits_tensors()
OTHERS = {
    "sse": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "MKL_CBWR": "AVX2", "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2"},
    "blas": {"OPENBLAS_CORETYPE": "Prescott", "OMP_NUM_THREADS": "1"},
}
# One epoch, not the ten of the page on QAT: a last bit that differs shows in the sum of the weights at once.
PROGRAM = """
import hashlib, numpy as np, torch
from qviz import networks
from qviz.experiments.mixed_precision import every_network
from qviz.pytorch import digits_model, qat
from qviz.pytorch.ptq import PTQConfig, quantize_model
def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(a).tobytes() for a in arrays)).hexdigest()
train_x, _, x, y = digits_model.digits_tensors()
run = qat.train_qat(digits_model.digits_cnn(), qat.QATConfig(weight_bits=2, activation_bits=4, epochs=1))
print("activations", digest(*networks.training_activations().values()))
print("training", digest(*(p.detach().numpy() for p in run.model.parameters())), run.history[-1].accuracy)
print("every network", digest(every_network().right))
quantized = quantize_model(digits_model.digits_cnn(), PTQConfig(), train_x)
print("quantized", quantized.conv2.scale, quantized.fc2.zero_point, digits_model.accuracy(quantized, x, y))
"""


def told(settings: dict[str, str]) -> str:
    """Run the program in a process with these kernels."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENBLAS", "ATEN", "FBGEMM"))} | settings
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=env, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture(scope="module")
def here():
    return told({})


@pytest.mark.parametrize("name", OTHERS)
def test_other_kernels_give_the_same_bits(name, here):
    assert told(OTHERS[name]) == here


def test_torch_computes_the_floats_of_numpy():
    with torch.no_grad(), ReproducibleSums():
        logits = digits_model.digits_cnn()(X)
    np.testing.assert_array_equal(logits.numpy(), networks.cnn_forward(X.numpy())["logits"])


@pytest.mark.skipif(not reproducible.kernel_is_exact(), reason="no kernel here adds in 32 bits")
@pytest.mark.parametrize("settings", [{}, {"per_channel": False}, {"weight_scheme": "affine"}, {"activation_bits": 4}])
def test_the_twin_of_a_layer_is_the_kernel_bit_for_bit(settings, monkeypatch):
    model = quantize_model(digits_model.digits_cnn(), PTQConfig(**settings), TRAIN)
    with torch.no_grad(), engines.quiet():
        kernel = model(X)
        monkeypatch.setattr(reproducible, "kernel_is_exact", lambda: False)
        with ReproducibleSums():
            twin = model(X)
        with ReproducibleSums(integers=False):
            assert torch.equal(model(X), kernel)
    assert torch.equal(twin, kernel)


def test_float64_and_quantized_tensors_of_others_are_left_alone():
    layer, x = torch.nn.Linear(3, 2).double(), torch.rand(4, 3, dtype=torch.float64)
    with torch.no_grad(), ReproducibleSums():
        assert torch.equal(layer(x), torch.nn.functional.linear(x, layer.weight, layer.bias))
        assert layer(x).dtype == torch.float64

"""Post-training quantization and quantization-aware training with torch, on the fbgemm engine.

The steps of a quantization:
engines.py    which engines there are, and the one place that silences torch's deprecation warnings
inputs.py, training_data.py   the inputs of a network: tensors, or batches of a DataLoader; targets and a loss
per_layer.py  layers with bits of their own, or left in float
layer_support.py   which layers become integers, stay float, or are refused, before any work is done
ptq_config.py, ptq.py    post-training quantization, eager and FX, static and dynamic, on an engine or simulated
qat_config.py, qat.py, qat_layers.py    quantization-aware training, and layers with a fake-quantize that torch lacks
conversion.py    from fake-quantized to integers, so that both give the same answer

What they are made of:
bridge.py     tensors and arrays, torch's qparams and qviz's
observer.py   any of qviz's calibrators inside torch's flows
straight_through.py   fake-quantize with the straight-through estimator
simulate.py   a prepared network that rounds as the kernels do
sub8bit.py    fewer than 8 bits on kernels made for 8
copies.py     copies that torch's flows can work on
digits_model.py, optimizer.py    the course's network in torch, and its seeded training
reproducible.py, kernel_sums.py  the same sums on every processor, and fbgemm's own

What a quantized network is and does:
measure.py, measure_results.py, size_and_latency.py   accuracy, error of each layer, bytes in a file of torch, time
layer_comparison.py   where a fake-quantized and a converted network part
numpy_twin.py         a converted network's integers, run by NumPy: the same codes
saved_model.py, state_dict_codec.py  saved as safetensors and loaded bit for bit, packed without gaps or not

In folders: failures/ (errors that people post, made on purpose), migration/ (torchao and exported graphs),
labs/ (what only the course needs).
"""

from . import _loading, engines  # noqa: F401  (first: it loads torch)
from .conversion import convert
from .digits_model import accuracy, digits_cnn, digits_tensors, rescale_channels
from .layer_comparison import agreement
from .measure import evaluate
from .observer import CalibratorObserver
from .ptq import quantize_model, simulate_model
from .ptq_config import METHODS, PTQConfig
from .qat import prepare, train_qat
from .qat_config import QATConfig
from .saved_model import load, save
from .size_and_latency import latency, size_bytes
from .straight_through import FakeQuantize
from .training_data import TrainingData

__all__ = [
    "METHODS", "CalibratorObserver", "FakeQuantize", "PTQConfig", "QATConfig", "TrainingData", "accuracy", "agreement",
    "convert", "digits_cnn", "digits_tensors", "engines", "evaluate", "latency", "load", "prepare", "quantize_model",
    "rescale_channels", "save", "simulate_model", "size_bytes", "train_qat",
]  # fmt: skip

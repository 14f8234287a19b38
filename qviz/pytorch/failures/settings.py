"""Failures of the choices: engine, dtypes, size of the layer, dtype of the input."""

from functools import cache

import numpy as np
import torch
from torch import nn
from torch.ao.quantization import DeQuantStub, MinMaxObserver, QConfig, QuantStub

from .. import engines
from ..digits_model import digits_cnn
from ..size_and_latency import latency
from .flow import ENOUGH
from .networks import convert, digits_network, float_right, format_accuracy, images, numbers, right, with_qconfig
from .trial import Failure, RepairResult, attempt

OTHER_ENGINE = "qnnpack"
TINY = (10, 5)
REPEATS = 40


@cache
def _converted(clips: bool) -> nn.Module:
    """Return the network of the course, converted, with or without a ReLU6: only clipping to 6 asks for the engine."""
    model = digits_cnn()
    if clips:
        model.relu2 = nn.ReLU6()
    return convert(with_qconfig(model), images())


def _judge_engine(name: str) -> RepairResult:
    if not isinstance(name, str):
        return RepairResult("nothing", hint=f"Pass the name of an engine: got {type(name).__name__}.")
    if name not in engines.supported():
        there = f"This build of torch has only {' and '.join(engines.supported())}"
        if name == OTHER_ENGINE:
            return RepairResult(_refusal(name), f"{there}, so the failure cannot be shown here", attempted=False)
        return RepairResult(_refusal(name), hint=f"{there}.")
    shares, says = attempt(lambda: [_right_on(name, _converted(clips)) for clips in (True, False)])
    wrong = shares[0] < float_right() - ENOUGH
    without = _few(shares[1]).removesuffix(" are right")
    effect = f"{_few(shares[0])} with a ReLU6, {without} without it (both converted for {engines.preferred()})"
    if name == OTHER_ENGINE and wrong:
        return RepairResult(says, effect, attempted=False)
    if name == OTHER_ENGINE:
        return RepairResult(says, f"{effect}. The failure does not show on this machine", attempted=False)
    return RepairResult(says, effect, hint="Clipping gives wrong results with this engine, too." if wrong else "")


def _few(share: float) -> str:
    """Say a share; a low one depends on the machine, because memory is read in the wrong order."""
    return "fewer than 3 in 10 digits are right" if share < 0.3 else f"{share:.1%} are right"


def _right_on(name: str, model: nn.Module) -> float:
    with engines.using(name):
        return right(model)


def _refusal(name: str) -> str:
    """Return what torch says of an engine that it does not have."""
    before = torch.backends.quantized.engine

    def choose() -> None:
        torch.backends.quantized.engine = name

    try:
        return attempt(choose)[1]
    finally:
        torch.backends.quantized.engine = before


def _broken_dtypes() -> QConfig:
    return QConfig(
        activation=MinMaxObserver.with_args(dtype=torch.qint8), weight=MinMaxObserver.with_args(dtype=torch.quint8)
    )


def _judge_dtypes(qconfig: QConfig) -> RepairResult:
    if not isinstance(qconfig, QConfig):
        return RepairResult("nothing", hint=f"Pass a QConfig: got {type(qconfig).__name__}.")
    dtypes = qconfig.activation().dtype, qconfig.weight().dtype
    model = digits_network()
    model.qconfig = qconfig
    share, says = attempt(lambda: right(convert(model, images())))
    if dtypes == (torch.qint8, torch.quint8):
        return RepairResult(says, attempted=False)
    if share is None and "symmetric" in says:  # oneDNN
        return RepairResult(says, hint="Here weights must be symmetric, too: qscheme=torch.per_tensor_symmetric.")
    if share is None:
        wrong = "weights" if dtypes[1] != torch.qint8 else "activations"
        return RepairResult(says, hint=f"Look at the {wrong}: are they signed, or never negative?")
    return RepairResult(
        says, format_accuracy(share), hint="" if share > float_right() - ENOUGH else "It runs, but its accuracy is low."
    )


def race(layer: nn.Linear | None = None, batch: int = 1) -> str:
    """Time a linear layer in int8 and in float, turn about, and say how the times compare on this machine.

    Parameters
    ----------
    layer : nn.Linear or None
        None is a tiny one, 10 inputs and 5 outputs.
    batch : int

    Examples
    --------
    >>> race().split(":")[0]
    'Linear(10, 5), batch 1'
    """
    layer = layer or _tiny_layer()
    low, median, high = _ratios(layer, batch)
    verdict = "slower" if low > 1 else "faster" if high < 1 else "neither faster nor slower"
    return (
        f"Linear({layer.in_features}, {layer.out_features}), batch {batch}: int8 takes {median:.2f} times as long as "
        f"float (middle half of {REPEATS} pairs: {low:.2f} to {high:.2f}). It is {verdict} on this machine."
    )


def _tiny_layer() -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(*TINY)


def _ratios(layer: nn.Linear, batch: int = 1) -> np.ndarray:
    """Return the quartiles of time in int8 over time in float."""
    model = nn.Sequential(QuantStub(), layer, DeQuantStub()).eval()
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(max(batch, 32), layer.in_features, generator=generator)
    with engines.quiet(), engines.using(), torch.no_grad():
        fast = convert(with_qconfig(model), x)
        pairs = [[latency(m, x[:batch], repeats=5).median_ms for m in (fast, layer)] for _ in range(REPEATS)]
    return np.percentile([int8 / real for int8, real in pairs], (25, 50, 75))


def _judge_speed(layer: nn.Linear) -> RepairResult:
    if not isinstance(layer, nn.Linear):
        return RepairResult("nothing", hint=f"Pass an nn.Linear: got {type(layer).__name__}.")
    if (layer.in_features, layer.out_features) == TINY:
        return RepairResult("nothing", attempted=False)
    _, median, _ = _ratios(layer)
    effect = f"at batch 1 int8 takes {median:.2f} times as long as float"
    hint = "There is still too little to compute: the conversions take more time than the integer arithmetic saves."
    return RepairResult("nothing", effect, hint=hint if median >= 1 else "")


@cache
def _quantized_layer() -> nn.Module:
    with engines.quiet(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return convert(with_qconfig(nn.Sequential(QuantStub(), nn.Linear(10, 5), DeQuantStub()).eval()), numbers())


def _judge_input(x: torch.Tensor) -> RepairResult:
    if not isinstance(x, torch.Tensor):
        return RepairResult("nothing", hint=f"Pass a tensor: got {type(x).__name__}.")
    y, says = attempt(lambda: _quantized_layer()(x))
    if y is None:
        known = x.dtype == torch.float64
        return RepairResult(says, attempted=not known, hint="" if known else "Which dtype does QuantStub take?")
    return RepairResult(says, f"{len(y)} rows come out")


FAILURES = (
    Failure(
        "engine",
        "A different engine is set",
        "The engine is set for the whole process. The kernel for the weights is chosen when a layer is converted, but "
        "the kernel for clipping is that of the current engine, and qnnpack assumes another memory layout.",
        "Set the engine once, at the start of the program, and compare the accuracy with that of the float network.",
        ("https://github.com/pytorch/pytorch/issues/123507", "https://github.com/pytorch/pytorch/pull/35779"),
        lambda: OTHER_ENGINE,
        _judge_engine,
    ),
    Failure(
        "wrong-dtype",
        "Signed and unsigned types are swapped",
        "The kernels support only unsigned activations (quint8) together with signed weights (qint8).",
        "Use dtype=torch.quint8 for activations and dtype=torch.qint8 for weights.",
        ("https://github.com/pytorch/pytorch/issues/83156", "https://github.com/pytorch/pytorch/issues/31868"),
        _broken_dtypes,
        _judge_dtypes,
    ),
    Failure(
        "slower",
        "Slower than before",
        "Quantizing and dequantizing take a fixed time, which is more than a small layer saves.",
        "Quantize where there is a lot to compute: large layers, large batches, no stubs in between.",
        ("https://github.com/pytorch/pytorch/issues/42113",),
        _tiny_layer,
        _judge_speed,
    ),
    Failure(
        "double-input",
        "The input is float64",
        "NumPy uses float64 by default, and QuantStub accepts only float32.",
        "Call x.float() before the network.",
        ("https://github.com/pytorch/pytorch/pull/66050",),
        lambda: torch.tensor(np.zeros((2, 10))),
        _judge_input,
    ),
)

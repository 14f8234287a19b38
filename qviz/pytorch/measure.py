"""What quantization did to a network: accuracy, error of each layer, bytes on disk, and time.

Results are arrays and numbers, so that pictures and widgets need no torch.
"""

from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import fx, nn

from qviz.numerics import Histogram, HistogramObserver, QParams, error_parts, sqnr_db

from . import engines
from .bridge import from_torch, qparams_of, quantize_tensor, to_array
from .cost import Latency, latency, size_bytes
from .narrow import gives_codes, weighted
from .ptq import SIMULATED, Rounded


@dataclass(frozen=True, eq=False)
class Weights:
    """The weights of one layer, before and after.

    Attributes
    ----------
    real : float32 array: what was trained (with batch norm folded in)
    quantized : float32 array of the same shape: the real values of the codes
    qparams : QParams, or None where simulated
    sqnr_db : float
    """

    real: np.ndarray
    quantized: np.ndarray
    qparams: QParams | None
    sqnr_db: float


@dataclass(frozen=True, eq=False)
class Layer:
    """What one layer gives out, quantized against float, each network running on its own outputs.

    Attributes
    ----------
    name : str: "input" is the quantized input of the network
    seen : Histogram of the float network's outputs on x
    qparams : QParams, or None where the output stays float (dynamic)
    sqnr_db : float: of the output; the errors of all layers before are in it
    clipped : float: share of the float outputs beyond the range, 0 to 1; NaN where there is none
    weights : Weights, or None
    """

    name: str
    seen: Histogram
    qparams: QParams | None
    sqnr_db: float
    clipped: float
    weights: Weights | None


@dataclass(frozen=True, eq=False)
class PTQResult:
    """A quantized network beside the float one.

    Attributes
    ----------
    accuracy, float_accuracy : float: share of right answers on x, 0 to 1
    agreement : float: share of images that both name the same, 0 to 1
    layers : tuple of Layer, in the order they run
    size_bytes, float_size_bytes : int: of the state dict, saved
    latency, float_latency : Latency
    engine : str: the engine that ran, "simulated", or "unknown" where torch alone converted
    """

    accuracy: float
    float_accuracy: float
    agreement: float
    layers: tuple[Layer, ...]
    size_bytes: int
    float_size_bytes: int
    latency: Latency
    float_latency: Latency
    engine: str

    def __str__(self) -> str:
        head = f"{'layer':<8} {'output dB':>10} {'clipped':>9} {'weights dB':>11}"
        rows = (
            f"{x.name:<8} {x.sqnr_db:>10.1f} {'' if np.isnan(x.clipped) else f'{x.clipped:.2%}':>9} "
            f"{f'{x.weights.sqnr_db:.1f}' if x.weights else '':>11}"
            for x in self.layers
        )
        names = f"accuracy {self.accuracy:.4f} (float {self.float_accuracy:.4f}), same answer {self.agreement:.4f}"
        sizes = f"{self.size_bytes:,} bytes (float {self.float_size_bytes:,}), engine: {self.engine}"
        return "\n".join((names, sizes, head, *rows))


def evaluate(
    model_float: nn.Module,
    model_q: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor,
    *,
    repeats: int = 0,
    batch: int = 32,
    threads: int = 1,
) -> PTQResult:
    """Measure a quantized network against the float one that it came from.

    Parameters
    ----------
    model_float : nn.Module
        Fused with its own `fuse()`, if it has one and the other one is fused; not changed.
    model_q : nn.Module
        From `quantize_model`, `simulate_model` or, after QAT, `convert`; or any network converted by torch.
    x, y : inputs (n, ...) and labels (n,)
    repeats : int
        How often to time each network on the first `batch` inputs; 0 for not at all.
    batch, threads : int
        For the timing alone. The number of threads is put back afterwards.

    Examples
    --------
    >>> from qviz.pytorch import ptq
    >>> from qviz.pytorch.models import digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> model = digits_cnn()
    >>> result = evaluate(model, ptq.quantize_model(model, ptq.PTQConfig(), train_x), x, y)
    >>> [layer.name for layer in result.layers], result.size_bytes < result.float_size_bytes / 3
    (['input', 'conv1', 'conv2', 'fc1', 'fc2'], True)
    """
    if len(x) == 0 or len(x) != len(y):
        raise ValueError(f"x and y must hold as many inputs as labels, at least one: got {len(x)} and {len(y)}")
    model_float = _like(model_float, model_q)
    with engines.quiet(), torch.inference_mode():
        names = layer_names(model_q)
        mine, their = outputs_of(model_float, x, names), outputs_of(model_q, x, names)
        layers = tuple(_layer(n, model_float, model_q, mine, their, x) for n in ("input", *names))
        times = [latency(m, x[:batch], repeats=repeats, threads=threads) for m in (model_q, model_float)]
        named = [seen[""].argmax(1) for seen in (their, mine)]
        sizes = [size_bytes(m) for m in (model_q, model_float)]
    right = [float((n == y).double().mean()) for n in named]
    agreement = float((named[0] == named[1]).double().mean())
    made = getattr(model_q, "made", None)
    return PTQResult(
        *right,
        agreement,
        tuple(layer for layer in layers if layer),
        *sizes,
        *times,
        made.engine if made else getattr(model_q, "engine", "unknown"),
    )


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of the layers with weights that were quantized, or simulated to be, in the order they stand.

    Examples
    --------
    >>> layer_names(nn.Sequential(nn.Linear(2, 2)))
    []
    """
    if getattr(getattr(model, "made", None), "engine", None) == SIMULATED:
        kinds = (nn.Linear,) if model.made.config.dynamic else (nn.Linear, nn.Conv2d)
        inner = {n for n, m in model.named_modules() if isinstance(m, kinds)}
        return sorted({n.removesuffix(".0") for n in inner}, key=[n for n, _ in model.named_modules()].index)
    return list(weighted(model))


def outputs_of(model: nn.Module, x: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
    """Run a network, and return what the layers of these names give out; "" is the network itself.

    Examples
    --------
    >>> list(outputs_of(nn.Sequential(nn.Linear(2, 3)), torch.zeros(1, 2), ["0"]))
    ['0', '']
    """
    seen: dict[str, torch.Tensor] = {}
    handles = [
        model.get_submodule(n).register_forward_hook(lambda module, inputs, output, n=n: seen.__setitem__(n, output))
        for n in (*names, "")
    ]
    try:
        with torch.inference_mode():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _like(model_float: nn.Module, model_q: nn.Module) -> nn.Module:
    """Return the float network, fused unless the other one's layers are not."""
    model = deepcopy(model_float).eval()
    fused = any("intrinsic" in type(m).__module__ for m in model_q.modules())
    return model.fuse() if fused and hasattr(model, "fuse") else model


def _layer(name, model_float, model_q, mine, their, x) -> Layer | None:
    if name == "input":
        qparams, weights, real = _input_qparams(model_q), None, x
        if qparams is None:
            return None
        got = quantize_tensor(x, qparams)
    else:
        module, real, got = model_q.get_submodule(name), mine[name], their[name]
        qparams, weights = _output_qparams(module), _weights(model_float.get_submodule(name), module)
    real, got = to_array(real), to_array(got)
    clipped = error_parts(real, qparams).clipped_fraction if qparams else float("nan")
    return Layer(name, HistogramObserver().update(real).histogram(), qparams, sqnr_db(real, got), clipped, weights)


def _weights(layer: nn.Module, layer_q: nn.Module) -> Weights:
    real, quantized = (_weight_of(m) for m in (layer, layer_q))
    qparams = qparams_of(quantized) if quantized.is_quantized else None
    real, quantized = to_array(real), to_array(quantized)
    return Weights(real, quantized, qparams, sqnr_db(real, quantized))


def _weight_of(layer: nn.Module) -> torch.Tensor:
    layer = layer[0] if isinstance(layer, nn.Sequential) else layer
    return layer.weight() if callable(layer.weight) else layer.weight


def _output_qparams(module: nn.Module) -> QParams | None:
    """Read the qparams off a layer, and the ends of its range off the hook that clips to them."""
    rounded = getattr(module, "activation_post_process", None)
    if isinstance(rounded, Rounded):
        return rounded.qparams
    if not gives_codes(module):
        return None
    clip = next((h for h in module._forward_hooks.values() if hasattr(h, "quant_max")), None)
    ends = (clip.quant_min, clip.quant_max) if clip else (0, 255)
    return from_torch(module.scale, module.zero_point, *ends)


def _input_qparams(model: nn.Module) -> QParams | None:
    if not isinstance(model, fx.GraphModule):
        return next((p for m in model.modules() if not isinstance(m, Rounded) and (p := _output_qparams(m))), None)
    node = next((n for n in model.graph.nodes if n.target is torch.quantize_per_tensor), None)
    if node is None:
        return None
    scale, zero_point = (getattr(model, arg.target) for arg in node.args[1:3])
    first = next(m for m in model.modules() if gives_codes(m))
    limits = _output_qparams(first).fmt
    return from_torch(float(scale), int(zero_point), limits.qmin, limits.qmax)

"""What quantization did to a network, found by running it beside the float one."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import fx, nn
from torch.ao import quantization
from torch.ao.nn.intrinsic import quantized as intrinsic_quantized
from torch.ao.nn.quantized import Quantize
from torch.ao.quantization import quantize_fx

from qviz.numerics import Histogram, HistogramObserver, IntFormat, QParams, decibels

from . import engines
from .bridge import from_torch, qparams_of, quantize_tensor, to_array
from .copies import copied, untraced_origins, with_a_layer_for_each_call, with_plain_weights
from .inputs import Inputs, in_order, labelled, run
from .labs.snapshots import grid_of, weight_used, weighted_layers
from .layer_support import FUSED, WEIGHTED, dynamic_layers, fused
from .measure_results import Layer, PTQResult, Weights
from .ptq import SIMULATED
from .ptq_config import check_float
from .reproducible import ReproducibleSums
from .simulate import Rounded
from .size_and_latency import latency, size_bytes
from .sub8bit import clip_codes, gives_codes, weighted

ROWS = 32  # of outputs at a time, so that what is computed from them stays small
WITH_RELU = (
    intrinsic_quantized.ConvReLU1d,
    intrinsic_quantized.ConvReLU2d,
    intrinsic_quantized.ConvReLU3d,
    intrinsic_quantized.LinearReLU,
    *FUSED,
)


def evaluate(
    model_float: nn.Module,
    model_q: nn.Module,
    x: torch.Tensor,
    y: torch.Tensor | None = None,
    *,
    repeats: int = 0,
    batch: int = 32,
    threads: int = 1,
) -> PTQResult:
    """Measure a quantized network against the float one that it came from.

    Parameters
    ----------
    model_float : nn.Module
        Fused as the other one is, by its own `fuse()` or by FX; not changed.
    model_q : nn.Module
        From `quantize_model`, `simulate_model` or, after QAT, `convert`; or any network converted by torch.
    x, y : inputs (n, ...) and labels (n,); or batches of both, such as a DataLoader, as x
        Several inputs are a dict of tensors by the names of forward's arguments.
    repeats : int
        How often to time each network on the first `batch` inputs; 0 for not at all.
    batch, threads : int
        For the timing alone. The number of threads is put back afterwards.

    Raises
    ------
    ValueError, TypeError
        As for `Reference` and its `compare`.

    Examples
    --------
    >>> from qviz.pytorch import ptq
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> model = digits_cnn()
    >>> result = evaluate(model, ptq.quantize_model(model, ptq.PTQConfig(), train_x), x, y)
    >>> [layer.name for layer in result.layers], result.size_bytes < result.float_size_bytes / 3
    (['input', 'conv1', 'conv2', 'fc1', 'fc2'], True)
    """
    check_float(model_float, "model_float")
    x, y = labelled(x, y)
    return Reference(_like(model_float, model_q, x), x, y).compare(
        model_q, repeats=repeats, batch=batch, threads=threads
    )


class Reference:
    """A float network that runs once on some inputs, to be compared with any number of quantized ones.

    What only the float network decides is found at its first use, and kept: its outputs with their histograms, its
    accuracy, its size.

    Parameters
    ----------
    model : nn.Module
        In eval mode; fused if those that it is compared with are. Not changed, and not to be changed.
    x, y : inputs (n, ...) and labels (n,); or batches of both, such as a DataLoader, as x

    Raises
    ------
    ValueError
        The model is quantized already; there is no input, or not one label for each; an input is not finite.
    TypeError
        An input is not float32, or a label no whole number.

    Examples
    --------
    >>> from qviz.pytorch import ptq
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> model = digits_cnn().fuse()
    >>> reference = Reference(model, x, y)
    >>> configs = (ptq.PTQConfig(weight_bits=bits) for bits in (8, 2))
    >>> accuracies = [reference.compare(ptq.quantize_model(model, c, train_x)).accuracy for c in configs]
    >>> accuracies[0] > 0.97 > accuracies[1]
    True
    """

    def __init__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor | None = None):
        check_float(model)
        self.model, (self.x, self.y) = model, labelled(x, y)
        self._seen: dict[str, _Seen] = {}
        self._real: dict[str, np.ndarray] = {}  # weights

    def compare(self, model_q: nn.Module, *, repeats: int = 0, batch: int = 32, threads: int = 1) -> PTQResult:
        """Measure a quantized network; the parameters are those of `evaluate`.

        Raises
        ------
        ValueError
            None of its layers is quantized.
        """
        names, entries = layer_names(model_q), _entries(self.x)
        if not names:
            raise ValueError("model_q must have quantized layers: it has none; convert it first, or exchange the two")
        with engines.quiet(), torch.inference_mode():
            self._run(names)
            their = outputs_of(model_q, self.x, names)
            _check_answer(their[""], "model_q")
            layers = tuple(self._layer(n, model_q, their) for n in (*entries, *names))
            times = [latency(m, self.x[:batch], repeats=repeats, threads=threads) for m in (model_q, self.model)]
            theirs, mine = to_array(their[""]).argmax(1), self._seen[""].real.argmax(1)
            size = size_bytes(model_q)
        right = [float(np.mean(n == to_array(self.y))) for n in (theirs, mine)]
        agreement = float(np.mean(theirs == mine))
        return PTQResult(
            *right,
            agreement,
            tuple(layer for layer in layers if layer),
            size,
            self._size_bytes,
            *times,
            _engine_of(model_q),
        )

    @cached_property
    def _size_bytes(self) -> int:
        return size_bytes(self.model)

    def _run(self, names: list[str]) -> None:
        """Run the float network, unless the outputs of these layers are known."""
        if not self._seen.keys() >= {*names, *_entries(self.x), ""}:
            outputs = {**_entries(self.x), **outputs_of(self.model, self.x, names)}
            _check_answer(outputs[""], "model")
            self._seen |= {name: _Seen.of(tensor) for name, tensor in outputs.items() if name not in self._seen}

    def _layer(self, name: str, model_q: nn.Module, their: dict[str, torch.Tensor]) -> Layer | None:
        seen, weights = self._seen[name], None
        if (entry := _entries(self.x).get(name)) is not None:
            qparams = _input_qparams(model_q, self.x, name)
            if qparams is None:
                return None
            got = quantize_tensor(entry, qparams)
        else:
            module, got = model_q.get_submodule(name), their[name]
            if type(module) in WITH_RELU and type(self.model.get_submodule(name)) in WEIGHTED:
                raise ValueError(
                    f"model must be fused as the other one is: {name} is a {type(module).__name__} there, and its "
                    "values before the ReLU cannot be compared with codes after it; call its fuse(), or use evaluate"
                )
            qparams, weights = _output_qparams(module), self._weights(name, model_q)
        clipped = _clipped(seen.real, qparams) if qparams else float("nan")
        return Layer(name, seen.histogram, qparams, seen.sqnr_db(got), clipped, weights, seen.real)

    def _weights(self, name: str, model_q: nn.Module) -> Weights:
        if name not in self._real:
            self._real[name] = to_array(_weight_of(self.model.get_submodule(name)))
        real, quantized = self._real[name], _weight_of(model_q.get_submodule(name))
        qparams = _weight_qparams(name, quantized, model_q) if quantized.is_quantized else None
        quantized = to_array(quantized)
        return Weights(real, quantized, qparams, float(decibels(_power(real), _power(real - quantized))))


@dataclass(frozen=True, eq=False)
class _Seen:
    """What one layer of the float network gave out, and what is known of it once and for all."""

    real: np.ndarray
    histogram: Histogram
    signal: float  # sum of squares

    @classmethod
    def of(cls, tensor: torch.Tensor) -> "_Seen":
        real = to_array(tensor)
        real.setflags(write=False)
        return cls(real, HistogramObserver().update(real).histogram(), _power(real))

    def sqnr_db(self, got: torch.Tensor) -> float:
        """Return the SQNR of what a quantized network gave out, in blocks of rows."""
        starts = range(0, len(got), ROWS)
        noise = math.fsum(_power(self.real[i : i + ROWS] - to_array(got[i : i + ROWS])) for i in starts)
        return float(decibels(self.signal, noise))


def _check_answer(output, name: str) -> None:
    """Refuse an answer of a network that is not one row of numbers for each input."""
    got = f"shape {tuple(output.shape)}" if isinstance(output, torch.Tensor) else type(output).__name__
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        raise ValueError(
            f"{name} must answer with numbers (n, classes): got {got}; quantize and compare a network whose forward "
            "returns these alone"
        )


def _power(x: np.ndarray) -> float:
    """Return the sum of squares; a dot product would wake a second thread each time."""
    return float(np.sum(np.square(x, dtype=np.float64)))


def _clipped(real: np.ndarray, qparams: QParams) -> float:
    """Return the share of values more than half a step beyond the outermost levels, as error_parts does."""
    half = qparams.scale / 2
    return float(np.mean((real < qparams.lo - half) | (real > qparams.hi + half)))


def layer_names(model: nn.Module) -> list[str]:
    """Return the names of the layers with weights that were quantized, or simulated to be, in the order they stand."""
    if _engine_of(model) != SIMULATED:
        return list(weighted(model))
    if trained := weighted_layers(model):
        return list(trained)
    if model.made.config.dynamic:
        return list(dynamic_layers(model))
    return [n for n, m in model.named_modules() if type(m) in (*WEIGHTED, *FUSED) and _output_qparams(m) is not None]


def outputs_of(model: nn.Module, x: torch.Tensor, names: list[str]) -> dict[str, torch.Tensor]:
    """Run a network, and return the outputs of these layers by name; "" is the network itself."""
    seen: dict[str, torch.Tensor] = {}
    handles = [
        model.get_submodule(n).register_forward_hook(lambda module, inputs, output, n=n: seen.__setitem__(n, output))
        for n in (*names, "")
    ]
    try:
        with torch.inference_mode(), ReproducibleSums(integers=False):
            run(model, x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@untraced_origins()
def _like(model_float: nn.Module, model_q: nn.Module, x: torch.Tensor) -> nn.Module:
    """Return the float network, fused as the other one is: by FX, by its own method, or not at all."""
    model = with_plain_weights(copied(model_float).eval())
    if isinstance(model_q, fx.GraphModule):
        with engines.quiet():  # fuses as it does before quantizing, and observes nothing
            model = with_a_layer_for_each_call(model)
            return quantize_fx.prepare_fx(model, quantization.QConfigMapping(), in_order(model, x[:1]))
    return fused(model) if any("intrinsic" in type(m).__module__ for m in model_q.modules()) else model


def _engine_of(model: nn.Module) -> str:
    return model.made.engine if hasattr(model, "made") else getattr(model, "engine", "unknown")


def _weight_of(layer: nn.Module) -> torch.Tensor:
    if hasattr(layer, "weight_fake_quant"):
        return weight_used(layer)
    layer = layer if hasattr(layer, "weight") else layer[0]
    return layer.weight() if callable(layer.weight) else layer.weight


def _weight_qparams(name: str, weight: torch.Tensor, model_q: nn.Module) -> QParams:
    """Read the qparams off a quantized weight, whose container of 8 bits does not say how many of them are used.

    `quantize_model` noted it. Of another network the narrowest format is taken that holds every code: a scale is
    chosen so that some weight of the layer comes to lie at an end.
    """
    made = getattr(model_q, "made", None)
    fmt = made.config.weight_format_of(name) if made else _narrowest(weight.int_repr())
    return replace(qparams_of(weight), fmt=fmt)


def _narrowest(codes: torch.Tensor) -> IntFormat:
    low, high = int(codes.min()), int(codes.max())
    return next(f for f in map(IntFormat, range(2, 9)) if f.qmin <= low and high <= f.qmax)


def _output_qparams(module: nn.Module) -> QParams | None:
    """Read the qparams off a layer, and the ends of its range off the hook that clips to them."""
    rounded = getattr(module, "activation_post_process", None)
    if rounded is not None:
        return rounded.qparams if isinstance(rounded, Rounded) else grid_of(rounded)
    if not gives_codes(module):
        return None
    clip = next((h for h in module._forward_hooks.values() if hasattr(h, "quant_max")), None)
    ends = (clip.quant_min, clip.quant_max) if clip else (0, 255)
    return from_torch(module.scale, module.zero_point, *ends)


def _entries(x: torch.Tensor | Inputs) -> dict[str, torch.Tensor]:
    """Return the inputs of real numbers by the names that they have in the result."""
    if not isinstance(x, Inputs):
        return {"input": x}
    return {f"input {key}": part for key, part in x.parts.items() if part.is_floating_point()}


def _input_qparams(model: nn.Module, x: torch.Tensor | Inputs, name: str) -> QParams | None:
    """Return the qparams that an input itself is quantized with; None where something else comes first."""
    if isinstance(model, fx.GraphModule):
        return _graph_input_qparams(model, name.removeprefix("input ") if isinstance(x, Inputs) else None)
    found: list[QParams] = []

    def note(module, inputs):
        if inputs[0] is watched and not found:
            found.append(_output_qparams(module))

    first = x[:1]
    watched = _entries(first)[name]
    stubs = [m for m in model.modules() if isinstance(m, quantization.QuantStub | Quantize)]
    handles = [stub.register_forward_pre_hook(note) for stub in stubs]
    try:
        with engines.quiet(), torch.inference_mode():
            run(model, first)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _graph_input_qparams(model: fx.GraphModule, argument: str | None) -> QParams | None:
    """Find how a graph quantizes this argument, or the first one that it quantizes."""
    for node in model.graph.nodes:
        if not node.args or not isinstance(node.args[0], fx.Node) or node.args[0].op != "placeholder":
            continue
        if argument not in (None, node.args[0].target):
            continue
        if node.op == "call_module" and isinstance(rounded := model.get_submodule(node.target), Rounded):
            return rounded.qparams
        if node.target is torch.quantize_per_tensor:
            scale, zero_point = (getattr(model, arg.target) for arg in node.args[1:3])
            clips = [user.args[1:] for user in node.users if user.target is clip_codes]
            return from_torch(float(scale), int(zero_point), *(clips[0] if clips else (0, 255)))
    return None

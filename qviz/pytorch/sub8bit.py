"""Fewer than 8 bits on kernels made for 8: hold a converted network to its codes.

Every kernel clips what it computes to 0..255, the ends of its container, whatever quant_max an observer had; and FX
conversion, unlike the eager one, clips no weights either. A code beyond its range is more exact than an integer of so
few bits could be, so the accuracy would be that of another network.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.ao.nn.quantized import InstanceNorm2d, QFunctional

from qviz.numerics import IntFormat, PerChannel, PerTensor, QParams

from .bridge import CONTAINERS, container_of, qparams_of, quantize_tensor


@dataclass(frozen=True)
class NarrowRange:
    """A forward hook that clips the codes a layer gives out: what a kernel made for 0..255 does not do for 0..15.

    Parameters
    ----------
    quant_min, quant_max : int

    Examples
    --------
    >>> from qviz.pytorch.engines import quiet
    >>> with quiet():
    ...     q = torch.quantize_per_tensor(torch.tensor([0.0, 1.0, 9.0]), 0.1, 2, torch.quint8)
    >>> NarrowRange(0, 15)(None, None, q).int_repr()
    tensor([ 2, 12, 15], dtype=torch.uint8)
    """

    quant_min: int
    quant_max: int

    def __call__(self, module, inputs, output: torch.Tensor) -> torch.Tensor:
        """Return the output, clipped."""
        if torch.backends.quantized.engine == "qnnpack":
            output = output.contiguous()  # there torch.clamp mixes up the channels of what lies channels-last
        scale, zero_point = output.q_scale(), output.q_zero_point()
        # torch.clamp takes real numbers, and turns them into codes itself
        return torch.clamp(output, (self.quant_min - zero_point) * scale, (self.quant_max - zero_point) * scale)


def narrow(model: nn.Module, weights: Callable[[str], IntFormat], activations: IntFormat) -> int:
    """Hold a converted network to the codes of these formats, in place.

    Parameters
    ----------
    model : nn.Module
        Converted by torch, eager or FX.
    weights : function from a layer's name to its IntFormat
    activations : IntFormat
        As those of the observers it was converted with.

    Returns
    -------
    int
        How many weights had a code outside of their format.

    Examples
    --------
    >>> from qviz.numerics import INT4, INT8, UINT8
    >>> from torch.ao.nn.quantized import Linear
    >>> from qviz.pytorch.engines import quiet, using
    >>> with using(), quiet():
    ...     layer = Linear(2, 1)
    ...     w = quantize_tensor(torch.tensor([[1.0, 9.0]]), QParams(1.0, 0, INT8))
    ...     layer.set_weight_bias(w, torch.zeros(1))
    ...     narrow(layer, lambda name: INT4, UINT8), layer.weight().int_repr().tolist()
    (1, [[1, 7]])
    """
    clipped = sum(_narrow_weight(m, weights(name)) for name, m in weighted(model).items())
    limits = (activations.qmin, activations.qmax)
    if limits != CONTAINERS[container_of(activations)]:
        for module in model.modules():
            hold_outputs(module, NarrowRange(*limits))
        if isinstance(model, fx.GraphModule):
            _narrow_operations(model, limits)
    return clipped


class Clip(nn.Module):
    """Clip codes as a module: for where torch calls one on what an operation returns."""

    def __init__(self, narrow_range: NarrowRange):
        super().__init__()
        self.narrow_range = narrow_range

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the codes, clipped."""
        return self.narrow_range(self, (), codes)


class _HeldFunctional(QFunctional):
    """A QFunctional that clips what matmul returns as well."""

    def matmul(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.activation_post_process(super().matmul(x, y))


def hold_outputs(module: nn.Module, clip: NarrowRange) -> None:
    """Clip the codes that a module gives out, if it gives out codes with a scale of its own."""
    if isinstance(module, QFunctional):  # its operations are methods, so that no forward hook sees what they return
        module.__class__, module.activation_post_process = _HeldFunctional, Clip(clip)
    elif gives_codes(module):
        module.register_forward_hook(clip)


def lay_out(model: nn.Module) -> None:
    """Let every instance norm of a converted network take its input contiguous, in place.

    torch's kernel mixes up the channels of what lies channels-last, as all that a quantized Conv2d gives out does.

    Examples
    --------
    >>> lay_out(nn.Sequential(nn.ReLU()))
    """
    for module in model.modules():
        if isinstance(module, InstanceNorm2d):
            module.register_forward_pre_hook(_contiguous)
    if isinstance(model, fx.GraphModule):
        for node in list(model.graph.nodes):
            if node.target is torch.ops.quantized.instance_norm:
                with model.graph.inserting_before(node):
                    node.update_arg(0, model.graph.call_method("contiguous", (node.args[0],)))
        model.recompile()


def _contiguous(module, inputs):
    return tuple(x.contiguous() for x in inputs)


def weighted(model: nn.Module) -> dict[str, nn.Module]:
    """Return the quantized layers that have weights, by name.

    Examples
    --------
    >>> weighted(nn.Linear(2, 2))
    {}
    """
    methods = ("set_weight_bias", "weight", "bias")
    return {n: m for n, m in model.named_modules() if all(callable(getattr(m, name, None)) for name in methods)}


def gives_codes(module: nn.Module) -> bool:
    """Say whether a module's outputs are codes with a scale and zero point of its own.

    Examples
    --------
    >>> gives_codes(nn.ReLU())
    False
    """
    return hasattr(module, "scale") and hasattr(module, "zero_point") and "dynamic" not in type(module).__module__


def _narrow_weight(layer: nn.Module, fmt: IntFormat) -> int:
    weight, bias = layer.weight(), layer.bias()
    codes = weight.int_repr()
    outside = int(((codes < fmt.qmin) | (codes > fmt.qmax)).sum())
    if outside:
        wide = qparams_of(weight)
        kept = PerTensor() if isinstance(wide.granularity, PerTensor) else PerChannel(wide.granularity.axis)
        narrowed = QParams(wide.scale, wide.zero_point, fmt, kept)
        layer.set_weight_bias(quantize_tensor(weight.dequantize(), narrowed), bias)
    return outside


def clip_codes(codes: torch.Tensor, quant_min: int, quant_max: int) -> torch.Tensor:
    """Clip a quantized tensor to these codes; what NarrowRange does, as a function that a graph can call.

    Examples
    --------
    >>> from qviz.pytorch.engines import quiet
    >>> with quiet():
    ...     q = torch.quantize_per_tensor(torch.tensor([0.0, 9.0]), 0.1, 2, torch.quint8)
    >>> clip_codes(q, 0, 15).int_repr()
    tensor([ 2, 15], dtype=torch.uint8)
    """
    return NarrowRange(quant_min, quant_max)(None, None, codes)


def _narrow_operations(model: fx.GraphModule, limits: tuple[int, int]) -> None:
    """Clip behind each operation that FX wrote into the graph with a scale and a zero point: no module to hook on to.

    torch.ops.quantized holds those that take codes; what else takes codes keeps the scale of its input, and its range.
    """
    for node in list(model.graph.nodes):
        kernel = getattr(node.target, "__module__", "") == "torch._ops.quantized"
        if node.op == "call_function" and (node.target is torch.quantize_per_tensor or kernel):
            with model.graph.inserting_after(node):
                clipped = model.graph.call_function(clip_codes, (node, *limits))
            node.replace_all_uses_with(clipped, lambda user, new=clipped: user is not new)
    model.recompile()

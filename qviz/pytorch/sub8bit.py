"""Fewer than 8 bits on kernels made for 8: clip the codes of a converted network to their format.

Every kernel clips its result to 0..255, the range of its container, whatever quant_max an observer had. FX conversion,
unlike eager conversion, does not clip weights either. Codes out of range would be more accurate than so few bits allow.
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
    """A forward hook that clips a layer's output codes, which a kernel clips to 0..255 only.

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
    """Clip the codes of a converted network, in place; return how many weights had a code outside.

    `weights` is a function from a layer's name to the format of its weights.
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
    """Clip the output codes of a module, if they have a scale of its own."""
    if isinstance(module, QFunctional):  # its operations are methods, so that no forward hook sees what they return
        module.__class__, module.activation_post_process = _HeldFunctional, Clip(clip)
    elif gives_codes(module):
        module.register_forward_hook(clip)


def lay_out(model: nn.Module) -> None:
    """Make the input of every instance norm of a converted network contiguous, in place.

    Torch's kernel mixes up the channels of a channels-last input, which is what a quantized Conv2d returns.
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
    """Return the quantized layers that have weights, by name."""
    methods = ("set_weight_bias", "weight", "bias")
    return {n: m for n, m in model.named_modules() if all(callable(getattr(m, name, None)) for name in methods)}


def gives_codes(module: nn.Module) -> bool:
    """Say whether the outputs of a module are codes with a scale and zero point of its own."""
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
    """Clip a quantized tensor to these codes: NarrowRange as a function that a graph can call."""
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

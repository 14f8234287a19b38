"""PT2E, quantization of an exported graph: what torchao has in the place of prepare and convert.

torch.export writes the network down as a graph of operations. A quantizer marks where codes belong, `prepare_pt2e` puts
observers there, data is run through, and `convert_pt2e` replaces each observer by a quantize and a dequantize.

    converted = quantize(model, train_x)           # runs anywhere, in floating point
    lowered = lower(converted, x)                  # oneDNN's integer kernels, where there are any

The converted graph has no integer kernel in it. Two ways lead to one: `lower`, and torch.compile, which needs a C++
compiler. X86InductorQuantizer marks the layers for both; its marks mean the same on any processor.
"""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import fx, nn

from qviz.numerics import UINT8, QParams, _check

from .._loading import collector_paused
from ..bridge import from_torch
from ..inputs import inputs_of
from ..layer_support import check_parameters
from ..ptq import BATCH
from ..reproducible import ReproducibleSums
from . import torchao_env

OBSERVERS = ("min-max", "histogram")
_EPS = torch.finfo(torch.float32).eps  # as in torch.ao; torchao's configuration for x86 says 2**-12


def quantize(
    model: nn.Module, calibration_x: torch.Tensor, observers: str = "min-max", samples: int = 256
) -> fx.GraphModule:
    """Quantize weights and activations of a network after training, to 8 bits.

    Parameters
    ----------
    model : nn.Module
        Float; not changed, and quantized as it is in eval mode. No stub and no fusing is needed.
    calibration_x : float32 tensor (n, ...), or batches of them, such as a DataLoader
        Inputs to calibrate on, of which the first `samples` are used, in batches of 32.
    observers : {"min-max", "histogram"}
        "histogram" is torchao's own choice for activations.
    samples : int, at least 1

    Returns
    -------
    fx.GraphModule
        It takes any number of inputs, rounds what runs through it, and multiplies floats.

    Raises
    ------
    ValueError
        `observers` is neither, `samples` is less than 1, or there are fewer inputs than samples, or a single one; the
        weights are not float32, or not finite.
    TypeError
        `samples` is not a whole number.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> accuracy(quantize(digits_cnn(), train_x), x, y) > 0.97
    True
    """
    _check.one_of(observers, OBSERVERS, "observers")
    samples = _check.whole_number(samples, "samples", 1)
    least = max(samples, 2)  # torch.export takes the number of a single example as fixed
    calibration_x = inputs_of(calibration_x, "calibration_x", max(least, BATCH), ids=True)
    if len(calibration_x) < least:
        raise ValueError(f"calibration_x must hold at least {least} inputs for {samples=}: got {len(calibration_x)}")
    check_parameters(model)
    pt2e = torchao_env.load_pt2e()
    with torchao_env.quiet(), torch.no_grad(), collector_paused():  # half a million objects are torch's compiler alone
        graph = export(deepcopy(model).eval(), calibration_x[:BATCH])
        prepared = pt2e.quantize_pt2e.prepare_pt2e(graph, _quantizer(pt2e, observers))
        with ReproducibleSums():
            for batch in calibration_x[:samples].split(BATCH):
                prepared(batch)
        return pt2e.quantize_pt2e.convert_pt2e(prepared)


def train_quantized(model: nn.Module, train: Callable[[nn.Module], None], example_x: torch.Tensor) -> fx.GraphModule:
    """Train with fake-quantize in the graph, and convert: prepare_qat_pt2e in the place of prepare_qat.

    Parameters
    ----------
    model : nn.Module
        Float; not changed.
    train : function of the prepared graph
        Trains it in place; the graph is in train mode then.
    example_x : tensor (n, ...), n at least 2

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> trained = train_quantized(digits_cnn(), lambda graph: graph(train_x), train_x)
    >>> accuracy(trained, x, y) > 0.97
    True
    """
    pt2e = torchao_env.load_pt2e()
    x86 = pt2e.quantizer.x86_inductor_quantizer
    config = x86.get_default_x86_inductor_quantization_config(is_qat=True)
    with torchao_env.quiet():
        graph = export(model, example_x[:BATCH])
        prepared = pt2e.quantize_pt2e.prepare_qat_pt2e(graph, x86.X86InductorQuantizer().set_global(config))
        modes = any(_has_modes(node) for node in prepared.graph.nodes)
        if modes:
            pt2e.move_exported_model_to_train(prepared)
        train(prepared)
        if modes:
            pt2e.move_exported_model_to_eval(prepared)
        with torch.no_grad():
            return pt2e.quantize_pt2e.convert_pt2e(prepared)


def export(model: nn.Module, x: torch.Tensor) -> fx.GraphModule:
    """Write a network down as a graph that takes any number of inputs.

    Parameters
    ----------
    model : nn.Module
        Not changed by what is done to the graph.
    x : tensor (n, ...), n at least 2
        An example; with a single one torch.export takes the number as fixed.

    Examples
    --------
    >>> graph = export(nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.zeros(4, 2))
    >>> [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    ['aten.linear.default', 'aten.relu.default']
    """
    x, batch = inputs_of(x, "x", ids=True).detach(), torch.export.Dim("batch")
    with torchao_env.quiet():  # a copy: the graph keeps the parameters that it is made from
        return torch.export.export(deepcopy(model), (x,), dynamic_shapes=({0: batch},)).module()


def without_float_weights(converted: fx.GraphModule) -> fx.GraphModule:
    """Return a converted graph without the parameters that it does not use.

    convert_pt2e leaves the float weights beside the codes that replaced them, so that a saved file grows.
    """
    with torchao_env.quiet():
        lean = deepcopy(converted)
    used = {node.target for node in lean.graph.nodes if node.op == "get_attr"}
    for name in set(dict(lean.named_parameters())) - used:
        module, _, attribute = name.rpartition(".")
        delattr(lean.get_submodule(module), attribute)
    return lean


def lower(converted: fx.GraphModule, x: torch.Tensor) -> fx.GraphModule:
    """Replace quantize, product and dequantize by oneDNN's integer kernels; no compiler is needed.

    Parameters
    ----------
    converted : fx.GraphModule
        From `quantize` or `train_quantized`; not changed.
    x : tensor (n, ...)
        The result takes inputs of this shape only.

    Raises
    ------
    RuntimeError
        This build of torch has no such kernels.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> lowered = lower(quantize(digits_cnn(), train_x), x) if torchao_env.can_lower() else digits_cnn()
    >>> accuracy(lowered, x, y) > 0.97
    True
    """
    if not torchao_env.can_lower():
        raise RuntimeError("this build of torch has no oneDNN kernels for integers: run the converted graph as it is")
    pt2e = torchao_env.load_pt2e()
    with torchao_env.quiet(), torch.no_grad(), collector_paused():
        lowered = pt2e.lowering.lower_pt2e_quantized_to_x86(deepcopy(converted), (x,))
    for node in lowered.graph.nodes:  # the kernels answer channels-last, where a view of torch 2.13 fails
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
    lowered.recompile()
    return lowered


def activation_qparams(converted: fx.GraphModule) -> list[QParams]:
    """Return the qparams of each activation that a converted graph quantizes, in the order they run.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> p = activation_qparams(quantize(digits_cnn(), digits_tensors()[0]))[0]
    >>> print(p.fmt, round(float(p.scale) * 255, 3))
    uint8 1.0
    """
    target = torch.ops.quantized_decomposed.quantize_per_tensor.default
    found = [node.args[1:3] for node in converted.graph.nodes if node.target is target]
    return [from_torch(scale, zero_point, UINT8.qmin, UINT8.qmax) for scale, zero_point in found]


def weight_codes(converted: fx.GraphModule) -> list[tuple[torch.Tensor, QParams]]:
    """Return the codes of each weight of a converted graph, and their qparams, in the order they run.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> [tuple(codes.shape) for codes, _ in weight_codes(quantize(digits_cnn(), digits_tensors()[0]))]
    [(16, 1, 3, 3), (32, 16, 3, 3), (64, 512), (10, 64)]
    """
    target = torch.ops.quantized_decomposed.dequantize_per_channel.default
    found = [node.args for node in converted.graph.nodes if node.target is target]
    tensors = [[getattr(converted, str(a.target)) for a in args[:3]] for args in found]
    ends = [args[3:6] for args in found]
    return [
        (codes, from_torch(scale, zero_point, low, high, axis))
        for (codes, scale, zero_point), (axis, low, high) in zip(tensors, ends, strict=True)
    ]


def _has_modes(node: fx.Node) -> bool:
    """Whether an operation differs in train mode; torchao exports a dozen graphs to look for each, found or not."""
    return any(name in str(node.target) for name in ("dropout", "batch_norm"))


def _quantizer(pt2e, observers: str):
    """Return torchao's quantizer for x86, with its own observers or with those of torch.ao's min-max."""
    x86 = pt2e.quantizer.x86_inductor_quantizer
    if observers == "histogram":
        return x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    activation = pt2e.quantizer.QuantizationSpec(
        dtype=torch.uint8,
        quant_min=0,
        quant_max=255,
        qscheme=torch.per_tensor_affine,
        observer_or_fake_quant_ctr=pt2e.MinMaxObserver.with_args(eps=_EPS),
    )
    weight = pt2e.quantizer.QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=pt2e.PerChannelMinMaxObserver.with_args(eps=_EPS),
    )
    config = pt2e.quantizer.utils.QuantizationConfig(activation, activation, weight, None, False)
    return x86.X86InductorQuantizer().set_global(config)

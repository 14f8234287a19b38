"""`quantize_` of torchao: it changes the weights of a model in place, and the layers stay what they are.

A weight becomes a tensor that holds codes and scales, and knows how to multiply. By default only linear layers are
asked; a convolution stays float. Nothing is exported, and no stub or fusing is needed.
"""

from collections.abc import Sequence
from copy import deepcopy

import torch
from torch import nn

from qviz.numerics import PerChannel, PerGroup, PerTensor, QParams, _check

from ..bridge import format_of
from ..inputs import inputs_of
from ..ptq import BATCH
from ..reproducible import ReproducibleSums
from . import torchao_env

SCHEMES = {"symmetric": "SYMMETRIC", "symmetric unclipped": "SYMMETRIC_NO_CLIPPING_ERR", "affine": "ASYMMETRIC"}


def quantize_weights(
    model: nn.Module,
    bits: int = 8,
    group_size: int | None = None,
    scheme: str = "symmetric",
    layers: Sequence[str] | None = None,
) -> nn.Module:
    """Return a copy whose weights are codes; each product turns them back to floats first.

    Parameters
    ----------
    model : nn.Module
    bits : int, 2 to 8
    group_size : int or None
        How many neighbouring weights of an output share a scale: at least 2, a divisor of the number of inputs. None
        is all.
    scheme : {"symmetric", "symmetric unclipped", "affine"}
        Unclipped takes the larger of -lo / 2**(b-1) and hi / (2**(b-1) - 1) as scale, so that nothing is cut off.
    layers : names of the layers to quantize, or None
        None is torchao's own choice: every linear layer.

    Raises
    ------
    ValueError
        An argument is none of these.

    Notes
    -----
    A convolution has one scale for each output channel and each place in the kernel, since torchao 0.18 takes the
    group along its second axis only. One with a single input channel is refused there.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn
    >>> q = quantize_weights(digits_cnn(), bits=4)
    >>> quantized_layers(q), int(q.fc1.weight.qdata.min()), int(q.fc1.weight.qdata.max())
    (['fc1', 'fc2'], -8, 7)
    """
    bits = _check.whole_number(bits, "bits", 2, 8)
    group_size = None if group_size is None else _check.whole_number(group_size, "group_size", 2)
    _check.one_of(scheme, SCHEMES, "scheme")
    model, ao = deepcopy(model), torchao_env.load()
    chosen = [n for n, m in model.named_modules() if isinstance(m, nn.Linear)] if layers is None else layers
    for name in chosen:
        _check_layer(model, name, group_size)
    config = ao.IntxWeightOnlyConfig(
        weight_dtype=getattr(torch, f"int{bits}"),
        granularity=ao.PerAxis(0) if group_size is None else ao.PerGroup(group_size),
        mapping_type=ao.MappingType[SCHEMES[scheme]],
    )
    ao.quantize_(model, config, lambda module, name: name in chosen)
    return model


def quantize_int8_weights(model: nn.Module) -> nn.Module:
    """Return a copy with Int8WeightOnlyConfig: int8 weights of linear layers, a scale for each output.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn
    >>> type(quantize_int8_weights(digits_cnn()).fc1.weight).__name__
    'Int8Tensor'
    """
    model, ao = deepcopy(model), torchao_env.load()
    # set_inductor_config would change torch's compiler for the whole process
    ao.quantize_(model, ao.Int8WeightOnlyConfig(set_inductor_config=False))
    return model


def quantize_dynamic(model: nn.Module) -> nn.Module:
    """Return a copy whose linear layers multiply int8 by int8, with a range for each input as it comes.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> _, _, x, y = digits_tensors()
    >>> accuracy(quantize_dynamic(digits_cnn()), x, y) > 0.97
    True
    """
    model, ao = deepcopy(model), torchao_env.load()
    config = ao.Int8DynamicActivationInt8WeightConfig(
        act_mapping_type=ao.MappingType.ASYMMETRIC, set_inductor_config=False
    )
    ao.quantize_(model, config)
    return model


def quantize_static(model: nn.Module, calibration_x: torch.Tensor) -> nn.Module:
    """Return a copy whose linear layers multiply int8 by int8, with the ranges that these inputs gave.

    torchao has no step that calibrates for `quantize_`: an observer at each input must be put there, and its scale
    handed over, by hand.

    Parameters
    ----------
    model : nn.Module
    calibration_x : float32 tensor (n, ...), n at least 1, or batches of them, such as a DataLoader

    Raises
    ------
    ValueError
        There is no input to calibrate on.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> train_x, _, x, y = digits_tensors()
    >>> accuracy(quantize_static(digits_cnn(), train_x[:256]), x, y) > 0.97
    True
    """
    calibration_x = inputs_of(calibration_x, "calibration_x", ids=True)
    if len(calibration_x) == 0:
        raise ValueError(f"calibration_x must hold at least one input: got shape {tuple(calibration_x.shape)}")
    model, ao = deepcopy(model).eval(), torchao_env.load()
    configs = {
        name: ao.Int8StaticActivationInt8WeightConfig(
            act_quant_scale=scale.reshape(1, 1),
            act_quant_zero_point=zero_point.reshape(1, 1),
            granularity=[ao.PerTensor(), ao.PerRow()],
            act_mapping_type=ao.MappingType.ASYMMETRIC,
            set_inductor_config=False,
        )
        for name, (scale, zero_point) in _input_qparams(model, calibration_x, ao).items()
    }
    ao.quantize_(model, ao.FqnToConfig(configs), filter_fn=None)
    return model


def quantized_layers(model: nn.Module) -> list[str]:
    """Return the names of the layers whose weight `quantize_` replaced."""
    return [n for n, m in model.named_modules() if hasattr(getattr(m, "weight", None), "qdata")]


def weight_qparams(weight: torch.Tensor) -> QParams:
    """Read the scales and zero points off a weight of torchao, as qviz writes them.

    Parameters
    ----------
    weight : Int8Tensor or IntxUnpackedToInt8Tensor of a linear layer (outputs, inputs)

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn
    >>> p = weight_qparams(quantize_weights(digits_cnn(), 4, group_size=32).fc1.weight)
    >>> print(p.fmt, p.granularity, p.scale.shape)
    int4 per group of 32 (axis 1) (1024, 1)
    """
    if not hasattr(weight, "qdata"):
        raise TypeError(f"weight must be one that quantize_ made: got {type(weight).__name__}")
    bits = int(str(getattr(weight, "target_dtype", torch.int8)).removeprefix("torch.int"))
    size, inputs = int(weight.block_size[-1]), weight.shape[-1]
    granularity = PerChannel(0) if size == inputs else PerGroup(1, size)
    if weight.scale.numel() == 1:
        granularity = PerTensor()
    shape = () if weight.scale.numel() == 1 else (-1, 1)
    scale, zero_point = weight.scale.double().reshape(shape), weight.zero_point.long().reshape(shape)
    fmt = format_of(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return QParams(scale.numpy(), zero_point.numpy(), fmt, granularity)


def _input_qparams(model: nn.Module, x: torch.Tensor, ao) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return what an observer of torchao makes of each linear layer's input."""
    observers, handles = {}, []
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            observers[name] = ao.AffineQuantizedMinMaxObserver(
                ao.MappingType.ASYMMETRIC,
                torch.int8,
                ao.PerTensor(),
                eps=torch.finfo(torch.float32).eps,
                scale_dtype=torch.float32,
                zero_point_dtype=torch.int32,
            )
            handles.append(
                module.register_forward_pre_hook(lambda m, inputs, name=name: (observers[name](*inputs), None)[1])
            )
    try:
        with torch.no_grad(), ReproducibleSums():
            for batch in x.split(BATCH):
                model(batch)
    finally:
        for handle in handles:
            handle.remove()
    ran = {name: observer for name, observer in observers.items() if hasattr(observer, "min_val")}
    return {
        name: observer.calculate_qparams() for name, observer in ran.items()
    }  # what forward never calls stays float


def _check_layer(model: nn.Module, name: str, group_size: int | None) -> None:
    layer = dict(model.named_modules()).get(name)
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise ValueError(f"layers must name linear or convolution layers of the model: got {name!r}")
    inputs = layer.weight.shape[1]
    if isinstance(layer, nn.Conv2d) and inputs == 1:
        raise ValueError(f"torchao 0.18 cannot quantize a convolution with a single input channel: got {name!r}")
    if group_size is not None and inputs % group_size:  # torchao 0.18 fails on groups of one
        raise ValueError(f"group_size must be at least 2 and divide the {inputs} inputs of {name!r}: got {group_size}")

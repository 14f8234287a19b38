"""Read the integers out of a converted network, so that NumPy can run it: the same codes, without torch."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import nn
from torch.ao.nn import quantized
from torch.ao.nn.intrinsic import quantized as fused

from qviz.networks import IntegerCNN, integer_cnn
from qviz.networks.topology import LAYERS, OUTPUT_OF
from qviz.numerics import QParams
from qviz.numerics.integer_layer import IntegerLayer

from . import engines
from .bridge import CONTAINERS, format_of, qparams_of, to_array
from .digits_model import digits_cnn, digits_tensors
from .ptq import PTQConfig, quantize_model
from .sub8bit import NarrowRange

# Exactly these: a LinearTanh, a ConvAdd2d and a dynamic Linear are subclasses, and compute something else.
LINEAR, CONV = (quantized.Linear, fused.LinearReLU), (quantized.Conv2d, fused.ConvReLU2d)
WITH_RELU = (fused.LinearReLU, fused.ConvReLU2d)
ACTIVATIONS = {"quant": "input", "pool": "pool", **OUTPUT_OF}  # by the name of the module that gives them


def integer_layer(module: nn.Module, x: QParams) -> IntegerLayer:
    """Take over the codes, qparams and bias of a quantized layer of torch, unchanged.

    Parameters
    ----------
    module : quantized Linear or Conv2d of torch, with or without a fused ReLU
    x : QParams
        Of what comes in; a layer of torch does not know them.

    Raises
    ------
    TypeError
        It is another module, also one that torch derives from these, such as LinearTanh or a dynamic Linear.
    ValueError
        It is a convolution with dilation, groups, or another stride or padding one way than the other.

    Examples
    --------
    >>> from qviz.numerics import UINT8
    >>> from qviz.pytorch.engines import quiet, using
    >>> with using(), quiet():
    ...     layer = integer_layer(quantized.Linear(3, 2), QParams(0.1, 0, UINT8))
    >>> layer.q_w.shape, layer.relu, float(layer.y.scale)
    ((2, 3), False, 1.0)
    """
    kind = type(module)
    if kind not in LINEAR + CONV:
        raise TypeError(
            "module must be a quantized Linear or Conv2d of torch, alone or with a ReLU: "
            f"got {kind.__module__}.{kind.__name__}"
        )
    return IntegerLayer(
        module.weight().int_repr().numpy(),
        x,
        qparams_of(module.weight()),
        _output(module),
        None if module.bias() is None else to_array(module.bias()),
        kind in WITH_RELU,
        **(_steps(module) if kind in CONV else {}),
    )


def integer_cnn_of(model: nn.Module) -> IntegerCNN:
    """Take over the digits network after conversion, from `ptq.quantize_model` or `convert`.

    Raises
    ------
    TypeError
        It has not been converted.

    Examples
    --------
    >>> train_x, _, x, _ = digits_tensors()
    >>> model = quantize_model(digits_cnn(), PTQConfig(), train_x)
    >>> with torch.no_grad():
    ...     bool((integer_cnn_of(model).logits(x) == model(x).numpy()).all())
    True
    """
    if not hasattr(getattr(model, "quant", None), "scale"):
        raise TypeError(
            "model must be the digits network converted in the eager flow, whose QuantStub has a scale: "
            f"got {type(model).__name__}; use quantize_model or convert first"
        )
    x, layers = _output(model.quant), {}
    for name in LAYERS:
        layers[name] = integer_layer(model.get_submodule(name), x)
        x = layers[name].y
    return IntegerCNN(MappingProxyType(layers))


def codes_of(model: nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    """Run the converted digits network, and return the codes of every activation, as `IntegerCNN.run` does.

    Examples
    --------
    >>> train_x, _, x, _ = digits_tensors()
    >>> model = quantize_model(digits_cnn(), PTQConfig(), train_x)
    >>> codes_of(model, x)["logits"].shape
    (359, 10)
    """
    seen, handles = {}, []
    for name, activation in ACTIVATIONS.items():

        def keep(module, inputs, output, activation=activation):
            seen[activation] = output.int_repr().numpy()

        handles.append(model.get_submodule(name).register_forward_hook(keep))
    try:
        with torch.no_grad(), engines.quiet():
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    return seen


@dataclass(frozen=True, eq=False)
class SideBySide:
    """The same integers, run by NumPy and by an engine of torch.

    Attributes
    ----------
    engine : str or None: None where this machine has none
    net : IntegerCNN
    mine : codes of every activation by NumPy
    theirs : codes of every activation by the engine; empty without one
    """

    engine: str | None
    net: IntegerCNN
    mine: dict[str, np.ndarray]
    theirs: dict[str, np.ndarray]

    def __str__(self) -> str:
        if self.engine is None:
            return "This machine has no engine for quantized models: NumPy runs alone."
        rows = (
            f"{name:<8}{codes.size:>10,}{int((codes != self.theirs[name]).sum()):>11,}"
            for name, codes in self.mine.items()
        )
        return "\n".join((f"NumPy compared with {self.engine}", f"{'':<8}{'codes':>10}{'different':>11}", *rows))


def side_by_side(images: torch.Tensor, config: PTQConfig | None = None) -> SideBySide:
    """Quantize the digits network after training, and run it by NumPy and by the preferred engine.

    Parameters
    ----------
    images : tensor (n, 1, 8, 8)
    config : PTQConfig
        In the eager flow; None is the default. Without an engine, NumPy runs `integer_cnn` whatever it says.

    Examples
    --------
    >>> both = side_by_side(digits_tensors()[2])
    >>> both.mine["logits"].argmax(1).shape
    (359,)
    """
    engine = engines.preferred()
    if engine is None:
        net = integer_cnn()
        return SideBySide(None, net, net.run(images.numpy()), {})
    model = quantize_model(digits_cnn(), config or PTQConfig(), digits_tensors()[0], engine)
    net = integer_cnn_of(model)
    with engines.using(engine):
        return SideBySide(engine, net, net.run(images.numpy()), codes_of(model, images))


def _output(module: nn.Module) -> QParams:
    """Return the qparams of a module's outputs, in the format that its hook clips them to."""
    y, hooks = qparams_of(module), module._forward_hooks.values()
    ends = next(((h.quant_min, h.quant_max) for h in hooks if isinstance(h, NarrowRange)), CONTAINERS[torch.quint8])
    return QParams(y.scale, y.zero_point, format_of(*ends))


def _steps(conv: nn.Module) -> dict[str, int]:
    square = len(set(conv.stride)) == len(set(conv.padding)) == 1
    if not square or conv.groups != 1 or set(conv.dilation) != {1} or conv.padding_mode != "zeros":
        raise ValueError(
            "a convolution must have one stride and padding for both ways, zero padding, no groups and no dilation: "
            f"got {conv}"
        )
    return {"stride": conv.stride[0], "padding": conv.padding[0]}

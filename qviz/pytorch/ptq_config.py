"""The settings of post-training quantization, the observers of torch for them, and a check of models."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.ao import quantization

from qviz.numerics import CALIBRATORS, SCHEMES, IntFormat, _check

from .labs.snapshots import fake_quantizes
from .layer_support import check_parameters
from .observer import QSCHEMES, CalibratorObserver
from .per_layer import Layers, PerLayer, as_layers
from .sub8bit import weighted

TORCH_METHODS = {
    "torch min-max": quantization.MinMaxObserver,
    "torch moving average": quantization.MovingAverageMinMaxObserver,
    "torch histogram": quantization.HistogramObserver,
}
METHODS = (*CALIBRATORS, *TORCH_METHODS)
FLOWS = ("eager", "fx")


@dataclass(frozen=True)
class PTQConfig(PerLayer):
    """The settings of post-training quantization.

    Parameters
    ----------
    weight_bits, activation_bits : int, 2 to 8
        Fewer than 8 are a narrower range in the same container of 8 bits.
    scheme : {"affine", "symmetric"}
        Of activations.
    weight_scheme : {"symmetric", "affine"}
    per_channel : bool
        Whether each output channel's weights have a scale of their own.
    method : str
        How ranges are chosen: a name in qviz.numerics.CALIBRATORS, or torch's own "torch min-max", "torch moving
        average" or "torch histogram". torch's take weights by minimum and maximum, whatever they do for activations.
    weight_method : str or None
        Another one for the weights, a name in CALIBRATORS or "torch min-max"; None is the same.
    samples : int
        How many inputs calibrate, at least 1.
    reduce_range : bool
        Let activations have codes 0..127 at most, so that two products never exceed 16 bits on a processor
        without VNNI.
    flow : {"eager", "fx"}
    dynamic : bool
        Quantize linear layers only, and find the range of each input when it comes. The kernel then takes 7 bits
        of it, and nothing is calibrated; `activation_bits` must be 8 and `scheme` affine.
    layers : mapping, or pairs, of a layer's name to its own weight bits, or to None
        Exceptions from `weight_bits`. None leaves the layer, or all layers inside of that name, in float: what torch
        does with `module.qconfig = None`. In the eager flow a DeQuantStub must then stand before it where codes arrive,
        and a QuantStub behind it; FX sees to that itself. Kept as sorted pairs.

    Raises
    ------
    TypeError, ValueError
        A field is none of these.

    Examples
    --------
    >>> config = PTQConfig(weight_bits=4, activation_bits=8, reduce_range=True)
    >>> print(config.weight_format, config.activation_format)
    int4 uint7
    >>> mixed = PTQConfig(weight_bits=4, flow="fx", layers={"conv1": 8, "fc2": None})  # the last layer stays float
    >>> print(mixed.weight_format_of("conv1"), mixed.weight_format_of("conv2"), mixed.float_layers)
    int8 int4 ['fc2']
    """

    weight_bits: int = 8
    activation_bits: int = 8
    scheme: str = "affine"
    weight_scheme: str = "symmetric"
    per_channel: bool = True
    method: str = "min-max"
    weight_method: str | None = None
    samples: int = 256
    reduce_range: bool = False
    flow: str = "eager"
    dynamic: bool = False
    layers: Layers = ()

    def __post_init__(self):
        object.__setattr__(self, "layers", as_layers(self.layers))
        for name, low, high in (("weight_bits", 2, 8), ("activation_bits", 2, 8), ("samples", 1, 2**31)):
            object.__setattr__(self, name, _check.whole_number(getattr(self, name), name, low, high))
        for name, choices in (("scheme", SCHEMES), ("weight_scheme", SCHEMES), ("method", METHODS), ("flow", FLOWS)):
            _check.one_of(getattr(self, name), choices, name)
        if self.weight_method is not None:
            _check.one_of(self.weight_method, (*CALIBRATORS, "torch min-max"), "weight_method")
        for name in ("per_channel", "reduce_range", "dynamic"):
            object.__setattr__(self, name, _check.yes_or_no(getattr(self, name), name))
        if self.dynamic and (self.activation_bits, self.scheme) != (8, "affine"):
            raise ValueError(
                "dynamic has kernels for affine activations of 8 bits only: "
                f"got activation_bits={self.activation_bits} and scheme={self.scheme!r}"
            )

    @property
    def activation_format(self) -> IntFormat:
        """The codes of the activations, in quint8."""
        return IntFormat(min(self.activation_bits, 7) if self.reduce_range else self.activation_bits, signed=False)

    def qconfig(self, layer: str | None = None) -> quantization.QConfig:
        """Return torch's observers for these settings, for the layer of this name or for most of them.

        Examples
        --------
        >>> PTQConfig(method="mse", weight_bits=3).qconfig().weight()
        CalibratorObserver(MSE(candidates=10), symmetric, int3, per channel (axis 0))
        """
        fmt = self.weight_format if layer is None else self.weight_format_of(layer)
        activation = quantization.default_dynamic_quant_observer if self.dynamic else self._activation()
        return quantization.QConfig(activation=activation, weight=self._weight(fmt))

    def prelu_qconfig(self) -> quantization.QConfig:
        """Return the observers of a PReLU, whose kernel takes unsigned slopes with one scale, of 6 bits at most.

        From 2**14 on, fbgemm's products of slope and input are wrong: 63 * 255 is below, 127 * 255 beyond.
        """
        weight = quantization.MinMaxObserver.with_args(quant_min=0, quant_max=2 ** min(self.weight_bits, 6) - 1)
        return quantization.QConfig(activation=self.qconfig().activation, weight=weight)

    def _activation(self):
        fmt = self.activation_format
        if self.method in CALIBRATORS:
            return CalibratorObserver.with_args(calibrator=self.method, bits=fmt.bits, scheme=self.scheme)
        return TORCH_METHODS[self.method].with_args(
            dtype=torch.quint8, qscheme=QSCHEMES[self.scheme, False], quant_min=fmt.qmin, quant_max=fmt.qmax
        )

    def _weight(self, fmt: IntFormat):
        axis = 0 if self.per_channel else None
        method = self.weight_method or self.method
        if method in CALIBRATORS:
            return CalibratorObserver.with_args(
                calibrator=method, bits=fmt.bits, scheme=self.weight_scheme, signed=True, ch_axis=axis
            )
        arguments = {"dtype": torch.qint8, "qscheme": QSCHEMES[self.weight_scheme, self.per_channel]}
        arguments |= {"quant_min": fmt.qmin, "quant_max": fmt.qmax}
        if self.per_channel:
            return quantization.PerChannelMinMaxObserver.with_args(ch_axis=0, **arguments)
        return quantization.MinMaxObserver.with_args(**arguments)


def check_float(model: nn.Module, name: str = "model") -> None:
    """Refuse what is no network, or one that is quantized already."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name} must be a torch.nn.Module: got {type(model).__name__}")
    if hasattr(model, "made") or weighted(model) or fake_quantizes(model):
        raise ValueError(
            f"{name} must be a float network: it is quantized already, or has fake-quantize in it; "
            "give the one that it was made from"
        )
    check_parameters(model, name)

"""The settings of quantization-aware training: bits, granularity, epochs, fake-quantize, and when to freeze."""

from dataclasses import dataclass

import torch
from torch.ao import quantization

from qviz.numerics import IntFormat, _check

from .per_layer import Layers, PerLayer, as_layers
from .straight_through import FakeQuantize


class TorchFused(quantization.FusedMovingAvgObsFakeQuantize):
    """torch's default for QAT, whose kernel takes float32 alone, for a network that trains in float64.

    Examples
    --------
    >>> TorchFused()(torch.tensor([0.0, 1.0], dtype=torch.float64)).dtype
    torch.float64
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x` fake-quantized, in its own precision."""
        return super().forward(x.float()).to(x.dtype)


FAKE_QUANTIZES = {"torch": quantization.FakeQuantize, "qviz": FakeQuantize, "torch_fused": TorchFused}


@dataclass(frozen=True)
class QATConfig(PerLayer):
    """Everything that decides how a network is trained with quantization in it.

    Parameters
    ----------
    weight_bits, activation_bits : int
        2 to 8. Weights are signed and symmetric, activations unsigned and affine.
    per_channel : bool
        One scale for each output channel of a weight, instead of one for all.
    epochs : int
        0 to 1000. Without an epoch, QAT is post-training quantization.
    lr : float
        Learning rate at the start.
    seed : int
    fake_quantize : {"torch", "qviz", "torch_fused"}
        Whose fake-quantize. "torch_fused" is what get_default_qat_qconfig uses: it trains with another weight scale
        than convert then takes, see convert.py.
    freeze_observers_after, freeze_batch_norm_after : int
        After how many epochs the ranges, or the statistics of batch norm, stay what they are. 0 is from the start;
        at the end both are frozen in any case.
    reduce_range : bool
        Let activations have codes 0..127 at most, so that the sum of two products fits 16 bits. A processor without
        VNNI needs that to answer at W8A8 as the fake-quantized network does.
    layers : mapping, or pairs, of a layer's name to its own weight bits, or to None
        Exceptions from `weight_bits`, as for `PTQConfig`. What is None stays float, between a DeQuantStub and a
        QuantStub of the model.

    Examples
    --------
    >>> c = QATConfig(weight_bits=2, activation_bits=4)
    >>> c.weight_format, c.activation_format.qmax, c.name
    (IntFormat(bits=2, signed=True, narrow=False), 15, 'W2A4')
    """

    weight_bits: int = 8
    activation_bits: int = 8
    per_channel: bool = True
    epochs: int = 10
    lr: float = 2e-3
    seed: int = 0
    fake_quantize: str = "torch"
    freeze_observers_after: int = 7
    freeze_batch_norm_after: int = 5
    reduce_range: bool = False
    layers: Layers = ()

    def __post_init__(self):
        object.__setattr__(self, "layers", as_layers(self.layers))
        for name, least, most in (
            ("weight_bits", 2, 8),
            ("activation_bits", 2, 8),
            ("epochs", 0, 1000),
            ("seed", 0, 2**63 - 1),
            ("freeze_observers_after", 0, 1000),
            ("freeze_batch_norm_after", 0, 1000),
        ):
            object.__setattr__(self, name, _check.whole_number(getattr(self, name), name, least, most))
        for name in ("per_channel", "reduce_range"):
            object.__setattr__(self, name, _check.yes_or_no(getattr(self, name), name))
        object.__setattr__(self, "lr", _check.real_number(self.lr, "lr", "above 0, at most 1"))
        if not 0 < self.lr <= 1:
            raise ValueError(f"lr must be a number above 0, at most 1: got {self.lr!r}")
        _check.one_of(self.fake_quantize, FAKE_QUANTIZES, "fake_quantize")

    @property
    def name(self) -> str:
        """The usual short name, such as W4A8."""
        return f"W{self.weight_bits}A{self.activation_bits}"

    @property
    def activation_format(self) -> IntFormat:
        """The codes of an activation."""
        return IntFormat(min(self.activation_bits, 7) if self.reduce_range else self.activation_bits, signed=False)

    def qconfig(self, layer: str | None = None) -> quantization.QConfig:
        """Return the same in torch's terms, for the layer of this name or for most of them.

        Weights are observed afresh at each step (averaging_constant 1), activations by a moving average.

        Examples
        --------
        >>> QATConfig(activation_bits=4).qconfig().activation().quant_max
        15
        """
        fake, a = FAKE_QUANTIZES[self.fake_quantize], self.activation_format
        w = self.weight_format if layer is None else self.weight_format_of(layer)
        if self.per_channel:
            observer, qscheme = quantization.MovingAveragePerChannelMinMaxObserver, torch.per_channel_symmetric
        else:
            observer, qscheme = quantization.MovingAverageMinMaxObserver, torch.per_tensor_symmetric
        weight = fake.with_args(
            observer=observer,
            quant_min=w.qmin,
            quant_max=w.qmax,
            dtype=torch.qint8,
            qscheme=qscheme,
            averaging_constant=1.0,
        )
        activation = fake.with_args(
            observer=quantization.MovingAverageMinMaxObserver,
            quant_min=a.qmin,
            quant_max=a.qmax,
            dtype=torch.quint8,
            qscheme=torch.per_tensor_affine,
        )
        return quantization.QConfig(activation=activation, weight=weight)

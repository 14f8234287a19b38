"""Layers with a fake-quantize at their weight that torch has no class for: Conv1d, ConvReLU1d, ConvTranspose.

torch.ao.nn.qat has Linear, Conv2d and Conv3d. Without a class of its own a layer would train without rounded weights,
and meet its bits at conversion for the first time.
"""

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn import intrinsic
from torch.nn import functional as F


class _Trained:
    """What these layers share: a layer of torch with a fake-quantize at its weight."""

    @classmethod
    def from_float(cls, layer: nn.Module, use_precomputed_fake_quant: bool = False) -> nn.Module:
        """Return the layer with a fake-quantize, as torch's prepare_qat asks for it."""
        conv = layer[0] if isinstance(layer, nn.Sequential) else layer
        new = cls.__new__(cls)
        new.__dict__.update(conv.__dict__)
        new._modules, new.qconfig = {}, layer.qconfig
        new.weight_fake_quant = layer.qconfig.weight()
        return new

    def to_float(self) -> nn.Module:
        """Return the layer without it."""
        new = self._FLOAT.__new__(self._FLOAT)
        new.__dict__.update(self.__dict__)
        new._modules = {}
        return new


class Conv1d(_Trained, nn.Conv1d):
    """A Conv1d whose weight is fake-quantized."""

    _FLOAT = nn.Conv1d

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the convolution with the rounded weight."""
        return self._conv_forward(x, self.weight_fake_quant(self.weight), self.bias)


class ConvReLU1d(Conv1d):
    """A Conv1d whose weight is fake-quantized, and a ReLU."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return what is positive of the convolution."""
        return F.relu(super().forward(x))

    def to_float(self) -> nn.Module:
        """Return the layer without a fake-quantize, fused with its ReLU."""
        return intrinsic.ConvReLU1d(super().to_float(), nn.ReLU())


class _ConvTranspose(_Trained):
    def forward(self, x: torch.Tensor, output_size=None) -> torch.Tensor:
        """Return the transposed convolution with the rounded weight."""
        dims = len(self.kernel_size)
        padding = self._output_padding(x, output_size, self.stride, self.padding, self.kernel_size, dims, self.dilation)
        weight, transposed = self.weight_fake_quant(self.weight), getattr(F, f"conv_transpose{dims}d")
        return transposed(x, weight, self.bias, self.stride, self.padding, padding, self.groups, self.dilation)


class ConvTranspose1d(_ConvTranspose, nn.ConvTranspose1d):
    """A ConvTranspose1d whose weight is fake-quantized."""

    _FLOAT = nn.ConvTranspose1d


class ConvTranspose2d(_ConvTranspose, nn.ConvTranspose2d):
    """A ConvTranspose2d whose weight is fake-quantized."""

    _FLOAT = nn.ConvTranspose2d


class ConvTranspose3d(_ConvTranspose, nn.ConvTranspose3d):
    """A ConvTranspose3d whose weight is fake-quantized."""

    _FLOAT = nn.ConvTranspose3d


TRAINED = {
    nn.Conv1d: Conv1d,
    intrinsic.ConvReLU1d: ConvReLU1d,
    nn.ConvTranspose1d: ConvTranspose1d,
    nn.ConvTranspose2d: ConvTranspose2d,
    nn.ConvTranspose3d: ConvTranspose3d,
}


def qat_mappings() -> dict[type, type]:
    """Return which layer takes the place of which, torch's and these."""
    return {**quantization.get_default_qat_module_mappings(), **TRAINED}


def as_float(model: nn.Module) -> None:
    """Put the float layer in the place of each of these, whose conversion then asks the trained fake-quantize."""
    for name, layer in list(model.named_modules()):
        if isinstance(layer, _Trained):
            plain, fake = layer.to_float(), layer.weight_fake_quant
            for part in plain.modules():  # torch asks the convolution inside of a fused one
                part.qconfig = quantization.QConfig(layer.qconfig.activation, weight=lambda fake=fake: fake)
            plain.activation_post_process = layer.activation_post_process
            model.set_submodule(name, plain)

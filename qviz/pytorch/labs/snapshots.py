"""The weights behind the fake-quantize, seen at one moment, on the grid that they are rounded to."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.ao import quantization

from qviz.numerics import QParams, quantize

from ..bridge import from_torch, to_array
from ..layer_support import has_seen_nothing


@dataclass(frozen=True, eq=False)
class WeightSnapshot:
    """The weights of one layer at one moment, and what they are rounded to.

    Attributes
    ----------
    values : float32 array: what the optimizer moves, after batch norm was folded in where there is one
    codes : int8 array of the same shape: what the network computes with
    qparams : QParams: the grid
    """

    values: np.ndarray
    codes: np.ndarray
    qparams: QParams


def fake_quantizes(model: nn.Module) -> dict[str, nn.Module]:
    """Return every fake-quantize in a network by its name.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn
    >>> from qviz.pytorch.qat import QATConfig, prepare
    >>> list(fake_quantizes(prepare(digits_cnn(), QATConfig())))[:2]
    ['quant.activation_post_process', 'conv1.weight_fake_quant']
    """
    return {n: m for n, m in model.named_modules() if isinstance(m, quantization.FakeQuantizeBase)}


def output_fakes(model: nn.Module) -> dict[str, nn.Module]:
    """Return the fake-quantize of each layer's output, by the layer's name."""
    ending = ".activation_post_process"
    return {n.removesuffix(ending): m for n, m in fake_quantizes(model).items() if n.endswith(ending)}


def weight_snapshots(model: nn.Module) -> dict[str, WeightSnapshot]:
    """Return the weights of each fake-quantized layer as they are now, with the grid they were last rounded to.

    A layer that never ran has none, and is left out.
    """
    layers = weighted_layers(model).items()
    return {name: _snapshot(layer) for name, layer in layers if not has_seen_nothing(layer.weight_fake_quant)}


def weighted_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return every layer whose weight is fake-quantized by its name."""
    return {n: m for n, m in model.named_modules() if hasattr(m, "weight_fake_quant")}


def weight_behind(layer: nn.Module) -> torch.Tensor:
    """Return the real weight that a layer fake-quantizes: with its batch norm folded in, where there is one."""
    return (layer.weight * norm_factor(layer)).detach()


def norm_factor(layer: nn.Module) -> torch.Tensor:
    """Return what batch norm multiplies the weights of each channel by; 1 where there is none."""
    norm = getattr(layer, "bn", None)
    if norm is None:
        return torch.ones(())
    factor = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return factor.detach().reshape(-1, *[1] * (layer.weight.ndim - 1))


def weight_used(layer: nn.Module) -> torch.Tensor:
    """Return the weight after its fake-quantize, which observes nothing meanwhile."""
    with torch.no_grad(), observers_off(layer):
        return layer.weight_fake_quant(weight_behind(layer))


def grid_of(fake: nn.Module) -> QParams:
    """Return the qparams that a fake-quantize computes with, which need not be those that convert asks it for."""
    axis = fake.ch_axis if fake.is_per_channel else None
    return from_torch(fake.scale, fake.zero_point, fake.quant_min, fake.quant_max, axis)


@contextmanager
def observers_off(model: nn.Module) -> Iterator[None]:
    """Let no observer of a network see anything until the end of the `with`.

    torch's observers watch in eval mode too: without this, looking at the network would move its ranges.
    """
    flags = [fake.observer_enabled for fake in fake_quantizes(model).values()]
    before = [flag.clone() for flag in flags]
    model.apply(quantization.disable_observer)
    try:
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.copy_(value)


def _snapshot(layer):
    qparams = grid_of(layer.weight_fake_quant)
    # quantized again: what lies on the grid is no tie, so nothing changes
    codes = quantize(to_array(weight_used(layer)), qparams)
    return WeightSnapshot(to_array(weight_behind(layer).float()), codes, qparams)

"""What a training with quantization changed: the codes of the weights alone, or all the rest alone."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from ..copies import copied
from ..qat import QATRun, train_qat
from .snapshots import grid_of, weighted_layers


def codes_alone(model: nn.Module, run: QATRun) -> nn.Module:
    """Return the network before training, with the codes of after it: scales, biases and ranges stay as they were.

    Parameters
    ----------
    model : nn.Module
        The float network that `run` trained a copy of.
    run : QATRun, finished

    Returns
    -------
    nn.Module
        Fake-quantized, in eval mode and frozen.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy, digits_cnn, digits_tensors
    >>> from qviz.pytorch.qat import QATConfig
    >>> model, (_, _, images, labels) = digits_cnn(), digits_tensors()
    >>> run = train_qat(model, QATConfig(2, 4, epochs=2))
    >>> accuracy(codes_alone(model, run), images, labels) > run.history[0].accuracy + 0.2
    True
    """
    return with_codes(_before(model, run), {name: s.codes for name, s in run.snapshots[-1].items()})


def all_but_codes(run: QATRun) -> nn.Module:
    """Return the trained network with the codes of before: only scales, biases and ranges are those of after.

    Parameters
    ----------
    run : QATRun, finished

    Returns
    -------
    nn.Module
        Fake-quantized, in eval mode and frozen.
    """
    return with_codes(run.model, {name: s.codes for name, s in run.snapshots[0].items()})


def with_codes(network: nn.Module, codes: Mapping[str, np.ndarray]) -> nn.Module:
    """Return a copy of a fake-quantized network whose weights lie on its own grid at these codes.

    Parameters
    ----------
    network : nn.Module
        Prepared and frozen, without batch norm, so that each weight is what its fake-quantize sees.
    codes : mapping of the name of each layer with weights to its codes, in the shape of the weights

    Raises
    ------
    ValueError
        The names or a shape differ from those of the network, or it has batch norm.
    """
    network = copied(network)
    layers = weighted_layers(network)
    if set(layers) != set(codes):
        raise ValueError(f"codes must be of the layers {', '.join(layers)}: got {', '.join(map(str, codes))}")
    for name, layer in layers.items():
        if getattr(layer, "bn", None) is not None:
            raise ValueError(f"network must have no batch norm, which changes the weights: layer {name} has one")
        if codes[name].shape != tuple(layer.weight.shape):
            raise ValueError(f"codes of {name} must have shape {tuple(layer.weight.shape)}: got {codes[name].shape}")
        levels = grid_of(layer.weight_fake_quant)
        values = codes[name].reshape(len(levels.scale), -1) if levels.scale.ndim else codes[name].reshape(1, -1)
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy((values * levels.scale).reshape(codes[name].shape)))
    return network


def _before(model: nn.Module, run: QATRun) -> nn.Module:
    """Return the network as it was at epoch 0, which is PTQ."""
    return train_qat(model, replace(run.config, epochs=0)).model

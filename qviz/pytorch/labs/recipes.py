"""Three ways to a quantized network, in plain torch, each as short as it works: what `pipelines` counts.

A comment with a number begins a step.
"""

from copy import deepcopy

import torch
from torch import nn
from torch.ao import quantization
from torch.nn.functional import cross_entropy

EPOCHS = 2


def dynamic(model):
    """Quantize weights now; every input gets its range when it comes."""
    # 1. convert the linear layers
    return quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)


def static(model, images):
    """Quantize weights, and activations with ranges seen on a sample."""
    # 1. fuse layers
    model = deepcopy(model).eval().fuse()
    # 2. choose observers
    model.qconfig = quantization.get_default_qconfig(torch.backends.quantized.engine)
    # 3. insert them
    prepared = quantization.prepare(model)
    # 4. calibrate
    prepared(images[:256])
    # 5. convert
    return quantization.convert(prepared)


def qat(model, images, labels):
    """Train on while every number is rounded already, then convert."""
    # 1. fuse layers
    model = deepcopy(model).train().fuse()
    # 2. choose observers
    model.qconfig = quantization.get_default_qat_qconfig(torch.backends.quantized.engine)
    # 3. insert them
    prepared = quantization.prepare_qat(model)
    # 4. continue training
    # (by gradient descent in its plainest form: torch.optim would load 70 MB of a compiler)
    weights, generator = list(prepared.parameters()), torch.Generator().manual_seed(0)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            loss = cross_entropy(prepared(images[batch]), labels[batch])
            for weight, gradient in zip(weights, torch.autograd.grad(loss, weights), strict=True):
                weight.data -= 0.02 * gradient
    # 5. freeze the ranges
    prepared.apply(quantization.disable_observer)
    # 6. convert, in eval mode
    return quantization.convert(prepared.eval())

"""Whether a converted network answers as the fake-quantized one that it came from, layer by layer."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from . import engines
from .inputs import as_inputs, run
from .labs.snapshots import fake_quantizes, observers_off, output_fakes, weight_snapshots
from .ptq import SIMULATED
from .reproducible import ReproducibleSums
from .sub8bit import weighted


@dataclass(frozen=True)
class LayerAgreement:
    """How one layer of a converted network compares with the fake-quantized one, both from the same images.

    Attributes
    ----------
    name : str
    outputs_different : float: share of the output values that are not the same, 0 to 1
    max_steps : float: the largest difference, in scales of this output
    out_of_range : float: share of the converted outputs whose code lies outside of the range that was trained, 0 to 1
    weights_different : float: share of the weights whose code is not the same, 0 to 1; NaN without weights
    """

    name: str
    outputs_different: float
    max_steps: float
    out_of_range: float
    weights_different: float


@dataclass(frozen=True)
class Agreement:
    """How a converted network compares with the fake-quantized one.

    Attributes
    ----------
    predictions : float: share of images that both name the same, 0 to 1
    max_logit_steps : float: the largest difference of a logit, in scales of the logits
    layers : tuple of LayerAgreement, in the order they run
    """

    predictions: float
    max_logit_steps: float
    layers: tuple[LayerAgreement, ...]

    def __str__(self) -> str:
        head = f"{'layer':<8} {'weights':>9} {'outputs':>9} {'steps':>6} {'out of range':>13}"
        rows = (
            f"{x.name:<8} {'' if x.weights_different != x.weights_different else f'{x.weights_different:.2%}':>9} "
            f"{x.outputs_different:>9.2%} {x.max_steps:>6.1f} {x.out_of_range:>13.2%}"
            for x in self.layers
        )
        return "\n".join((head, *rows, f"same predictions: {self.predictions:.2%}"))


def agreement(fake: nn.Module, converted: nn.Module, x: torch.Tensor) -> Agreement:
    """Compare a converted network with the fake-quantized one it came from, layer by layer.

    Each network runs on its own outputs, so a difference in one layer goes on into the next.

    Parameters
    ----------
    fake, converted : nn.Module
        Both in eval mode. Neither is changed, also if observers of `fake` still watch.
    x : images (n, ...), at least one

    Raises
    ------
    TypeError
        One is no network.
    ValueError
        One is in train mode, there are no images, or the networks have different layers.

    Examples
    --------
    >>> from qviz.pytorch import digits_model, qat
    >>> from qviz.pytorch.conversion import convert
    >>> run = qat.train_qat(digits_model.digits_cnn(), qat.QATConfig(2, 4, epochs=0))
    >>> _, _, x, _ = digits_model.digits_tensors()
    >>> print(agreement(run.model, convert(run.model), x))
    layer      weights   outputs  steps  out of range
    quant                  0.00%    0.0         0.00%
    conv1        0.00%     0.00%    0.0         0.00%
    conv2        0.00%     0.00%    0.0         0.00%
    fc1          0.00%     0.00%    0.0         0.00%
    fc2          0.00%     0.00%    0.0         0.00%
    same predictions: 100.00%
    """
    x = as_inputs(x, "x", ids=True)
    _check_pair(fake, converted, x)
    with torch.no_grad(), engines.quiet(), observers_off(fake):
        mine, their = _outputs(fake, fake, x), _outputs(converted, fake, x)
        if mine.keys() != their.keys():
            missing = ", ".join(sorted(mine.keys() ^ their.keys()))
            raise ValueError(f"converted must come from fake: only one of them has the layers {missing}")
        their = {name: _in_codes(converted, name, output) if name else output for name, output in their.items()}
    weights, fakes = _weight_codes(fake, converted), output_fakes(fake)
    layers = tuple(_compare(n, mine[n], their[n], fakes[n], weights.get(n)) for n in mine if n)
    same = (mine[""].argmax(1) == their[""].argmax(1)).double().mean()
    return Agreement(float(same), layers[-1].max_steps, layers)


def _outputs(model, fake, x) -> dict[str, torch.Tensor]:
    """Return the output of each layer, by name; "" is the model itself."""
    seen, names = {}, {"", *output_fakes(fake)}
    modules = ((n, m) for n, m in model.named_modules() if n in names)
    handles = [m.register_forward_hook(lambda m, i, y, n=n: seen.__setitem__(n, y)) for n, m in modules]
    try:
        with ReproducibleSums(integers=False):
            run(model, x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _in_codes(converted, name, output) -> torch.Tensor:
    """Return a layer's output codes; for a simulated network, derive them from its float outputs."""
    if output.is_quantized:
        return output
    if not _simulated(converted):
        raise ValueError(f"converted must give out integers at layer {name!r}: got {output.dtype}; convert it first")
    fake = output_fakes(converted)[name]
    return torch.quantize_per_tensor(output, float(fake.scale), int(fake.zero_point), torch.quint8)


def _simulated(converted) -> bool:
    return getattr(converted, "engine", None) == SIMULATED


def _compare(name, mine, their, fake, weights) -> LayerAgreement:
    steps = ((mine.double() - their.dequantize().double()) / their.q_scale()).abs()
    codes = their.int_repr().int()
    outside = (codes < fake.quant_min) | (codes > fake.quant_max)
    different = float("nan") if weights is None else float(np.mean(weights[0] != weights[1]))
    return LayerAgreement(
        name, float((steps > 0.5).double().mean()), float(steps.max()), float(outside.double().mean()), different
    )


def _weight_codes(fake, converted) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the codes that both networks have for each weight, by layer."""
    mine = {name: snapshot.codes for name, snapshot in weight_snapshots(fake).items()}
    if _simulated(converted):
        their = {name: snapshot.codes for name, snapshot in weight_snapshots(converted).items()}
    else:
        layers = weighted(converted)
        their = {name: layers[name].weight().int_repr().numpy() for name in mine if name in layers}
        mine = {name: codes for name, codes in mine.items() if name in their}  # without layers that never ran
    return {name: (codes, their[name]) for name, codes in mine.items()}


def _check_pair(fake, converted, x):
    for name, model in (("fake", fake), ("converted", converted)):
        if not isinstance(model, nn.Module):
            raise TypeError(f"{name} must be a network: got {type(model).__name__}")
        if model.training:
            raise ValueError(f"{name} must be in eval mode: it is in train mode; call {name}.eval() first")
    if not fake_quantizes(fake):
        raise ValueError("fake must have fake-quantize in it: it has none; give the network before convert")
    if len(x) == 0:
        raise ValueError("x must hold at least one image: got none")

"""From a fake-quantized network to one that runs in integers, so that both answer the same.

As torch.ao converts it, a network with few bits is not the one that was trained. For the digits network at 2-bit
weights and 4-bit activations, trained with torch's defaults on three seeds, 96, 95 and 97 % right became 21, 31 and
48 %. Measured layer by layer, two things differ, and `convert` fixes both:

"trained_weights"
    Nearly all of the loss. torch's default for QAT, FusedMovingAvgObsFakeQuantize, has two rules for a symmetric
    scale. While training, its kernel takes max(-lo / 2**(b - 1), hi / (2**(b - 1) - 1)). At conversion its observer
    is asked instead, and answers max|x| / ((2**b - 1) / 2). For 8 bits they are at most 0.4 % apart. For 2 bits the
    trained scale is 0.75 to 1.5 times the other, weights get other codes than they were trained with, and each layer
    puts out other multiples. (torch's unfused FakeQuantize has one rule for both. Known to torch's authors:
    pytorch/pytorch pull requests 180990 and 194816.)
    Fixed: each weight is put on the grid that it was trained on, and that grid is converted.
"narrow_range"
    Little here, much where ranges are clipped hard. The kernel clips what it computes to its container, 0..255, and
    fbgemm has no argument for less. A 4-bit activation was clipped to 0..15 in training; converted, what was above 15
    goes on growing. (convert does clip weights.)
    Fixed: the output of each layer is clipped to the range that it was trained with.

What is left are ties. The fake-quantized network adds and scales in float32, in another order than the kernel. So a
value that lies within 2e-5 of the middle of two codes may be rounded to either: 0 to 50 of the 735,000 codes of conv2,
each one step apart, and often none at 4 bits.

On a processor without VNNI there is a third thing: 8-bit weights times 8-bit activations saturate in 16 bits, and the
layers part by up to 85 steps. One bit fewer for either, torch's reduce_range, keeps within.

Not to blame, also measured: the bias (fbgemm adds it as a float), max pooling and ReLU (they keep the order of codes),
batch norm (folded with the same statistics), the coarse logits. Observers would be, if they were not frozen.
"""

from copy import deepcopy
from functools import partial

import torch
from torch import nn
from torch.ao import quantization

from . import engines
from .bridge import CONTAINERS
from .labs.snapshots import fake_quantizes, norm_factor, output_fakes, weight_used, weighted_layers
from .layer_support import drop_unused, has_seen_nothing
from .ptq import SIMULATED, QuantizationRecord
from .qat_layers import as_float
from .sub8bit import NarrowRange, hold_outputs, lay_out

FIXES = ("trained_weights", "narrow_range")


def convert(model: nn.Module, fixes: tuple[str, ...] = FIXES, engine: str | None = None) -> nn.Module:
    """Convert a fake-quantized network to one that runs in integers.

    Parameters
    ----------
    model : nn.Module
        From `train_qat`; or from `prepare`, after it has seen data, frozen and in eval mode. Not changed.
    fixes : tuple of {"trained_weights", "narrow_range"}
        () converts as torch.ao does, faults included; see the top of this file.
    engine : str or None
        Whose kernel it will run on; None is the preferred one, fbgemm where it is there. Where this machine has none at
        all the result is simulated: a fake-quantized network, frozen, with the faults that are not fixed.

    Returns
    -------
    nn.Module
        Its layers and the names in its state_dict are torch's own. Its attribute `engine` says whose kernel runs, or
        "simulated". With all fixes, `made` (ptq.QuantizationRecord) says how it came to be, too.

    Raises
    ------
    TypeError
        The model is no network.
    ValueError
        The model has no fake-quantize in it, is in train mode, has seen no data, or still watches what passes; a fix
        or the engine is unknown.

    Examples
    --------
    >>> from qviz.pytorch import digits_model, qat
    >>> run = qat.train_qat(digits_model.digits_cnn(), qat.QATConfig(2, 4, epochs=0))
    >>> converted = convert(run.model)
    >>> type(converted.fc2).__module__, converted.fc2.weight().int_repr().unique().tolist()
    ('torch.ao.nn.quantized.modules.linear', [-2, -1, 0, 1])
    """
    _check(model, fixes)
    model = deepcopy(model)
    drop_unused(model)
    if engine is None and engines.preferred() is None:
        _simulate(model, fixes)
        model.engine = SIMULATED
    else:
        model.engine = _replace_layers(model, fixes, engine)
    if hasattr(model, "qat_config") and set(fixes) == set(FIXES):
        model.made = QuantizationRecord(model.qat_config, model.engine)
    return model


def _replace_layers(model, fixes, engine) -> str:
    """Put integer layers in the place of fake-quantized ones, and return the engine that they are for."""
    ranges = _narrow_ranges(model) if "narrow_range" in fixes else {}
    if "trained_weights" in fixes:
        _keep_what_was_trained(model)
    as_float(model)
    with engines.using(engine) as chosen, engines.quiet():
        quantization.convert(model, inplace=True)
    lay_out(model)
    for name, clip in ranges.items():
        hold_outputs(model.get_submodule(name), clip)
    return chosen


def _simulate(model, fixes) -> None:
    """Let each fake-quantize round to the scale, and clip to the codes, that its integer layer would have."""
    if "trained_weights" in fixes:
        _keep_what_was_trained(model)
    for fake in fake_quantizes(model).values():
        if isinstance(fake, quantization.FusedMovingAvgObsFakeQuantize):
            fake.__class__ = quantization.FakeQuantize  # the fused one moves its scale even when frozen
        for mine, asked in zip((fake.scale, fake.zero_point), fake.calculate_qparams(), strict=True):
            mine.copy_(asked)
    if "narrow_range" not in fixes:
        for fake in output_fakes(model).values():
            for part in (fake, fake.activation_post_process):  # torch's asks its observer, qviz's does not
                part.quant_min, part.quant_max = CONTAINERS[torch.quint8]


def _keep_what_was_trained(model) -> None:
    """Put each weight on the grid that it was trained on, and make every fake-quantize answer with that grid."""
    for layer in weighted_layers(model).values():
        layer.weight.data = weight_used(layer) / norm_factor(layer)
    for fake in fake_quantizes(model).values():
        fake.calculate_qparams = partial(_give, fake.scale, fake.zero_point)  # instead of asking the observer


def _give(scale, zero_point):
    return scale, zero_point


def _narrow_ranges(model) -> dict[str, NarrowRange]:
    ranges = {name: (fake.quant_min, fake.quant_max) for name, fake in output_fakes(model).items()}
    return {name: NarrowRange(*ends) for name, ends in ranges.items() if ends != CONTAINERS[torch.quint8]}


def _check(model, fixes):
    unknown = [fix for fix in fixes if fix not in FIXES]
    if unknown or isinstance(fixes, str):
        raise ValueError(f"fixes must be a tuple of {', '.join(map(repr, FIXES))}, or (): got {fixes!r}")
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a network from train_qat: got {type(model).__name__}")
    fakes = fake_quantizes(model)
    if not fakes:
        raise ValueError("model has no fake-quantize in it: use train_qat, or prepare it first")
    if model.training:
        raise ValueError("model must be in eval mode to be converted: it is in train mode; call model.eval() first")
    blind = [name for name, fake in fakes.items() if has_seen_nothing(fake)]
    if blind and all(has_seen_nothing(fake) for fake in output_fakes(model).values()):
        raise ValueError(
            f"model must have seen data to be converted: {blind[0]} has no range yet; train it, or show it some inputs"
        )
    watching = [name for name, fake in fakes.items() if fake.observer_enabled[0] and name not in blind]
    if watching:
        raise ValueError(
            f"model must be frozen to be converted: {watching[0]} would move its range at the next prediction; "
            "call qat.freeze(model) first"
        )

"""From a fake-quantized network to one that runs in integers, so that both answer the same.

As torch.ao converts it, a network with few bits is not the one that was trained. For the digits network at 2-bit
weights and 4-bit activations, trained with torch's defaults on three seeds, 96, 95 and 97 % right became 21, 31 and
48 %. Measured layer by layer, two things differ, and `convert` mends both:

"trained_weights"
    Nearly all of the loss. torch's default for QAT, FusedMovingAvgObsFakeQuantize, has two rules for a symmetric
    scale. While training, its kernel takes max(-lo / 2**(b - 1), hi / (2**(b - 1) - 1)). At conversion its observer
    is asked instead, and answers max|x| / ((2**b - 1) / 2). For 8 bits they are at most 0.4 % apart. For 2 bits the
    trained scale is 0.75 to 1.5 times the other, weights get other codes than they were trained with, and each layer
    puts out other multiples. (torch's unfused FakeQuantize has one rule for both. Known to torch's authors:
    pytorch/pytorch pull requests 180990 and 194816.)
    Mended: each weight is put on the grid that it was trained on, and that grid is converted.
"narrow_range"
    Little here, much where ranges are clipped hard. The kernel clips what it computes to its container, 0..255, and
    fbgemm has no argument for less. A 4-bit activation was clipped to 0..15 in training; converted, what was above 15
    goes on growing. (convert does clip weights.)
    Mended: the output of each layer is clipped to the range that it was trained with.

What is left are ties. The fake-quantized network adds and scales in float32, in another order than the kernel. So a
value that lies within 2e-5 of the middle of two codes may be rounded to either: 0 to 50 of the 735,000 codes of conv2,
each one step apart, and often none at 4 bits.

On a processor without VNNI there is a third thing: 8-bit weights times 8-bit activations saturate in 16 bits, and the
layers part by up to 85 steps. One bit fewer for either, torch's reduce_range, keeps within.

Not to blame, also measured: the bias (fbgemm adds it as a float), max pooling and ReLU (they keep the order of codes),
batch norm (folded with the same statistics), the coarse logits. Observers would be, if they were not frozen.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.ao import quantization

from . import engines
from .bridge import CONTAINERS
from .snapshots import fake_quantizes, norm_factor, weight_snapshots, weight_used, weighted_layers

MENDS = ("trained_weights", "narrow_range")


def convert(model: nn.Module, mends: tuple[str, ...] = MENDS, engine: str | None = None) -> nn.Module:
    """Return the integer network that a fake-quantized one stands for.

    Parameters
    ----------
    model : nn.Module
        From `prepare` or `train_qat`, in eval mode; not changed.
    mends : tuple of {"trained_weights", "narrow_range"}
        () converts as torch.ao does, faults included; see the top of this file.
    engine : str or None
        Whose kernel it will run on; None is the preferred one, fbgemm where it is there.

    Returns
    -------
    nn.Module
        Its layers and the names in its state_dict are torch's own; its attribute `engine` says whose kernel runs.

    Raises
    ------
    ValueError
        The model is in train mode, or has no fake-quantize in it; a mend or the engine is unknown.

    Examples
    --------
    >>> from qviz.pytorch import models, qat
    >>> run = qat.train_qat(models.digits_cnn(), qat.QATConfig(2, 4, epochs=0))
    >>> converted = convert(run.model)
    >>> type(converted.fc2).__module__, converted.fc2.weight().int_repr().unique().tolist()
    ('torch.ao.nn.quantized.modules.linear', [-2, -1, 0, 1])
    """
    _check(model, mends)
    model = deepcopy(model)
    ranges = _narrow_ranges(model) if "narrow_range" in mends else {}
    if "trained_weights" in mends:
        _keep_what_was_trained(model)
    with engines.using(engine) as chosen, engines.quiet():
        quantization.convert(model, inplace=True)
    model.engine = chosen
    for name, narrow in ranges.items():
        module = model.get_submodule(name)
        if hasattr(module, "scale"):  # it gives out codes
            module.register_forward_hook(narrow)
    return model


@dataclass(frozen=True)
class NarrowRange:
    """A forward hook that clips the codes a layer gives out: what a kernel made for 0..255 does not do for 0..15.

    Parameters
    ----------
    quant_min, quant_max : int

    Examples
    --------
    >>> with engines.quiet():
    ...     q = torch.quantize_per_tensor(torch.tensor([0.0, 1.0, 9.0]), 0.1, 2, torch.quint8)
    >>> NarrowRange(0, 15)(None, None, q).int_repr()
    tensor([ 2, 12, 15], dtype=torch.uint8)
    """

    quant_min: int
    quant_max: int

    def __call__(self, module, inputs, output: torch.Tensor) -> torch.Tensor:
        """Return the output, clipped."""
        if torch.backends.quantized.engine == "qnnpack":
            output = output.contiguous()  # there torch.clamp mixes up the channels of what lies channels-last
        scale, zero_point = output.q_scale(), output.q_zero_point()
        # torch.clamp takes real numbers, and turns them into codes itself
        return torch.clamp(output, (self.quant_min - zero_point) * scale, (self.quant_max - zero_point) * scale)


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
        Both in eval mode.
    x : images (n, ...), at least one

    Raises
    ------
    ValueError
        One is in train mode, there are no images, or the networks have different layers.

    Examples
    --------
    >>> from qviz.pytorch import models, qat
    >>> run = qat.train_qat(models.digits_cnn(), qat.QATConfig(2, 4, epochs=0))
    >>> _, _, x, _ = models.digits_tensors()
    >>> print(agreement(run.model, convert(run.model), x))
    layer      weights   outputs  steps  out of range
    quant                  0.00%    0.0         0.00%
    conv1        0.00%     0.00%    0.0         0.00%
    conv2        0.00%     0.00%    0.0         0.00%
    fc1          0.00%     0.00%    0.0         0.00%
    fc2          0.00%     0.00%    0.0         0.00%
    same predictions: 100.00%
    """
    _check_pair(fake, converted, x)
    with torch.no_grad(), engines.quiet():
        mine, their = _outputs(fake, fake, x), _outputs(converted, fake, x)
    if mine.keys() != their.keys():
        missing = ", ".join(sorted(mine.keys() ^ their.keys()))
        raise ValueError(f"converted must come from fake: only one of them has the layers {missing}")
    for name, output in their.items():
        if name and not output.is_quantized:
            raise ValueError(
                f"converted must give out integers at layer {name!r}: got {output.dtype}; convert it first"
            )
    codes, ranges = _weight_codes(fake, converted), _ranges(fake)
    layers = tuple(_compare(n, mine[n], their[n], ranges[n], codes.get(n)) for n in mine if n)
    same = (mine[""].argmax(1) == their[""].argmax(1)).double().mean()
    return Agreement(float(same), layers[-1].max_steps, layers)


def _keep_what_was_trained(model) -> None:
    """Put each weight on the grid that it was trained on, and make every fake-quantize answer with that grid."""
    model.apply(quantization.disable_observer)
    for layer in weighted_layers(model).values():
        layer.weight.data = weight_used(layer) / norm_factor(layer)
    for fake in fake_quantizes(model).values():
        fake.calculate_qparams = partial(_give, fake.scale, fake.zero_point)  # instead of asking the observer


def _give(scale, zero_point):
    return scale, zero_point


def _ranges(model) -> dict[str, tuple[int, int]]:
    """Return quant_min and quant_max of each output that is fake-quantized, by the name of its layer."""
    ending = ".activation_post_process"
    found = {n.removesuffix(ending): m for n, m in fake_quantizes(model).items() if n.endswith(ending)}
    return {n: (m.quant_min, m.quant_max) for n, m in found.items()}


def _narrow_ranges(model) -> dict[str, NarrowRange]:
    return {n: NarrowRange(*ends) for n, ends in _ranges(model).items() if ends != CONTAINERS[torch.quint8]}


def _outputs(model, fake, x) -> dict[str, torch.Tensor]:
    """Return what each layer gives out, by name; "" is the model itself."""
    seen = {}
    modules = ((n, m) for n, m in model.named_modules() if n == "" or n in _ranges(fake))
    handles = [m.register_forward_hook(lambda m, i, y, n=n: seen.__setitem__(n, y)) for n, m in modules]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return seen


def _compare(name, mine, their, ends, weights) -> LayerAgreement:
    steps = ((mine.double() - their.dequantize().double()) / their.q_scale()).abs()
    codes = their.int_repr().int()
    outside = (codes < ends[0]) | (codes > ends[1])
    different = float("nan") if weights is None else float((weights[0] != weights[1]).double().mean())
    return LayerAgreement(
        name, float((steps > 0.5).double().mean()), float(steps.max()), float(outside.double().mean()), different
    )


def _weight_codes(fake, converted) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Return the codes that both networks have for each weight, by layer."""
    snapshots = weight_snapshots(fake)
    return {n: (torch.tensor(s.codes), converted.get_submodule(n).weight().int_repr()) for n, s in snapshots.items()}


def _check(model, mends):
    unknown = [m for m in mends if m not in MENDS]
    if unknown or isinstance(mends, str):
        raise ValueError(f"mends must be a tuple of {', '.join(map(repr, MENDS))}, or (): got {mends!r}")
    if not fake_quantizes(model):
        raise ValueError("model has no fake-quantize in it: use train_qat, or prepare it first")
    if model.training:
        raise ValueError("model must be in eval mode to be converted: it is in train mode; call model.eval() first")


def _check_pair(fake, converted, x):
    for name, model in (("fake", fake), ("converted", converted)):
        if model.training:
            raise ValueError(f"{name} must be in eval mode: it is in train mode; call {name}.eval() first")
    if not fake_quantizes(fake):
        raise ValueError("fake must have fake-quantize in it: it has none; give the network before convert")
    if len(x) == 0:
        raise ValueError("x must hold at least one image: got none")

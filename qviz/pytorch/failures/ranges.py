"""Failures of ranges: codes that no value reaches, values that no code reaches."""

import torch
from torch import nn
from torch.ao.quantization import MinMaxObserver

from qviz import networks
from qviz.numerics import UINT8, Percentile, choose_qparams, error_parts, fake_quantize, observe
from qviz.tensors import tensor

from .. import engines
from .networks import format_accuracy
from .trial import Failure, RepairResult, attempt

FEWEST = 128  # codes: as many as reduce_range leaves


def _broken_scheme():
    return MinMaxObserver.with_args(dtype=torch.quint8, qscheme=torch.per_tensor_symmetric)


def codes_used(make) -> int:
    """Return how many codes an observer leaves to values after a ReLU, from the lowest in use to the highest.

    Parameters
    ----------
    make : class of observers, or what its `with_args` returns

    Examples
    --------
    >>> codes_used(MinMaxObserver)
    256
    """
    x, observer = torch.tensor(tensor("conv1 activations")), make()
    observer(x)
    scale, zero_point = observer.calculate_qparams()
    with engines.quiet():
        codes = torch.quantize_per_tensor(x, float(scale), int(zero_point), observer.dtype).int_repr()
    codes = codes.clamp(observer.quant_min, observer.quant_max)
    return int(codes.max()) - int(codes.min()) + 1


def _judge_scheme(make) -> RepairResult:
    used, says = attempt(lambda: codes_used(make))
    if used is None:
        return RepairResult(says, hint=_why_no_codes(make))
    observer = make()
    observer(torch.tensor(tensor("conv1 activations")))
    zero, codes = int(observer.calculate_qparams()[1]), observer.quant_max - observer.quant_min + 1
    idle = used < 0.8 * codes
    effect = f"zero point {zero}; the values after the ReLU use {'only ' * idle}{used} of the {codes} codes"
    if observer.dtype == torch.quint8 and observer.qscheme == torch.per_tensor_symmetric:
        return RepairResult(says, effect, attempted=False)
    if observer.dtype != torch.quint8:
        also = ", and many codes are still unused" if idle else ""
        return RepairResult(says, effect, hint=f"The kernels need quint8 activations{also}.")
    if codes < FEWEST:
        return RepairResult(says, effect, hint=f"{codes} codes are fewer than necessary: reduce_range leaves {FEWEST}.")
    return RepairResult(says, effect, hint="Many codes are still unused." if idle else "")


def _why_no_codes(make) -> str:
    """Say why no scale and zero point come from what was handed over for an observer."""
    if isinstance(make, nn.Module) or not hasattr(make, "with_args"):  # an observer, made already, has it too
        return "Pass the class of an observer, or what its with_args returns."
    observer, _ = attempt(make)
    if getattr(observer, "qscheme", None) in (torch.per_channel_affine, torch.per_channel_symmetric):
        return "Scales per channel are for weights: the kernels need a single scale for the activations of a layer."
    return "Torch does not accept this observer. Read its message."


def _judge_percentile(calibrator) -> RepairResult:
    if isinstance(calibrator, int | float):
        if not 0 < calibrator <= 100:
            return RepairResult("nothing", hint=f"A percentage is above 0 and at most 100: got {calibrator:g}.")
        calibrator = Percentile(calibrator)
    x = tensor("conv2 activations")
    lo, hi = calibrator.choose_range(observe(x)[0], UINT8, "affine")
    qparams = choose_qparams(lo, hi, UINT8)
    clipped = error_parts(x, qparams).clipped_fraction
    share = networks.cnn_accuracy(change={"conv2": lambda a: fake_quantize(a, qparams)})
    effect = (
        f"the range is {lo:.2f} to {hi:.2f} and the values go from {x.min():.2f} to {x.max():.2f}, "
        f"so {clipped:.1%} are clipped; {format_accuracy(share)}"
    )
    if calibrator == Percentile(0.01):
        return RepairResult("nothing", effect, attempted=False)
    kept = getattr(calibrator, "percentile", 100)
    if 0.9 <= kept < 1:
        return RepairResult("nothing", effect, hint=f"{kept:g} is {kept:g} percent; did you mean {100 * kept:g}?")
    if clipped > 0.005:
        return RepairResult("nothing", effect, hint="It still clips too much: more than 1 value in 200.")
    return RepairResult("nothing", effect)


FAILURES = (
    Failure(
        "symmetric",
        "The symmetric scheme for activations",
        "With unsigned codes, torch places zero in the middle, at 128. After a ReLU, the lower half is not used.",
        "Use the affine scheme for activations, and the symmetric scheme only for weights, which are signed.",
        ("https://github.com/pytorch/pytorch/issues/48473", "https://github.com/pytorch/pytorch/issues/133552"),
        _broken_scheme,
        _judge_scheme,
    ),
    Failure(
        "percentile",
        "A percentile that clips too much",
        "The percentage of values to keep was confused with the percentage to clip. The range that keeps 0.01 % of the "
        "values after a ReLU goes from 0 to 0.",
        "Keep 99.9 % of the values or more, and check the resulting range.",
        (
            "https://github.com/microsoft/onnxruntime/issues/10846",
            "https://github.com/microsoft/onnxruntime/issues/10571",
        ),
        lambda: Percentile(0.01),
        _judge_percentile,
    ),
)

"""Failures of the steps: where integers begin, what the observers saw, which mode, what is fused, how one adds."""

import torch
from torch import nn
from torch.ao.nn import quantized
from torch.ao.quantization import DeQuantStub, QuantStub, get_default_qconfig, prepare
from torch.ao.quantization import convert as torchs_convert

from ..sub8bit import gives_codes
from .networks import (
    Residual,
    after_training,
    convert,
    digits_network,
    float_right,
    format_accuracy,
    images,
    numbers,
    right,
    with_batch_norm,
)
from .trial import Failure, RepairResult, Workbench, attempt, workbench

ENOUGH = 0.02  # how far below the float network a mended one may be: 7 images of 359
SUM_OFF = 0.1  # of the length of the sum in float: rounding takes 0.03 with 7 bits, any other sum more than 0.5
NOT_QUANTIZED = "None of its convolutions is quantized: use the model that convert returned."
NO_OBSERVER = "The images were shown after convert or before prepare, when there were no observers."
FUSED_LATE = "It was fused too late: call fuse before prepare."


def _broken_stub() -> Workbench:
    with workbench() as bench, torch.random.fork_rng(devices=[]):
        model = nn.Sequential(nn.Linear(10, 5)).eval()
        model.qconfig = get_default_qconfig(bench.engine)
        bench.model = convert(model, numbers())
    return bench


def _judge_stub(bench: Workbench) -> RepairResult:
    model = _model(bench)
    if isinstance(model, RepairResult):
        return model
    begins = [m for m in model.modules() if isinstance(m, quantized.Quantize)]
    ends = [m for m in model.modules() if isinstance(m, quantized.DeQuantize)]
    y, says = attempt(lambda: model(numbers()))
    if not _has(model, quantized.Linear):
        return RepairResult(says, hint="None of its layers is quantized: keep the nn.Linear, the qconfig and convert.")
    left = any(isinstance(m, QuantStub | DeQuantStub) for m in model.modules())
    if left and (y is None or y.is_quantized):
        return RepairResult(says, hint="The stubs were not converted: set qconfig on the whole model, before prepare.")
    if not begins and not ends and y is None:
        return RepairResult(says, attempted=False)
    if y is None and begins and ends:
        return RepairResult(
            says, hint="Both stubs are there, but in the wrong order: it must be QuantStub, layer, DeQuantStub."
        )
    if y is None:
        return RepairResult(says, hint="The layer still receives real numbers. What quantizes them, at the beginning?")
    if y.is_quantized:
        effect = "the output is a quantized tensor, which softmax, argmax and NumPy do not accept"
        return RepairResult(says, effect, hint="What converts integers back to real numbers, at the end?")
    return RepairResult(says, f"both input and output are real numbers, {y.shape[1]} per row")


def _broken_calibration() -> Workbench:
    with workbench() as bench:
        bench.model = torchs_convert(prepare(digits_network()))
    return bench


def _judge_calibration(bench: Workbench) -> RepairResult:
    model = _model(bench)
    if isinstance(model, RepairResult):
        return model
    if not _has(model, quantized.Conv2d):
        return RepairResult(bench.says, hint=NOT_QUANTIZED)
    default, places = _uncalibrated(model)
    share = right(model)
    effect = f"scale 1 and zero point 0 in {default} of {places} places; {format_accuracy(share)}"
    if default == places:
        shown = "shown" in bench.steps
        return RepairResult(bench.says, effect, attempted=shown, hint=NO_OBSERVER if shown else "")
    if share < float_right() - ENOUGH:
        return RepairResult(
            bench.says, effect, hint="The observers have seen inputs, but not the kind that the network will see later."
        )
    return RepairResult(bench.says, effect)


def _uncalibrated(model: nn.Module) -> tuple[int, int]:
    """Return in how many places the scale is 1 and the zero point 0, and how many places there are."""
    places = [m for m in model.modules() if gives_codes(m)]
    return sum(float(m.scale) == 1 and int(m.zero_point) == 0 for m in places), len(places)


def _broken_mode() -> Workbench:
    with workbench() as bench:
        bench.model = convert(after_training().fuse(), images())
    return bench


def _judge_mode(bench: Workbench) -> RepairResult:
    model = _model(bench)
    if isinstance(model, RepairResult):
        return model
    if any(isinstance(m, nn.BatchNorm2d | quantized.BatchNorm2d) for m in model.children()):
        return RepairResult(bench.says, hint="It is not fused any more: keep model.fuse().")
    share, says = attempt(lambda: right(model))
    if share is None and model.training:
        return RepairResult(says, attempted=False)
    if share is None:
        return RepairResult(
            says, hint="It was put into eval mode too late: fuse and prepare have already used train mode."
        )
    if not _has(model, quantized.Conv2d):
        return RepairResult(says, format_accuracy(share), hint=NOT_QUANTIZED)
    if share < float_right() - ENOUGH:
        return RepairResult(
            says,
            format_accuracy(share),
            hint="It runs, but its accuracy is low. Is it still calibrated with the images?",
        )
    return RepairResult(says, format_accuracy(share))


def _broken_norm() -> Workbench:
    with workbench() as bench:
        bench.model = convert(with_batch_norm(), images())
    return bench


def _judge_norm(bench: Workbench) -> RepairResult:
    model = _model(bench)
    if isinstance(model, RepairResult):
        return model
    norms = [n for n, m in model.named_children() if isinstance(m, nn.BatchNorm2d | quantized.BatchNorm2d)]
    share, says = attempt(lambda: right(model))
    if share is None:
        return RepairResult(
            says, hint="It does not run: is it in eval mode when it is fused, and fused before prepare?"
        )
    if not _has(model, quantized.Conv2d):
        return RepairResult(says, format_accuracy(share), hint=NOT_QUANTIZED)
    default, places = _uncalibrated(model)
    if default == places:
        hint = NO_OBSERVER if "shown" in bench.steps else "No image was shown to the observers."
        return RepairResult(bench.says, format_accuracy(share), hint=hint)
    if len(norms) == 2:
        late = "fused" in bench.steps
        return RepairResult(says, format_accuracy(share), attempted=late, hint=FUSED_LATE if late else "")
    if norms:
        return RepairResult(says, format_accuracy(share), hint=f"{norms[0]} has not been fused.")
    if share < float_right() - ENOUGH:
        return RepairResult(
            says,
            format_accuracy(share),
            hint="Without the batch norm, it is a different network: fuse the batch norm instead.",
        )
    return RepairResult(says, format_accuracy(share))


def _broken_skip() -> Workbench:
    with workbench() as bench:
        bench.model = convert(Residual(torch.add), numbers())
    return bench


def _judge_skip(bench: Workbench) -> RepairResult:
    model = _model(bench)
    if isinstance(model, RepairResult):
        return model
    if not isinstance(model, Residual) or not _has(model, quantized.Linear):
        return RepairResult(bench.says, hint="Use the model that convert returned for a Residual.")
    y, says = attempt(lambda: model(numbers()))
    if y is None:
        hint = _why_no_sum(model)
        return RepairResult(says, attempted=bool(hint), hint=hint)
    truth, observed = Residual(torch.add)(numbers()), isinstance(model.adder, quantized.QFunctional)
    off = float((y - truth).norm() / truth.norm())
    if off > SUM_OFF:
        hint = (
            "Did the observers see numbers?" if observed else "Does it add both the input and the output of the layer?"
        )
        return RepairResult(says, f"the result differs from the float sum by {off:.0%}", hint=hint)
    if not observed:
        return RepairResult(
            says, "no integers are added", hint="It contains no QFunctional, so the sum was not observed."
        )
    return RepairResult(says, f"the sum has a scale of its own, {float(model.adder.scale):.3f}")


def _why_no_sum(model: Residual) -> str:
    """Say why torch does not add; nothing for the model as it was."""
    if isinstance(getattr(model.adder, "__self__", None), quantized.FloatFunctional):
        return (
            "Pass the FloatFunctional itself, not its method: a bound method hides the module from prepare and convert."
        )
    if model.adder is not torch.add:
        return "Torch cannot add integers with different scales this way. What in torch.ao.nn.quantized can?"
    if any(isinstance(m, quantized.FloatFunctional | quantized.QFunctional) for m in model.modules()):
        return "There is a FloatFunctional, but torch.add is still used: pass the FloatFunctional to Residual."
    return ""


def _model(bench) -> nn.Module | RepairResult:
    """Return the model on the bench, or say that there is none."""
    if not isinstance(bench, Workbench):
        return RepairResult("nothing", hint=f"Pass the workbench: got {type(bench).__name__}.")
    if isinstance(bench.model, nn.Module):
        return bench.model
    if bench.error:
        return RepairResult(bench.error, hint="The steps above stopped with this error.")
    return RepairResult(
        bench.says, hint=f"bench.model must be what convert returned: got {type(bench.model).__name__}."
    )


def _has(model: nn.Module, kind: type) -> bool:
    """Say whether a layer's outputs are integers; those of a dynamic layer are not."""
    return any(isinstance(m, kind) and gives_codes(m) for m in model.modules())


FAILURES = (
    Failure(
        "missing-stub",
        "No kernel for a float input",
        "The layer was replaced by an integer layer, but nothing quantizes its input.",
        "Put a QuantStub before the first layer and a DeQuantStub after the last one. convert replaces both.",
        (
            "https://github.com/pytorch/pytorch/issues/34583",
            "https://discuss.pytorch.org/t/quantization-frequently-asked-questions/161251",
        ),
        _broken_stub,
        _judge_stub,
    ),
    Failure(
        "uncalibrated",
        "Scale 1 and zero point 0",
        "The observers have not seen any data, so they use the default scale 1 and zero point 0.",
        "Run the prepared model on a few hundred typical inputs before convert.",
        (
            "https://discuss.pytorch.org/t/how-to-static-quantization-i-have-some-questions-after-reading-the-tutorial/78268",
        ),
        _broken_calibration,
        _judge_calibration,
    ),
    Failure(
        "train-mode",
        "Converted in train mode",
        "In train mode, fusing keeps the batch norm so that it can be trained further. convert does not support the "
        "combined layer and leaves it in floating point, so it receives integers although it expects floats.",
        "Call model.eval() before the first step, or, for quantization-aware training, before convert.",
        ("https://github.com/pytorch/tutorials/issues/1269", "https://github.com/pytorch/tutorials/pull/2661"),
        _broken_mode,
        _judge_mode,
    ),
    Failure(
        "low-accuracy",
        "Low accuracy and no message",
        "The convolution's output is rounded with a single scale before the batch norm normalizes its channels. "
        "In addition, if a batch norm follows a linear layer, convert cannot quantize the batch norm at all.",
        "Fuse convolution, batch norm and ReLU before prepare, so that the batch norm becomes part of the weights.",
        ("https://github.com/pytorch/pytorch/issues/28404", "https://github.com/pytorch/pytorch/issues/41642"),
        _broken_norm,
        _judge_norm,
    ),
    Failure(
        "skip-connection",
        "Adding two quantized tensors",
        "Two quantized tensors have two scales, and their sum needs a third one, which was not observed.",
        "Use a FloatFunctional instead of torch.add. It is a module of the network, so it is observed during "
        "calibration, and convert replaces it with a QFunctional. In your own network, create it in __init__.",
        ("https://github.com/pytorch/pytorch/issues/98596", "https://github.com/pytorch/tutorials/issues/1227"),
        _broken_skip,
        _judge_skip,
    ),
)

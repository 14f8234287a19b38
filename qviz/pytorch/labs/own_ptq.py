"""A reader's own prepare, calibrate and convert, compared with the PTQ of this package.

The network that the reader's function gets has two traps: it arrives in train mode, and its images are up to twenty
units bright, the brightest of them last. So a forgotten `eval()`, calibration on other data and calibration on the
first batch alone all show.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from qviz.networks.topology import LAYERS

from .. import engines
from ..digits_model import DigitsCNN, digits_cnn, digits_tensors
from ..failures.trial import NO_ENGINE, NOTHING, RepairResult, workbench
from ..measure import evaluate
from ..ptq import quantize_model
from ..ptq_config import PTQConfig
from ..sub8bit import weighted

NAME = "own PTQ"
_verdict = partial(RepairResult, name=NAME, what="function")
BRIGHT, DIM, SAMPLES, DIMMED = 20.0, 1 / 8, 256, 224
NARROW, WIDE = 0.25, 1.5  # input scales, over ours. Right: 0.5 (all 255 steps) to 1, a histogram clips a little of it


def network() -> DigitsCNN:
    """Return the network of the exercise: that of the course, fused, for images of 0 to 20, and in train mode.

    Examples
    --------
    >>> x = digits_tensors()[2]
    >>> network().training, torch.allclose(network()(20 * x), digits_cnn()(x), atol=1e-4)
    (True, True)
    """
    model = digits_cnn()
    with torch.no_grad():
        model.conv1.weight /= BRIGHT
    return model.fuse().train()


def images() -> torch.Tensor:
    """Return the images to calibrate on, 0 to 20: 224 dim ones, and then 32 bright ones.

    Examples
    --------
    >>> x = images()
    >>> tuple(x.shape), float(x[:224].max()), float(x.max())
    ((256, 1, 8, 8), 2.5, 20.0)
    """
    x = BRIGHT * digits_tensors()[0][:SAMPLES]
    x[:DIMMED] *= DIM
    return x


def judge(function: Callable[[nn.Module, torch.Tensor], nn.Module]) -> RepairResult:
    """Say whether a function quantizes a network as this package does.

    Parameters
    ----------
    function : from a float network, fused and with stubs, and images (n, 1, 8, 8), to the network in integers
        One that only returns None counts as not attempted. Whatever it raises becomes a hint.

    Returns
    -------
    RepairResult
        Of the name "own PTQ"; `hint` says what is missing.

    Examples
    --------
    >>> from torch.ao import quantization
    >>> def without_calibration(model, images):
    ...     model.eval()
    ...     model.qconfig = quantization.default_qconfig
    ...     return quantization.convert(quantization.prepare(model))
    >>> print(judge(without_calibration).hint)
    No observer of conv1 saw an image, so its output has scale 1.0: run the images through what prepare returned.
    """
    if engines.preferred() is None:
        return _verdict(NO_ENGINE, attempted=False)
    with workbench() as bench:
        bench.model = function(network(), images())
        if bench.model is not None and not (hint := _fault(bench.model)):
            effect, hint = _compared(bench.model)
            return _verdict(NOTHING, effect, hint=hint)
    if bench.error:
        return _verdict(bench.error, hint="This error occurred in your function, or when its network was run.")
    if bench.model is None:
        started = bool(getattr(getattr(function, "__code__", None), "co_names", True))
        hint = "The function returns None: does it end with a return?"
        return _verdict(NOTHING, hint=hint) if started else _verdict("", attempted=False)
    return _verdict(bench.says, hint=hint)


def _fault(model) -> str:
    """Return what keeps this from being a calibrated network of integers in eval mode; empty where nothing does."""
    if not isinstance(model, nn.Module):
        return f"The function must return a network: got {type(model).__name__}."
    if hasattr(model, "made"):
        return "This uses qviz's own PTQ. Call the functions of torch.ao.quantization yourself."
    layers = weighted(model)
    if not layers and any(hasattr(module, "activation_post_process") for module in model.modules()):
        return "Its layers are still float, with observers after them: the last of the three calls is missing."
    static = {name: layer for name, layer in layers.items() if hasattr(layer, "scale")}
    if missing := [name for name in LAYERS if not any(f".{one}".endswith(f".{name}") for one in static)]:
        return f"{missing[0]} does not compute with integers: all four layers need a qconfig, prepare and convert."
    if wrong := [name for name, layer in static.items() if layer.weight().dtype != torch.qint8]:
        return f"The weights of {wrong[0]} must be int8: got {static[wrong[0]].weight().dtype}."
    if blind := [name for name, layer in static.items() if (float(layer.scale), int(layer.zero_point)) == (1.0, 0)]:
        return (
            f"No observer of {blind[0]} saw an image, so its output has scale 1.0: run the images through what "
            "prepare returned."
        )
    if model.training:
        return "The network is still in train mode: call eval() before prepare."
    return ""


def _compared(model: nn.Module) -> tuple[str, str]:
    """Return how the network compares with that of qviz, and what is wrong with it."""
    _, _, x, y = digits_tensors()
    ours = quantize_model(network().eval(), PTQConfig(reduce_range=True), images())
    mine, theirs = (evaluate(network().eval(), each, BRIGHT * x, y) for each in (model, ours))
    effect = f"{mine.accuracy:.1%} of the test images are right; with qviz's PTQ, {theirs.accuracy:.1%}"
    ratio = float(mine.layer("input").qparams.scale / theirs.layer("input").qparams.scale)
    if ratio < NARROW:
        return effect, "The range of the input is too narrow: calibrate on all of the images that the function gets."
    if ratio > WIDE:
        return effect, "The range of the input is too wide: calibrate on the images that the function gets, unchanged."
    if mine.agreement < theirs.agreement - 0.02:
        return effect, "It was calibrated, but answers differently. Are these the trained weights, and the same layers?"
    return effect, ""

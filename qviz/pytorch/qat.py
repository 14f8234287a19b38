"""Quantization-aware training: the network is trained while it already rounds.

Each weight and each activation passes a fake-quantize on its way forward, so the loss feels the rounding; on the way
back the straight-through estimator (ste.py) lets the gradient past it. The real-valued weights behind it, which the
optimizer moves, creep until they cross the edge of a bin, and only then does the network change.

    prepared = prepare(model, config)        # fused, with a fake-quantize at every weight and activation
    run = train_qat(model, config)           # prepares a copy, observes, trains, freezes
    converted = convert(run.model)           # integers on the kernel (convert.py)
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn.intrinsic import _FusedModule
from torch.ao.nn.intrinsic import qat as intrinsic_qat

from . import engines, models
from .qat_config import QATConfig
from .snapshots import (
    WeightSnapshot,
    fake_quantizes,
    observers_off,
    weight_behind,
    weight_snapshots,
    weighted_layers,
)


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Number 0 is before training: the loss is NaN.

    Attributes
    ----------
    number : int
    loss : float: mean of the epoch
    accuracy : float: share of the test images that the fake-quantized network names right, 0 to 1
    """

    number: int
    loss: float
    accuracy: float


@dataclass(eq=False)
class QATRun:
    """A training, finished or under way.

    Attributes
    ----------
    config : QATConfig
    model : nn.Module: with fake-quantize in it; once finished in eval mode and frozen, so that it can be converted
    history : list of Epoch, from number 0
    snapshots : list of dict of WeightSnapshot by layer, one for each entry of `history`
    stopped : bool: whether it ended before its last epoch, by `should_stop` or an interrupt
    """

    config: QATConfig
    model: nn.Module
    history: list[Epoch] = field(default_factory=list)
    snapshots: list[dict[str, WeightSnapshot]] = field(default_factory=list)
    stopped: bool = False

    def crossings(self, layer: str) -> list[int]:
        """Count, for each epoch from 1, the weights of a layer that have another code than an epoch before.

        Raises
        ------
        ValueError
            There is no such layer.
        """
        if layer not in self.snapshots[0]:
            raise ValueError(f"layer must be one of {', '.join(self.snapshots[0])}: got {layer!r}")
        codes = [snapshot[layer].codes for snapshot in self.snapshots]
        return [int((a != b).sum()) for a, b in pairwise(codes)]


def prepare(model: nn.Module, config: QATConfig) -> nn.Module:
    """Return a copy of a network, fused and with a fake-quantize at every weight and activation, in train mode.

    Parameters
    ----------
    model : nn.Module
        With QuantStub and DeQuantStub in it. Fused with its own `fuse()`, if it has one.
    config : QATConfig

    Raises
    ------
    ValueError
        The network has a fake-quantize in it already, or no QuantStub, without which no kernel can run it.

    Examples
    --------
    >>> prepared = prepare(models.digits_cnn(), QATConfig(weight_bits=2))
    >>> type(prepared.conv1).__module__, prepared.conv1.weight_fake_quant.quant_max
    ('torch.ao.nn.intrinsic.qat.modules.conv_fused', 1)
    """
    if fake_quantizes(model):
        raise ValueError("model has fake-quantize in it already: prepare the float model, before any training with it")
    if not any(isinstance(m, quantization.QuantStub) for m in model.modules()):
        raise ValueError("model needs a QuantStub at its input and a DeQuantStub at its output: it has no QuantStub")
    model = deepcopy(model).train()
    # torch draws random weights for the layers it makes, and then puts ours in: the generator is put back
    with engines.quiet(), torch.random.fork_rng(devices=[]):
        if hasattr(model, "fuse") and not any(isinstance(m, _FusedModule) for m in model.modules()):
            model.fuse()
        model.qconfig = config.qconfig()
        return quantization.prepare_qat(model, inplace=True)


def train_qat(
    model: nn.Module,
    config: QATConfig,
    progress: Callable[[QATRun], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> QATRun:
    """Train a copy of a network on the digits with quantization in it.

    First all training images are observed once; that is epoch 0, where the network is what post-training
    quantization would have made of it. Then it trains. An interrupt from the keyboard after that ends the training,
    not the program: `stopped` says so. At the end observers and batch norm are frozen, and the model is in eval mode.

    Parameters
    ----------
    model : nn.Module
        Float, from images (n, 1, 8, 8) to logits (n, 10); not changed.
    config : QATConfig
    progress : function of the run so far, or None
        Called after each epoch, number 0 included.
    should_stop : function that returns whether to stop here, or None
        Asked before each batch.

    Returns
    -------
    QATRun

    Raises
    ------
    ValueError
        As for `prepare`.

    Examples
    --------
    >>> run = train_qat(models.digits_cnn(), QATConfig(2, 4, epochs=1))
    >>> [e.number for e in run.history], run.history[1].accuracy > run.history[0].accuracy
    ([0, 1], True)
    """
    run = QATRun(config, prepare(model, config))
    record = _recorder(run, progress)
    try:
        _observe(run.model)
        record(0, config.epochs, float("nan"))
        models.train(
            run.model, epochs=config.epochs, lr=config.lr, seed=config.seed, progress=record, should_stop=should_stop
        )
    except KeyboardInterrupt:
        if not run.history:  # nothing was even observed
            raise
    finally:
        freeze(run.model)
        run.model.eval()
    run.stopped = len(run.history) <= config.epochs
    return run


def freeze(model: nn.Module, observers: bool = True, batch_norm: bool = True) -> None:
    """Keep the ranges, or the statistics of batch norm, as they are from now on, in place.

    torch's observers watch in eval mode too: without this, each prediction would move the ranges.

    Examples
    --------
    >>> prepared = prepare(models.digits_cnn(), QATConfig())
    >>> freeze(prepared)
    >>> int(prepared.conv1.weight_fake_quant.observer_enabled)
    0
    """
    if observers:
        model.apply(quantization.disable_observer)
    if batch_norm:
        model.apply(intrinsic_qat.freeze_bn_stats)


def _recorder(run: QATRun, progress) -> Callable[[int, int, float], None]:
    """Return what models.train calls after each epoch: note it in the run, and freeze what is due."""
    _, _, images, labels = models.digits_tensors()

    def record(done, epochs, loss):
        run.model.eval()
        with observers_off(run.model):
            accuracy = models.accuracy(run.model, images, labels)
        run.snapshots.append(weight_snapshots(run.model))
        run.history.append(Epoch(done, loss, accuracy))
        freeze(run.model, done >= run.config.freeze_observers_after, done >= run.config.freeze_batch_norm_after)
        run.model.train()
        if progress is not None:
            progress(run)

    return record


def _observe(model: nn.Module) -> None:
    """Let every observer see what it would see in the float network, all training images at once."""
    images = models.digits_tensors()[0]
    model.eval()
    model.apply(quantization.disable_fake_quant)
    with torch.no_grad():
        model(images)
    model.apply(quantization.enable_fake_quant)
    for fake in fake_quantizes(model).values():  # torch's fused one leaves them as they were while it is disabled
        for mine, found in zip((fake.scale, fake.zero_point), fake.calculate_qparams(), strict=True):
            mine.resize_(found.shape).copy_(found)
    for layer in weighted_layers(model).values():
        layer.weight_fake_quant(weight_behind(layer))

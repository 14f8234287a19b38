"""Quantization-aware training: the network is trained while it already rounds.

Each weight and each activation passes a fake-quantize on its way forward, so the loss feels the rounding; on the way
back the straight-through estimator (ste.py) lets the gradient past it. The real-valued weights behind it, which the
optimizer moves, creep until they cross the edge of a bin, and only then does the network change.

    prepared = prepare(model, config)        # fused, with a fake-quantize at every weight and activation
    run = train_qat(model, config)           # prepares a copy, observes, trains, freezes
    converted = convert(run.model)           # integers on the kernel (convert.py)
"""

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn.intrinsic import qat as intrinsic_qat

from . import digits_model, engines
from .copies import copied
from .inputs import as_inputs, run
from .labs.snapshots import (
    WeightSnapshot,
    fake_quantizes,
    observers_off,
    weight_behind,
    weight_snapshots,
    weighted_layers,
)
from .layer_support import check_layers, check_parameters, check_runs, drop_unused, fused, quantizable, run_watched
from .per_layer import check_names, keep_float, set_own_bits
from .qat_config import QATConfig
from .qat_layers import as_float, qat_mappings
from .reproducible import ReproducibleSums
from .training_data import TrainingData

PART = 256  # images that are observed at a time


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Number 0 is before training: the loss is NaN.

    Attributes
    ----------
    number : int
    loss : float: mean of the epoch
    accuracy : float: share of the test inputs that the fake-quantized network names right, 0 to 1; NaN without any
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

    def crossings(self, layer: str | None = None) -> list[int]:
        """Count, for each epoch from 1, the weights that have another code than an epoch before.

        Parameters
        ----------
        layer : str or None
            None counts all layers.

        Raises
        ------
        ValueError
            There is no such layer.
        """
        codes = self._codes(layer)
        return [int((a != b).sum()) for a, b in pairwise(codes)]

    def changed(self, layer: str | None = None) -> float:
        """Return the share of the weights, 0 to 1, that have another code now than before training.

        Parameters, Raises : as for `crossings`
        """
        codes = self._codes(layer)
        return float((codes[0] != codes[-1]).mean())

    def _codes(self, layer: str | None) -> list[np.ndarray]:
        """Return all codes of a layer or of all layers, in a row, for each snapshot."""
        names = list(self.snapshots[0])
        if layer is not None and layer not in names:
            raise ValueError(f"layer must be one of {', '.join(names)}: got {layer!r}")
        chosen = names if layer is None else [layer]
        return [np.concatenate([snapshot[name].codes.ravel() for name in chosen]) for snapshot in self.snapshots]

    def __str__(self) -> str:
        first, *others = self.history
        rows = (
            f"epoch {e.number:2}: {_right(e)}, loss {e.loss:.3f}, {crossed:,} crossings"
            for e, crossed in zip(others, self.crossings(), strict=True)
        )
        return "\n".join((f"epoch  0: {_right(first)}", *rows))


def _right(epoch: Epoch) -> str:
    return "accuracy not measured" if math.isnan(epoch.accuracy) else f"{epoch.accuracy:.2%} right"


def prepare(model: nn.Module, config: QATConfig, example_x: torch.Tensor | None = None) -> nn.Module:
    """Return a copy of a network, fused and with a fake-quantize at every weight and activation, in train mode.

    Parameters
    ----------
    model : nn.Module
        With QuantStub and DeQuantStub in it. Fused with its own `fuse()` or `fuse_model()`, if it has one.
    config : QATConfig
    example_x : tensor (n, ...), dict of tensors by the names of forward's arguments, or None
        An input of the model. With one, the network is converted and run once, so that an operation which torch has no
        integer kernel for is found now, and not after the training.

    Raises
    ------
    TypeError
        The model is no network, or the config no QATConfig.
    ValueError
        The network has a fake-quantize in it already, or no QuantStub, without which no kernel can run it; its weights
        are not float32, or not finite; a layer or an operation in it has no integer kernel.

    Examples
    --------
    >>> prepared = prepare(digits_model.digits_cnn(), QATConfig(weight_bits=2))
    >>> type(prepared.conv1).__module__, prepared.conv1.weight_fake_quant.quant_max
    ('torch.ao.nn.intrinsic.qat.modules.conv_fused', 1)
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a float network: got {type(model).__name__}")
    if not isinstance(config, QATConfig):
        got = type(config).__name__
        raise TypeError(f"config must be a QATConfig: got {got}; for a PTQConfig there is ptq.quantize_model")
    if fake_quantizes(model):
        raise ValueError("model has fake-quantize in it already: prepare the float model, before any training with it")
    check_parameters(model)
    check_names(model, config)
    model = keep_float(copied(model), config)
    if not any(isinstance(m, quantization.QuantStub) for m in model.modules()):
        raise ValueError("model needs a QuantStub at its input and a DeQuantStub at its output: it has no QuantStub")
    narrow = config.activation_format.bits < 8
    check_layers(model, per_channel=config.per_channel, training=True, narrow=narrow)
    if example_x is not None:
        _rehearse(model, config, as_inputs(example_x, "example_x", ids=True)[:1])
    return _prepared(model, config)


def _prepared(model: nn.Module, config: QATConfig) -> nn.Module:
    model = keep_float(copied(model).train(), config)
    # torch draws random weights for the layers it makes, and then puts ours in: the generator is put back
    with engines.quiet(), torch.random.fork_rng(devices=[]):
        model = fused(model)
        set_own_bits(model, config)
        for module in quantizable(model).values():
            if type(module) in (nn.ReLU6, nn.Softmax):  # no kernel, or one that asks no observer for a scale
                module.qconfig = None
        model.qconfig = config.qconfig()
        quantization.prepare_qat(model, mapping=qat_mappings(), inplace=True)
    model.qat_config = config  # so that convert can say how its result came to be
    return model


def _rehearse(model: nn.Module, config: QATConfig, example_x: torch.Tensor) -> None:
    """Prepare, convert and run a copy, so that what fails fails before any training."""
    if engines.preferred() is None:
        return
    quick = replace(config, fake_quantize="torch")
    with engines.quiet(), engines.using(), torch.no_grad(), torch.random.fork_rng(devices=[]):
        check_runs(copied(model).eval(), example_x, "example_x")
        prepared = _prepared(model, quick).eval()
        run(prepared, example_x)
        drop_unused(prepared)
        as_float(prepared)
        converted = quantization.convert(prepared, inplace=True)
        run_watched(converted, example_x, "eager", config.activation_format.bits < 8)


def train_qat(
    model: nn.Module,
    config: QATConfig,
    progress: Callable[[QATRun], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    data: TrainingData | None = None,
) -> QATRun:
    """Train a copy of a network with quantization in it, on the digits or on data of one's own.

    First all training images are observed once; that is epoch 0, where the network is what post-training
    quantization would have made of it. Then it trains. An interrupt from the keyboard after that ends the training,
    not the program: `stopped` says so. At the end observers and batch norm are frozen, and the model is in eval mode.

    Parameters
    ----------
    model : nn.Module
        Float, not changed; on the digits from images (n, 1, 8, 8) to logits (n, 10).
    config : QATConfig
    progress : function of the run so far, or None
        Called after each epoch, number 0 included.
    should_stop : function that returns whether to stop here, or None
        Asked before each batch.
    data : TrainingData or None
        Inputs, targets and loss of one's own; None is the digits.

    Returns
    -------
    QATRun

    Raises
    ------
    TypeError, ValueError
        As for `prepare`; or the loss fails on the first batch.

    Examples
    --------
    >>> run = train_qat(digits_model.digits_cnn(), QATConfig(2, 4, epochs=1))
    >>> [e.number for e in run.history], run.history[1].accuracy > run.history[0].accuracy
    ([0, 1], True)

    A network of one's own, on data and with a loss of one's own:

    >>> x = torch.linspace(-1, 1, 256)[:, None]
    >>> mine = nn.Sequential(quantization.QuantStub(), nn.Linear(1, 1), quantization.DeQuantStub())
    >>> data = TrainingData((x, 2 * x - 1), loss=nn.functional.mse_loss)
    >>> done = train_qat(mine, QATConfig(epochs=5, lr=0.01), data=data)
    >>> done.history[-1].loss < done.history[1].loss
    True
    """
    run = None
    with closing(train_qat_by_epoch(model, config, should_stop, data)) as steps:
        try:
            for run in steps:
                if progress is not None:
                    progress(run)
        except KeyboardInterrupt:
            if run is None:  # nothing was even observed
                raise
    return run


def train_qat_by_epoch(
    model: nn.Module,
    config: QATConfig,
    should_stop: Callable[[], bool] | None = None,
    data: TrainingData | None = None,
) -> Iterator[QATRun]:
    """Train as `train_qat` does, one epoch for each `next`.

    It yields the same QATRun each time, with one more entry in `history`, the first before any training. Once it has
    ended or is closed, the model of the run is frozen and in eval mode.

    Examples
    --------
    >>> steps = train_qat_by_epoch(digits_model.digits_cnn(), QATConfig(2, 4))
    >>> run = next(steps)  # observed, and not yet trained
    >>> steps.close()
    >>> len(run.history), run.stopped, run.model.training
    (1, True, False)
    """
    inputs = digits_model.digits_tensors()[0] if data is None else data.inputs
    known = type(model) is digits_model.DigitsCNN  # to convert: no need to try first
    run = QATRun(config, prepare(model, config, None if known else inputs))
    if data is not None:
        data.check_loss(copied(model).train())
    test = digits_model.digits_tensors()[2:] if data is None else data.test
    try:
        _observe(run.model, inputs)
        _record(run, float("nan"), test)
        yield run
        losses = digits_model.train_by_epoch(
            run.model, epochs=config.epochs, lr=config.lr, seed=config.seed, should_stop=should_stop, data=data
        )
        with closing(losses):
            for loss in losses:
                _record(run, loss, test)
                yield run
    finally:
        freeze(run.model)
        run.model.eval()
        run.stopped = len(run.history) <= config.epochs


def freeze(model: nn.Module, observers: bool = True, batch_norm: bool = True) -> None:
    """Keep the ranges, or the statistics of batch norm, as they are from now on, in place.

    torch's observers watch in eval mode too: without this, each prediction would move the ranges.

    Examples
    --------
    >>> prepared = prepare(digits_model.digits_cnn(), QATConfig())
    >>> freeze(prepared)
    >>> int(prepared.conv1.weight_fake_quant.observer_enabled)
    0
    """
    if observers:
        model.apply(quantization.disable_observer)
    if batch_norm:
        model.apply(intrinsic_qat.freeze_bn_stats)


def _record(run: QATRun, loss: float, test: tuple[torch.Tensor, torch.Tensor] | None) -> None:
    """Note an epoch in the run, and freeze what is due."""
    done, config = len(run.history), run.config
    run.model.eval()
    with observers_off(run.model), engines.threads(1):
        accuracy = float("nan") if test is None else digits_model.accuracy(run.model, *test)
    run.snapshots.append(weight_snapshots(run.model))
    run.history.append(Epoch(done, loss, accuracy))
    freeze(run.model, done >= config.freeze_observers_after, done >= config.freeze_batch_norm_after)
    run.model.train()


def _observe(model: nn.Module, inputs: torch.Tensor) -> None:
    """Let every observer see what it would see in the float network, all inputs as one batch.

    They pass in parts, which takes a fifth of the memory: an observer that is reset takes the next batch for its first.
    """
    observers = [fake.activation_post_process for fake in fake_quantizes(model).values()]
    observers = [observer for observer in observers if hasattr(observer, "min_val")]  # not those with a fixed range
    parts = []
    model.eval()
    model.apply(quantization.disable_fake_quant)
    with torch.no_grad(), engines.threads(1), ReproducibleSums():
        for part in inputs.split(PART):
            for observer in observers:
                observer.reset_min_max_vals()
            run(model, part)
            parts.append([(observer.min_val.clone(), observer.max_val.clone()) for observer in observers])
    for observer, seen in zip(observers, zip(*parts, strict=True), strict=True):
        lows, highs = (torch.stack(ends) for ends in zip(*seen, strict=True))
        observer.min_val.resize_(lows.shape[1:]).copy_(lows.amin(0))
        observer.max_val.resize_(highs.shape[1:]).copy_(highs.amax(0))
    model.apply(quantization.enable_fake_quant)
    drop_unused(model)
    for fake in fake_quantizes(model).values():  # torch's fused one leaves them as they were while it is disabled
        for mine, found in zip((fake.scale, fake.zero_point), fake.calculate_qparams(), strict=True):
            mine.resize_(found.shape).copy_(found)
    for layer in weighted_layers(model).values():
        layer.weight_fake_quant(weight_behind(layer))

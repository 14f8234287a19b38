"""The small network of the course as a torch module, and its seeded training.

Its layers and weights are those of `qviz.networks.cnn_weights`; the stubs that mark where numbers become integers, and
where they become real again, are inside.
"""

import copy
import math
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from itertools import chain

import torch
from torch import nn
from torch.ao.quantization import DeQuantStub, FakeQuantizeBase, QuantStub, fuse_modules, fuse_modules_qat
from torch.ao.quantization.observer import ObserverBase
from torch.nn.functional import cross_entropy, pad

from qviz.data import digits
from qviz.networks import cnn_weights

from .engines import quiet, threads
from .inputs import labelled, run
from .optimizer import AdamW
from .reproducible import ReproducibleSums
from .training_data import BATCH, TrainingData

WEIGHT_DECAY = 5e-2
JOINTS = (("conv1", "bn1", "conv2"), ("conv2", "bn2", "fc1"), ("fc1", None, "fc2"))  # ReLU in between, no branch


class DigitsCNN(nn.Module):
    """Two convolutions and two linear layers that read an 8 x 8 digit, with the stubs that quantization needs.

    Parameters
    ----------
    batch_norm : bool
        Put a batch norm (bn1, bn2) behind each convolution.

    Examples
    --------
    >>> DigitsCNN()(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """

    def __init__(self, batch_norm: bool = False):
        super().__init__()
        self.quant = QuantStub()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(16) if batch_norm else None
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(32) if batch_norm else None
        self.relu2 = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(512, 64)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(64, 10)
        self.dequant = DeQuantStub()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 10) of images (n, 1, 8, 8), ink 0 to 1."""
        x = self.quant(x)
        x = self.conv1(x)
        x = self.relu1(x if self.bn1 is None else self.bn1(x))
        x = self.conv2(x)
        x = self.pool(self.relu2(x if self.bn2 is None else self.bn2(x)))
        x = self.relu3(self.fc1(torch.flatten(x, 1)))
        return self.dequant(self.fc2(x))

    def fuse(self) -> "DigitsCNN":
        """Join each layer with its batch norm and ReLU, in place, so that nothing is rounded in between.

        In eval mode a batch norm is folded into the weights; in train mode it stays, in the form that
        quantization-aware training needs. A network that is fused already stays as it is.

        Examples
        --------
        >>> type(DigitsCNN().eval().fuse().conv1).__name__
        'ConvReLU2d'
        >>> type(DigitsCNN(batch_norm=True).train().fuse().conv1).__name__
        'ConvBnReLU2d'
        """
        if type(self.conv1) is not nn.Conv2d:
            return self
        convs = [[f"conv{i}", *([] if self.bn1 is None else [f"bn{i}"]), f"relu{i}"] for i in (1, 2)]
        fuse = fuse_modules_qat if self.training else fuse_modules
        with quiet():
            fuse(self, [*convs, ["fc1", "relu3"]], inplace=True)
        return self


def digits_cnn() -> DigitsCNN:
    """Return a new network with the trained weights of `qviz.networks.cnn_weights`, in eval mode.

    Examples
    --------
    >>> _, _, x, y = digits_tensors()
    >>> round(accuracy(digits_cnn(), x, y), 4)
    0.9889
    """
    with torch.random.fork_rng(devices=[]):  # a new layer draws weights, which are not kept
        model = DigitsCNN()
    model.load_state_dict({name: torch.tensor(array) for name, array in cnn_weights().items()})
    return model.eval()


def digits_tensors() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the digits as new tensors: training images and labels, test images and labels.

    Examples
    --------
    >>> [tuple(t.shape) for t in digits_tensors()]
    [(1438, 1, 8, 8), (1438,), (359, 1, 8, 8), (359,)]
    """
    d = digits()
    x, y = torch.tensor(d.images), torch.tensor(d.labels)
    train, test = torch.tensor(d.train), torch.tensor(d.test)
    return x[train], y[train], x[test], y[test]


def train(
    model: nn.Module,
    *,
    epochs: int,
    lr: float,
    seed: int,
    progress: Callable[[int, int, float], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[float]:
    """Train a network on the digits, in place, with or without fake-quantization in it.

    AdamW, batches of 64, each image moved by up to one pixel, and a learning rate that falls to 0 along a cosine.
    The model ends in eval mode, however training ends. The same seed gives the same weights on every processor: one
    thread computes them, in float64, because a last bit of float32 grows into another network within a few epochs.
    They are float32 before and after. No global random state is read or changed, and the number of threads is put back.

    Parameters
    ----------
    model : nn.Module from images (n, 1, 8, 8) to logits (n, 10)
    epochs : int
        At least 0.
    lr : float
        Learning rate at the start.
    seed : int
        Of the shuffling and the moving of images.
    progress : function of (epochs done, epochs, mean loss of this one), or None
        Called after each epoch, in train mode.
    should_stop : function that returns whether to stop here, or None
        Asked before each batch.

    Returns
    -------
    list of float
        The mean loss of each whole epoch.

    Examples
    --------
    >>> losses = train(digits_cnn(), epochs=2, lr=1e-4, seed=0)
    >>> len(losses), losses[0] < 0.1
    (2, True)
    """
    losses: list[float] = []
    with closing(train_by_epoch(model, epochs=epochs, lr=lr, seed=seed, should_stop=should_stop)) as steps:
        for loss in steps:
            losses.append(loss)
            if progress is not None:
                progress(len(losses), epochs, loss)
    return losses


def train_by_epoch(
    model: nn.Module,
    *,
    epochs: int,
    lr: float,
    seed: int,
    should_stop: Callable[[], bool] | None = None,
    data: TrainingData | None = None,
) -> Iterator[float]:
    """Train as `train` does, one epoch for each `next`, which returns its mean loss.

    Parameters
    ----------
    model, epochs, lr, seed, should_stop : as for `train`
    data : TrainingData or None
        What to train on instead of the digits: in float32 and on all threads, which is faster, and on another processor
        comes to slightly different weights.

    Yields
    ------
    float
        The mean loss of an epoch. The model is in train mode and, on the digits, float64 meanwhile; at the end, or when
        closed, in eval mode and float32.

    Examples
    --------
    >>> steps = train_by_epoch(digits_cnn(), epochs=100, lr=1e-4, seed=0)
    >>> next(steps) < 0.1  # and there one may stop
    True
    >>> steps.close()
    """
    if epochs < 0:
        raise ValueError(f"epochs must be at least 0: got {epochs}")
    generator, should_stop = torch.Generator().manual_seed(seed), should_stop or (lambda: False)
    batches, loss_of = (_digits_batches, cross_entropy) if data is None else (data.batches, data.loss)
    model.train()
    try:
        if data is None:
            _cast(model, torch.float64)
        optimizer = AdamW(model.parameters(), lr, WEIGHT_DECAY)
        for epoch in range(epochs):
            with threads(1) if data is None else nullcontext():
                loss = _one_epoch(model, optimizer, batches(generator), loss_of, should_stop)
            if loss is None:
                return
            optimizer.set_cosine_lr(epoch + 1, epochs)
            yield loss
    finally:
        _cast(model, torch.float32)
        model.eval()


def accuracy(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of the images that the model, in the mode it is in, names right, 0 to 1; see `ReproducibleSums`.

    Examples
    --------
    >>> _, _, x, y = digits_tensors()
    >>> accuracy(digits_cnn(), x[:10], y[:10])
    1.0
    """
    x, y = labelled(x, y)
    floats = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    # A network in training is float64 and takes twice the memory. A dynamic one finds its ranges in the whole batch.
    parts = x.double().split(BATCH) if floats == torch.float64 else [x]
    with torch.inference_mode(), ReproducibleSums():
        return float((torch.cat([run(model, part) for part in parts]).argmax(1) == y).double().mean())


def rescale_channels(model: DigitsCNN, factor: float = 16.0, seed: int = 0) -> DigitsCNN:
    """Return a network that computes the same, and is hard to quantize.

    A channel before a ReLU is multiplied by s, and the next layer's weights for it are divided by s: ReLU and max
    pooling let a positive factor through. Each s is a power of two, drawn evenly from 1 / factor to factor, so
    that no rounding changes, and the logits stay what they were. But now one tensor holds channels of very
    different size, and one scale has to serve them all.

    Parameters
    ----------
    model : DigitsCNN, not fused
    factor : float
        The largest s, 1 to 1024.
    seed : int

    Raises
    ------
    ValueError
        `factor` is not such a number, or the model is fused already.

    Notes
    -----
    The reverse of cross-layer equalization: Nagel et al. 2019, "Data-free quantization through weight equalization
    and bias correction", section 4.1.

    Examples
    --------
    >>> model, (_, _, x, _) = digits_cnn(), digits_tensors()
    >>> hard = rescale_channels(model)
    >>> torch.allclose(hard(x), model(x), rtol=1e-5, atol=1e-5)
    True
    >>> bool(hard.conv1.weight.abs().max() > 8 * model.conv1.weight.abs().max())
    True
    """
    if not 1 <= factor <= 1024:
        raise ValueError(f"factor must be from 1 to 1024: got {factor}")
    if type(model.conv1) is not nn.Conv2d:
        fused = type(model.conv1).__name__
        raise ValueError(f"model must not be fused yet: its conv1 is a {fused}; rescale, then fuse")
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    largest = math.floor(math.log2(factor))
    with torch.no_grad():
        for name, norm, follower in JOINTS:
            layer = getattr(model, norm or name) or getattr(model, name)
            powers = torch.randint(-largest, largest + 1, layer.bias.shape, generator=generator)
            _rescale(layer, getattr(model, follower), 2.0**powers)
    return model


def _rescale(layer: nn.Module, follower: nn.Module, s: torch.Tensor) -> None:
    """Multiply what comes out of `layer`, channel by channel, and divide it away in `follower`."""
    layer.weight *= s.reshape(-1, *[1] * (layer.weight.ndim - 1))
    layer.bias *= s
    inputs = follower.weight.view(len(follower.weight), len(s), -1)  # one channel, and all places it is read at
    inputs /= s[:, None]


def _cast(model: nn.Module, dtype: torch.dtype) -> None:
    """Change the precision of the weights and of batch norm, in place; kernels of fake-quantize want float32 scales."""
    for module in model.modules():
        if not isinstance(module, FakeQuantizeBase | ObserverBase):
            for tensor in chain(module.parameters(recurse=False), module.buffers(recurse=False)):
                tensor.data = tensor.to(dtype) if tensor.is_floating_point() else tensor


def _one_epoch(model, optimizer, batches, loss_of, should_stop) -> float | None:
    """Return the mean loss of one pass over the batches, or None if it was stopped."""
    total = count = 0
    for x, y in batches:
        if should_stop():
            return None
        optimizer.zero_grad()
        loss = loss_of(run(model, x), y)
        loss.backward()
        optimizer.step()
        total, count = total + float(loss.detach()) * len(x), count + len(x)
    return total / count


def _digits_batches(generator: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield one epoch of the training images, shuffled and moved, in float64."""
    images, labels, _, _ = digits_tensors()
    images = images.double()
    for batch in torch.randperm(len(images), generator=generator).split(BATCH):
        yield _moved(images[batch], generator), labels[batch]


def _moved(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return each (1, 8, 8) image moved by -1, 0 or 1 pixels down and across, drawn at random."""
    down, across = torch.randint(0, 3, (2, len(images), 1), generator=generator)
    rows, columns = (down + torch.arange(8))[:, :, None], (across + torch.arange(8))[:, None, :]
    return pad(images, (1, 1, 1, 1))[torch.arange(len(images))[:, None, None], 0, rows, columns].unsqueeze(1)

"""A network for the last exercise of the course: one that the pages have not quantized.

It ships trained: `tools/make_trainings.py` trains it and writes the file, and a test trains it anew.
"""

import numpy as np
import torch
from torch import nn
from torch.ao.quantization import DeQuantStub, QuantStub, fuse_modules

from qviz.data._files import load_shipped

from ..digits_model import digits_tensors, train
from ..engines import quiet

FILE = "capstone.npz"


class SeparableCNN(nn.Module):
    """A convolution split in two, as in networks for phones: one filter for each channel, then sums over channels.

    It reads digits (n, 1, 8, 8), has batch norms, and the stubs that quantization needs.

    Notes
    -----
    Source: A. Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications",
    arXiv 1704.04861, 2017, section 3.1.

    Examples
    --------
    >>> sum(p.numel() for p in SeparableCNN().parameters())
    2906
    """

    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.conv, self.norm0, self.relu0 = _block(nn.Conv2d(1, 8, 3, padding=1, bias=False))
        self.depthwise, self.norm1, self.relu1 = _block(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False))
        self.pointwise, self.norm2, self.relu2 = _block(nn.Conv2d(8, 16, 1, bias=False))
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(256, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 10) of images (n, 1, 8, 8), ink 0 to 1."""
        x = self.relu0(self.norm0(self.conv(self.quant(x))))
        x = self.relu1(self.norm1(self.depthwise(x)))
        x = self.pool(self.relu2(self.norm2(self.pointwise(x))))
        return self.dequant(self.fc(torch.flatten(x, 1)))

    def fuse(self) -> "SeparableCNN":
        """Join each convolution with its batch norm and ReLU, in place; in eval mode, and once.

        Examples
        --------
        >>> type(SeparableCNN().eval().fuse().depthwise).__name__
        'ConvReLU2d'
        """
        names = zip(("conv", "depthwise", "pointwise"), "012", strict=True)
        if type(self.conv) is nn.Conv2d:
            with quiet():
                fuse_modules(self, [[name, f"norm{i}", f"relu{i}"] for name, i in names], inplace=True)
        return self


def _block(convolution: nn.Conv2d) -> tuple[nn.Module, nn.Module, nn.Module]:
    return convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU()


def example() -> tuple[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what the last exercise needs: a float network, images to calibrate on, test images and their labels.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import accuracy
    >>> model, calibration_x, x, y = example()
    >>> len(calibration_x), accuracy(model, x, y) > 0.95
    (256, True)
    """
    train_x, _, x, y = digits_tensors()
    with torch.random.fork_rng(devices=[]):  # torch draws weights, which those of the file replace
        model = SeparableCNN().eval()
    model.load_state_dict({name: torch.tensor(values) for name, values in load_shipped(FILE).items()})
    return model, train_x[:256], x, y


def trained_anew() -> nn.Module:
    """Train once more the network that ships: two seconds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = SeparableCNN()
    train(model, epochs=10, lr=1e-2, seed=0)
    return model


def packed(model: nn.Module) -> dict[str, np.ndarray]:
    """Return what the file holds of a network: its parameters and the statistics of its batch norms, by name."""
    return {name: values.numpy() for name, values in model.state_dict().items()}

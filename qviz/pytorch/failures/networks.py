"""Networks to break: small, trained, and the same each time."""

from functools import cache

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import DeQuantStub, QuantStub

from .. import engines
from ..digits_model import DigitsCNN, accuracy, digits_cnn, digits_tensors
from ..labs import examples

SAMPLES = 256


def numbers() -> torch.Tensor:
    """Return 200 rows of 10 numbers, to calibrate a layer of 10 inputs.

    Examples
    --------
    >>> numbers().shape
    torch.Size([200, 10])
    """
    return examples.inputs()


def images() -> torch.Tensor:
    """Return 256 images of digits, to calibrate the network of the course.

    Examples
    --------
    >>> images().shape
    torch.Size([256, 1, 8, 8])
    """
    return digits_tensors()[0][:SAMPLES]


class Steps(list):
    """What was done with a network: one list for all the copies that prepare and convert make of it."""

    def __deepcopy__(self, memo):
        return self


class DigitsNetwork(DigitsCNN):
    """The network of the course. It remembers whether images were shown to it or to a copy, and whether it was fused.

    Examples
    --------
    >>> digits_network().steps
    ['fused']
    """

    def __init__(self, batch_norm: bool = False):
        with torch.random.fork_rng(devices=[]):
            super().__init__(batch_norm)
        self.steps = Steps()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits (n, 10) of images (n, 1, 8, 8), ink 0 to 1."""
        self.steps.append("shown")
        return super().forward(x)

    def fuse(self) -> "DigitsNetwork":
        """Join each layer with its batch norm and ReLU, in place."""
        self.steps.append("fused")
        return super().fuse()


def digits_network() -> DigitsNetwork:
    """Return the trained network of the course, fused, with a qconfig: ready for `prepare`.

    Examples
    --------
    >>> digits_network().qconfig is not None, digits_network().training
    (True, False)
    """
    model = DigitsNetwork().eval()
    model.load_state_dict(digits_cnn().state_dict())
    return with_qconfig(model.fuse())


def with_batch_norm(seed: int = 0) -> DigitsNetwork:
    """Return a network with batch norms that answers as that of the course does, in eval mode, with a qconfig.

    The outputs of a convolution may be of any size, channel by channel: its batch norm makes them even again. Here
    they are 1/16 to 16 times as large as in the network of the course.

    Examples
    --------
    >>> _, _, x, _ = digits_tensors()
    >>> torch.allclose(with_batch_norm()(x), digits_cnn()(x), rtol=1e-4, atol=1e-4)
    True
    """
    plain, generator = digits_cnn(), torch.Generator().manual_seed(seed)
    model = DigitsNetwork(batch_norm=True)
    model.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        seen = plain.conv1(images())
        _insert(model.conv1, model.bn1, seen, generator)
        _insert(model.conv2, model.bn2, plain.conv2(torch.relu(seen)), generator)
    return with_qconfig(model.eval())


def after_training() -> DigitsNetwork:
    """Return the network with batch norms as a training loop leaves it: in train mode.

    Examples
    --------
    >>> after_training().training
    True
    """
    return with_batch_norm().train()


class Residual(nn.Module):
    """A linear layer whose input is added to its output: a skip connection, with the stubs where they belong.

    Parameters
    ----------
    adder : function of two tensors, or module with a method `add` of two tensors

    Examples
    --------
    >>> Residual(torch.add)(torch.zeros(3, 10)).shape
    torch.Size([3, 10])
    """

    def __init__(self, adder):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.fc = nn.Linear(10, 10)
        self.quant, self.dequant, self.adder = QuantStub(), DeQuantStub(), adder
        self.qconfig = default_qconfig()

    def forward(self, x):
        """Return 10 numbers a row."""
        x = self.quant(x)
        add = getattr(self.adder, "add", self.adder)
        return self.dequant(add(x, self.fc(x)))


def with_qconfig(model: nn.Module) -> nn.Module:
    """Give a model the default qconfig of the preferred engine, and return it."""
    model.qconfig = default_qconfig()
    return model


def default_qconfig() -> quantization.QConfig | None:
    """Return the default of the preferred engine; None where there is none."""
    engine = engines.preferred()
    with engines.quiet():
        return quantization.get_default_qconfig(engine) if engine else None


def convert(model: nn.Module, samples: torch.Tensor) -> nn.Module:
    """Prepare, calibrate and convert a model with a qconfig, as it stands."""
    prepared = quantization.prepare(model)
    prepared(samples)
    return quantization.convert(prepared)


def right(model: nn.Module) -> float:
    """Return the share of the test images that a model names right, 0 to 1.

    Examples
    --------
    >>> right(digits_cnn()) > 0.98
    True
    """
    _, _, x, y = digits_tensors()
    with engines.quiet():
        return accuracy(model, x, y)


@cache
def float_right() -> float:
    """Return the share that the float network names right."""
    return right(digits_cnn())


def format_accuracy(share: float) -> str:
    """Say a share of right answers, beside that of the float network."""
    return f"{share:.1%} of the digits are right ({float_right():.1%} in float)"


def _insert(conv: nn.Conv2d, norm: nn.BatchNorm2d, seen: torch.Tensor, generator: torch.Generator) -> None:
    """Make the channels of a convolution uneven, and let a batch norm undo it."""
    s = 2.0 ** torch.randint(-4, 5, conv.bias.shape, generator=generator)
    mean, variance = seen.mean((0, 2, 3)), seen.var((0, 2, 3))
    conv.weight *= s[:, None, None, None]
    conv.bias *= s
    norm.running_mean.copy_(mean * s)
    norm.running_var.copy_(variance * s * s)
    norm.weight.copy_((norm.running_var + norm.eps).sqrt() / s)
    norm.bias.copy_(mean)

"""The two examples that everybody starts from, as they are commonly written, and the same two fixed.

As written both run to the end, and neither works: no QuantStub, so that a float input has no kernel; no calibration and
no training, so that every output has scale 1 and zero point 0; conversion of a network that is still in train mode.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.quantization import DeQuantStub, QuantStub

from .. import engines
from ..optimizer import AdamW


class SimpleModel(nn.Module):
    """One linear layer from 10 numbers to 5: the network of both examples, as written.

    Examples
    --------
    >>> SimpleModel()(torch.zeros(1, 10)).shape
    torch.Size([1, 5])
    """

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(10, 5)

    def forward(self, x):
        """Return 5 numbers a row."""
        return self.fc(x)


class FixedModel(SimpleModel):
    """The same network, with the two stubs that say where integers begin and where they end.

    Examples
    --------
    >>> [name for name, _ in FixedModel().named_children()]
    ['fc', 'quant', 'dequant']
    """

    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()

    def forward(self, x):
        """Return 5 numbers a row."""
        return self.dequant(self.fc(self.quant(x)))


@dataclass(frozen=True)
class Written:
    """The result of an example.

    Attributes
    ----------
    model : nn.Module: what was converted: the float network (PTQ), or the fake-quantized one (QAT)
    quantized : nn.Module: after convert
    messages : tuple of str: what torch warned of, each once, but for the next ones
    deprecated : tuple of str: that what was called is deprecated; first lines, each once
    """

    model: nn.Module
    quantized: nn.Module
    messages: tuple[str, ...]
    deprecated: tuple[str, ...]


def inputs(rows: int = 200, seed: int = 0) -> torch.Tensor:
    """Return the data that the examples leave out: rows of 10 numbers, normally distributed.

    Examples
    --------
    >>> inputs(3).shape
    torch.Size([3, 10])
    """
    return torch.randn(rows, 10, generator=torch.Generator().manual_seed(seed))


def targets(x: torch.Tensor) -> torch.Tensor:
    """Return what the fixed networks learn, 5 numbers a row: sums of two neighbours.

    Examples
    --------
    >>> targets(torch.arange(10.0)[None])
    tensor([[ 1.,  5.,  9., 13., 17.]])
    """
    return x.unflatten(1, (5, 2)).sum(2)


def error_line(function: Callable, *arguments) -> str:
    """Call a function that is expected to fail, and return its error as one line: the kind, and the first sentence.

    Examples
    --------
    >>> print(error_line(as_written_ptq().quantized, inputs(1)))
    NotImplementedError: Could not run 'quantized::linear' with arguments from the 'CPU' backend.
    >>> error_line(abs, -1)
    'no error'
    """
    try:
        function(*arguments)
    except Exception as error:
        sentence = " ".join(str(error).split()).partition(". ")[0]
        return f"{type(error).__name__}: {sentence.removesuffix('.')}."
    return "no error"


def as_written_ptq() -> Written:
    """Run the example of post-training quantization as it is commonly written.

    Examples
    --------
    >>> written = as_written_ptq()
    >>> written.quantized.fc.scale, written.quantized.fc.zero_point
    (1.0, 0)
    >>> print(written.messages[0])
    must run observer before calling calculate_qparams. Returning default scale and zero point
    """
    model = _seeded(SimpleModel)
    with _recorded() as (messages, deprecated):
        model.eval()
        model.qconfig = torch.quantization.get_default_qconfig("fbgemm")
        model_prepared = torch.quantization.prepare(model)
        model_quantized = torch.quantization.convert(model_prepared)
    return Written(model, model_quantized, tuple(messages), tuple(deprecated))


def as_written_qat() -> Written:
    """Run the example of quantization-aware training as it is commonly written.

    Examples
    --------
    >>> written = as_written_qat()
    >>> written.quantized.fc.scale, written.quantized.fc.zero_point, written.quantized.training
    (1.0, 0, True)
    """
    model = _seeded(SimpleModel)
    with _recorded() as (messages, deprecated):
        model.train()
        model.qconfig = torch.quantization.get_default_qat_qconfig("fbgemm")
        model_prepared = torch.quantization.prepare_qat(model)
        model_quantized = torch.quantization.convert(model_prepared)
    return Written(model_prepared, model_quantized, tuple(messages), tuple(deprecated))


def fixed_ptq(network: type[nn.Module] = FixedModel) -> Written:
    """Run the same with stubs, a trained network, and calibration before convert.

    Parameters
    ----------
    network : class of a network from 10 numbers to 5, with stubs

    Examples
    --------
    >>> fixed, x = fixed_ptq(), inputs(seed=1)
    >>> error = (fixed.quantized(x) - fixed.model(x)).abs().mean()
    >>> bool(error < 0.1), fixed.messages
    (True, ())
    """
    model = _seeded(network)
    _train(model)
    with _recorded() as (messages, deprecated), engines.using() as engine:
        model.eval()
        model.qconfig = quantization.get_default_qconfig("fbgemm")
        prepared = quantization.prepare(model)
        prepared(inputs())
        quantized = quantization.convert(prepared)
    quantized.engine = engine
    return Written(model, quantized, tuple(messages), tuple(deprecated))


def fixed_qat(train: bool = True, freeze: bool = True) -> Written:
    """Run the same with stubs, training (float first, then a little more with quantization), and eval mode.

    Parameters
    ----------
    train : bool
        Whether to train between prepare_qat and convert: the second fix, after the stubs.
    freeze : bool
        Whether to freeze the observers and call eval() before convert: the third.

    Examples
    --------
    >>> fixed, x = fixed_qat(), inputs(seed=1)
    >>> error = (fixed.quantized(x) - targets(x)).abs().mean()
    >>> bool(error < 0.1), fixed.quantized.training, fixed.messages
    (True, False, ())
    """
    model = _seeded(FixedModel)
    _train(model)
    with _recorded() as (messages, deprecated), engines.using() as engine:
        model.train()
        model.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        prepared = quantization.prepare_qat(model)
        if train:
            _train(prepared, steps=100, lr=1e-3)
        if freeze:
            prepared.apply(quantization.disable_observer)
            prepared.eval()
        quantized = quantization.convert(prepared)
    quantized.engine = engine
    return Written(prepared, quantized, tuple(messages), tuple(deprecated))


def _seeded(network: type[nn.Module]) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return network()


def _train(model: nn.Module, steps: int = 200, lr: float = 0.03) -> None:
    """Stand in for the examples' "training code here": learn the targets, all inputs in each step."""
    x = inputs()
    optimizer = AdamW(model.parameters(), lr)
    with engines.threads(1):  # so little work that handing it out takes longer
        for _ in range(steps):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), targets(x)).backward()
            optimizer.step()


@contextmanager
def _recorded() -> Iterator[tuple[list[str], list[str]]]:
    """Collect torch's warnings, each once: those about the model, and deprecations."""
    messages: list[str] = []
    deprecated: list[str] = []
    with warnings.catch_warnings(record=True) as seen, torch.random.fork_rng(devices=[]):
        warnings.simplefilter("always")
        yield messages, deprecated
    for warning in seen:
        text = " ".join(str(warning.message).strip().splitlines()[0].split())
        if issubclass(warning.category, DeprecationWarning):
            deprecated += [text] * (text not in deprecated)
        elif not engines.is_expected(warning):
            messages += [text] * (text not in messages)

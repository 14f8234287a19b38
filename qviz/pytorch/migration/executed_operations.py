"""What a network multiplies with: the operations that torch really runs, written down while they run.

A model that is called quantized may multiply integers, or floats that lie on a grid. Its accuracy does not tell, and
neither does the name of its layers. The list of operations does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

INTEGERS, FLOATS = "integers", "floats"
_FLOAT_PRODUCTS = {"aten::convolution", "aten::addmm", "aten::mm", "aten::bmm"}
_INTEGER_PRODUCTS = {
    "aten::_int_mm",
    "onednn::qconv_pointwise",
    "onednn::qlinear_pointwise",
    "quantized::conv2d",
    "quantized::conv2d_relu",
    "quantized::linear",
    "quantized::linear_dynamic",
    "quantized::linear_relu",
}


@dataclass(frozen=True)
class Product:
    """One convolution or matrix product that ran.

    Attributes
    ----------
    operation : str: torch's name for it
    numbers : {"integers", "floats"}: what it multiplied
    """

    operation: str
    numbers: str


class _Operations(TorchDispatchMode):
    """Write down the name of every operation that runs inside the `with`."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    @classmethod
    def _should_skip_dynamo(cls):
        return False  # else torch loads its compiler, only to keep it from tracing what stands here

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(func._schema.name)
        return func(*args, **(kwargs or {}))


def run(model: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Run a model once; return its output and torch's names of the operations that ran, in order.

    Examples
    --------
    >>> run(nn.Linear(2, 3), torch.zeros(1, 2))[1]
    ('aten::t', 'aten::addmm')
    """
    with torch.no_grad(), _Operations() as seen:
        output = model(x)
    return output, tuple(seen.names)


def products(operations: Iterable[str]) -> tuple[Product, ...]:
    """Return the convolutions and matrix products among the operations that ran.

    Examples
    --------
    >>> products(["aten::t", "aten::addmm"])
    (Product(operation='aten::addmm', numbers='floats'),)
    """
    known = _INTEGER_PRODUCTS | _FLOAT_PRODUCTS
    names = [name for name in operations if name in known]
    return tuple(Product(name, INTEGERS if name in _INTEGER_PRODUCTS else FLOATS) for name in names)

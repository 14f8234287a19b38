"""The digits network by the old way and by each of the new ones, measured alike.

Old is torch.ao.quantization, which is going away. New are the two halves of torchao: `quantize_`, which changes the
weights of a model in place, and PT2E, which quantizes an exported graph.

    lab = MigrationLab()
    print(lab.table())

Where a part is missing, its row says which one, and the numbers in it are NaN.
"""

import textwrap
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np
import torch
from torch import nn
from torch.ao import quantization

from qviz.numerics import INT8, PerChannel, QParams, calibrate, quantize

from .. import engines
from ..bridge import from_torch, qparams_of, quantize_tensor, to_array
from ..digits_model import digits_cnn, digits_tensors
from ..ptq import BATCH
from ..reproducible import ReproducibleSums
from ..size_and_latency import size_bytes
from . import executed_operations, quantize_api, torchao_env
from .backends import BACKENDS
from .stored_results import StoredResult

NAN = float("nan")


@dataclass(frozen=True)
class WayResult:
    """What one way makes of the digits network, on the test images.

    Attributes
    ----------
    name : str
    right : float: how many of the images are named right
    same : float: how many get the answer that the old way gives
    images : int
    size_bytes : float: of the state dict, saved; NaN where it cannot be saved
    integer_products, products : float: how many convolutions and matrix products multiply integers, and how many ran
    layers : tuple of str: the layers whose weights `quantize_` replaced
    needs : str: what is missing here, so that nothing was measured; or ""
    """

    name: str
    right: float
    same: float
    images: int
    size_bytes: float
    integer_products: float
    products: float
    layers: tuple[str, ...] = ()
    needs: str = ""

    def __str__(self) -> str:
        if self.needs:
            return f"{self.name:<22} {self.needs}"
        size = "cannot be saved" if self.size_bytes != self.size_bytes else f"{self.size_bytes:,.0f} bytes"
        return (
            f"{self.name:<22} {self.right:3.0f} of {self.images} right, {self.same:3.0f} the same as torch.ao static, "
            f"{size:>15}, integers in {self.integer_products:.0f} of {self.products:.0f} layers"
        )


class MigrationLab:
    """The digits network, its data, and its quantized forms, each built once.

    Parameters
    ----------
    known : mapping of StoredResult by name, or None
        Results found beforehand, such as `stored_results()`: these ways are not built to be measured.

    Examples
    --------
    >>> lab = MigrationLab()
    >>> print(lab.measure("float"))
    float                  355 of 359 right, 359 the same as torch.ao static,   156,273 bytes, integers in 0 of 4 layers
    """

    def __init__(self, known: Mapping[str, StoredResult] | None = None):
        self._known = known or {}
        self.float_model = digits_cnn()
        self.train_x, self.train_y, self.x, self.y = digits_tensors()
        self.model = cache(self._build)
        self.measure = cache(self._measure)
        self.result = cache(self._result)

    def table(self, names: Iterable[str] | None = None) -> str:
        """Return a line for each way.

        Parameters
        ----------
        names : keys of BACKENDS, or None for all
        """
        return "\n".join(str(self.measure(name)) for name in (BACKENDS if names is None else names))

    def output_qparams(self) -> QParams:
        """Return the grid that the old way puts its logits on; the new ways leave them float."""
        last = self.model("torch.ao static").fc2
        rounded = getattr(last, "activation_post_process", None)
        return rounded.qparams if hasattr(rounded, "qparams") else from_torch(last.scale, last.zero_point, 0, 255)

    def logits(self, name: str) -> torch.Tensor:
        """Return what a way answers to the test images, (359, 10)."""
        return self.result(name).logits

    def codes(self, name: str) -> torch.Tensor:
        """Return the logits of a way (359, 10) as codes on the old way's grid."""
        p = self.output_qparams()
        rounded = torch.round(self.logits(name) / float(p.scale)) + int(p.zero_point)
        return rounded.clamp(p.fmt.qmin, p.fmt.qmax).int()

    def different_codes(self, name: str) -> float:
        """Return how many of the 3,590 logits get another code than by the old way; NaN if this way cannot run."""
        if BACKENDS[name].needs():
            return NAN
        return int((self.codes(name) != self.codes("torch.ao static")).sum())

    def steps(self, name: str) -> str:
        """Return the operations that a way runs for one batch, in their order; equal neighbours are counted."""
        if BACKENDS[name].needs():
            return BACKENDS[name].needs()
        runs = (
            (operation.partition("::")[2], len(list(same))) for operation, same in groupby(self.result(name).operations)
        )
        return textwrap.fill(", ".join(f"{count} {n}" if count > 1 else n for n, count in runs), 110)

    def batch_sensitivity(self, name: str, images: int = 32) -> float:
        """Return how many test images get other logits in a batch than alone; NaN if this way cannot run."""
        if BACKENDS[name].needs():
            return NAN
        x, model = self.x[:images], self.model(name)
        with torch.no_grad(), torchao_env.quiet(), engines.threads(1):
            difference = model(x) - torch.cat([model(image) for image in x.split(1)])
        return int((difference.abs().amax(1) > 1e-3).sum())  # sums of another order differ by 1e-5

    def compare_weights(self, name: str) -> str:
        """Say how many codes of each layer differ from those of torch.ao, and from qviz's on the same grid."""
        if BACKENDS[name].needs():
            return BACKENDS[name].needs()
        return "\n".join(self._compare_weight(name, layer) for layer in quantize_api.quantized_layers(self.model(name)))

    def _compare_weight(self, name: str, layer: str) -> str:
        weight, real = self.model(name).get_submodule(layer).weight, self.float_model.get_submodule(layer).weight
        codes, array = weight.qdata.numpy(), to_array(real)
        old = self._old_codes(layer)
        qviz = quantize(array, quantize_api.weight_qparams(weight))
        own = quantize(array, calibrate(array, "min-max", INT8, "symmetric", PerChannel(0)))
        counts = [int((codes != other).sum()) for other in (old, qviz, own)]
        return "{}: of {:,} codes {} differ from torch.ao, {} from qviz, {:,} from qviz with its own scale".format(
            layer, codes.size, *counts
        )

    def _old_codes(self, layer: str) -> np.ndarray:
        """Return the codes that torch.ao gives to the weights of a layer; no engine is needed for them."""
        observer = quantization.default_per_channel_weight_observer()
        real = self.float_model.get_submodule(layer).weight.detach()
        with engines.quiet():
            observer(real)
            return quantize_tensor(real, qparams_of(observer)).int_repr().numpy()

    def _build(self, name: str) -> nn.Module:
        _check(name)
        with engines.threads(1):  # so small a network that a second thread costs more than it brings
            return BACKENDS[name].build(self)

    def _result(self, name: str) -> StoredResult:
        """Return the logits, the operations of one batch, and the size: as known, else measured."""
        if name in self._known:
            return self._known[name]
        filled = torch.cat([self.x, self.x[: -len(self.x) % BATCH]])  # a lowered network takes whole batches only
        model, batches = self.model(name), filled.split(BATCH)
        with torchao_env.quiet(), torch.no_grad(), engines.threads(1):
            with ReproducibleSums():
                logits = torch.cat([model(batch) for batch in batches])
            operations = executed_operations.run(model, batches[0])[1]
        return StoredResult(logits[: len(self.x)], operations, _size(model))

    def _measure(self, name: str) -> WayResult:
        _check(name)
        missing = BACKENDS[name].needs()
        if missing:
            return WayResult(name, NAN, NAN, len(self.x), NAN, NAN, NAN, needs=missing)
        answers, old = (self.logits(n).argmax(1) for n in (name, "torch.ao static"))
        result = self.result(name)
        ran = executed_operations.products(result.operations)
        integers = sum(product.numbers == executed_operations.INTEGERS for product in ran)
        right, same = int((answers == self.y).sum()), int((answers == old).sum())
        layers = () if name in self._known else tuple(quantize_api.quantized_layers(self.model(name)))
        return WayResult(name, right, same, len(self.x), result.size_bytes, integers, len(ran), layers)


def deprecation_notice() -> str:
    """Return what torch says itself of its old quantization: a DeprecationWarning at nearly every call.

    Examples
    --------
    >>> "torchao" in deprecation_notice()
    True
    """
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        quantization.prepare(nn.Sequential())
    said = (str(warning.message) for warning in seen if warning.category is DeprecationWarning)
    lines = [line.strip() for text in said for line in text.splitlines()]
    return "\n".join(dict.fromkeys(textwrap.fill(line, 110) for line in lines if line))


def _size(model: nn.Module) -> float:
    try:
        return size_bytes(model)
    except NotImplementedError:  # oneDNN keeps packed weights in a form that torch cannot write
        return NAN


def _check(name: str) -> None:
    if name not in BACKENDS:
        raise ValueError(f"name must be one of {', '.join(map(repr, BACKENDS))}: got {name!r}")

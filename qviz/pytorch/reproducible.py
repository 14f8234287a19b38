"""Let networks compute the same on every processor: what a page prints may not depend on the reader's machine.

torch picks kernels by the processor, and two things differ between them.

Each float kernel adds in an order of its own, so the last bits of a float32 sum tell which one ran. Rounded to a code,
now and then such a bit becomes a whole step. Products of float32 are exact in float64, and the order of a float64 sum
disappears when the result is rounded to float32.

fbgemm without VNNI adds two products in 16 bits, which large codes exceed (saturation.py). Other engines round in
another way. There the layer is computed by its twin in NumPy, bit for bit as fbgemm does with 32-bit sums.
"""

from functools import cache

import numpy as np
import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from qviz.numerics import IntegerLayer

from . import engines
from .bridge import from_torch, qparams_of, to_array
from .kernel_sums import kernel_sums

aten = torch.ops.aten  # as an exported graph calls them
OF_BATCHES = frozenset(
    {functional.conv1d, functional.conv2d, functional.conv3d}
    | {aten.conv1d.default, aten.conv2d.default, aten.conv3d.default}
)
FLOAT_SUMS = OF_BATCHES | {
    functional.linear, torch.matmul, torch.bmm, torch.addmm, aten.linear.default, aten.addmm.default,
}  # fmt: skip
BATCH = 64  # inputs of a convolution at a time, whose windows take eighteen times their memory
INTEGER_SUMS = frozenset({"quantized.linear", "quantized.linear_relu", "quantized.conv2d", "quantized.conv2d_relu"})


class ReproducibleSums(TorchFunctionMode):
    """Within the `with`, float32 sums are taken in float64, and integer layers are fbgemm's with 32-bit sums.

    float64, dynamic layers and all else are left as they are. Float layers take about twice the time; integer ones the
    same on a processor with VNNI, and several times as much on others.

    Parameters
    ----------
    integers : bool
        Whether integer layers are computed so: True for what a page prints, False to measure this machine's kernels.

    Examples
    --------
    >>> layer, x = torch.nn.Linear(512, 1), torch.rand(1, 512)
    >>> with ReproducibleSums(), torch.no_grad():
    ...     y = layer(x)
    >>> y.dtype, torch.equal(y, layer.double()(x.double()).float())
    (torch.float32, True)
    """

    def __init__(self, integers: bool = True):
        super().__init__()
        self.integers = integers

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Run one function of torch."""
        kwargs = kwargs or {}
        if func in FLOAT_SUMS and all(map(_is_plain, args)):
            x, *others = map(_double, args)
            named = {name: _double(value) for name, value in kwargs.items()}
            one = func not in OF_BATCHES or x.ndim < others[0].ndim  # or a single input, without an axis of inputs
            return torch.cat([func(part, *others, **named).float() for part in ([x] if one else x.split(BATCH))])
        if self.integers and isinstance(func, torch._ops.OpOverloadPacket) and str(func) in INTEGER_SUMS:
            if not kernel_is_exact():
                return _by_numpy(str(func), *args)
        return func(*args, **kwargs)


def kernel_is_exact() -> bool:
    """Say whether integer layers run on fbgemm here, with sums in 32 bits."""
    return engines.preferred() == "fbgemm" and _fbgemm_adds_in_32_bits()


@cache
def _fbgemm_adds_in_32_bits() -> bool:
    """Ask the kernel for two products whose sum is too large for 16 bits."""
    return int(kernel_sums(np.array([[211, 171]], np.uint8), np.array([[71, 107]], np.int8))[0, 0]) == 33_278


def _is_plain(x) -> bool:
    """Say whether x is float32, or no tensor at all: not one that quantizes itself, as torchao's do."""
    plain = type(x) in (torch.Tensor, torch.nn.Parameter)
    return x.dtype == torch.float32 if plain else not isinstance(x, torch.Tensor)


def _double(x):
    """Return a tensor in float64, and all else as it is."""
    return x.double() if isinstance(x, torch.Tensor) else x


def _by_numpy(name: str, x: torch.Tensor, packed, scale: float, zero_point: int) -> torch.Tensor:
    """Compute one integer layer of torch by its twin."""
    weight, bias = packed.unpack()
    steps = {"stride": packed.stride()[0], "padding": packed.padding()[0]} if "conv" in name else {}
    layer = IntegerLayer(
        weight.int_repr().numpy(), qparams_of(x), qparams_of(weight), from_torch(scale, zero_point, 0, 255),
        None if bias is None else to_array(bias), "relu" in name, **steps,
    )  # fmt: skip
    codes = torch.from_numpy(layer.run(x.int_repr().numpy()))
    return torch._make_per_tensor_quantized_tensor(codes, scale, zero_point)

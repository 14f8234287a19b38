"""Let float32 networks take their sums in float64 and round each once, so that every processor computes the same.

torch picks kernels by the processor, and each adds in an order of its own: the last bits of a float32 sum tell which
one ran. Rounded to a code, now and then such a bit becomes a whole step, and a number on a page another one. Products
of float32 are exact in float64, and the order of a float64 sum disappears when the result is rounded to float32.
"""

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

SUMS = frozenset(
    {functional.linear, functional.conv1d, functional.conv2d, functional.conv3d, torch.matmul, torch.bmm, torch.addmm}
)


class Float64Sums(TorchFunctionMode):
    """Within the `with`, linear layers, convolutions and matrix products of float32 are summed in float64.

    Integer kernels and float64 are left as they are. It takes about twice the time.

    Examples
    --------
    >>> layer, x = torch.nn.Linear(512, 1), torch.rand(1, 512)
    >>> with Float64Sums(), torch.no_grad():
    ...     y = layer(x)
    >>> y.dtype, torch.equal(y, layer.double()(x.double()).float())
    (torch.float32, True)
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Run one function of torch."""
        kwargs = kwargs or {}
        if func not in SUMS or args[0].dtype != torch.float32:
            return func(*args, **kwargs)
        return func(*map(_double, args), **{k: _double(v) for k, v in kwargs.items()}).float()


def _double(x):
    return x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x

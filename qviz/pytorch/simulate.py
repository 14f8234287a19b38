"""A prepared network that rounds as the integer kernels do, and computes in float32.

Where an observer stood, values are rounded to its grid. What runs between two of them on codes alone, such as average
pooling, has no observer: its kernel answers on the grid of its input. In the eager flow a tensor therefore knows the
grid that it lies on (OnGrid); FX puts an observer behind each operation, and no tensor has to know anything.
"""

import operator

import torch
from torch import fx, nn
from torch.ao import quantization
from torch.ao.nn.quantized import FloatFunctional
from torch.utils._pytree import tree_leaves, tree_map

from qviz.numerics import UINT8, QParams

from .bridge import qparams_of, quantize_tensor
from .layer_support import FUSED, WEIGHTED, dynamic_layers, observes, weight_of

# torch's kernels for these answer on one grid, whatever goes in
FIXED = {
    "sigmoid": QParams(1 / 256, 0, UINT8),
    "hardsigmoid": QParams(1 / 256, 0, UINT8),
    "tanh": QParams(1 / 128, 128, UINT8),
}
_BY_NUMBER = (operator.add, torch.add, operator.mul, torch.mul)


class Rounded(nn.Module):
    """Fake-quantize what passes, with fixed qparams.

    Examples
    --------
    >>> from qviz.numerics import UINT8, QParams
    >>> Rounded(QParams(0.5, 0, UINT8))(torch.tensor([0.3, 0.9]))
    tensor([0.5000, 1.0000])
    """

    def __init__(self, qparams):
        super().__init__()
        self.qparams = qparams

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x`, rounded to the levels."""
        return _rounded(x, self.qparams)


class RoundedInput(Rounded):
    """Fake-quantize an input as `torch.quantize_per_tensor` does, which adds the zero point before it rounds.

    Where the zero point is odd, a value halfway between two codes then goes to the odd one. The kernels round first,
    and so do fake_quantize and qviz. Values such as k/16, of which images are full, are often halfway.

    Examples
    --------
    >>> from qviz.numerics import UINT8, QParams
    >>> from qviz.pytorch import engines
    >>> p, x = QParams(1.0, 1, UINT8), torch.tensor([0.5, 1.5, 2.5])
    >>> with engines.quiet():
    ...     Rounded(p)(x), RoundedInput(p)(x)
    (tensor([0., 2., 2.]), tensor([1., 1., 3.]))
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `x`, rounded to the levels."""
        return quantize_tensor(x, self.qparams).dequantize()


class OnGrid(torch.Tensor):
    """Real numbers on the grid of `grid`, a QParams; what an operation makes of them is rounded to it as well.

    Examples
    --------
    >>> from qviz.numerics import UINT8, QParams
    >>> x = on_grid(torch.tensor([[1.0, 2.0]]), QParams(1.0, 0, UINT8))
    >>> plain(nn.functional.adaptive_avg_pool1d(x, 1))  # 1.5 is halfway, and goes to the even one
    tensor([[2.]])
    """

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """Run the operation on plain tensors, and put its result on the grid."""
        name = getattr(func, "__name__", "")
        grid = next(leaf.grid for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, OnGrid))
        args, kwargs = plain((args, kwargs or {}))
        if name == "add" and isinstance(args[1], int | float):
            return add_steps(args[0], args[1], float(grid.scale))  # the kernel moves the zero point: another grid
        result = func(*args, **kwargs)
        if name == "mul":
            return result  # by a number: the kernel multiplies the scale
        return tree_map(lambda value: _put(value, FIXED.get(name, grid)), result)


def on_grid(x: torch.Tensor, grid: QParams) -> OnGrid:
    """Return the same tensor, which knows now that it lies on a grid."""
    tagged = plain(x).as_subclass(OnGrid)
    tagged.grid = grid
    return tagged


def plain(value):
    """Return a tensor without its grid; in lists, tuples and dicts every one of them.

    Examples
    --------
    >>> plain([torch.ones(1)])
    [tensor([1.])]
    """
    with torch._C.DisableTorchFunctionSubclass():
        return tree_map(lambda x: x.as_subclass(torch.Tensor) if isinstance(x, OnGrid) else x, value)


def add_steps(x: torch.Tensor, number: float, scale: float) -> torch.Tensor:
    """Add a number as the kernel does, which moves the zero point by whole steps."""
    return x + round(number / scale) * scale


@torch.no_grad()
def simulate(prepared: nn.Module, config) -> nn.Module:
    """Let a prepared and calibrated network round its activations and its weights, in place, and return it."""
    if config.dynamic:
        for name, module in dynamic_layers(prepared).items():
            layer = weight_of(module)
            layer.register_forward_pre_hook(_round_input)
            _round_weight(layer, config.qconfig(name))
    elif isinstance(prepared, fx.GraphModule):
        _simulate_graph(prepared, config)
    else:
        _simulate_modules(prepared)
    return prepared


def _simulate_modules(prepared: nn.Module) -> None:
    for module in list(prepared.modules()):
        if isinstance(module, quantization.DeQuantStub):
            module.register_forward_hook(_leave)
        if not hasattr(module, "activation_post_process") or getattr(module, "qconfig", None) is None:
            continue
        kind = RoundedInput if isinstance(module, quantization.QuantStub) else Rounded
        module.activation_post_process = kind(qparams_of(module.activation_post_process))
        if isinstance(module, FloatFunctional):
            module.__class__ = _Functional
        else:
            module.register_forward_pre_hook(_enter)
            module.register_forward_hook(_tag)
        if (layer := weight_of(module)) is not None:
            _round_weight(layer, module.qconfig)
    prepared.register_forward_hook(_leave)


def _simulate_graph(prepared: fx.GraphModule, config) -> None:
    rounded: dict[int, Rounded] = {}  # one observer may stand in several places
    for node in prepared.graph.nodes:  # also while some are erased
        module = prepared.get_submodule(node.target) if node.op == "call_module" else None
        if node.op == "call_function" and node.target in _BY_NUMBER and isinstance(node.args[1], int | float):
            _number_in_graph(prepared, node)
        elif isinstance(module, Rounded) or observes(module):
            source = node.args[0]
            kind = RoundedInput if source.op == "placeholder" else Rounded
            if observes(module):
                rounded[id(module)] = rounded.get(id(module)) or kind(qparams_of(module))
                prepared.set_submodule(node.target, rounded[id(module)])
                module = rounded[id(module)]
            layer = prepared.get_submodule(source.target) if source.op == "call_module" else None
            if layer is not None and type(layer) in (*WEIGHTED, *FUSED):
                layer.activation_post_process = module
                layer.register_forward_hook(lambda layer, inputs, output: layer.activation_post_process(output))
                _round_weight(weight_of(layer), config.qconfig(source.target))
    prepared.recompile()


def _number_in_graph(prepared: fx.GraphModule, node: fx.Node) -> None:
    """Let a graph add a number by whole steps, or multiply by it, without the observer behind: no kernel asks it."""
    before, number = node.args
    if node.target in _BY_NUMBER[:2]:
        scale = float(prepared.get_submodule(before.target).qparams.scale)
        node.target, node.args = add_steps, (before, number, scale)
    for user in list(node.users):
        if user.op == "call_module" and observes(prepared.get_submodule(user.target)):
            user.replace_all_uses_with(node)
            prepared.graph.erase_node(user)


class _Functional(FloatFunctional):
    """A FloatFunctional whose results lie on the grid of its observer."""

    def add(self, x, y):
        return self._tagged(super().add(plain(x), plain(y)))

    def mul(self, x, y):
        return self._tagged(super().mul(plain(x), plain(y)))

    def cat(self, x, dim=0):
        return self._tagged(super().cat(plain(x), dim))

    def add_relu(self, x, y):
        return self._tagged(super().add_relu(plain(x), plain(y)))

    def matmul(self, x, y):
        return self._tagged(super().matmul(plain(x), plain(y)))

    def _tagged(self, result):
        return on_grid(result, self.activation_post_process.qparams)


def _put(value, grid: QParams):
    """Round a result to the grid, and tag it, if it is a tensor of real numbers."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point():
        return value
    return on_grid(_rounded(plain(value), grid), grid)


def _rounded(x: torch.Tensor, p: QParams) -> torch.Tensor:
    return torch.fake_quantize_per_tensor_affine(x, float(p.scale), int(p.zero_point), p.fmt.qmin, p.fmt.qmax)


def _enter(module, inputs):
    """Take the grid off what goes into a layer with an observer of its own."""
    return plain(inputs)


def _tag(module, inputs, output):
    return on_grid(output, module.activation_post_process.qparams)


def _leave(module, inputs, output):
    return plain(output)


def _round_weight(layer: nn.Module, qconfig: quantization.QConfig) -> None:
    observer = qconfig.weight()
    observer(layer.weight)
    rounded = quantize_tensor(layer.weight, qparams_of(observer)).dequantize()
    layer.weight = nn.Parameter(rounded)  # a new one: another layer may share the old, and rounds it by its own qparams


def _round_input(module: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    """Round an input to 7 bits of its own range, as fbgemm's dynamic kernel does (reduce_range)."""
    observer = quantization.MinMaxObserver(quant_min=0, quant_max=127)
    observer(inputs[0])
    return (Rounded(qparams_of(observer))(inputs[0]),)

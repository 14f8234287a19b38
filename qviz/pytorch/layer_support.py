"""Which layers torch can turn into integers, and what is asked of a network before any work is done with it.

A layer is quantized, stays float, or is refused with a sentence that names it. Three questions find out which: what its
parameters are (check_parameters), what kind of layer it is (check_layers), and whether the converted network runs on
one input (run_watched), which also finds the operations that stand in a forward method alone.
"""

import inspect
from copy import deepcopy

import torch
from torch import nn
from torch.ao import quantization
from torch.ao.nn import intrinsic
from torch.ao.nn.intrinsic import _FusedModule
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization.quantize import _observer_forward_hook
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from .copies import computing
from .inputs import run

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
WEIGHTED = (nn.Linear, *CONVOLUTIONS)  # exactly these types; torch converts no class derived from them
FUSED = (intrinsic.ConvReLU1d, intrinsic.ConvReLU2d, intrinsic.ConvReLU3d, intrinsic.LinearReLU)
FLOAT_IN_FX = (nn.Embedding, nn.EmbeddingBag, nn.LSTM, nn.GRU, nn.RNN, nn.LSTMCell, nn.GRUCell, nn.RNNCell)
FLOAT_IN_FX += (nn.MultiheadAttention,)
FIXED_LAYERS = (nn.Sigmoid, nn.Hardsigmoid, nn.Tanh, nn.Softmax)  # their codes are 8 bits, whatever is asked for
FIXED_OPERATIONS = ("sigmoid", "hardsigmoid", "tanh")
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
INSTANCE_NORMS = (nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d)
NOT_TRAINED = (nn.PReLU,)
ELSEWHERE = (intrinsic.LinearLeakyReLU, intrinsic.LinearTanh, intrinsic.ConvAdd2d, intrinsic.ConvAddReLU2d)


@torch.no_grad()  # so that weights made in torch.inference_mode can be looked at
def check_parameters(model: nn.Module, name: str = "model") -> None:
    """Refuse a network that is no longer one of Python modules, or whose weights are not float32, or not finite."""
    if isinstance(model, torch.jit.ScriptModule) or hasattr(model, "_orig_mod"):  # the latter: torch.compile
        what = "compiled" if hasattr(model, "_orig_mod") else "scripted or traced"
        raise ValueError(
            f"{name} must be a network of Python modules: it is {what}; give the one that it was made from"
        )
    for key, value in (*model.named_parameters(), *model.named_buffers()):
        if nn.parameter.is_lazy(value):
            raise ValueError(
                f"{name} must have weights: {key} is made at the first call; call {name} on an input first"
            )
        if value.is_meta:
            raise ValueError(f"{name} must have weights: {key} is on the meta device, without values; load them first")
    for key, value in model.named_parameters():
        if value.is_floating_point() and value.dtype != torch.float32:
            raise ValueError(f"{name} must be float32: {key} is {value.dtype}; use {name}.float()")
        if not torch.isfinite(value).all():
            raise ValueError(f"{name} must have finite weights: {_first(key, ~torch.isfinite(value), value)}")
    for key, value in model.named_buffers():  # infinite ones may be masks
        if value.is_floating_point() and value.isnan().any():
            raise ValueError(f"{name} must have finite weights: {_first(key, value.isnan(), value)}")


def check_layers(
    model: nn.Module, *, flow: str = "eager", per_channel: bool = True, training: bool = False, narrow: bool = False
) -> None:
    """Refuse a layer that torch cannot turn into integers, by its kind, before any work is done.

    A layer whose attribute `qconfig` is None stays float, as in torch, and is not asked.
    """
    for name, module in quantizable(model).items():
        kind, layer = type(module), f"layer {name!r} ({type(module).__name__})"
        keep = (
            f"set model.get_submodule({name!r}).qconfig = None to keep it float, and let a DeQuantStub stand before it "
        )
        keep += "where it is given codes and a QuantStub behind it"
        other = "" if training else "; or use flow='fx', which keeps it float"
        if kind in ELSEWHERE:
            raise ValueError(f"{layer} is made for another backend of torch: use the layers that it consists of")
        if kind in TRANSPOSED and per_channel:
            raise ValueError(f"{layer} has one scale for all weights in torch's kernels: use per_channel=False")
        if kind in CONVOLUTIONS and isinstance(module.padding, str):
            raise ValueError(f"{layer} has padding={module.padding!r}, which torch's integer kernels do not know: "
                             f"{_padding_advice(module)}")  # fmt: skip
        if kind in CONVOLUTIONS and module.padding_mode not in _modes(module):
            modes = " or ".join(map(repr, _modes(module)))
            raise ValueError(f"{layer} has padding_mode={module.padding_mode!r}, and torch's integer kernels pad with "
                             f"{modes} only: choose that, or {keep}")  # fmt: skip
        if training and computing(module):
            raise ValueError(
                f"{layer} computes its weight anew at each call, by pruning, weight norm or spectral norm, which torch "
                "cannot train with quantization in it: make the result its weight first, with remove of "
                "torch.nn.utils.prune, remove_weight_norm or remove_spectral_norm"
            )
        if kind in BATCH_NORMS and module.running_mean is None:
            raise ValueError(
                f"{layer} keeps no running statistics, without which it can be neither folded nor run on integers: "
                "make it with track_running_stats=True, and train it"
            )
        if kind in INSTANCE_NORMS and module.running_mean is not None:
            raise ValueError(
                f"{layer} takes its running statistics in eval mode, and torch's integer kernel those of each input: "
                f"put a {kind.__name__.replace('Instance', 'Batch')} with the same weights and statistics there, "
                "which in eval mode does the same"
            )
        if flow == "eager" and isinstance(module, FLOAT_IN_FX):
            raise ValueError(f"{layer} is not quantized in the eager flow: {keep}{other}")
        if training and (kind in NOT_TRAINED or (narrow and kind in FIXED_LAYERS[:3])):
            what = "gives out codes of 8 bits always: use activation_bits=8 and reduce_range=False"
            what = (
                what if kind in FIXED_LAYERS else "has no form that can be trained with quantization in it: replace it"
            )
            raise ValueError(f"{layer} {what}, or {keep}")


def quantizable(model: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    """Return every module that torch would look at by name: all but those whose `qconfig` is None."""
    found = {}
    for name, child in model.named_children():
        if getattr(child, "qconfig", "inherited") is not None:
            found |= {f"{prefix}{name}": child} | quantizable(child, f"{prefix}{name}.")
    return found


def dynamic_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Return the layers that a dynamic network quantizes, by name: linear ones, also fused with a ReLU."""
    found = {n: m for n, m in quantizable(model).items() if type(m) in (nn.Linear, intrinsic.LinearReLU)}
    inside = [f"{n}." for n, m in model.named_modules() if isinstance(m, _FusedModule)]
    return {n: m for n, m in found.items() if not n.startswith(tuple(inside))}


def kept_float(model: nn.Module) -> list[str]:
    """Return the names of the modules whose attribute `qconfig` is None."""
    return [name for name, module in model.named_modules() if getattr(module, "qconfig", "inherited") is None]


def fused(model: nn.Module) -> nn.Module:
    """Fuse a network in place with its own method `fuse` or `fuse_model`, if it has one and is not fused yet.

    The method may return the network or nothing. One that fuses in eval mode alone is called in eval mode.

    Examples
    --------
    >>> class Small(nn.Sequential):
    ...     def fuse_model(self):
    ...         quantization.fuse_modules(self, ["0", "1"], inplace=True)
    >>> from qviz.pytorch import engines
    >>> with engines.quiet():
    ...     type(fused(Small(nn.Linear(2, 2), nn.ReLU()).eval())[0]).__name__
    'LinearReLU'
    """
    name = next((n for n in ("fuse", "fuse_model") if callable(getattr(model, n, None))), None)
    if name is None or any(isinstance(m, _FusedModule) for m in model.modules()):
        return model
    if model.training:
        try:
            return _call(deepcopy(model), name)
        except AssertionError:  # torch.ao.quantization.fuse_modules folds batch norms in eval mode only
            return _call(model.eval(), name).train()
    return _call(model, name)


def weight_of(module: nn.Module) -> nn.Module | None:
    """Return the layer that holds the weight which torch quantizes with this module, or None."""
    if type(module) in FUSED:
        return module[0]
    return module if type(module) in (*WEIGHTED, nn.PReLU) else None


def observes(module: nn.Module | None) -> bool:
    """Say whether it is an observer or a fake-quantize."""
    return isinstance(module, quantization.ObserverBase | quantization.FakeQuantizeBase)


def has_seen_nothing(observer: nn.Module) -> bool:
    """Say whether an observer, or that of a fake-quantize, has no range; one with a range from the start has one."""
    observer = getattr(observer, "activation_post_process", observer)
    if hasattr(observer, "observers"):
        return not observer.observers
    lowest = getattr(observer, "min_val", torch.zeros(1))
    return lowest.numel() == 0 or bool(lowest.isinf().any())


def drop_unused(prepared: nn.Module) -> list[str]:
    """Take out the observers of modules that never ran, so that these stay float, and return their names.

    A FloatFunctional that never ran gets scale 1 and zero point 0, as torch would give it; a block of MobileNetV2
    without a shortcut has one. Where nothing ran at all, nothing is changed.
    """
    owners = {n: m for n, m in prepared.named_modules() if observes(getattr(m, "activation_post_process", None))}
    owners = {n: m for n, m in owners.items() if not observes(m)}
    unused = {n: m for n, m in owners.items() if has_seen_nothing(m.activation_post_process)}
    if len(unused) == len(owners):
        return []
    for name, module in unused.items():
        if isinstance(module, FloatFunctional):  # converted in any case: adding a number asks no observer
            module.activation_post_process = quantization.FixedQParamsObserver(1.0, 0)
            continue
        for part in module.modules():
            part.qconfig = None
        for key, hook in list(module._forward_hooks.items()):
            if hook is _observer_forward_hook:
                del module._forward_hooks[key]
        del module.activation_post_process
        if hasattr(module, "weight_fake_quant"):
            prepared.set_submodule(name, module.to_float())
            prepared.get_submodule(name).qconfig = None
    return list(unused)


def check_runs(model: nn.Module, x: torch.Tensor, name: str) -> None:
    """Refuse inputs that the float network itself cannot take."""
    try:
        run(model, x)
    except Exception as error:
        shape = tuple(x.shape)
        raise ValueError(
            f"{name} must hold inputs that model takes: it fails on shape {shape}: {first_line(error)}"
        ) from None


def run_watched(converted: nn.Module, x: torch.Tensor, flow: str, narrow: bool) -> None:
    """Run a converted network on one input, and name what fails."""
    inside: list[str] = []
    for name, module in converted.named_modules():
        module.register_forward_pre_hook(lambda m, i, n=name: inside.append(n), prepend=True)
        module.register_forward_hook(lambda m, i, o: (inside.pop(), None)[1])
    watch = _Watch(narrow)
    try:
        with watch:
            run(converted, x)
    except Exception as error:
        if watch.refusal:
            raise ValueError(watch.refusal) from None
        raise ValueError(_failure(converted, inside, watch.last, flow, error)) from None


class _Watch(TorchFunctionMode):
    """Note the last operation, and refuse those whose codes leave a range of fewer than 8 bits."""

    def __init__(self, narrow: bool):
        super().__init__()
        self.narrow, self.last, self.refusal = narrow, "", ""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name, kwargs = getattr(func, "__name__", str(func)), kwargs or {}
        codes = any(isinstance(a, torch.Tensor) and _is_quantized(a) for a in tree_leaves((args, kwargs)))
        if codes and self.narrow and (name in FIXED_OPERATIONS or _shifts(func, name, args)):
            what = name if name in FIXED_OPERATIONS else "adding a number, or multiplying by a negative one,"
            self.refusal = (
                f"model must keep to its bits: {what} gives out codes of 8 bits always, which would leave the range; "
                "use activation_bits=8 and reduce_range=False, or dequantize before it"
            )
            raise ValueError(self.refusal)
        joins = name in ("cat", "concat", "stack") and getattr(func, "__module__", "") != "torch._ops.quantized"
        if joins and codes and len({t.q_scale() for t in args[0]}) > 1:
            self.refusal = (
                f"model must not join codes as they are: torch.{name} puts codes of different scales on that of the "
                "first, where large ones are clipped; use torch.ao.nn.quantized.FloatFunctional().cat, or flow='fx'"
            )
            raise ValueError(self.refusal)
        if name != "__get__":
            self.last = name
        return func(*args, **kwargs)


def _is_quantized(tensor: torch.Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        return tensor.is_quantized


def _shifts(func, name: str, args) -> bool:
    if (
        getattr(func, "__module__", "") != "torch._ops.quantized"
        or len(args) < 2
        or not isinstance(args[1], int | float)
    ):
        return False
    return name.startswith("add") or (name.startswith("mul") and args[1] < 0)


def _failure(converted: nn.Module, inside: list[str], operation: str, flow: str, error: Exception) -> str:
    name = inside[-1] if inside else ""
    module = converted.get_submodule(name)
    where = f"layer {name!r} ({type(module).__name__})" if name else f"the forward of {type(module).__name__}"
    if any(True for _ in module.children()) or not name:
        what = f"{where} calls {operation or 'an operation'} on integers, for which torch has no kernel"
        advice = "for + and * use torch.ao.nn.quantized.FloatFunctional, around others a DeQuantStub and a QuantStub"
    else:
        what = f"{where} is given integers, and torch has no kernel for it that takes them"
        advice = "fuse it with the layer before it in a method fuse, if torch can"
        advice += "; or let a DeQuantStub stand before it, a QuantStub behind it, and set its qconfig to None"
    advice = f"{advice}; or use flow='fx', which finds these places by itself" if flow == "eager" else "keep it float"
    return f"model cannot run on integers: {what}; {advice}. torch's words: {first_line(error)}"


def first_line(error: Exception) -> str:
    """Return the first words of an error of torch."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:160]


def _call(model: nn.Module, name: str) -> nn.Module:
    method = getattr(model, name)
    takes = inspect.signature(method).parameters
    result = method(**({"is_qat": model.training} if "is_qat" in takes else {}))
    return result if isinstance(result, nn.Module) else model


def _modes(layer: nn.Module) -> tuple[str, ...]:
    return ("zeros", "reflect") if type(layer) in (nn.Conv1d, nn.Conv2d) else ("zeros",)


def _padding_advice(layer: nn.Module) -> str:
    if layer.padding == "valid":
        return "use padding=0"
    totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
    if any(total % 2 for total in totals):
        return "its two sides need different numbers here: choose an odd kernel size and a number"
    sides = tuple(total // 2 for total in totals)
    return f"use padding={sides[0] if len(set(sides)) == 1 else sides}"


def _first(name: str, bad: torch.Tensor, value: torch.Tensor) -> str:
    places = bad.nonzero()
    index = tuple(places[0].tolist())
    return f"{name} has {value[index].item()} at index {index}, and {len(places)} such values in all; train it again"

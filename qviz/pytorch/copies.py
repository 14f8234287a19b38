"""Copies of a network that torch's flows can convert, so that the network itself is never changed.

Torch cannot copy a tensor with a gradient history, and converts a layer by its name and its parameter `weight`. So a
layer that computes its weight (weight norm, pruning) gets the result as a plain parameter here, and a layer that a
graph calls several times becomes several layers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import fx, nn
from torch.ao.quantization.fx.tracer import QuantizationTracer
from torch.nn.utils.parametrize import is_parametrized, type_before_parametrizations
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm
from torch.utils._pytree import tree_leaves

COMPUTES = (BasePruningMethod, SpectralNorm, WeightNorm)  # hooks that compute a weight before each call


def copied(model: nn.Module) -> nn.Module:
    """Return a copy of a network, in which tensors left by earlier calls are plain, or say why there can be none."""
    left = [v for m in model.modules() for v in tree_leaves(vars(m)) if isinstance(v, torch.Tensor) and not v.is_leaf]
    try:
        return deepcopy(model, {id(value): value.detach().clone() for value in left})
    except Exception as error:
        words = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ValueError(
            f"model must be one that copy.deepcopy can copy, so that it is not changed itself: {words[0][:160]}; "
            "take out what cannot be copied, such as locks and open files"
        ) from None


def computing(module: nn.Module) -> list[tuple[int, object]]:
    """Return the hooks of a module that compute a weight before each call, each with its key."""
    return [(key, hook) for key, hook in module._forward_pre_hooks.items() if isinstance(hook, COMPUTES)]


@torch.no_grad()
def with_plain_weights(model: nn.Module) -> nn.Module:
    """Give each layer that computes its weight the result as a plain parameter, in place, and return the network."""
    for module in list(model.modules()):
        for key, hook in computing(module):
            hook(module, None)  # as the next call would
            hook.remove(module)
            del module._forward_pre_hooks[key]
        if is_parametrized(module):
            plain = {name: nn.Parameter(getattr(module, name)) for name in module.parametrizations}
            # remove_parametrizations would take them off the class, which a copy has in common with its original
            module.__class__ = type_before_parametrizations(module)
            del module.parametrizations
            for name, value in plain.items():
                module.register_parameter(name, value)
    return model


@contextmanager
def untraced_origins() -> Iterator[None]:
    """Let FX not note which line of code each operation comes from; torch loads its whole compiler to find that out."""
    before = fx.config.do_not_emit_stack_traces
    fx.config.do_not_emit_stack_traces = True
    try:
        yield
    finally:
        fx.config.do_not_emit_stack_traces = before


@untraced_origins()
def with_a_layer_for_each_call(model: nn.Module) -> nn.Module:
    """Return a network in which no layer is called twice, as a graph of FX if this takes copies of layers.

    FX fuses a layer for all of its calls where one of them can be fused, and gives its integer form the range of one
    call alone; the eager flow, where a layer has one observer, needs none of this.
    """
    try:
        graph = QuantizationTracer([], []).trace(model)
    except Exception as error:
        words = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ValueError(
            f"model cannot be traced by FX: {words[0][:160]}; let its forward not depend on values and shapes (no if, "
            "no loop over a tensor), or use flow='eager', which runs the forward as it is"
        ) from None
    calls: dict[str, int] = {}
    for node in graph.nodes:
        if node.op == "call_module":
            calls[node.target] = calls.get(node.target, 0) + 1
            if calls[node.target] > 1:
                name = f"{node.target}_copy_{calls[node.target] - 1}"
                layer = model.get_submodule(node.target)
                model.set_submodule(name, deepcopy(layer, {id(p): p for p in layer.parameters()}))  # the same weights
                node.target = name
    return model if max(calls.values(), default=1) == 1 else fx.GraphModule(model, graph)

"""A quantized network's state dict as plain tensors by name, and back, each compared with what belongs in its place.

A quantized tensor `w` becomes `w.codes`, `w.scale` and, unless all are 0, `w.zero_point`; a part of a tuple is named by
its number. On the way back kind, shape and dtype must fit, codes and zero points must lie within their format, scales
must be above 0, and all real numbers finite.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import fx, nn

from qviz.numerics import IntFormat
from qviz.numerics.packing import pack, unpack

from .sub8bit import gives_codes

WHOLE = (torch.int8, torch.uint8, torch.int32, torch.int64)
DTYPES = (*WHOLE, torch.bool, torch.int16, torch.float16, torch.bfloat16, torch.float32, torch.float64)


def encoded(state: dict, packed: bool = False) -> tuple[dict[str, torch.Tensor], dict[str, int]]:
    """Turn a state dict into plain tensors by name, and the bits of each quantized one that is packed without gaps.

    Raises
    ------
    ValueError
        An entry is neither a tensor, a dtype, None nor a tuple of these, or has codes of another kind.

    Examples
    --------
    >>> from qviz.pytorch.engines import quiet
    >>> with quiet():
    ...     w = torch.quantize_per_tensor(torch.tensor([-1.0, 0.5]), 0.5, 0, torch.qint8)
    >>> encoded({"w": w})
    ({'w.codes': tensor([-2,  1], dtype=torch.int8), 'w.scale': tensor(0.5000)}, {})
    >>> encoded({"w": w}, packed=True)  # less -2, the codes are 0 and 3, in two bits each
    ({'w.codes': tensor([12], dtype=torch.uint8), 'w.scale': tensor(0.5000)}, {'w': 2})
    """
    values, bits = {}, {}
    for name, tensor in _leaves(state):
        if not tensor.is_quantized:
            values[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            continue
        codes, scale, zero_point = _parts(tensor, name)
        if zero_point.any():
            values[f"{name}.zero_point"] = zero_point.to(codes.dtype)
        fmt = _fewest_bits(codes)
        if packed and fmt.bits < 8:
            bits[name], codes = fmt.bits, torch.from_numpy(pack(codes.numpy(), fmt))
        exact = torch.equal(scale.float().double(), scale)  # as all scales of weights that an engine has packed
        values |= {f"{name}.codes": codes, f"{name}.scale": scale.float() if exact else scale}
    return values, bits


def decoded(values: dict, bits: dict, like: dict, config, model: nn.Module) -> dict:
    """Turn plain tensors by name, as from `encoded` or hostile, back into a state dict.

    Parameters
    ----------
    values, bits : dict
    like : dict
        The state dict of the same network with other numbers.
    config : PTQConfig
        Which codes its weights and outputs may have.
    model : nn.Module
        The network.

    Raises
    ------
    ValueError, TypeError, AttributeError
        Something does not belong there.
    """
    leaves = dict(_leaves(like))
    needed = {f"{n}.{part}" if t.is_quantized else n for n, t in leaves.items() for part in ("codes", "scale")}
    optional = {f"{n}.zero_point" for n, t in leaves.items() if t.is_quantized}
    if wrong := (set(values) - optional) ^ needed:
        raise ValueError(f"its entries differ at {', '.join(sorted(map(shown, wrong))[:3])}")
    read = {
        n: _quantized(values, bits.get(n), t, n, config) if t.is_quantized else _plain(values[n], t, n)
        for n, t in leaves.items()
    }
    for name, value in ((n, v) for n, v in read.items() if n in like):  # all but parts of tuples
        if _is_qparam(model, name, "scale") and not (value > 0).all():
            raise ValueError(f"{name} must be above 0: got {float(value):g}")
        if _is_qparam(model, name, "zero_point"):
            _check_within(value, config.activation_format, f"{name} must be")
    return {name: _with_leaves(value, name, read) for name, value in like.items()}


def shown(value) -> str:
    """Return at most 50 characters of a number or text for a message; of anything else its type."""
    return repr(value)[:50] if is_plain(value) else type(value).__name__


def is_plain(value) -> bool:
    """Say whether it is a number, text or None."""
    return value is None or type(value) in (bool, int, float, str)


def outside_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return the qparams and weights that torch leaves out of the state dict of some quantized layers (ELU, PReLU)."""
    found, state = {}, model.state_dict()
    for name, module in model.named_modules():
        if not gives_codes(module):
            continue
        for attribute in ("scale", "zero_point", "weight"):
            value = getattr(module, attribute, None)
            if f"{name}.{attribute}" not in state and isinstance(value, int | float | torch.Tensor):
                kind = {"dtype": torch.float64} if isinstance(value, float) else {}
                found[f"{name}.{attribute}"] = value if isinstance(value, torch.Tensor) else torch.tensor(value, **kind)
    return found


def load_outside(model: nn.Module, values: dict[str, torch.Tensor]) -> None:
    """Put values of `outside_state` into the layers of a network."""
    for name, value in values.items():
        owner, _, attribute = name.rpartition(".")
        setattr(model.get_submodule(owner), attribute, value if attribute == "weight" else value.item())


def with_codes(codes: torch.Tensor, scale: torch.Tensor, zero_point: torch.Tensor) -> torch.Tensor:
    """Return a quantized tensor of torch: with 0-d scale and zero point, or one for each place on the first axis."""
    if scale.ndim:
        return torch._make_per_channel_quantized_tensor(codes, scale, zero_point, 0)
    return torch._make_per_tensor_quantized_tensor(codes, float(scale), int(zero_point))


def _leaves(state: dict) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor of a state dict with its name."""
    for name, value in state.items():
        if isinstance(value, tuple):
            yield from _leaves({f"{name}.{i}": part for i, part in enumerate(value)})
        elif isinstance(value, torch.Tensor) and (value.is_quantized or value.dtype in DTYPES):
            yield name, value
        elif value is not None and not isinstance(value, torch.dtype):
            what = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
            raise ValueError(f"{name} must be a tensor of integers or floats: got {what}")


def _with_leaves(value, name: str, read: dict):
    """Return an entry of a state dict with other tensors in it."""
    if isinstance(value, tuple):
        return tuple(_with_leaves(part, f"{name}.{i}", read) for i, part in enumerate(value))
    return read[name] if isinstance(value, torch.Tensor) else value


def _parts(tensor: torch.Tensor, name: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return codes, scale (float64) and zero point of a quantized tensor."""
    scheme, per_channel = str(tensor.qscheme()), "per_channel" in str(tensor.qscheme())
    axis = tensor.q_per_channel_axis() if per_channel else 0
    if tensor.dtype not in (torch.qint8, torch.quint8) or "float_qparams" in scheme or axis:
        raise ValueError(
            f"{name} must have codes of 8 bits and one scale, or one for each output: got {tensor.dtype}, {scheme}"
        )
    codes = tensor.int_repr().cpu().contiguous()
    if per_channel:
        return codes, tensor.q_per_channel_scales().double(), tensor.q_per_channel_zero_points()
    return codes, torch.tensor(tensor.q_scale(), dtype=torch.float64), torch.tensor(tensor.q_zero_point())


def _fewest_bits(codes: torch.Tensor) -> IntFormat:
    """Return the smallest format that holds these codes."""
    formats = (IntFormat(bits, signed=codes.dtype == torch.int8) for bits in range(2, 9))
    low, high = (int(codes.min()), int(codes.max())) if codes.numel() else (0, 0)
    return next(fmt for fmt in formats if fmt.qmin <= low and high <= fmt.qmax)


def _quantized(values: dict, bits, like: torch.Tensor, name: str, config) -> torch.Tensor:
    """Return the quantized tensor of this name, if it can stand in the place of `like`."""
    codes, scale, whole = values[f"{name}.codes"], values[f"{name}.scale"], like.int_repr()
    fmt = replace(config.weight_format_of(name), signed=whole.dtype == torch.int8)  # unsigned: the slopes of a PReLU
    if bits is not None:
        codes = torch.from_numpy(unpack(codes.numpy(), IntFormat(bits, signed=fmt.signed), tuple(like.shape)))
    codes = _plain(codes, whole, name)
    if scale.shape not in ((), like.shape[:1]) or scale.dtype not in (torch.float32, torch.float64):
        got = f"{scale.dtype}, shape {tuple(scale.shape)}"
        raise ValueError(f"{name} must have one real scale, or one a channel: got {got}")
    scale = _plain(scale.double(), torch.ones(scale.shape, dtype=torch.float64), name)
    if not (scale > 0).all():
        raise ValueError(f"{name} must have scales above 0: got {float(scale.min()):g}")
    zero_point = values.get(f"{name}.zero_point", torch.zeros(scale.shape, dtype=torch.int8))
    zero_point = _plain(zero_point, torch.zeros(scale.shape, dtype=torch.int64), f"{name}.zero_point")
    _check_within(codes, fmt, f"{name} must have codes")
    _check_within(zero_point, fmt, f"{name} must have affine zero points")
    if fmt.signed and config.weight_scheme == "symmetric" and zero_point.any():
        raise ValueError(f"{name} must have symmetric zero points of 0: got {int(zero_point[zero_point != 0][0])}")
    return with_codes(codes, scale, zero_point)


def _plain(value: torch.Tensor, like: torch.Tensor, name: str) -> torch.Tensor:
    """Return a copy of a plain tensor, if it is as `like`, and finite but for the infinities of a mask."""
    wide = like.dtype in WHOLE[2:] and value.dtype in WHOLE  # zero points: torch's are int32 or int64, a file's int8
    if value.shape != like.shape or (value.dtype != like.dtype and not wide):
        got = f"{value.dtype} {tuple(value.shape)}"
        raise ValueError(f"{name} must be a tensor {like.dtype} {tuple(like.shape)}: got {got}")
    value = value.to(like.dtype, copy=True)
    if not (torch.isfinite(value) | (value == like) & like.isinf()).all():
        raise ValueError(f"{name} must be finite")
    return value


def _check_within(numbers: torch.Tensor, fmt: IntFormat, must: str) -> None:
    outside = numbers[(numbers < fmt.qmin) | (numbers > fmt.qmax)]
    if len(outside):
        raise ValueError(f"{must} from {fmt.qmin} to {fmt.qmax}: got {int(outside[0])}")


def _is_qparam(model, name: str, kind: str) -> bool:
    """Say whether an entry is the scale, or zero point, of the output of a layer or of a node of an FX graph."""
    owner, _, last = name.rpartition(".")
    module = model.get_submodule(owner)
    if isinstance(module, fx.GraphModule):
        return re.search(rf"_{kind}_\d+$", last) is not None
    return last == kind and gives_codes(module)

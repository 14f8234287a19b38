"""The entries of a quantized network's state dict as plain tensors, numbers and text, and back.

On the way back each is compared with what belongs in its place: kind, shape and dtype; codes within their format; every
scale above 0; every zero point within its format, and 0 where weights are symmetric.
"""

import re

import torch
from torch import fx, nn

from qviz.numerics import IntFormat

from .sub8bit import gives_codes


def encoded(value):
    """Turn an entry of a state dict into plain tensors, numbers and text.

    Examples
    --------
    >>> encoded((torch.qint8, torch.ones(2)))
    ['torch.qint8', tensor([1., 1.])]
    """
    if isinstance(value, tuple):
        return [encoded(part) for part in value]
    if isinstance(value, torch.dtype):
        return str(value)
    if not isinstance(value, torch.Tensor):
        return value
    if not value.is_quantized:
        return value.detach()
    per_tensor = value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric)
    return {
        "codes": value.int_repr().contiguous(),
        "scale": torch.tensor(value.q_scale()).double() if per_tensor else value.q_per_channel_scales(),
        "zero_point": torch.tensor(value.q_zero_point()) if per_tensor else value.q_per_channel_zero_points(),
    }


def decoded(value, like, name: str, fmt: IntFormat, symmetric: bool):
    """Turn an entry back, if it is what belongs in the place of `like`.

    Parameters
    ----------
    value : what `encoded` returned, or something hostile
    like : an entry of the same network, with other numbers
    name : str
    fmt : IntFormat
        The codes of the weights.
    symmetric : bool
        Whether each of their zero points is 0.

    Raises
    ------
    ValueError, TypeError, AttributeError, RuntimeError
        It does not belong there.

    Examples
    --------
    >>> decoded(["torch.qint8", torch.ones(2)], (torch.qint8, torch.zeros(2)), "fc", IntFormat(8), True)
    (torch.qint8, tensor([1., 1.]))
    """
    if isinstance(like, tuple):
        if not isinstance(value, list) or len(value) != len(like):
            raise ValueError(f"{name} must be a list of {len(like)}: got {type(value).__name__}")
        return tuple(decoded(v, part, name, fmt, symmetric) for v, part in zip(value, like, strict=True))
    if isinstance(like, torch.Tensor) and like.is_quantized:
        return _decoded_codes(value, like, name, fmt, symmetric)
    if isinstance(like, torch.Tensor):
        if _is_whole(like) and isinstance(value, torch.Tensor) and _is_whole(value):
            value = value.to(like.dtype)  # a zero point: torch's observers answer in int32, qviz's in int64
        return _plain(value, like.shape, like.dtype, name)
    wanted = str(like) if isinstance(like, torch.dtype) else like
    if type(value) is not type(wanted) or value != wanted:
        raise ValueError(f"{name} must be {like}: got {shown(value)}")
    return like


def check_outputs(model: nn.Module, values: dict, fmt: IntFormat) -> None:
    """Refuse a scale or zero point, of what a layer gives out, that no layer can have.

    Parameters
    ----------
    model : nn.Module, quantized
    values : its state dict, with other numbers
    fmt : IntFormat
        The codes of what its layers give out.

    Raises
    ------
    ValueError
        A scale is not above 0, or a zero point not within the format.
    """
    for name, value in values.items():
        if _is_qparam(model, name, "scale") and not (value > 0).all():
            raise ValueError(f"{name} must be above 0: got {float(value):g}")
        if _is_qparam(model, name, "zero_point") and not ((value >= fmt.qmin) & (value <= fmt.qmax)).all():
            raise ValueError(f"{name} must be from {fmt.qmin} to {fmt.qmax}: got {int(value)}")


def shown(value) -> str:
    """Return at most 50 characters for a message. What is not plain is only named: its repr may have no end.

    Examples
    --------
    >>> shown("four"), shown([[1], [2]])
    ("'four'", 'list')
    """
    return repr(value)[:50] if is_plain(value) else type(value).__name__


def is_plain(value) -> bool:
    """Say whether it is a number, a word, or None, and nothing derived from these.

    Examples
    --------
    >>> is_plain(4), is_plain((4,))
    (True, False)
    """
    return value is None or type(value) in (bool, int, float, str)


def outside_state(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return what torch leaves out of the state dict of some quantized layers (ELU, PReLU): scale, zero point, weight.

    Examples
    --------
    >>> from torch.ao.nn.quantized import ELU
    >>> outside_state(nn.Sequential(ELU(0.5, 3)))
    {'0.scale': tensor(0.5000, dtype=torch.float64), '0.zero_point': tensor(3)}
    """
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


def _is_whole(tensor: torch.Tensor) -> bool:
    return tensor.dtype in (torch.int32, torch.int64)


def _is_qparam(model, name: str, kind: str) -> bool:
    """Say whether an entry is the scale, or the zero point, of what a layer or a step of an FX graph gives out."""
    owner, _, last = name.rpartition(".")
    module = model.get_submodule(owner)
    if isinstance(module, fx.GraphModule):
        return re.search(rf"_{kind}_\d+$", last) is not None
    return last == kind and gives_codes(module)


def _decoded_codes(value, like: torch.Tensor, name: str, fmt: IntFormat, symmetric: bool) -> torch.Tensor:
    if not isinstance(value, dict) or set(value) != {"codes", "scale", "zero_point"}:
        raise ValueError(f"{name} must be codes with a scale and a zero point: got {type(value).__name__}")
    channels = value["scale"].shape
    if tuple(channels) not in ((), (len(like),)):
        raise ValueError(f"{name} must have one scale, or one a channel: got shape {tuple(channels)}")
    codes = _plain(value["codes"], like.shape, like.int_repr().dtype, name)
    if like.dtype == torch.quint8:  # the slopes of a PReLU
        fmt, symmetric = IntFormat(fmt.bits, signed=False), False
    scale = _plain(value["scale"], channels, torch.float64, name)
    zero_point = _plain(value["zero_point"], channels, torch.int64, name)
    if not (scale > 0).all():
        raise ValueError(f"{name} must have scales above 0: got {float(scale.min()):g}")
    _check_within(codes, fmt.qmin, fmt.qmax, f"{name} must have codes")
    ends = (0, 0) if symmetric else (fmt.qmin, fmt.qmax)
    _check_within(zero_point, *ends, f"{name} must have {'symmetric' if symmetric else 'affine'} zero points")
    if channels:
        return torch._make_per_channel_quantized_tensor(codes, scale, zero_point, 0)
    return torch._make_per_tensor_quantized_tensor(codes, float(scale), int(zero_point))


def _check_within(numbers: torch.Tensor, low: int, high: int, must: str) -> None:
    outside = numbers[(numbers < low) | (numbers > high)]
    if len(outside):
        which = f"from {low} to {high}" if low < high else f"of {low}"
        raise ValueError(f"{must} {which}: got {int(outside[0])}")


def _plain(value, shape, dtype, name: str) -> torch.Tensor:
    """Return a copy of a plain tensor of this shape and dtype, whose real numbers are finite."""
    plain = type(value) is torch.Tensor and value.layout == torch.strided and not value.is_quantized
    if not plain or value.device.type != "cpu" or value.shape != shape or value.dtype != dtype:
        got = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"{name} must be a tensor {dtype} {tuple(shape)}: got {got}")
    value = value.detach().clone()
    if not torch.isfinite(value).all():
        raise ValueError(f"{name} must be finite")
    return value

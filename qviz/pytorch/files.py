"""Save a quantized network, and load it again: the same bits come out, and nothing in a file is ever run.

A file is one of torch.save that holds tensors, numbers and text: integer codes, scales, zero points, biases, and the
choices the network was made with. Loading builds a network of the same kind from these choices, and puts the numbers
into it, after comparing each with what belongs there. Files of torch itself can hold any Python object, and running
`torch.load` on a stranger's without `weights_only=True` runs the stranger's program.
"""

import zipfile
from dataclasses import asdict, replace
from os import PathLike

import torch
from torch import nn

from . import engines
from .convert import NarrowRange
from .models import DigitsCNN
from .narrow import weighted
from .ptq import SIMULATED, Made, PTQConfig, quantize_model

FORMAT = "qviz quantized model"
VERSION = 1
LARGEST_BYTES = 1 << 28  # a network of the course has 50,000


def save(model: nn.Module, path: str | PathLike) -> None:
    """Save a quantized network.

    Parameters
    ----------
    model : nn.Module
        From `quantize_model`, or from `convert` after quantization-aware training.
    path : str or path

    Raises
    ------
    ValueError
        The network is not quantized, or only simulated.

    Examples
    --------
    >>> save(DigitsCNN(), "model.pt")
    Traceback (most recent call last):
        ...
    ValueError: model must be quantized: DigitsCNN has no layer of integers; save its state_dict with torch.save
    """
    made = getattr(model, "made", None)
    if not weighted(model) or (made and made.engine == SIMULATED):
        name = type(model).__name__
        raise ValueError(
            f"model must be quantized: {name} has no layer of integers; save its state_dict with torch.save"
        )
    content = {
        "format": FORMAT,
        "version": VERSION,
        "config": asdict(made.config if made else _config_of(model)),
        "state": {name: _encoded(value) for name, value in model.state_dict().items()},
    }
    torch.save(content, path)


def load(path: str | PathLike, model: nn.Module | None = None, example_x: torch.Tensor | None = None) -> nn.Module:
    """Load a quantized network from a file of `save`; its outputs are bit for bit those of the one that was saved.

    Parameters
    ----------
    path : str or path
    model : nn.Module or None
        A float network of the same layers, with any weights; None is a new DigitsCNN. Not changed.
    example_x : tensor or None
        Any input of `model`, at least one row; needed if there is a model.

    Returns
    -------
    nn.Module
        In eval mode, with the attribute `made` (Made).

    Raises
    ------
    ValueError
        The file is damaged, not one of `save`, of a later version, or of another network; nothing in it was run.
    OSError
        There is no such file, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from qviz.pytorch.models import digits_cnn, digits_tensors
    >>> train_x, _, x, _ = digits_tensors()
    >>> model = quantize_model(digits_cnn(), PTQConfig(weight_bits=4), train_x)
    >>> with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
    ...     save(model, folder + "/digits.pt")
    ...     torch.equal(load(folder + "/digits.pt")(x), model(x))
    True
    """
    content = _read(path)
    if model is not None and example_x is None:
        raise ValueError("example_x must be an input of model: got None")
    try:
        config = PTQConfig(**content["config"])
        loaded = _skeleton(config, model, example_x)
        _fill(loaded, content["state"])
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold such a network: {_first_line(error)}") from None
    loaded.made = Made(config, loaded.made.engine)
    return loaded


def _read(path) -> dict:
    """Return what is in the file, if it is a whole file of `save` that this version can read."""
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is not a file of qviz.pytorch.files.save, or not a whole one")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST_BYTES:
            raise ValueError(f"{size:,} bytes are more than any such network has")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file fails in any of a dozen ways, a hostile one with UnpicklingError
        raise ValueError(
            f"{path} is damaged, or holds more than numbers and text and is not safe to load: {_first_line(error)}"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{path} is not a file of qviz.pytorch.files.save")
    version = content.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(
            f"{path} has version {version!r} of the format, and this qviz reads 1 to {VERSION}: update qviz"
        )
    return content


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]


def _config_of(model: nn.Module) -> PTQConfig:
    """Read off a converted network what is needed to build one like it."""
    hooks = [hook for m in model.modules() for hook in m._forward_hooks.values() if isinstance(hook, NarrowRange)]
    bits = hooks[0].quant_max.bit_length() if hooks else 8
    return PTQConfig(activation_bits=bits)


def _skeleton(config: PTQConfig, model: nn.Module | None, example_x: torch.Tensor | None) -> nn.Module:
    """Build a quantized network with the right layers and the wrong numbers."""
    if model is None:
        with torch.random.fork_rng(devices=[]):
            model, example_x = DigitsCNN(), torch.zeros(1, 1, 8, 8)
    quick = replace(config, samples=1, method="min-max", weight_method=None)
    return quantize_model(model, quick, example_x[:1])


def _fill(model: nn.Module, state) -> None:
    """Put the numbers of a file into a network, each where one of its kind and shape belongs."""
    wanted = model.state_dict()
    if set(state) != set(wanted):
        raise ValueError(f"its entries differ at {', '.join(sorted(map(str, set(state) ^ set(wanted)))[:3])}")
    with engines.using(), engines.quiet():
        for name, like in list(wanted.items()):
            wanted[name] = _decoded(state[name], like, name)
        model.load_state_dict(wanted)


def _encoded(value):
    """Turn an entry of a state dict into plain tensors, numbers and text."""
    if isinstance(value, tuple):
        return [_encoded(part) for part in value]
    if isinstance(value, torch.dtype):
        return str(value)
    if not isinstance(value, torch.Tensor):
        return value
    if not value.is_quantized:
        return value.detach()
    per_tensor = value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric)
    return {
        "codes": value.int_repr().contiguous(),
        "scale": torch.tensor(value.q_scale()) if per_tensor else value.q_per_channel_scales(),
        "zero_point": torch.tensor(value.q_zero_point()) if per_tensor else value.q_per_channel_zero_points(),
    }


def _decoded(value, like, name: str):
    """Turn an entry of a file back, if it is what belongs in the place of `like`."""
    if isinstance(like, tuple):
        if not isinstance(value, list) or len(value) != len(like):
            raise ValueError(f"{name} must be a list of {len(like)}: got {type(value).__name__}")
        return tuple(_decoded(v, part, name) for v, part in zip(value, like, strict=True))
    if isinstance(like, torch.Tensor) and like.is_quantized:
        return _decoded_codes(value, like, name)
    if isinstance(like, torch.Tensor):
        return _plain(value, like.shape, like.dtype, name)
    if value != (str(like) if isinstance(like, torch.dtype) else like):
        raise ValueError(f"{name} must be {like}: got {str(value)[:50]!r}")
    return like


def _decoded_codes(value, like: torch.Tensor, name: str) -> torch.Tensor:
    if not isinstance(value, dict) or set(value) != {"codes", "scale", "zero_point"}:
        raise ValueError(f"{name} must be codes with a scale and a zero point: got {type(value).__name__}")
    channels = value["scale"].shape
    if tuple(channels) not in ((), (len(like),)):
        raise ValueError(f"{name} must have one scale, or one a channel: got shape {tuple(channels)}")
    codes = _plain(value["codes"], like.shape, like.int_repr().dtype, name)
    scale = _plain(value["scale"], channels, torch.float64 if channels else torch.float32, name)
    zero_point = _plain(value["zero_point"], channels, torch.int64, name)
    if not (scale > 0).all() or not ((zero_point >= -128) & (zero_point <= 127)).all():
        raise ValueError(f"{name} must have a positive scale and a zero point from -128 to 127")
    if channels:
        return torch._make_per_channel_quantized_tensor(codes, scale, zero_point, 0)
    return torch._make_per_tensor_quantized_tensor(codes, float(scale), int(zero_point))


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

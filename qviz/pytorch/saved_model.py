"""Save a quantized network, and load it again: the same bits come out, and nothing in a file is ever run.

A file is one of torch.save that holds tensors, numbers and text: integer codes, scales, zero points, biases, the
choices the network was made with, and the engine it was made for. Loading builds a network of the same kind from these
choices, for the same engine, and puts the numbers into it, after comparing each with what belongs there. Files of torch
itself can hold any Python object, and running `torch.load` on a stranger's without `weights_only=True` runs the
stranger's program.
"""

import io
import zipfile
from dataclasses import asdict, replace
from os import PathLike

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from . import engines
from .digits_model import DigitsCNN
from .packed_file import scales_of
from .pickle_guard import LARGEST_BYTES, load_plain
from .ptq import SIMULATED, PTQConfig, QuantizationRecord, quantize_model
from .qat_config import QATConfig
from .state_dict_codec import check_outputs, decoded, encoded, is_plain, load_outside, outside_state, shown
from .sub8bit import NarrowRange, weighted

FORMAT = "qviz quantized model"
VERSION = 2  # 1 did not keep the engine
MARGIN = 1 << 20  # for the frame of a file: names, shapes and the zip around them
KINDS = {"ptq": PTQConfig, "qat": QATConfig, "other": PTQConfig}  # the last one: converted by torch alone


def save(model: nn.Module, path: str | PathLike) -> None:
    """Save a quantized network.

    Parameters
    ----------
    model : nn.Module
        From `quantize_model`, or from `convert` after quantization-aware training.
    path : str or path

    Raises
    ------
    TypeError
        It is no network.
    ValueError
        The network is not quantized, or only simulated; or it is too large to be loaded again.

    Notes
    -----
    Torch does not say which engine it converted a network for. Unless the network has an attribute `engine` or `made`,
    it is taken to be the current one, torch.backends.quantized.engine.

    Examples
    --------
    >>> save(DigitsCNN(), "model.pt")
    Traceback (most recent call last):
        ...
    ValueError: model must be quantized: DigitsCNN has no layer of integers; save its state_dict with torch.save
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a network: got {type(model).__name__}")
    made = getattr(model, "made", None)
    if not weighted(model) or (made and made.engine == SIMULATED):
        name = type(model).__name__
        raise ValueError(
            f"model must be quantized: {name} has no layer of integers; save its state_dict with torch.save"
        )
    if made is None:
        kind, made = (
            "other",
            QuantizationRecord(_config_of(model), getattr(model, "engine", torch.backends.quantized.engine)),
        )
    else:
        kind = "qat" if isinstance(made.config, QATConfig) else "ptq"
    content = {
        "format": FORMAT,
        "version": VERSION,
        "engine": made.engine,
        "kind": kind,
        "config": asdict(made.config) | {"layers": dict(made.config.layers)},
        "state": {name: encoded(value) for name, value in {**model.state_dict(), **outside_state(model)}.items()},
    }
    size = sum(leaf.nbytes for leaf in tree_leaves(content) if isinstance(leaf, torch.Tensor))
    if size > LARGEST_BYTES - MARGIN:
        raise ValueError(
            f"model must fit into {LARGEST_BYTES >> 20} MB, the most that load reads: it has {size >> 20} MB; save its "
            "state_dict with torch.save"
        )
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
        In eval mode, on the engine it was made for, with the attributes `engine` and, unless torch alone converted it,
        `made` (ptq.QuantizationRecord).

    Raises
    ------
    TypeError
        `model` is no network.
    ValueError
        The file is damaged, not one of `save`, of another version, of another network, or for an engine that is not
        here; nothing in it was run.
    OSError
        There is no such file, or it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> train_x, _, x, _ = digits_tensors()
    >>> model = quantize_model(digits_cnn(), PTQConfig(weight_bits=4), train_x)
    >>> with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
    ...     save(model, folder + "/digits.pt")
    ...     torch.equal(load(folder + "/digits.pt")(x), model(x))
    True
    """
    if model is not None and not isinstance(model, nn.Module):
        raise TypeError(f"model must be a float network, or None for the one of the course: got {type(model).__name__}")
    if model is not None and example_x is None:
        raise ValueError("example_x must be an input of model: got None")
    content = _read(path)
    _check_engine(content.get("engine"), path)
    try:
        config, engine = _config(content), content["engine"]
        loaded = _filled(_layout(config), engine, content["state"], model, example_x)
    except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        raise ValueError(f"{path} does not hold such a network: {_first_line(error)}") from None
    loaded.engine, loaded.made = engine, QuantizationRecord(config, engine)
    if content["kind"] == "other":
        del loaded.made
    return loaded


def _read(path) -> dict:
    """Return what is in the file, if it is a whole file of `save` that this version can read."""
    with open(path, "rb") as file:
        data = file.read(LARGEST_BYTES + 1)
    if len(data) > LARGEST_BYTES:
        raise ValueError(
            f"{path} is not a file of qviz.pytorch.saved_model.save, which writes {LARGEST_BYTES >> 20} MB at most"
        )
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise ValueError(f"{path} is not a file of qviz.pytorch.saved_model.save, or not a whole one")
    try:
        content = load_plain(data)
    except Exception as error:  # a damaged file fails in any of a dozen ways, a hostile one with ValueError
        raise ValueError(
            f"{path} is damaged, or holds more than numbers and text and is not safe to load: {_first_line(error)}"
        ) from None
    name = content.get("format") if isinstance(content, dict) else None
    if type(name) is not str or name != FORMAT:
        raise ValueError(f"{path} is not a file of qviz.pytorch.saved_model.save")
    version = content.get("version")
    if type(version) is not int or version != VERSION:
        what = "quantize the network anew, and save it" if shown(version) == "1" else "update qviz"
        raise ValueError(f"{path} has version {shown(version)} of the format, and this qviz reads {VERSION}: {what}")
    return content


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines() or [type(error).__name__]
    return lines[0][:200]


def _check_engine(engine, path) -> None:
    if type(engine) is not str or engine not in engines.PREFERENCE:
        listed = ", ".join(map(repr, engines.PREFERENCE))
        raise ValueError(f"{path} does not hold such a network: engine must be one of {listed}: got {shown(engine)}")
    there = engines.supported()
    if engine not in there:
        here = f"this build of torch has {', '.join(there)}" if there else engines.NONE_HERE
        raise ValueError(
            f"{path} was saved for the engine {engine}, and {here}: load it where {engine} is, "
            "or quantize the float network anew"
        )


def _config(content: dict) -> PTQConfig | QATConfig:
    """Return the choices in a file, each of which is a number or a word."""
    kind, choices = content["kind"], content["config"]
    if type(kind) is not str or kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}: got {shown(kind)}")
    if type(choices) is not dict:
        raise TypeError(f"config must be a dict: got {shown(choices)}")
    for name, value in choices.items():
        plain = name == "layers" and type(value) is dict and all(map(is_plain, [*value, *value.values()]))
        if not (plain or is_plain(value)):
            raise TypeError(f"config must hold numbers and words: got {shown(value)} at {shown(name)}")
    return KINDS[kind](**choices)


def _config_of(model: nn.Module) -> PTQConfig:
    """Read off a network that torch converted what is needed to build one like it."""
    hooks = [hook for m in model.modules() for hook in m._forward_hooks.values() if isinstance(hook, NarrowRange)]
    bits = hooks[0].quant_max.bit_length() if hooks else 8
    affine = any(scales_of(layer.weight())[1].any() for layer in weighted(model).values())
    return PTQConfig(activation_bits=bits, weight_scheme="affine" if affine else "symmetric")


def _layout(config: PTQConfig | QATConfig) -> PTQConfig:
    """Return the quickest choices that give the same layers and the same formats."""
    if isinstance(config, QATConfig):
        names = ("weight_bits", "activation_bits", "per_channel", "reduce_range", "layers")
        config = PTQConfig(**{name: getattr(config, name) for name in names})
    return replace(config, samples=1, method="min-max", weight_method=None)


def _filled(layout: PTQConfig, engine: str, state, model, example_x) -> nn.Module:
    """Build a network with the right layers, and put the numbers of a file into it, each where one like it belongs."""
    if model is None:
        with torch.random.fork_rng(devices=[]):
            model, example_x = DigitsCNN(), torch.zeros(1, 1, 8, 8)
    network = quantize_model(model, layout, example_x[:1], engine)
    outside = outside_state(network)
    values = network.state_dict()
    if set(state) != (names := {*values, *outside}):
        raise ValueError(f"its entries differ at {', '.join(sorted(map(shown, set(state) ^ names))[:3])}")
    symmetric = layout.weight_scheme == "symmetric"
    with engines.using(engine), engines.quiet():
        for part in (values, outside):
            for name, like in list(part.items()):
                part[name] = decoded(state[name], like, name, layout.weight_format, symmetric)
            check_outputs(network, part, layout.activation_format)
        load_outside(network, outside)
        network.load_state_dict(values)
    return network

"""Save a quantized network, and load it again: the same bits come out, and nothing in a file is ever run.

A file is in the safetensors format, which holds tensors and text alone: codes, scales, zero points and biases by name,
and as JSON in its metadata the choices the network was made with and its engine. Loading builds a network of the same
kind from these choices, for the same engine, and puts the numbers into it, after comparing each with what belongs
there. A file of `torch.save` holds a pickle, and `torch.load` of a stranger's without `weights_only=True` runs the
stranger's program.
"""

import json
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_of
from torch import fx, nn

from qviz.numerics import PerChannel, PerTensor, QParams, _check, quantize
from qviz.numerics.qparams import as_qparams

from . import engines
from .bridge import qparams_of, to_array
from .copies import copied
from .digits_model import DigitsCNN
from .inputs import as_inputs
from .layer_support import WEIGHTED, first_line
from .ptq import SIMULATED, PTQConfig, QuantizationRecord, quantize_model
from .ptq_config import check_float
from .qat_config import QATConfig
from .state_dict_codec import (
    decoded,
    encoded,
    is_plain,
    load_outside,
    outside_state,
    shown,
    with_codes,
)
from .sub8bit import NarrowRange, weighted

FORMAT = "qviz quantized model"
VERSION = 3  # 1 and 2 were files of torch.save
LARGEST_HEADER = 1 << 22  # bytes of names, shapes and metadata: enough for 40,000 tensors
WEIGHTS = "weights"  # the kind of a float network whose weights are codes in the file alone
KINDS = {"ptq": PTQConfig, "qat": QATConfig, "other": PTQConfig, WEIGHTS: PTQConfig}  # other: by torch alone


def save(
    model: nn.Module,
    path: str | PathLike,
    packed: bool = False,
    weight_qparams: Mapping[str, QParams] | None = None,
) -> None:
    """Save a quantized network, or a float one whose weights become codes in the file alone.

    Parameters
    ----------
    model : nn.Module
        From `quantize_model`, or from `convert` after quantization-aware training; with `weight_qparams` a float one.
    path : str or path
        Of the file, by exactly this name; usually it ends in .safetensors.
    packed : bool
        Whether the codes of weights are stored in as few bits as they need, without gaps, instead of a byte each.
    weight_qparams : mapping of str to QParams, or None
        For a float network (weight-only quantization): how each of these parameters is quantized, per tensor or per
        output channel, with at most 8 bits. The others are stored as they are.

    Raises
    ------
    TypeError
        An argument is of another kind.
    ValueError
        The network is not quantized, only simulated, or holds something that could not be loaded again. Nothing is
        written then.

    Notes
    -----
    Torch does not say which engine it converted a network for. Unless the network has an attribute `engine` or `made`,
    it is taken to be the current one, torch.backends.quantized.engine.

    Examples
    --------
    >>> save(DigitsCNN(), "model.safetensors")
    Traceback (most recent call last):
        ...
    ValueError: model must be quantized: DigitsCNN has no layer of integers; save its state_dict with torch.save
    """
    Path(path).write_bytes(_serialized(model, packed, weight_qparams))


def saved_bytes(model: nn.Module, packed: bool = False) -> int:
    """Return how large the file of `save` is.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> model = quantize_model(digits_cnn(), PTQConfig(weight_bits=2), digits_tensors()[0])
    >>> saved_bytes(model, packed=True) < saved_bytes(model) / 2
    True
    """
    return len(_serialized(model, packed))


def load(path: str | PathLike, model: nn.Module | None = None, example_x: torch.Tensor | None = None) -> nn.Module:
    """Load a network from a file of `save`; its outputs are bit for bit those of the quantized one that was saved.

    Parameters
    ----------
    path : str or path
    model : nn.Module or None
        A float network of the same layers, with any weights; None is a new DigitsCNN. Not changed.
    example_x : tensor, dict of tensors by the names of forward's arguments, or None
        Any input of `model`, at least one row; needed if there is a model, unless only weights were quantized.

    Returns
    -------
    nn.Module
        In eval mode, on the engine it was made for, with the attributes `engine` and, unless torch alone converted it,
        `made` (ptq.QuantizationRecord). If only weights were quantized, a float network with rounded weights.

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
    ...     save(model, folder + "/digits.safetensors", packed=True)
    ...     torch.equal(load(folder + "/digits.safetensors")(x), model(x))
    True
    """
    if model is not None and not isinstance(model, nn.Module):
        raise TypeError(f"model must be a float network, or None for the one of the course: got {type(model).__name__}")
    with _opened(path) as file:
        about = _about(file.metadata(), path)
        if about["kind"] != WEIGHTS:
            if model is not None and example_x is None:
                raise ValueError("example_x must be an input of model: got None")
            _check_engine(about["engine"], path)
        try:
            values = {name: file.get_tensor(name) for name in file.keys()}  # mapped, and not read yet
            return _built(about, values, model, example_x)
        except (TypeError, ValueError, KeyError, AttributeError, RuntimeError) as error:
            cure = "" if model else "; give the float network that it was made from as model, with example_x"
            raise ValueError(f"{path} does not hold such a network: {first_line(error)}{cure}") from None


def _serialized(model: nn.Module, packed: bool, weight_qparams: Mapping[str, QParams] | None = None) -> bytes:
    """Return the bytes of a file, after trying whether the numbers in it would be accepted again."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"model must be a network: got {type(model).__name__}")
    packed = _check.yes_or_no(packed, "packed")
    with engines.quiet(), torch.no_grad():
        if weight_qparams is None:
            kind, made = _record(model)
            state = {**model.state_dict(), **outside_state(model)}
        else:
            kind, made = WEIGHTS, QuantizationRecord(PTQConfig(weight_scheme="affine"), SIMULATED)
            state = _rounded(model, weight_qparams)
        try:
            values, bits = encoded(state, packed)
            decoded(values, bits, state, _layout(made.config), model)
        except ValueError as error:
            raise ValueError(f"model cannot be saved so that it loads again: {first_line(error)}") from None
    about = {"format": FORMAT, "version": VERSION, "kind": kind, "engine": made.engine, "config": asdict(made.config)}
    text = json.dumps(about | {"bits": bits}) + " " * (8 - len(made.engine))  # the same size on every engine
    data = safetensors_of(values, {"qviz": text})
    if int.from_bytes(data[:8], "little") > LARGEST_HEADER:
        raise ValueError(f"model must have fewer tensors, at most some 40,000, to be saved: got {len(values):,}")
    return data


def _record(model: nn.Module) -> tuple[str, QuantizationRecord]:
    """Return the kind of a quantized network, and how it came to be."""
    made = getattr(model, "made", None)
    if not weighted(model) or (made and made.engine == SIMULATED):
        name = type(model).__name__
        raise ValueError(
            f"model must be quantized: {name} has no layer of integers; save its state_dict with torch.save"
        )
    if made is None:
        return "other", QuantizationRecord(_config_of(model), getattr(model, "engine", torch.backends.quantized.engine))
    return "qat" if isinstance(made.config, QATConfig) else "ptq", made


def _config_of(model: nn.Module) -> PTQConfig:
    """Read off a network that torch converted what is needed to build one like it."""
    hooks = [hook for m in model.modules() for hook in m._forward_hooks.values() if isinstance(hook, NarrowRange)]
    bits = hooks[0].quant_max.bit_length() if hooks else 8
    layers = weighted(model)
    for name, layer in layers.items():
        if not layer.weight().is_quantized:
            raise ValueError(f"model must have weights of 8-bit codes: {name} has {layer.weight().dtype}")
    affine = any(qparams_of(layer.weight()).zero_point.any() for layer in layers.values())
    return PTQConfig(
        activation_bits=bits,
        weight_scheme="affine" if affine else "symmetric",
        flow="fx" if isinstance(model, fx.GraphModule) else "eager",
        dynamic=all("dynamic" in type(layer).__module__ for layer in layers.values()),
    )


def _rounded(model: nn.Module, weight_qparams: Mapping[str, QParams]) -> dict:
    """Return the state dict of a float network with these weights as quantized tensors."""
    check_float(model)
    state = dict(model.state_dict())
    for name, qparams in weight_qparams.items():
        if name not in state:
            raise ValueError(f"weight_qparams must be by the names of model.state_dict(): got {shown(name)}")
        p = as_qparams(qparams, "weight_qparams")
        if not p.fmt.signed or p.fmt.bits > 8 or p.granularity not in (PerTensor(), PerChannel(0)):
            raise ValueError(
                f"weight_qparams must be signed, of 8 bits at most, per tensor or PerChannel(0): got {p.fmt}, "
                f"{p.granularity} for {name}"
            )
        codes = torch.from_numpy(quantize(to_array(state[name]), p))
        state[name] = with_codes(codes, torch.tensor(p.scale).squeeze(), torch.tensor(p.zero_point).squeeze())
    return state


@contextmanager
def _opened(path):
    """Open a safetensors file of which nothing but the header is read, unless that is too large."""
    with open(path, "rb") as file:
        start = file.read(8)
    length, must = int.from_bytes(start, "little"), f"{path} must be a whole file of qviz.pytorch.save"
    if length > LARGEST_HEADER and start[:2] in (b"PK", *(bytes((0x80, protocol)) for protocol in range(2, 6))):
        raise ValueError(
            f"{must}: it is one of torch.save or np.savez, as earlier versions wrote, and no pickle is read here; "
            "quantize the float network anew and save it, or read another program's tensors with "
            "torch.load(path, weights_only=True)"
        )
    if length > LARGEST_HEADER:
        raise ValueError(f"{must}: its header would take {length:,} bytes, and those of such files at most 4 MB")
    try:
        opened = safe_open(path, "pt")
    except SafetensorError as error:
        raise ValueError(f"{must}: {first_line(error)}") from None
    with opened as file:
        yield file


def _about(metadata, path) -> dict:
    """Return what a file says about its network, if it is one that this version can read."""
    try:
        about = json.loads((metadata or {})["qviz"])
        known = about["format"] == FORMAT
    except (KeyError, ValueError, TypeError, RecursionError):
        known = False
    if not known:
        raise ValueError(
            f"{path} must be a file of qviz.pytorch.save: it holds tensors of another program; read them with "
            "safetensors.torch.load_file"
        )
    version = about.get("version")
    if type(version) is not int or version != VERSION:
        raise ValueError(
            f"{path} has version {shown(version)} of the format, and this qviz reads {VERSION}: update qviz"
        )
    if missing := {"kind", "engine", "config", "bits"} - set(about):
        raise ValueError(f"{path} does not hold such a network: {sorted(missing)[0]} is missing")
    return about


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


def _config(kind, choices) -> PTQConfig | QATConfig:
    """Return the choices in a file, each of which is a number or text."""
    if type(kind) is not str or kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(map(repr, KINDS))}: got {shown(kind)}")
    if type(choices) is not dict:
        raise TypeError(f"config must be a dict: got {shown(choices)}")
    for name, value in choices.items():
        if name != "layers" and not is_plain(value):  # as_layers looks at each of those
            raise TypeError(f"config must hold numbers and text: got {shown(value)} at {shown(name)}")
    return KINDS[kind](**choices)


def _layout(config: PTQConfig | QATConfig) -> PTQConfig:
    """Return the quickest choices that give the same layers and the same formats."""
    if isinstance(config, QATConfig):
        names = ("weight_bits", "activation_bits", "reduce_range", "layers")
        config = PTQConfig(**{name: getattr(config, name) for name in names})
    return replace(config, samples=1, method="min-max", weight_method=None, per_channel=False)


def _built(about: dict, values: dict, model: nn.Module | None, example_x) -> nn.Module:
    """Build a network with the right layers, and put the numbers of a file into it, each where one like it belongs."""
    if model is None:
        with torch.random.fork_rng(devices=[]):
            model, example_x = DigitsCNN(), torch.zeros(1, 1, 8, 8)
    config, engine, bits = _config(about["kind"], about["config"]), about["engine"], about["bits"]
    layout = _layout(config)
    model = copied(model).eval()
    if about["kind"] == WEIGHTS:
        return _with_rounded_weights(model, values, bits, layout)
    for name, module in model.named_modules():
        if type(module) in WEIGHTED and {f"{name}.weight", f"{name}.0.weight"} & set(values):  # the latter: fused
            module.qconfig = None  # it stayed float
    network = quantize_model(model, layout, as_inputs(example_x, "example_x", ids=True)[:1], engine)
    with engines.using(engine), engines.quiet():
        inside, outside = network.state_dict(), outside_state(network)
        state = decoded(values, bits, {**inside, **outside}, layout, network)
        load_outside(network, {name: state[name] for name in outside})
        inside.update({name: state[name] for name in inside})  # in place: it keeps the versions of torch's modules
        network.load_state_dict(inside)
    network.engine = engine
    if about["kind"] == "other":
        del network.made
    else:
        network.made = QuantizationRecord(config, engine)
    return network


def _with_rounded_weights(model: nn.Module, values: dict, bits, layout: PTQConfig) -> nn.Module:
    """Put weights, of which some are stored as codes, into a float network."""
    state, one = model.state_dict(), torch.tensor(1)
    with engines.quiet():
        codes = {n: torch.zeros_like(v, dtype=torch.int8) for n, v in state.items() if f"{n}.codes" in values}
        like = state | {n: with_codes(v, one, one - 1) for n, v in codes.items()}
        read = decoded(values, bits, like, layout, model)
        state.update({n: v.dequantize() if v.is_quantized else v for n, v in read.items()})
    model.load_state_dict(state)
    return model

"""What the file of a network really holds: torch's own, and one in which no bit is wasted."""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import nn

from qviz.numerics import IntFormat
from qviz.numerics.packing import pack, unpack

from .bridge import to_array
from .size_and_latency import size_bytes
from .sub8bit import weighted


@dataclass(frozen=True)
class Held:
    """The bytes in a file of torch.save, part by part.

    Attributes
    ----------
    codes : int: one byte a code, however few bits it has
    scales, zero_points : int: of weights 8 bytes each, of activations 4 and 8
    reals : int: biases, and weights that are float32
    container : int: names, shapes, and the frame of the file
    """

    codes: int
    scales: int
    zero_points: int
    reals: int
    container: int

    @property
    def memory_bytes(self) -> int:
        """All numbers, without the container: what they take in memory."""
        return self.codes + self.scales + self.zero_points + self.reals

    @property
    def file_bytes(self) -> int:
        """The whole file."""
        return self.memory_bytes + self.container


def held(model: nn.Module) -> Held:
    """Save a network's state dict, and say what its bytes are.

    Examples
    --------
    >>> held(nn.Linear(100, 10)).memory_bytes
    4040
    """
    parts = dict.fromkeys(("codes", "scales", "zero_points", "reals"), 0)
    for name, tensor in _tensors(model.state_dict()):
        if tensor.is_quantized:
            parts["codes"] += tensor.int_repr().nbytes
            if tensor.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
                parts["scales"] += tensor.q_per_channel_scales().nbytes
                parts["zero_points"] += tensor.q_per_channel_zero_points().nbytes
        else:
            parts[_kind(name)] += tensor.nbytes
    return Held(**parts, container=size_bytes(model) - sum(parts.values()))


def _kind(name: str) -> str:
    """Say what an entry is by its name; in a graph of FX a scale may be called conv1_input_scale_0."""
    found = re.search(r"(?:^|[._])(scale|zero_point)(?:_\d+)?$", name)
    return f"{found[1]}s" if found else "reals"


def _tensors(state: dict) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield every tensor; a linear layer's weight and bias stand in one tuple."""
    for name, value in state.items():
        yield from ((name, v) for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, torch.Tensor))


def save_packed(model: nn.Module, path: str | PathLike) -> None:
    """Write the weights of a quantized network with as many bits as they have, their scales and the biases.

    One file as of np.savez, not compressed: for each layer packed codes, float32 scales, and float32 biases, if it has
    any. Zero points of weights are all 0.

    Parameters
    ----------
    model : nn.Module
        From `quantize_model` or `convert`, with symmetric weights.
    path : str or path
        Of the file, by exactly this name.

    Raises
    ------
    ValueError
        The network is of neither, a zero point of its weights is not 0, or some of its weights are float32.

    Examples
    --------
    >>> from qviz.pytorch.digits_model import digits_cnn, digits_tensors
    >>> from qviz.pytorch.ptq import PTQConfig, quantize_model
    >>> model = quantize_model(digits_cnn(), PTQConfig(weight_bits=4), digits_tensors()[0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_packed(model, folder + "/digits.npz")
    ...     [array.shape for array in load_packed(folder + "/digits.npz")["conv1"]]
    [(16, 1, 3, 3), (16,), (16,)]
    """
    if not hasattr(model, "made") or not weighted(model):
        raise ValueError(f"model must come from quantize_model or convert: got {type(model).__name__}")
    left = [name for name, value in model.named_parameters() if value.numel()]
    if left:
        raise ValueError(
            f"model must hold all its weights in integers, so that none is left out of the file: {left[0]} is "
            "float32, as in a dynamic network or a layer kept float; use files.save"
        )
    fmt, arrays = model.made.config.weight_format, {"bits": np.uint8(model.made.config.weight_bits)}
    for name, layer in weighted(model).items():
        weight, bias = layer.weight(), layer.bias()
        if scales_of(weight)[1].any():
            raise ValueError(f"weights must be symmetric: {name} has a zero point that is not 0")
        arrays[f"{name}.codes"] = pack(to_array(weight.int_repr()), fmt)
        arrays[f"{name}.shape"] = np.array(weight.shape, np.uint16 if max(weight.shape) < 1 << 16 else np.uint64)
        arrays[f"{name}.scales"] = scales_of(weight)[0]
        if bias is not None:
            arrays[f"{name}.bias"] = to_array(bias)
    with open(path, "wb") as file:  # given a name, np.savez would write x.bin.npz for x.bin
        np.savez(file, **arrays)


def packed_bytes(model: nn.Module) -> int:
    """Save a quantized network packed, and return how large the file is.

    Raises
    ------
    ValueError
        As for `save_packed`.

    Examples
    --------
    >>> packed_bytes(nn.Linear(2, 2))
    Traceback (most recent call last):
        ...
    ValueError: model must come from quantize_model or convert: got Linear
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.npz"
        save_packed(model, path)
        return path.stat().st_size


def load_packed(path: str | PathLike) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
    """Read codes, scales and biases of each layer from a file of `save_packed`.

    Returns
    -------
    dict of (codes, scales, bias) by layer; the bias is None where there is none
    """
    with np.load(path, allow_pickle=False) as file:
        fmt = IntFormat(int(file["bits"]))
        names = [name.removesuffix(".codes") for name in file.files if name.endswith(".codes")]
        codes = {n: unpack(file[f"{n}.codes"], fmt, file[f"{n}.shape"].tolist()) for n in names}
        return {n: (codes[n], file[f"{n}.scales"], file.get(f"{n}.bias")) for n in names}


def scales_of(weight: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Return the scales of a quantized weight, float32, and its zero points.

    Examples
    --------
    >>> from qviz.pytorch import engines
    >>> with engines.quiet():
    ...     scales_of(torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8))
    (array([0.5], dtype=float32), array([0]))
    """
    if weight.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return np.array([weight.q_scale()], np.float32), np.array([weight.q_zero_point()])
    return weight.q_per_channel_scales().numpy().astype(np.float32), weight.q_per_channel_zero_points().numpy()

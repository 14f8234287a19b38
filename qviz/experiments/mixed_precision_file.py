"""A network with a width for each layer in one file, without gaps between codes: the bytes that `size_bytes` counts.

torch has no such file: there a code takes a byte, and rounded weights that are floats again take four.
"""

from os import PathLike

import numpy as np

from qviz.networks.digits_cnn import CNN_SHAPES, cnn_weights
from qviz.numerics import IntFormat, PerChannel, calibrate, quantize
from qviz.numerics.packing import pack, unpack

from .mixed_precision import FLOAT, LAYERS, WIDTHS, place


def save_mixed(path: str | PathLike, bits, method: str = "min-max") -> None:
    """Write the digits network with these widths: packed codes, a float32 scale for each output channel, and biases.

    One file as of np.savez, not compressed.

    Parameters
    ----------
    path : str or path
        Of the file, by exactly this name.
    bits, method : as for `mixed_weights`

    Raises
    ------
    ValueError
        As for `mixed_weights`.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.npz"
    ...     save_mixed(path, (6, 3, 4, 8), "mse")
    ...     path.stat().st_size < 25_000, load_mixed(path)["conv2.weight"].shape
    (True, (32, 16, 3, 3))
    """
    widths = np.array([WIDTHS[i] for i in place(bits)], np.uint8)
    weights, arrays = cnn_weights(), {"bits": widths}
    for layer, b in zip(LAYERS, widths.tolist(), strict=True):
        weight = weights[f"{layer}.weight"]
        arrays[f"{layer}.bias"] = weights[f"{layer}.bias"]
        if b == FLOAT:
            arrays[f"{layer}.weight"] = weight
        else:
            qparams = calibrate(weight, method, IntFormat(b), "symmetric", PerChannel(0))
            arrays[f"{layer}.codes"] = pack(quantize(weight, qparams), qparams.fmt)
            arrays[f"{layer}.scales"] = qparams.scale.ravel().astype(np.float32)
    with open(path, "wb") as file:  # given a name, np.savez would write x.bin.npz for x.bin
        np.savez(file, **arrays)


def load_mixed(path: str | PathLike) -> dict[str, np.ndarray]:
    """Read a file of `save_mixed`: weights and biases by name, float32, as `cnn_forward` takes them.

    They are those of `mixed_weights` but for the last bit: the file's scales are float32.

    Parameters
    ----------
    path : str or path
    """
    with np.load(path, allow_pickle=False) as file:
        found = {f"{layer}.bias": file[f"{layer}.bias"] for layer in LAYERS}
        for layer, b in zip(LAYERS, file["bits"].tolist(), strict=True):
            name = f"{layer}.weight"
            found[name] = file[name] if b == FLOAT else _weight(file, layer, IntFormat(b), CNN_SHAPES[name])
    return found


def _weight(file, layer: str, fmt: IntFormat, shape: tuple[int, ...]) -> np.ndarray:
    codes = unpack(file[f"{layer}.codes"], fmt, shape).astype(np.float32)
    return codes * file[f"{layer}.scales"].reshape(-1, *[1] * (len(shape) - 1))

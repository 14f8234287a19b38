"""Read one tensor of a .safetensors file: the library checks the header; only the wanted bytes are read."""

import json
from math import prod

import numpy as np

from qviz.data._refuse import check_size, choose_key, damaged

DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


def read_safetensors(path, key, max_bytes):
    """Return the tensor called `key`, or the only one; BF16 becomes float32."""
    key = _check_file(path, key)
    entry, start, stop = _locate(path, key)
    name, shape = entry["dtype"], entry["shape"]
    if name != "BF16" and name not in DTYPES:
        raise TypeError(
            f"{path} must hold integers or floats that NumPy knows: {key!r} is {name};"
            " convert it to float32 and save again"
        )
    itemsize = 4 if name == "BF16" else np.dtype(DTYPES[name]).itemsize
    check_size(prod(shape) * itemsize, max_bytes, f"{key!r} in {path}")
    with path.open("rb") as stream:
        stream.seek(start)
        data = stream.read(stop - start)
    return _decode(data, name).reshape(shape)


def _check_file(path, key):
    """Let the library check the whole header against the file, and return the name of the wanted tensor."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise ValueError(f"{path.name} needs the package safetensors; pip install safetensors") from error
    try:
        with safe_open(path, framework="numpy") as opened:
            names = list(opened.keys())
    except OSError:
        raise
    except (SafetensorError, ValueError) as error:
        raise damaged(path, str(error).removeprefix("Error while deserializing header: ")) from error
    return choose_key(key, sorted(names), path)


def _locate(path, key):
    """Return the header's entry for a tensor, and where its bytes start and stop in the file."""
    with path.open("rb") as stream:
        header_bytes = int.from_bytes(stream.read(8), "little")
        entry = json.loads(stream.read(header_bytes))[key]
    start, stop = (8 + header_bytes + offset for offset in entry["data_offsets"])
    return entry, start, stop


def _decode(data, name):
    """Turn little-endian bytes into a 1-D array that can be written to."""
    if name == "BF16":  # the upper half of a float32
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    dtype = np.dtype(DTYPES[name])
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))

"""Read tensors of .safetensors files: the header is checked, then only the bytes of the requested tensor are read.

The safetensors library is not used, because it returns bfloat16 and float8 only to torch, and may be missing in a
browser. The tests compare with it.
"""

import json
from functools import partial
from math import prod

import numpy as np

from ._limits import check_size, damaged
from ._stored import Stored

MAX_HEADER = 100_000_000  # bytes, the limit of the safetensors library
PLAIN = {f"{kind}{8 * size}": np.dtype(f"<{kind.lower()}{size}") for kind in "IU" for size in (1, 2, 4, 8)}
PLAIN |= {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
DECODED = {"BF16": "bfloat16", "F8_E4M3": "float8_e4m3", "F8_E5M2": "float8_e5m2"}  # to float32, exactly
BITS = {"BOOL": 8, "BF16": 16, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}
BITS |= {"F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8} | {name: 8 * dtype.itemsize for name, dtype in PLAIN.items()}


def safetensors_arrays(path):
    """Return the tensors of a .safetensors file by name, from its header."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= min(size - 8, MAX_HEADER):
            raise damaged(path, f"its header would take {length} of its {size} bytes")
        text = stream.read(length)
    try:
        header = json.loads(text)
        header.pop("__metadata__", None)
        entries = {name: _entry(name, **entry) for name, entry in header.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(path, f"its header is not that of tensors ({str(error).splitlines()[0]})") from error
    ends = [
        0,
        *(end for _, _, offsets in sorted(entries.values(), key=lambda e: e[2]) for end in offsets),
        size - 8 - length,
    ]
    if ends[::2] != ends[1::2]:
        raise damaged(path, "its tensors do not fill it without gaps")
    return {
        name: Stored(
            shape,
            DECODED.get(kind) or (PLAIN[kind].name if kind in PLAIN else kind),
            partial(_read, path, name, kind, shape, 8 + length + offsets[0]),
        )
        for name, (kind, shape, offsets) in entries.items()
    }


def index_arrays(path):
    """Return the tensors of a checkpoint in several files by name, from its .safetensors.index.json."""
    try:
        places = json.loads(path.read_bytes())["weight_map"]
        shards = {shard: path.parent / shard for shard in sorted(set(places.values()))}
        if any(shard != file.name for shard, file in shards.items()):
            raise ValueError("it refers to a file outside its folder")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise damaged(path, f"it is no index of tensors ({error!r})") from error
    missing = [shard for shard, file in shards.items() if not file.is_file()]
    if missing:
        raise ValueError(f"{path} names {missing[0]}, which is not in its folder; download all {len(shards)} files")
    found = {shard: safetensors_arrays(file) for shard, file in shards.items()}
    absent = [name for name, shard in places.items() if name not in found[shard]]
    if absent:
        raise damaged(path, f"{places[absent[0]]} does not hold {absent[0]!r}")
    return {name: found[shard][name] for name, shard in places.items()}


def folder_arrays(path):
    """Return the tensors of a folder by name, from its index or from all its .safetensors files."""
    indices = sorted(path.glob("*.safetensors.index.json"))
    if len(indices) == 1:
        return index_arrays(indices[0])
    return {
        name: each for file in sorted(path.glob("*.safetensors")) for name, each in safetensors_arrays(file).items()
    }


def _entry(name, dtype, shape, data_offsets):
    """Return the checked type, shape and offsets of a header's entry."""
    start, stop = data_offsets
    numbers = [start, stop, *shape]
    if not all(type(number) is int and number >= 0 for number in numbers) or dtype not in BITS:
        raise ValueError(f"{name!r} is {dtype} {shape} at {data_offsets}")
    if prod(shape) * BITS[dtype] != 8 * (stop - start):
        raise ValueError(f"{name!r} of shape {shape} does not take {stop - start} bytes")
    return dtype, tuple(shape), (start, stop)


def _read(path, name, kind, shape, start, max_bytes):
    """Return one tensor as a writable array."""
    if kind not in PLAIN and kind not in DECODED:
        raise TypeError(
            f"{path} must hold integers or floats of 8 bits or more: {name!r} is {kind};"
            " convert it to float32 and save again"
        )
    dtype, count = PLAIN.get(kind, np.dtype(np.float32)), prod(shape)
    check_size(count * dtype.itemsize, max_bytes, f"{name!r} in {path}")
    stored = dtype if kind in PLAIN else np.dtype(f"<u{BITS[kind] // 8}")
    codes = np.fromfile(path, stored, count, offset=start)
    values = _decode(codes, kind) if kind in DECODED else codes.astype(dtype.newbyteorder("="), copy=False)
    return values.reshape(shape)


def _decode(codes, kind):
    """Return the float32 values of codes in a dtype that NumPy lacks."""
    if kind == "BF16":  # the upper half of a float32
        return (codes.astype(np.uint32) << 16).view(np.float32)
    if kind == "F8_E5M2":  # the upper half of a float16
        return (codes.astype(np.uint16) << 8).view(np.float16).astype(np.float32)
    return _e4m3()[codes]


def _e4m3():
    """Return the 256 values of float8 E4M3: no infinity, and one NaN of each sign (Micikevicius et al. 2022)."""
    code = np.arange(128)
    exponent, mantissa = code >> 3, code & 7
    magnitude = np.ldexp(np.where(exponent, 8.0 + mantissa, mantissa), np.maximum(exponent, 1) - 10)
    magnitude[127] = np.nan
    return np.concatenate([magnitude, -magnitude]).astype(np.float32)

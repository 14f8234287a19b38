"""Read one array in NumPy's .npy format, judging its header before its data."""

from io import BytesIO
from math import prod

import numpy as np
from numpy.lib import format as npy

from ._limits import check_dtype, check_size, damaged
from ._stored import Stored

MAX_HEADER = 2**16  # bytes; NumPy's own take 128, and it refuses more than 10,000
HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def npy_arrays(path):
    """Return the one array of the .npy file at `path`, by the name of the file."""
    with path.open("rb") as stream:
        shape, _, dtype, _ = read_header(stream, path)
    return {path.stem: Stored(shape, dtype.name, lambda max_bytes: _read_npy(path, max_bytes))}


def _read_npy(path, max_bytes):
    with path.open("rb") as stream:
        return read_stream(stream, path.stat().st_size, path, max_bytes)


def read_stream(stream, available, path, max_bytes):
    """Return the array in a binary stream of `available` bytes; `path` is for messages."""
    shape, is_fortran, dtype, header_bytes = read_header(stream, path)
    if dtype.hasobject:
        raise TypeError(
            f"{path} must hold numbers: it holds pickled objects, and a pickle can run any code when opened,"
            " so it is never read here; convert with .astype('float32') and save again"
        )
    check_dtype(dtype, str(path))
    size = prod(shape) * dtype.itemsize
    check_size(size, max_bytes, str(path))
    if header_bytes + size != available:
        raise damaged(path, f"its header promises {size} bytes of data and {available - header_bytes} are there")
    stream.seek(header_bytes)
    data = stream.read(size)
    if len(data) != size:
        raise damaged(path, f"only {len(data)} of {size} bytes could be read")
    array = np.frombuffer(data, dtype).astype(dtype.newbyteorder("="))  # astype copies: frombuffer is read-only
    return array.reshape(shape[::-1]).T if is_fortran else array.reshape(shape)


def read_header(stream, path):
    """Return shape, whether columns come first, dtype, and the length of the header."""
    start = BytesIO(stream.read(MAX_HEADER))  # a header may claim 4 GB: no more than this is ever read
    try:
        version = npy.read_magic(start)
        if version not in HEADER_READERS:
            raise ValueError(f"its format version is {version}, and only 1.0 and 2.0 hold plain numbers")
        shape, is_fortran, dtype = HEADER_READERS[version](start)
        if any(length < 0 for length in shape):
            raise ValueError(f"its shape {shape} has a negative length")
    except Exception as error:  # a hostile header can raise nearly anything; the reader needs one sentence
        raise damaged(path, _first_line(error)) from error
    return shape, is_fortran, dtype, start.tell()


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")

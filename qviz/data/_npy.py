"""Read .npy files, and .npz files, which are zips of them; each header is checked before the data is read."""

from functools import partial
from io import BytesIO
from math import prod
from zipfile import ZipFile

from numpy.lib import format as npy

from ._limits import check_dtype, check_size, damaged
from ._stored import Stored

MAX_HEADER = 2**16  # bytes; NumPy writes 128 and refuses more than 10,000
HEADER_READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def npy_arrays(path):
    """Return the array of a .npy file, named after the file."""
    with path.open("rb") as stream:
        shape, dtype, _ = _read_header(stream, path)
    return {path.stem: Stored(shape, dtype.name, partial(_read_npy, path))}


def npz_arrays(path):
    """Return the arrays of a .npz file by name, from their headers."""
    with _opened(path) as archive:
        return {info.filename.removesuffix(".npy"): _member(archive, info, path) for info in archive.infolist()}


def _opened(path):
    try:
        return ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # zipfile raises many kinds of errors on damaged files
        raise damaged(path, "it does not open as a zip") from error


def _member(archive, info, path):
    read = partial(_read_member, path, info.filename)
    try:
        with archive.open(info) as stream:
            shape, dtype, _ = _read_header(stream, path)
    except Exception:  # reported when this member is read; the others may be intact
        return Stored((), "unreadable", read)
    return Stored(shape, dtype.name, read)


def _read_npy(path, max_bytes):
    with path.open("rb") as stream:
        return _read(stream, path.stat().st_size, path, max_bytes)


def _read_member(path, name, max_bytes):
    # Check the unpacked size, past which zipfile never reads: a zip bomb is small on disk.
    with _opened(path) as archive:
        try:
            with archive.open(name) as stream:
                return _read(stream, archive.getinfo(name).file_size, path, max_bytes)
        except (TypeError, ValueError):
            raise
        except Exception as error:  # bad checksum, encrypted, unknown compression, broken deflate stream
            raise damaged(path, f"its member {name!r} does not unpack") from error


def _read(stream, available, path, max_bytes):
    """Return the array in a binary stream of `available` bytes; `path` is for messages."""
    shape, dtype, header_bytes = _read_header(stream, path)
    if dtype.hasobject:
        raise TypeError(
            f"{path} must hold numbers: it holds pickled objects, which are never read here, because a pickle can run"
            " any code when opened; convert with .astype('float32') and save again"
        )
    check_dtype(dtype, str(path))
    size = prod(shape) * dtype.itemsize
    check_size(size, max_bytes, str(path))
    if header_bytes + size != available:
        raise damaged(path, f"its header promises {size} bytes of data, but there are {available - header_bytes}")
    stream.seek(0)
    return npy.read_array(stream, allow_pickle=False).astype(dtype.newbyteorder("="), copy=False)


def _read_header(stream, path):
    """Return shape, dtype, and the length of the header."""
    start = BytesIO(stream.read(MAX_HEADER))  # a damaged header may claim to be 4 GB long
    try:
        version = npy.read_magic(start)
        if version not in HEADER_READERS:
            raise ValueError(f"its format version is {version}, but only 1.0 and 2.0 hold plain numbers")
        shape, _, dtype = HEADER_READERS[version](start)
        if any(length < 0 for length in shape):
            raise ValueError(f"its shape {shape} has a negative length")
    except Exception as error:  # a damaged header can raise nearly any error
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise damaged(path, reason) from error
    return shape, dtype, start.tell()

"""Read the learner's own numbers: an array, or a .npy, .npz or .safetensors file. Nothing is unpickled."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from qviz.data._npy import read_npy
from qviz.data._npz import read_npz
from qviz.data._refuse import check_dtype, check_size
from qviz.data._safetensors import read_safetensors
from qviz.numerics import _check

MAX_BYTES = 256 * 2**20
READERS = {".npy": read_npy, ".npz": read_npz, ".safetensors": read_safetensors}


def read_array(source, key=None, *, max_bytes=MAX_BYTES) -> np.ndarray:
    """Return the learner's own numbers as a NumPy array of their own shape.

    Parameters
    ----------
    source : an array or anything NumPy can turn into one (lists, torch tensors), or the path (str or Path)
        of a .npy, .npz or .safetensors file
    key : name of the array in a .npz or .safetensors file; needed only when it holds several
    max_bytes : refuse an array that would take more bytes in memory; a file is refused from its header,
        before its data is read

    Returns
    -------
    np.ndarray : integers or floats in the machine's byte order, a copy that can be written to. bfloat16
        becomes float32, which holds each of its values exactly; every other type is kept

    Raises
    ------
    ValueError : no such file, wrong extension, damaged or truncated file, too large, unknown or missing key
    TypeError : values that are not real numbers (objects, text, complex, booleans), or pickled data

    Source: formats as in numpy.lib.format (versions 1 and 2) and as the safetensors library checks them.

    >>> read_array([[1, 2], [3, 4]]).shape
    (2, 2)
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.npz"
    ...     np.savez(path, weight=np.array([0.5, -1.5]), bias=np.zeros(3))
    ...     print(read_array(path, "weight"))
    [ 0.5 -1.5]
    """
    max_bytes = _check.whole_number(max_bytes, "max_bytes", 0)
    if isinstance(source, (str, PathLike)):
        return _read_file(Path(source), key, max_bytes)
    if key is not None:
        raise ValueError(f"key is only for .npz and .safetensors files: got {key!r} with an array; leave it out")
    return _read_object(source, max_bytes)


def _read_file(path, key, max_bytes):
    try:
        path = path.expanduser()
        return _reader_for(path)(path, key, max_bytes)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ with no home
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"source could not be read: {path}: {reason}; check the path and its rights") from error


def _reader_for(path):
    """Return the reader for a file's extension, once it is known to be a file."""
    if path.is_dir():
        raise ValueError(f"source must be a file: got the folder {path}; give one file inside it")
    if path.suffix.lower() not in READERS:
        raise ValueError(f"source must end in .npy, .npz or .safetensors: got {path.name!r}; {_advice(path.suffix)}")
    if not path.exists():
        raise ValueError(f"source must be an existing file: there is no {path}; check spelling and folder")
    if not path.is_file():
        raise ValueError(f"source must be a regular file: {path} is a device or pipe; copy it to a file")
    return READERS[path.suffix.lower()]


def _advice(suffix):
    if suffix.lower() in {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"}:
        return "it may hold a pickle, which can run any code when opened; save its tensors as .safetensors"
    return "save the array with np.save(path, array)"


def _read_object(source, max_bytes):
    if isinstance(source, Mapping):
        raise TypeError(f"source must be one array: got a {type(source).__name__} of arrays; give source[name]")
    if isinstance(source, (bytes, bytearray)):
        raise TypeError("source must be an array or a path: got bytes; try np.frombuffer(source, dtype)")
    array = _check.as_array(source, "source")
    check_dtype(array.dtype, "source")
    check_size(array.nbytes, max_bytes, "source")
    return array.astype(array.dtype.newbyteorder("="))  # a copy: later changes to theirs must not move ours

"""Read your own data: an array, or a .npy, .npz or .safetensors file. Nothing is unpickled."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path

import numpy as np

from qviz.numerics import _check

from ._limits import check_dtype, check_size, choose
from ._npy import npy_arrays, npz_arrays
from ._safetensors import folder_arrays, index_arrays, safetensors_arrays
from ._stored import MAX_BYTES, Stored

READERS = {
    ".npy": npy_arrays,
    ".npz": npz_arrays,
    ".safetensors": safetensors_arrays,
    ".safetensors.index.json": index_arrays,
}


def read_array(source, key=None, *, max_bytes=MAX_BYTES, argument="source") -> np.ndarray:
    """Return your own data as a NumPy array.

    Parameters
    ----------
    source : array-like (list, torch tensor, ...), str or Path
        A path is that of a .npy, .npz or .safetensors file, of a .safetensors.index.json, or of a folder with
        .safetensors files.
    key : str or None
        Name of the array in the file; needed only if there are several.
    max_bytes : int
        Largest size in memory; for a file, the header is checked before the data is read.
    argument : str
        Name of `source` in messages.

    Returns
    -------
    writable array in native byte order, a copy of the shape and dtype of `source`
        bfloat16 and float8 (E4M3 and E5M2) become float32, which represents them exactly.

    Raises
    ------
    ValueError
        There is no such file, its extension is not supported, it is damaged or too large, or `key` is unknown or
        missing.
    TypeError
        The values are not real numbers (objects, text, complex, booleans), or are pickled.

    Notes
    -----
    The formats are those of numpy.lib.format, versions 1 and 2, and of the safetensors library.

    Examples
    --------
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
    if is_path(source):
        if key is not None and str(source).lower().endswith(".npy"):
            raise ValueError(
                f"key is only for .npz and .safetensors files: got {key!r} for {Path(source).name}; leave it out"
            )
        arrays = list_arrays(source, argument=argument)
        return arrays[choose(key, arrays, source)].read(max_bytes)
    if key is not None:
        raise ValueError(f"key is only for .npz and .safetensors files: got {key!r} with an array; leave it out")
    array = check_object(source, max_bytes, argument)
    return array.astype(array.dtype.newbyteorder("="))  # a copy, so that changes to `source` have no effect on it


def is_path(source) -> bool:
    """Return whether `source` is a path."""
    return isinstance(source, (str, PathLike))


def list_arrays(source, *, argument="source") -> dict[str, Stored]:
    """Return the arrays of a file by name.

    Only headers are read, so a checkpoint of many gigabytes takes no longer than a small one.

    Parameters
    ----------
    source : str or Path
        A .npy, .npz or .safetensors file, a .safetensors.index.json, or a folder with .safetensors files.
    argument : str
        Name of `source` in messages.

    Returns
    -------
    dict of str to Stored, which has `shape`, `dtype` and `read(max_bytes)`

    Raises
    ------
    ValueError
        There is no such file, its extension is not supported, or it is damaged.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "mine.npz"
    ...     np.savez(path, weight=np.ones((2, 3)), bias=np.zeros(3))
    ...     print(list_arrays(path))
    {'weight': float64 (2, 3), 'bias': float64 (3,)}
    """
    try:
        path = Path(source).expanduser()
        return _reader_for(path, argument)(path)
    except (OSError, RuntimeError) as error:  # RuntimeError: ~ with no home
        reason = getattr(error, "strerror", None) or error
        raise ValueError(
            f"{argument} could not be read: {source}: {reason}; check the path and its permissions"
        ) from error


def _reader_for(path, argument):
    """Return the reader for a folder, or for an existing file by its extension."""
    if path.is_dir():
        if not any(path.glob("*.safetensors*")):
            raise ValueError(
                f"{argument} must be a file: got the folder {path}, without .safetensors; pass a file inside it"
            )
        return folder_arrays
    ending = next((ending for ending in READERS if path.name.lower().endswith(ending)), None)
    if ending is None:
        raise ValueError(
            f"{argument} must end in .npy, .npz or .safetensors: got {path.name!r}; {_advice(path.suffix)}"
        )
    if not path.exists():
        raise ValueError(f"{argument} must be an existing file: there is no {path}; check spelling and folder")
    if not path.is_file():
        raise ValueError(f"{argument} must be a regular file: {path} is a device or pipe; copy it to a file")
    return READERS[ending]


def _advice(suffix):
    if suffix.lower() in {".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".joblib"}:
        return "it may hold a pickle, which can run any code when opened; save its tensors as .safetensors"
    return "save the array with np.save(path, array)"


def check_object(source, max_bytes=MAX_BYTES, argument="source"):
    """Return array-like data as an array of real numbers, without a copy where possible."""
    if isinstance(source, Mapping):
        raise TypeError(f"{argument} must be one array: got a {type(source).__name__} of arrays; pass source[name]")
    if isinstance(source, (bytes, bytearray)):
        raise TypeError(f"{argument} must be an array or a path: got bytes; try np.frombuffer(source, dtype)")
    array = _check.as_array(source, argument)
    check_dtype(array.dtype, argument)
    check_size(array.nbytes, max_bytes, argument)
    return array

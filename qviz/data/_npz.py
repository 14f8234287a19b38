"""Read one array of a .npz file, a zip of .npy files: only the wanted member, never past its stated size."""

from functools import partial
from zipfile import ZipFile

from ._limits import damaged
from ._npy import read_header, read_stream
from ._stored import Stored


def npz_arrays(path):
    """Return the arrays of the .npz file at `path` by name; of each only the header is read."""
    with _opened(path) as archive:
        return {info.filename.removesuffix(".npy"): _stored(archive, info, path) for info in archive.infolist()}


def _opened(path):
    try:
        return ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # zipfile raises many kinds on hostile files; the reader needs one sentence
        raise damaged(path, "it does not open as a zip") from error


def _stored(archive, info, path):
    read = partial(_read_member, path, info.filename)
    try:
        with archive.open(info) as stream:
            shape, _, dtype, _ = read_header(stream, path)
    except Exception:  # told when it is read: the others may be in order
        return Stored((), "unreadable", read)
    return Stored(shape, dtype.name, read)


def _read_member(path, name, max_bytes):
    # A zip bomb is small on disk; what counts is file_size, unpacked, which zipfile never reads past.
    with _opened(path) as archive:
        try:
            with archive.open(name) as stream:
                return read_stream(stream, archive.getinfo(name).file_size, path, max_bytes)
        except (TypeError, ValueError):
            raise
        except Exception as error:  # bad checksum, encrypted, unknown compression, broken deflate stream
            raise damaged(path, f"its member {name!r} does not unpack") from error

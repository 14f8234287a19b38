"""Read one array of a .npz file, a zip of .npy files: only the wanted member, never past its stated size."""

from zipfile import ZipFile

from qviz.data._npy import read_stream
from qviz.data._refuse import choose_key, damaged


def read_npz(path, key, max_bytes):
    """Return the array called `key`, or the only one, of the .npz file at `path`."""
    try:
        archive = ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # zipfile raises many kinds on hostile files; the reader needs one sentence
        raise damaged(path, "it does not open as a zip") from error
    with archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        info = archive.getinfo(archive.namelist()[names.index(choose_key(key, names, path))])
        # A zip bomb is small on disk; what counts is file_size, unpacked, which zipfile never reads past.
        return _read_member(archive, info, path, max_bytes)


def _read_member(archive, info, path, max_bytes):
    try:
        with archive.open(info) as stream:
            return read_stream(stream, info.file_size, path, max_bytes)
    except (TypeError, ValueError):
        raise
    except Exception as error:  # bad checksum, encrypted, unknown compression, broken deflate stream
        raise damaged(path, f"its member {info.filename!r} does not unpack") from error

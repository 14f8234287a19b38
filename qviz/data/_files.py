"""Open the arrays that ship with qviz."""

from importlib.resources import files

import numpy as np


def load_shipped(filename):
    """Return the arrays of one npz in qviz/data/files, read-only, as a dict by name."""
    with files("qviz.data").joinpath("files", filename).open("rb") as stream:
        with np.load(stream, allow_pickle=False) as archive:
            return {name: read_only(archive[name]) for name in archive.files}


def read_only(array):
    """Lock `array` and return it: what is cached is shared, so no caller may write to it."""
    array.setflags(write=False)
    return array

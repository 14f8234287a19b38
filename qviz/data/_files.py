"""Load the arrays that ship with qviz."""

from importlib.resources import files

import numpy as np


def load_shipped(filename):
    """Return the read-only arrays of an npz in qviz/data/files, by name."""
    with files("qviz.data").joinpath("files", filename).open("rb") as stream:
        with np.load(stream, allow_pickle=False) as archive:
            return {name: read_only(archive[name]) for name in archive.files}


def read_only(array):
    """Return `array`, made read-only because cached arrays are shared."""
    array.setflags(write=False)
    return array

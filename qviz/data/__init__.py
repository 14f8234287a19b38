"""Real inputs that need no download, seeded distributions, and the reader's own files.

Sources and licences are in each docstring and, together, in SOURCES.md beside this file.
At run time: NumPy and the standard library.

images.py          digits, photograph
distributions.py   how each seeded distribution is drawn
outliers.py        how outliers are added
reading.py         read_array and list_arrays: an array, or those in .npy, .npz or .safetensors files

>>> digits().images.shape
(1797, 1, 8, 8)
"""

from .images import Digits, digits, photograph
from .reading import list_arrays, read_array

__all__ = ["Digits", "digits", "list_arrays", "photograph", "read_array"]

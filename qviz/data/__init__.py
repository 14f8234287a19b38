"""Real data that needs no download, seeded distributions, and your own files, with NumPy alone.

Sources and licences are in the docstrings and in SOURCES.md.

* images: digits and a photograph
* distributions: seeded random values
* outliers: values with outliers added
* reading: arrays, and .npy, .npz and .safetensors files

>>> digits().images.shape
(1797, 1, 8, 8)
"""

from .images import Digits, digits, photograph
from .reading import list_arrays, read_array

__all__ = ["Digits", "digits", "list_arrays", "photograph", "read_array"]

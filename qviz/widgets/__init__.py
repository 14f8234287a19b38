"""Explorers: pictures that answer to controls.

* controls: sliders, drop-downs and toggles, declared as fields of a State
* explorer: what every explorer does
* one file for each explorer
"""

from .explorer import Explorer
from .quantize import QuantizeExplorer

__all__ = ["Explorer", "QuantizeExplorer"]

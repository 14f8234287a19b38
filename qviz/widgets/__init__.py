"""Explorers: pictures that answer to controls.

* controls: sliders, drop-downs and toggles, declared as fields of a State
* explorer: what every explorer does
* one file for each explorer
"""

from .arena import ArenaExplorer
from .calibration import CalibrationExplorer
from .explorer import Explorer
from .granularity import GranularityExplorer
from .mapping import MappingExplorer
from .photo import PhotoExplorer
from .quantize import QuantizeExplorer

__all__ = [
    "ArenaExplorer", "CalibrationExplorer", "Explorer", "GranularityExplorer", "MappingExplorer",
    "PhotoExplorer", "QuantizeExplorer",
]  # fmt: skip

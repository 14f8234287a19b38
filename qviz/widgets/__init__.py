"""Explorers: interactive pictures.

* controls: sliders, drop-downs and check boxes, declared as fields of a State
* explorer: the base class of all explorers
* background: long work, with a progress bar and a Stop button
* links: a State as a URL, and back
* live: explorers on the site, where there is no kernel
* gallery: all explorers on one page
* every other file: one explorer
"""

from .arena import ArenaExplorer
from .calibration import CalibrationExplorer
from .energy import EnergyExplorer
from .explorer import Explorer
from .float_bits import FloatBitsExplorer
from .format_name import FormatNameExplorer
from .gallery import Gallery, open_link
from .granularity import GranularityExplorer
from .hard_to_quantize import HardToQuantizeExplorer
from .integer_walk import IntegerWalkExplorer
from .mapping import MappingExplorer
from .method_chooser import DecisionExplorer
from .misread import MisreadExplorer
from .number_formats import NumberFormatsExplorer
from .pareto import ParetoExplorer
from .photo import PhotoExplorer
from .ptq import PTQExplorer
from .qat import QATExplorer
from .quantize import QuantizeExplorer
from .saturation import SaturationExplorer
from .size import SizeExplorer
from .speed import SpeedExplorer
from .ste import STEExplorer
from .switches import SwitchesExplorer

__all__ = [
    "ArenaExplorer", "CalibrationExplorer", "DecisionExplorer", "EnergyExplorer", "Explorer",
    "FloatBitsExplorer", "FormatNameExplorer", "Gallery", "GranularityExplorer", "HardToQuantizeExplorer",
    "IntegerWalkExplorer", "MappingExplorer", "MisreadExplorer", "NumberFormatsExplorer", "PTQExplorer",
    "ParetoExplorer", "PhotoExplorer", "QATExplorer", "QuantizeExplorer", "STEExplorer", "SaturationExplorer",
    "SizeExplorer", "SpeedExplorer", "SwitchesExplorer", "open_link",
]  # fmt: skip

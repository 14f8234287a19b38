"""Explorers: pictures that answer to controls.

* controls: sliders, drop-downs and toggles, declared as fields of a State
* explorer: what every explorer does
* background: what takes longer than a move, with a bar, and a button to stop it
* one file for each explorer
* gallery: all of them on one page
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

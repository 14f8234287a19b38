"""Pictures, one idea a file.

* style: the colours, by role
* panel: what every picture has in common
* canvas: several pictures in one figure, painted fast; a static Picture
* histogram, error: what they say
* number_line, staircase: where one value goes
* image: a photograph at b bits
* channels: the ranges that channels need, and those they get
* ranges, calibrators: which range each method keeps, and what that costs
* digits, words: small numbers and moving words, drawn fast

A lesson draws a static picture with one call; an explorer keeps the same panels on a Canvas and updates them.
"""

from .calibrators import CalibratorPanel, compare_calibrators
from .canvas import Canvas, Picture, draw
from .channels import ChannelPanel, SqnrPanel, channels, sqnr_of_channels
from .error import ErrorBarPanel, ErrorCurvePanel, ErrorHistogramPanel, error_histogram
from .histogram import HistogramPanel, LevelsPanel, before_and_after
from .image import ImagePanel, cropped, photograph_at
from .number_line import NumberLinePanel, number_line
from .panel import Panel
from .ranges import RangesPanel
from .staircase import StaircasePanel, staircase

__all__ = [
    "CalibratorPanel", "Canvas", "ChannelPanel", "ErrorBarPanel", "ErrorCurvePanel", "ErrorHistogramPanel",
    "HistogramPanel", "ImagePanel", "LevelsPanel", "NumberLinePanel", "Panel", "Picture", "RangesPanel",
    "SqnrPanel", "StaircasePanel", "before_and_after", "channels", "compare_calibrators", "cropped", "draw",
    "error_histogram", "number_line", "photograph_at", "sqnr_of_channels", "staircase",
]  # fmt: skip

"""Pictures, one idea a file.

* style: the colours, by role
* panel: what every picture has in common
* canvas: several pictures in one figure, painted fast; a static Picture
* histogram, error: what they say

A lesson draws a static picture with one call; an explorer keeps the same panels on a Canvas and updates them.
"""

from .canvas import Canvas, Picture, draw
from .error import ErrorBarPanel, ErrorCurvePanel, ErrorHistogramPanel, error_histogram
from .histogram import HistogramPanel, LevelsPanel, before_and_after
from .panel import Panel

__all__ = [
    "Canvas", "ErrorBarPanel", "ErrorCurvePanel", "ErrorHistogramPanel", "HistogramPanel", "LevelsPanel", "Panel",
    "Picture", "before_and_after", "draw", "error_histogram",
]  # fmt: skip

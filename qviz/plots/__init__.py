"""Pictures, one idea a file.

* style: the colours, by role
* panel: what every picture has in common
* canvas: several pictures in one figure, painted fast; a static Picture
* histogram, error: what they say
* number_line, staircase: where one value goes
* number_formats: levels, errors and bits of every format; float_bits: the bits of one small float
* straight_through: the slope taken for the staircase, and the way of one weight
* image: a photograph at b bits
* channels: the ranges that channels need, and those they get
* training, accuracy_by_bits: accuracy by epoch, and against bits
* ranges, calibrators: which range each method keeps, and what that costs
* bars: a few numbers side by side, such as accuracies or decibels
* saturation: sums that do not fit 16 bits
* remedies: accuracy after each of several remedies, with its interval
* ablation: what is left in each layer, and of each combination of three switches
* bias_shift: what an error is on average, and how far it spreads
* accumulator, dot_product_terms, requantize: a sum of products in integers, and the code it becomes
* stacked_bars: what something consists of, in per cent of float32
* roofline: how many times as fast, and what stands in the way
* margins: how far answers are from changing; misread: which digits have changed
* pareto: bytes and time against accuracy, and what nothing beats on both sides
* latency_bubbles: size, accuracy and latency of what was measured
* method_matrix: ways and questions, and what each way loses
* small_numbers, moving_text: small numbers and moving words, drawn fast

A lesson draws a static picture with one call; an explorer keeps the same panels on a Canvas and updates them.
"""

from .ablation import CombinationsPanel, LayerSqnrPanel
from .accumulator import WalkPanel
from .accuracy_by_bits import AccuracyByBitsPanel, accuracy_by_bits
from .bars import BarsPanel, LayersPanel, compare_accuracies
from .bias_shift import ShiftPanel, shifts
from .calibrators import CalibratorPanel, compare_calibrators
from .canvas import Canvas, Picture, draw
from .channels import ChannelPanel, SqnrPanel, channels, sqnr_of_channels
from .dot_product_terms import TermsPanel
from .error import ErrorBarPanel, ErrorCurvePanel, ErrorHistogramPanel, error_histogram
from .float_bits import FloatBitsPanel, FloatLinePanel
from .histogram import HistogramPanel, LevelsPanel, before_and_after
from .image import ImagePanel, cropped, photograph_at
from .latency_bubbles import LatencyBubblesPanel, latency_bubbles
from .margins import MarginsPanel, margins
from .method_matrix import AnswersLostPanel, VerdictPanel
from .misread import DigitsReadPanel, RightMarginPanel
from .number_formats import ErrorSizePanel, FormatLinePanel, FormatsPanel
from .number_line import NumberLinePanel, number_line
from .panel import Panel
from .pareto import Cloud, LatencyPanel, ParetoPanel, pareto
from .ranges import RangesPanel
from .remedies import RemediesPanel
from .requantize import RequantizePanel
from .roofline import RatioPanel, RooflinePanel, speed_ratios
from .saturation import LayerErrorsPanel, SaturationPanel
from .stacked_bars import SharesPanel
from .staircase import StaircasePanel, staircase
from .straight_through import DescentPanel, SlopePanel, straight_through
from .training import AccuracyPanel, CrossingsPanel, LossPanel, training

__all__ = [
    "AccuracyByBitsPanel",
    "AccuracyPanel",
    "AnswersLostPanel",
    "BarsPanel",
    "CalibratorPanel",
    "Canvas",
    "ChannelPanel",
    "Cloud",
    "CombinationsPanel",
    "CrossingsPanel",
    "DescentPanel",
    "DigitsReadPanel",
    "ErrorBarPanel",
    "ErrorCurvePanel",
    "ErrorHistogramPanel",
    "ErrorSizePanel",
    "FloatBitsPanel",
    "FloatLinePanel",
    "FormatLinePanel",
    "FormatsPanel",
    "HistogramPanel",
    "ImagePanel",
    "LatencyBubblesPanel",
    "LatencyPanel",
    "LayerErrorsPanel",
    "LayerSqnrPanel",
    "LayersPanel",
    "LevelsPanel",
    "LossPanel",
    "MarginsPanel",
    "NumberLinePanel",
    "Panel",
    "ParetoPanel",
    "Picture",
    "RangesPanel",
    "RatioPanel",
    "RemediesPanel",
    "RequantizePanel",
    "RightMarginPanel",
    "RooflinePanel",
    "SaturationPanel",
    "SharesPanel",
    "ShiftPanel",
    "SlopePanel",
    "SqnrPanel",
    "StaircasePanel",
    "TermsPanel",
    "VerdictPanel",
    "WalkPanel",
    "accuracy_by_bits",
    "before_and_after",
    "channels",
    "compare_accuracies",
    "compare_calibrators",
    "cropped",
    "draw",
    "error_histogram",
    "latency_bubbles",
    "margins",
    "number_line",
    "pareto",
    "photograph_at",
    "shifts",
    "speed_ratios",
    "sqnr_of_channels",
    "staircase",
    "straight_through",
    "training",
]  # fmt: skip

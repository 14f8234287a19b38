"""Pictures: one kind of panel per file.

* style: the colours, by role
* panel: the base class of all panels
* canvas: several panels in one figure, painted fast; a static Picture
* histogram, error: histograms of values and of errors
* number_line, staircase: the quantized value of each input
* number_formats: levels, errors and bits of every format; float_bits: the bits of one small float
* straight_through: the slope of the straight-through estimator, and one weight under gradient descent
* image: a photograph at b bits
* channels: the range of each channel, and the range its scale covers
* training, accuracy_by_bits: accuracy by epoch, and against bits
* ranges, calibrators: the range that each calibrator keeps, and its error
* bars: a few numbers side by side, such as accuracies or decibels
* saturation: sums that overflow 16 bits
* remedies: accuracy after each of several remedies, with its interval
* ablation: SQNR of each layer, and accuracy of each combination of three switches
* bias_shift: mean and spread of the error of each output
* accumulator, dot_product_terms, requantize: a sum of products in integers, and the code it becomes
* stacked_bars: parts of a total, in per cent of float32
* roofline: speed-up of int8, and the limit set by memory, arithmetic and calls
* margins: margins of the predictions; misread: the digits whose prediction is wrong
* pareto: bytes and time against accuracy, with the Pareto front
* latency_bubbles: size, accuracy and latency of measured networks
* method_matrix: methods against questions, and the loss of each method
* small_numbers, moving_text: numbers and text that change, drawn fast

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
from .error import ErrorCurvePanel, ErrorHistogramPanel, error_histogram
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

"""Quantization arithmetic, in NumPy alone.

* formats: integer formats and their codes
* granularity: how many values share one scale
* qparams: scale and zero point, and how to choose them for a range
* affine: quantize, dequantize, fake_quantize
* observers, histogram: histograms collected over batches
* bias: integer biases and the bits they need
* calibrators, aciq, mse_calibrator: how to choose the range to represent
* straight_through: the straight-through estimator
* metrics: MSE, SQNR, cosine and KL divergence; rounding and clipping error
* calibration_results: the error of a chosen range
* saturation: 16-bit saturation in x86 kernels without VNNI
* integer_matmul, fixed_point, requantize, integer_layer: a layer in integer arithmetic
* codecs: a subpackage with every number format, integers included, behind one interface
* packing: codes of 2 to 16 bits packed into bytes
* roofline: the time limits set by memory, arithmetic and calls
* unavailable: the error for hardware or software that a machine lacks
* pareto: the Pareto front

Unusual input:

=====================  =====================================================================================
x is                   result
=====================  =====================================================================================
empty                  quantize, dequantize, fake_quantize: empty. Functions that need a range or an error:
                       ValueError
all zero               scale 1: every format and scheme represents it exactly
constant               the range extends from the value to 0, so the value has a code of its own
NaN                    ValueError with their number and the position of the first
infinite               quantize, fake_quantize: the nearest end of the range. Elsewhere as NaN
float32, float64       computed in their own dtype, in any byte order
float16, bool, 8 bit   computed in float32, which represents them exactly, as it does 16-bit integers
wider integers         computed in float64, as is long double
object, complex, text  TypeError
masked                 TypeError: NumPy would ignore the mask and use the hidden values
torch tensor           the array of its values, also with a gradient or sparse; bfloat16 and float8 in float32
a DataLoader, None     TypeError that names the type received
subnormal              no scale is below 1.2e-38, so much smaller values become zero
1e38, 1.7e308          as any other. A level or an error beyond the largest float is infinite. A scale beyond
                       float32 needs float64 input, else ValueError
0-d                    one value without axes: ValueError from PerChannel and PerGroup
non-contiguous         as any other
read-only              as any other: no function writes to its input
=====================  =====================================================================================

A format may be given by name ("int8"), a granularity in words ("per channel", "per group of 32"), a calibrator by name
or class, and a whole number as a NumPy integer.
"""

from ._expected_error import error_of_ranges
from .aciq import ACIQ
from .affine import dequantize, fake_quantize, quantize
from .bias import bias_bits, fake_quantize_bias, quantize_bias
from .calibrators import CALIBRATORS, Calibrator, Entropy, MinMax, MovingAverage, Percentile, calibrate
from .fixed_point import FixedPoint, fixed_point
from .formats import INT2, INT3, INT4, INT8, INT16, UINT2, UINT3, UINT4, UINT8, UINT16, IntFormat
from .granularity import Granularity, PerChannel, PerGroup, PerTensor
from .histogram import Histogram
from .integer_layer import IntegerLayer
from .integer_matmul import Accumulator, accumulate
from .metrics import ErrorParts, cosine, decibels, error_parts, kl_divergence, mse, sqnr_db
from .mse_calibrator import MSE
from .observers import HistogramObserver, observe
from .qparams import SCHEMES, QParams, choose_qparams, value_range
from .requantize import int32_bias, requantize_fixed, requantize_float

__all__ = [
    "ACIQ", "CALIBRATORS", "INT2", "INT3", "INT4", "INT8", "INT16", "MSE", "SCHEMES", "UINT2", "UINT3", "UINT4",
    "UINT8", "UINT16", "Accumulator", "Calibrator", "Entropy", "ErrorParts", "FixedPoint", "Granularity",
    "Histogram", "HistogramObserver", "IntFormat", "IntegerLayer", "MinMax", "MovingAverage", "PerChannel",
    "PerGroup", "PerTensor", "Percentile", "QParams", "accumulate", "bias_bits", "calibrate", "choose_qparams",
    "cosine", "decibels", "dequantize", "error_of_ranges", "error_parts", "fake_quantize", "fake_quantize_bias",
    "fixed_point", "int32_bias", "kl_divergence", "mse", "observe", "quantize", "quantize_bias", "requantize_fixed",
    "requantize_float", "sqnr_db", "value_range",
]  # fmt: skip

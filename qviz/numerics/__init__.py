"""Quantization arithmetic, in NumPy alone.

* formats: which integers there are
* granularity: how many values share one scale
* qparams: scale and zero point, and how to choose them for a range
* affine: quantize, dequantize, fake_quantize
* observers, histogram: what was seen of a tensor
* bias: integer biases, and how many bits they take
* calibrators, aciq, mse_calibrator: which range to keep
* straight_through: the slope that training takes for that of rounding
* metrics: how much was lost, and why
* calibration_results: the error of a chosen range
* saturation: sums that do not fit 16 bits
* integer_matmul, fixed_point, requantize, integer_layer: a layer in integers alone
* packing: codes of fewer than 8 bits stored without gaps
* roofline: how fast memory and arithmetic let a layer be
* unavailable: the error of a machine that lacks a part
* pareto: the Pareto front

Input out of the ordinary has one answer each:

=====================  =====================================================================================
x is                   answer
=====================  =====================================================================================
empty                  quantize, dequantize, fake_quantize: empty. Where a range or an error is asked for:
                       ValueError
all zero               scale 1: every format and scheme represents it exactly
constant, one value    the range reaches from it to 0, so that it has a code of its own
NaN                    ValueError that says how many there are, and where the first is
infinite               quantize, fake_quantize: the nearest end of the range. Elsewhere as NaN
float32, float64       computed as they are, whatever the byte order
float16, bool, 8 bit   computed in float32, which holds them exactly; so are integers of 16 bits
wider integers         computed in float64; so is long double
object, complex, text  TypeError
masked                 TypeError: the mask would be lost, and what it hides be used
torch tensor           as the array of its values: with a gradient, sparse, in bfloat16 or float8 (computed in float32)
a DataLoader, None     TypeError that says what arrived
subnormal              no scale is below 1.2e-38, so that what is much smaller becomes zero
1e38, 1.7e308          as any other. A level beyond the largest float is infinite, as is an error beyond it. A
                       scale beyond float32 needs float64 input, else ValueError
0-d                    an array of one value, with no axis: ValueError from PerChannel and PerGroup
non-contiguous         as any other
read-only              as any other: no function writes to its input
=====================  =====================================================================================

A format may be its name, such as "int8"; a granularity its words, such as "per channel" or "per group of 32"; a
calibrator its name or its class; a whole number NumPy's.
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

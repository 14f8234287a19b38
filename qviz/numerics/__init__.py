"""Quantization arithmetic, in NumPy alone.

* formats: which integers there are
* granularity: how many values share one scale
* affine: scale, zero point, quantize, dequantize
* observers: what was seen of a tensor
* calibrators: which range to keep
* metrics: how much was lost, and why
"""

from ._expected_error import error_of_ranges
from .affine import SCHEMES, QParams, choose_qparams, dequantize, fake_quantize, quantize, value_range
from .calibrators import ACIQ, CALIBRATORS, MSE, Calibrator, Entropy, MinMax, MovingAverage, Percentile, calibrate
from .formats import INT2, INT3, INT4, INT8, INT16, UINT2, UINT3, UINT4, UINT8, UINT16, IntFormat
from .granularity import Granularity, PerChannel, PerGroup, PerTensor
from .metrics import ErrorParts, cosine, error_parts, kl_divergence, mse, sqnr_db
from .observers import Histogram, HistogramObserver, observe

__all__ = [
    "ACIQ", "CALIBRATORS", "INT2", "INT3", "INT4", "INT8", "INT16", "MSE", "SCHEMES", "UINT2", "UINT3", "UINT4",
    "UINT8", "UINT16", "Calibrator", "Entropy", "ErrorParts", "Granularity", "Histogram", "HistogramObserver",
    "IntFormat", "MinMax", "MovingAverage", "PerChannel", "PerGroup", "PerTensor", "Percentile", "QParams",
    "calibrate", "choose_qparams", "cosine", "dequantize", "error_of_ranges", "error_parts", "fake_quantize",
    "kl_divergence", "mse", "observe", "quantize", "sqnr_db", "value_range",
]  # fmt: skip

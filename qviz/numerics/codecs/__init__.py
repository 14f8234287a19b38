"""Number formats that are not affine integers, and those that are, behind the same four verbs; NumPy alone."""

from .floating_point import (
    BF16,
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E4M3_IEEE,
    FP8_E5M2,
    FP16,
    FloatFields,
    FloatFormat,
)
from .protocol import Codec

__all__ = [
    "BF16", "FP4_E2M1", "FP6_E2M3", "FP6_E3M2", "FP8_E4M3", "FP8_E4M3_IEEE", "FP8_E5M2", "FP16", "Codec",
    "FloatFields", "FloatFormat",
]  # fmt: skip

"""Entropy calibration of a million values, from the data to the threshold."""

import contextlib
import io

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

from qviz.numerics import Entropy, observe
from qviz.numerics._entropy import around_zero
from qviz.numerics._groups import Groups

from .frame import Row, side_by_side

BINS, QUANTIZED_BINS = 2048, 128


def compare() -> list[Row]:
    x = np.random.default_rng(0).laplace(size=1_000_000).astype(np.float32)
    x *= np.float32(15.99) / np.abs(x).max()  # just below a power of two: both then have 2048 bins from -16 to 16

    def ours() -> tuple[float, float]:
        return Entropy(QUANTIZED_BINS, "onnxruntime").choose_range(observe(x)[0])

    def theirs() -> tuple[float, float]:
        collector = HistogramCollector("entropy", False, BINS, QUANTIZED_BINS, None, None)
        with contextlib.redirect_stdout(io.StringIO()):
            collector.collect({"x": x})
            return collector.compute_collection_result()["x"][:2]

    (counts,), _, (width,) = around_zero(Groups.of(observe(x)[0]), slice(None))
    own, other = ours(), theirs()
    apart = max(abs(float(a) - float(b)) for a, b in zip(own, other, strict=True)) / width
    note = (
        f"{counts.size} and {BINS} bins; ranges {own[0]:.4f} to {own[1]:.4f} and {other[0]:.4f} to {other[1]:.4f}, "
        f"{apart:.1f} bins apart"
    )
    right = apart <= 1 and counts.size == BINS
    return [side_by_side("entropy, 1M values", ours, "ONNX Runtime", theirs, 50, 5, [note], right)]

"""Percentile calibration of a million values, from the data to the threshold."""

import contextlib
import io

import numpy as np
from onnxruntime.quantization.calibrate import HistogramCollector

from qviz.numerics import INT8, Percentile, observe

from .frame import Row, side_by_side

BINS, PERCENTILE = 2048, 99.99


def compare() -> list[Row]:
    x = np.random.default_rng(0).laplace(size=1_000_000).astype(np.float32)
    return [of_scheme(x, scheme) for scheme in ("symmetric", "affine")]


def of_scheme(x: np.ndarray, scheme: str) -> Row:
    def ours() -> tuple[float, float]:
        return Percentile(PERCENTILE).choose_range(observe(x)[0], INT8, scheme)

    def theirs() -> tuple[float, float]:
        collector = HistogramCollector("percentile", scheme == "symmetric", BINS, 128, PERCENTILE, None)
        with contextlib.redirect_stdout(io.StringIO()):
            collector.collect({"x": x})
            return collector.compute_collection_result()["x"][:2]

    apart = abs(ours()[1] - float(theirs()[1])) / (np.abs(x).max() / BINS * (1 if scheme == "symmetric" else 2))
    note = f"highest value kept: {ours()[1]:.4f} and {float(theirs()[1]):.4f}, {apart:.1f} of its bins apart"
    return side_by_side(f"percentile, 1M, {scheme}", ours, "ONNX Runtime", theirs, 1, 21, [note], apart <= 1)

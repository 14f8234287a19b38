"""The range of least squared error for a million values, from the data to scale and zero point."""

import warnings

import numpy as np
import torch

from qviz.numerics import INT8, MSE, calibrate, fake_quantize
from qviz.numerics import mse as squared_error

from .frame import Row, side_by_side


def compare() -> list[Row]:
    x = np.random.default_rng(0).laplace(size=1_000_000).astype(np.float32)
    return [of_scheme(x, scheme) for scheme in ("affine", "symmetric")]


def of_scheme(x: np.ndarray, scheme: str) -> Row:
    from torch.ao.quantization import HistogramObserver

    tensor, qscheme = torch.from_numpy(x), getattr(torch, f"per_tensor_{scheme}")

    def ours():
        return calibrate(x, MSE(), INT8, scheme)

    def theirs():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            observer = HistogramObserver(dtype=torch.qint8, qscheme=qscheme)
            observer(tensor)
            return observer.calculate_qparams()

    scale, zero_point = theirs()
    of_torch = torch.fake_quantize_per_tensor_affine(tensor, float(scale), int(zero_point), INT8.qmin, INT8.qmax)
    own, other = squared_error(x, fake_quantize(x, ours())), squared_error(x, of_torch.numpy())
    note = f"squared error {own:.3e} and {other:.3e}: {own / other:.2f} of torch's"
    return side_by_side(f"mse, 1M, int8 {scheme}", ours, "torch HistogramObs.", theirs, 2, 15, [note], own <= other)

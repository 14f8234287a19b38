"""Quantize and dequantize 4 million float32 values in one step."""

import numpy as np
import torch

from qviz.numerics import INT8, PerChannel, QParams, calibrate, fake_quantize

from .frame import Row, side_by_side


def compare() -> list[Row]:
    x = np.random.default_rng(0).standard_normal((1024, 4096)).astype(np.float32)
    tensor = torch.from_numpy(x)
    p, channels = calibrate(x), calibrate(x, granularity=PerChannel(0))
    scale, zero_point = float(p.scale), int(p.zero_point)
    scales, zero_points = (torch.from_numpy(v[:, 0].copy()) for v in (channels.scale, channels.zero_point))
    scales, zero_points = scales.float(), zero_points.int()

    def per_tensor():
        return torch.fake_quantize_per_tensor_affine(tensor, scale, zero_point, INT8.qmin, INT8.qmax)

    def per_channel():
        return torch.fake_quantize_per_channel_affine(tensor, scales, zero_points, 0, INT8.qmin, INT8.qmax)

    return [
        of("fake_quantize, 4M", x, p, per_tensor),
        of("the same, per channel", x, channels, per_channel),
    ]


def of(what: str, x: np.ndarray, p: QParams, theirs) -> Row:
    step = float(p.scale.max()) * 1.0001
    apart = np.abs(fake_quantize(x, p) - theirs().numpy())
    note = f"{np.mean(apart > step / 2):.1e} of the values one step apart, at ties; none more"
    return side_by_side(what, lambda: fake_quantize(x, p), "torch", theirs, 1, 21, [note], apart.max() <= step)

"""Encode and decode 4 million float32 values in other number formats."""

import warnings

import numpy as np

from qviz.numerics.codecs import BF16, CODECS, FP8_E4M3, FP8_E5M2, FP16

from .frame import Row, side_by_side

SHAPE = (1024, 4096)


def compare() -> list[Row]:
    x = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
    rows = []
    for name, fmt, dtype, target in (
        ("FP8 E4M3", FP8_E4M3, "float8_e4m3fn", 1),
        ("FP8 E5M2", FP8_E5M2, "float8_e5m2", 1),
        ("FP16", FP16, "float16", 1),
        ("BF16", BF16, "bfloat16", 0.6),  # their loop is one pass, and NumPy takes four: NaN, float64, rounding, codes
    ):
        rows.append(of(f"{name}, 4M", lambda f=fmt: f.decode(f.encode(x)), "ml_dtypes", of_ml_dtypes(x, dtype), target))
    for name in ("MXFP8 E4M3", "MXFP6 E2M3", "MXFP4", "NVFP4"):
        rows.append(of(f"{name}, blocks", fake_quantizing(name, x), "torchao", of_torchao(x, name), 1))
    theirs, ours = of_nf4(x), fake_quantizing("NF4 double", x)
    note = "their table has four digits, and their scales are stored in another way"
    rows.append(side_by_side("NF4 double, blocks", ours, "torchao", theirs, 1, 9, [note]))
    for name in ("Q8_0", "Q4_0", "Q5_1"):
        rows.append(of(f"{name}, blocks", fake_quantizing(name, x), "gguf", of_gguf(x, name), 0.7))
    return rows


def of(what: str, ours, peer: str, theirs, at_least: float) -> Row:
    """Compare two ways from float32 to float32; the values must be the same, bit for bit."""
    same = np.array_equal(ours(), theirs())
    note = "the same values, bit for bit" if same else "DIFFERENT values"
    return side_by_side(what, ours, peer, theirs, at_least, 9, [note], same)


def fake_quantizing(name: str, x: np.ndarray):
    return lambda: CODECS[name].fake_quantize(x)


def of_ml_dtypes(x: np.ndarray, name: str):
    import ml_dtypes

    return lambda: x.astype(getattr(ml_dtypes, name, name)).astype(np.float32)


def of_torchao(x: np.ndarray, name: str):
    import torch
    from torchao.prototype.mx_formats import mx_tensor, nvfp4_tensor

    tensor = torch.from_numpy(x)
    if name == "NVFP4":

        def nvfp4() -> np.ndarray:
            scale = nvfp4_tensor.per_tensor_amax_to_scale(tensor.abs().max())
            return nvfp4_tensor.NVFP4Tensor.to_nvfp4(tensor, per_tensor_scale=scale).dequantize().numpy()

        return nvfp4
    dtype = {"MXFP8 E4M3": torch.float8_e4m3fn, "MXFP6 E2M3": mx_tensor.DTYPE_FP6_E2M3}.get(
        name, torch.float4_e2m1fn_x2
    )

    def mx() -> np.ndarray:
        scale, data = mx_tensor.to_mx(tensor, dtype, 32)
        return mx_tensor.to_dtype(data, scale.view(-1), dtype, 32, torch.float32).numpy()

    return mx


def of_nf4(x: np.ndarray):
    import torch
    from torchao.quantization.quantize_.workflows.nf4.nf4_tensor import to_nf4

    tensor = torch.from_numpy(x)

    def nf4() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return to_nf4(tensor).get_original_weight().numpy()

    return nf4


def of_gguf(x: np.ndarray, name: str):
    from gguf import GGMLQuantizationType, quants

    kind = GGMLQuantizationType[name]
    return lambda: quants.dequantize(quants.quantize(x, kind), kind)

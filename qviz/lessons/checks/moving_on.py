"""Checks: torchao's scale, 4-bit codes in bytes, integer layers, scales of a convolution, and the report."""

import numpy as np

from qviz.networks import cnn_weights

from ..answers import number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise
from ..model_report import refuse_report

PRODUCTS = ("qconv_pointwise", "qlinear_pointwise", "_int_mm")
FLOATS = ("convolution", "addmm", "_weight_int8pack_mm")
AROUND = ("quantize_per_tensor", "dequantize_per_tensor")
RUNS = [  # operations of five models: reference, lowered, dynamic, float and weight-only
    [*AROUND, "convolution", "relu"] * 2 + [*AROUND, "addmm"] * 2 + ["dequantize_per_channel"],
    ["quantize_per_tensor", "qconv_pointwise", "qconv_pointwise", *AROUND, "qlinear_pointwise", "qlinear_pointwise"],
    ["convolution", "relu", "convolution", "round", "_int_mm", "mul", "round", "_int_mm", "mul"],
    ["convolution", "convolution", "addmm", "addmm"],
    ["convolution", "relu", "_weight_int8pack_mm", "mul", "_weight_int8pack_mm"],  # weight-only: products of floats
]


@exercise(1, "torch.ao uses the same rule. qviz divides by the highest code, so that nothing is clipped.")
def torchao_scale(answer) -> None:
    """Ask for a function from weights and bits to the scale max|w| / ((2**bits - 1) / 2)."""
    for bits, seed, sign in ((8, 0, 1), (8, 0, -1), (4, 1, 1), (4, 1, -1), (2, 2, 1)):  # sign of the largest
        w = sign * np.random.default_rng(seed).standard_normal(50) * 3
        scale = number_of(result_of(answer, w, bits), "a function that returns one number")
        largest, half = np.abs(w).max(), (2**bits - 1) / 2
        if np.isclose(scale, largest / (2 ** (bits - 1) - 1), rtol=1e-9):
            raise Hint(
                f"That is qviz's rule. With {bits} bits, codes span {2**bits - 1} steps; torchao divides by half of it."
            )
        if not np.isclose(scale, largest / half, rtol=1e-5):
            raise Hint(f"For {bits} bits and weights up to {largest:.3f}, the scale should not be {scale:.4f}.")


@exercise(2, "Half of each byte is unused. Packed formats store two codes in a byte.")
def bytes_of_codes(answer) -> None:
    """Ask for the bytes of the 4-bit codes of fc1, with one and with two codes per byte."""
    one, two = numbers_of(answer, 2, "two numbers of bytes")
    codes = cnn_weights()["fc1.weight"].size
    if one != codes:
        raise Hint("Here each 4-bit code takes a byte of its own. How many codes are there?")
    if two != codes / 2:
        raise Hint("A byte has 8 bits, so two codes of 4 bits fit.")


@exercise(3, "Quantizing without integer products adds rounding errors, but makes nothing faster.")
def integer_layers(answer) -> None:
    """Ask for a function that counts the integer products in a list of operations."""
    refuse_unchanged(answer, lambda names: sum("quantize_per_tensor" in name for name in names), [(r,) for r in RUNS])
    for names in RUNS:
        count = number_of(result_of(answer, names), "a function that returns a number of layers")
        wanted = sum(name in PRODUCTS for name in names)
        if count != wanted:
            products = sorted({name for name in names if name in (*PRODUCTS, *FLOATS)})
            raise Hint(f"A network whose products are {', '.join(products)} has {wanted} such layers, not {count:g}.")


@exercise(4, "This is finer than per channel, but needs nine times as many scales.")
def scales_of_a_convolution(answer) -> None:
    """Ask for the number of scales of conv2: per output channel and kernel position, and per output channel."""
    places, channels = numbers_of(answer, 2, "two numbers of scales")
    outputs, inputs, rows, columns = cnn_weights()["conv2.weight"].shape
    if places == outputs * inputs:
        raise Hint("The input channels share a scale, but the nine positions of the kernel do not.")
    if places != outputs * rows * columns:
        raise Hint(f"{outputs} output channels, each with {rows} x {columns} positions: how many scales is that?")
    if channels != outputs:
        raise Hint("Per channel means one scale for each output channel.")


@exercise(
    5, "Write such a report for every model that you ship: size, accuracy, speed, what failed and why, all measured."
)
def report_of_a_model(answer) -> None:
    """Ask for a report on one network in W8A8 and W4A8 that agrees with the measurements."""
    refuse_report(answer)

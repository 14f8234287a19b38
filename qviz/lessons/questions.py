"""Nine common misconceptions about quantization, each with two questions that differ in their numbers.

The right answer is computed by qviz, not stored: each question has a function `truth` without arguments.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from qviz.networks import cnn_accuracy, cnn_weights
from qviz.numerics import INT8, UINT8, IntFormat, PerChannel, calibrate, choose_qparams, fake_quantize, mse, quantize


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes
    ----------
    about : str: the topic, the same before and after the course
    text : str
    choices : tuple of str
    truth : function that returns the index of the right choice
    page : str: the title of the page that explains it
    """

    about: str
    text: str
    choices: tuple[str, ...]
    truth: Callable[[], int]
    page: str


def nearest(value: float, *numbers: float) -> int:
    """Return the index of the number nearest to a value, by ratio.

    Examples
    --------
    >>> nearest(15.2, 2, 4, 16)
    2
    """
    return int(np.argmin(np.abs(np.log(np.array(numbers) / value))))


def error_ratio(more: int, fewer: int) -> float:
    """Return the factor by which the mean squared error grows with fewer bits, on uniformly spaced values."""
    x = np.linspace(-1, 1, 20_001)
    many, few = (mse(x, fake_quantize(x, calibrate(x, "min-max", IntFormat(bits)))) for bits in (more, fewer))
    return few / many


def zero_after(lo: float, hi: float) -> float:
    """Return the quantized value of 0.0 for a requested range from lo to hi, with 8 bits."""
    return float(fake_quantize(0.0, choose_qparams(lo, hi, UINT8)))


def clipping_pays(bits: int) -> bool:
    """Return whether clipping reduces the error on normally distributed values."""
    x = np.random.default_rng(0).standard_normal(20_000)
    all_kept, best = (mse(x, fake_quantize(x, calibrate(x, m, IntFormat(bits)))) for m in ("min-max", "mse"))
    return best < all_kept


def codes_from_zero_up(bits: int) -> int:
    """Return how many codes values from 0 to 1 use in the symmetric scheme."""
    x = np.linspace(0, 1, 10_001)
    return np.unique(quantize(x, calibrate(x, "min-max", IntFormat(bits), "symmetric"))).size


def percent_of_scales(channels: int, inputs: int) -> float:
    """Return the bytes of float32 scales, one per channel, in percent of the bytes of the int8 weights."""
    scales = calibrate(np.ones((channels, inputs)), "min-max", INT8, "symmetric", PerChannel(0)).scale
    return 100 * scales.size * 4 / (channels * inputs)


def bytes_of_codes(bits: int) -> int:
    """Return the bytes in which NumPy and PyTorch store a code of 2 to 8 bits."""
    return quantize(0.5, choose_qparams(-1, 1, IntFormat(bits))).itemsize


def bias_step(bits: int) -> float:
    """Return the step of a bias up to 1, in units of scale_x * scale_w for int8 weights and uint8 inputs up to 1."""
    step_of_sum = float(choose_qparams(-1, 1, INT8, "symmetric").scale * choose_qparams(0, 1, UINT8).scale)
    return float(choose_qparams(-1, 1, IntFormat(bits), "symmetric").scale) / step_of_sum


def moved_by_rounding(distance: float) -> float:
    """Return the change of a rounded value when the value changes by a small distance."""
    return float(np.rint(0.3 + distance) - np.rint(0.3))


@cache
def accuracy_at(bits: int) -> float:
    """Return the accuracy of the digits network, in percent, with weights quantized to `bits`."""
    weights = dict(cnn_weights())
    for name, x in weights.items():
        if name.endswith("weight"):
            weights[name] = fake_quantize(x, calibrate(x, "min-max", IntFormat(bits), "symmetric"))
    return 100 * cnn_accuracy(weights)


def pair(about: str, page: str, choices: tuple, before: tuple, after: tuple) -> tuple[Question, Question]:
    """Return a question before the course and one after it.

    `before` and `after` hold a text, a truth and, if they differ from `choices`, their own choices.
    """
    asked = ((text, truth, (*own, choices)[0]) for text, truth, *own in (before, after))
    first, second = (Question(about, text, answers, truth, page) for text, truth, answers in asked)
    return first, second


def times(*numbers: float) -> tuple[str, ...]:
    """Return numbers as choices."""
    return tuple(f"{number:g} times" for number in numbers)


YES_NO = ("yes", "no")
PAIRS = [
    pair(
        "what a bit is worth", "What is quantization?", times(2, 4, 16),
        ("You go from 8 bits to 6. By what factor does the mean squared error grow?",
         lambda: nearest(error_ratio(8, 6), 2, 4, 16)),
        ("You go from 7 bits to 4. By what factor does the mean squared error grow?",
         lambda: nearest(error_ratio(7, 4), 3, 8, 64), times(3, 8, 64)),
    ),
    pair(
        "how a network breaks", "What is quantization?",
        ("about 10 %, like guessing", "about 60 %", "about 90 %", "nearly the same as before"),
        ("A network recognizes 98.9 % of the digits. What is its accuracy if you round the weights to 4 bits?",
         lambda: nearest(accuracy_at(4), 10, 60, 90, 98.9)),
        ("A network recognizes 98.9 % of the digits. What is its accuracy if you round the weights to 2 bits?",
         lambda: nearest(accuracy_at(2), 10, 60, 90, 98.9)),
    ),
    pair(
        "zero", "Scale and zero point", (),
        ("You choose the range from 10 to 11 and quantize to 8 bits. What does 0.0 become?",
         lambda: [10.0, 0.0, 10.5].index(zero_after(10, 11)), ("10.0", "0.0", "10.5")),
        ("You choose the range from -7 to -3 and quantize to 8 bits. What does 0.0 become?",
         lambda: [-3.0, -7.0, 0.0].index(zero_after(-7, -3)), ("-3.0", "-7.0", "0.0")),
    ),
    pair(
        "symmetric after ReLU", "Scale and zero point", ("256", "128", "64"),
        ("No value is negative, and you use the symmetric scheme with 8 bits. How many of the 256 codes are used?",
         lambda: nearest(codes_from_zero_up(8), 256, 128, 64)),
        ("No value is negative, and you use the symmetric scheme with 5 bits. How many of the 32 codes are used?",
         lambda: nearest(codes_from_zero_up(5), 32, 16, 8), ("32", "16", "8")),
    ),
    pair(
        "what scales cost", "Scale and zero point", ("0.4 %", "10 %", "50 %"),
        ("256 channels of 1,000 int8 weights have a float32 scale each. How much additional memory do the scales need?",
         lambda: nearest(percent_of_scales(256, 1000), 0.4, 10, 50)),
        ("64 channels of 40 int8 weights have a float32 scale each. How much additional memory do the scales need?",
         lambda: nearest(percent_of_scales(64, 40), 0.4, 10, 50)),
    ),
    pair(
        "keep everything, or clip", "Calibration", YES_NO,
        ("You quantize normally distributed values to 4 bits. Is the error smallest if no value is clipped?",
         lambda: int(clipping_pays(4))),
        ("You quantize normally distributed values to 3 bits. Does clipping the largest ones reduce the error?",
         lambda: int(not clipping_pays(3))),
    ),
    pair(
        "the derivative of rounding", "Quantization-aware training with fbgemm", ("1", "0", "it depends on the scale"),
        ("What is the derivative of the rounding function, almost everywhere?",
         lambda: [1.0, 0.0].index(moved_by_rounding(1e-3) / 1e-3)),
        ("A network with rounding is trained with the true derivative of the rounding. What happens to its weights?",
         lambda: [0.0, 1.0].index(moved_by_rounding(1e-3) / 1e-3),
         ("they do not change", "they are trained as usual", "they move to the nearest levels")),
    ),
    pair(
        "sums of 16 bits", "When it goes wrong", YES_NO,
        ("You multiply an unsigned byte by a signed byte, twice, and add the two products. Does the sum always fit "
         "into a signed 16-bit integer, which goes up to 32,767?",
         lambda: int(2 * UINT8.qmax * INT8.qmax > 2**15 - 1)),
        ("You multiply an unsigned 7-bit code, 0 to 127, by a signed byte, twice, and add the two products. Does the "
         "sum always fit into a signed 16-bit integer?",
         lambda: int(2 * IntFormat(7, signed=False).qmax * INT8.qmax > 2**15 - 1)),
    ),
    pair(
        "biases", "Weights, activations, biases", ("equally large", "16 times as large", "250 times as large"),
        ("A layer multiplies inputs by weights, adds up the products, and adds a bias. Inputs, weights and bias go up "
         "to 1 and have 8 bits each, and the bias has its own scale. How large is one step of the bias, compared with "
         "one step of the sum?",
         lambda: nearest(bias_step(8), 1, 16, 250)),
        ("A layer multiplies inputs by weights, adds up the products, and adds a bias. All of them go up to 1. Inputs "
         "and weights have 8 bits, and the bias has 16 bits and its own scale. How large is one step of the bias, "
         "compared with one step of the sum?",
         lambda: nearest(bias_step(16), 1, 16, 250)),
    ),
]  # fmt: skip
BEFORE, AFTER = (tuple(questions) for questions in zip(*PAIRS, strict=True))

"""Checks: bits of activations and of biases, the scale of a bias, and bias correction."""

import numpy as np

from qviz.experiments import SwitchedCNN, Switches
from qviz.experiments.ablation import bias_scale
from qviz.networks import cnn_weights
from qviz.networks.topology import LAYERS
from qviz.numerics import bias_bits, fake_quantize_bias, quantize_bias

from ..answers import number_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

ENOUGH = 340
SIX = Switches(weight_bits=6, activation_bits=6)
RNG = np.random.default_rng(7)
BIASES = [(RNG.normal(0, 0.3, 8), 0.02, 0.005), (RNG.normal(0, 0.3, 8), 0.01, RNG.uniform(0.001, 0.1, 8))]


@exercise(1, "With min-max ranges, you need 4 bits. A range that clips a few large values saves one bit.")
def fewest_activation_bits(answer) -> None:
    """Ask for the fewest activation bits with at least 340 correct images, with mse ranges and float parameters."""
    bits = number_of(answer, "a number of bits")
    if bits not in range(2, 9):
        raise Hint(f"The answer must be a whole number from 2 to 8: got {bits:g}.")
    cnn, tried = SwitchedCNN(), (Switches(activation_bits=max(int(b), 2), method="mse") for b in (bits, bits - 1))
    mine, less = (cnn.outcome(switches.with_on("activations")).right for switches in tried)
    if mine < ENOUGH:
        raise Hint(f"With {bits:g} bits only {mine} are right. Are the weights and biases switched off?")
    if bits > 2 and less >= ENOUGH:
        raise Hint(f"That is enough, but with {bits - 1:g} bits {less} are right as well.")


@exercise(
    2,
    "Each layer needs a different number of bits. 32 bits are enough for all of them, and the sum has 32 bits anyway.",
)
def fewest_bias_bits(answer) -> None:
    """Ask for the fewest bits that clip no bias, on the scale of the sums with 6-bit weights and activations."""
    bits = number_of(answer, "a number of bits")
    weights = cnn_weights()
    needs = {layer: bias_bits(weights[f"{layer}.bias"], bias_scale(layer, SIX)) for layer in LAYERS}
    short = [layer for layer, need in needs.items() if bits < need]
    if short:
        raise Hint(f"With {bits:g} bits a bias of {short[0]} is clipped. How large is its largest code?")
    if bits > max(needs.values()):
        raise Hint(f"Nothing is clipped with {bits:g} bits, but fewer are enough. How large is the largest code?")


@exercise(3, "The sum has the scale scale_x * scale_w, so the bias must have the same scale.")
def bias_to_codes(answer) -> None:
    """Ask for a function from biases, scale_x and scale_w to integers."""
    refuse_unchanged(answer, lambda b, x, w: np.rint(b / w).astype(np.int32), BIASES)
    for bias, scale_x, scale_w in BIASES:
        codes = np.asarray(result_of(answer, bias, scale_x, scale_w))
        if codes.dtype.kind != "i":
            raise Hint(f"The sum consists of integers, so the codes must be integers too: got {codes.dtype}.")
        if codes.dtype.itemsize < 4:
            raise Hint(f"{codes.dtype} is too small for these codes: use int32, as the sum does.")
        wanted = quantize_bias(bias, scale_x * scale_w)
        if codes.shape != wanted.shape:
            raise Hint(f"There must be one code for each bias, {wanted.shape}: got shape {codes.shape}.")
        if np.array_equal(codes, np.trunc(bias / (scale_x * scale_w))):
            raise Hint("The decimals are cut off. Round to the nearest integer.")
        worst = int(np.abs(codes - wanted).argmax())
        if abs(codes[worst] - wanted[worst]) > 0:
            raise Hint(f"The bias {bias[worst]:.4f} becomes {codes[worst]}: how many units of the sum is that?")


@exercise(4, "Rounded weights shift the outputs, and changing the bias removes the shift at no cost.")
def corrected_bias(answer) -> None:
    """Ask for a function that corrects a bias, given the weights, the rounded weights and the mean input."""
    cases = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        w, x = rng.standard_normal((4, 6)), rng.exponential(1 + seed, (200, 6))
        cases.append((rng.standard_normal(4), w, fake_quantize_bias(w, 0.7, 3), x))
    refuse_unchanged(answer, lambda b, w, w_hat, mean_x: b, [(b, w, v, x.mean(axis=0)) for b, w, v, x in cases])
    for bias, w, w_hat, x in cases:
        corrected = np.asarray(result_of(answer, bias, w, w_hat, x.mean(axis=0)), np.float64)
        if corrected.shape != bias.shape:
            raise Hint(f"There must be one bias for each output, {bias.shape}: got shape {corrected.shape}.")
        before, after = ((x @ w_hat.T + b - x @ w.T - bias).mean(axis=0) for b in (bias, corrected))
        if np.allclose(after, 2 * before):
            raise Hint("The shift is now twice as large: the sign is wrong.")
        if not np.abs(after).max() <= 1e-5 * np.abs(before).max():  # float32 is enough, and NaN is not
            now = np.abs(after).max()
            raise Hint(f"The largest mean error was {np.abs(before).max():.3f}. It is now {now:.3f}, but should be 0.")

"""Checks: the number of scales, PyTorch's symmetric scale, a rescaling that forgets the bias, and PTQ by hand."""

import numpy as np

from qviz.networks import cnn_weights
from qviz.numerics import IntFormat

from ...networks.topology import LAYERS
from ..answers import number_of, refuse_unchanged, refuse_verdict, result_of
from ..exercises import Hint, exercise

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.standard_normal(50), np.array([-4.0, 1.0]), np.array([-1.0, 4.0])]
JOINTS = [(*map(RNG.standard_normal, ((5, 4), (5,), (3, 5))), 2.0 ** RNG.integers(-4, 5, 5)) for _ in range(3)]


@exercise(1, "Together, these scales take only a few hundred bytes: they are the cheapest improvement on this page.")
def scales_of_the_network(answer) -> None:
    """Ask for the number of weight scales of the digits network, per channel."""
    count = number_of(answer, "a number of scales")
    shapes = [cnn_weights()[f"{layer}.weight"].shape for layer in LAYERS]
    if count == sum(shape[0] for shape in shapes):
        return
    if count == len(LAYERS):
        raise Hint("That is one scale per tensor. With one scale per channel, each output of a layer has its own.")
    if count == sum(shape[1] for shape in shapes):
        raise Hint("These are the input channels. A scale belongs to an output channel, the first axis of the weights.")
    raise Hint("Add up the output channels of the four layers: the first axis of each weight tensor.")


@exercise(2, "The two rules differ by 0.4 % at 8 bits, and by a third at 2 bits.")
def pytorchs_scale(answer) -> None:
    """Ask for a function from an array of weights and bits to PyTorch's symmetric scale."""
    for x in WEIGHTS:
        for bits in (8, 4, 2):
            fmt, largest = IntFormat(bits), float(np.abs(x).max())
            scale = number_of(result_of(answer, x, bits), "a function that returns one number")
            told = f"For weights from {x.min():.2f} to {x.max():.2f} at {bits} bits the scale is {scale:.4f}"
            if np.isclose(scale, largest / ((fmt.qmax - fmt.qmin) / 2)):
                continue
            if np.isclose(scale, largest / fmt.qmax):
                raise Hint(f"{told}: that is the rule of the page 'Scale and zero point', which divides by qmax.")
            if np.isclose(scale * (fmt.qmax - fmt.qmin) / 2, abs(x.max())):
                raise Hint(f"{told}: the largest magnitude may be that of a negative weight.")
            raise Hint(f"{told}. It should be the largest magnitude divided by half of the distance from qmin to qmax.")


@exercise(3, "The bias is added before the ReLU, so it has to be multiplied by the factor of its channel as well.")
def rescaled(answer) -> None:
    """Ask for a function that rescales the channels between two layers without changing their output."""
    refuse_unchanged(answer, lambda w1, b1, w2, s: (w1 * s[:, None], b1, w2 / s), JOINTS)
    for w1, b1, w2, s in JOINTS:
        made = _made(answer, w1, b1, w2, s)
        if not isinstance(made, tuple | list) or len(made) != 3:
            raise Hint("The answer must be a function that returns three arrays: w1, b1 and w2.")
        parts = [np.asarray(part, float) for part in made]
        if [part.shape for part in parts] != [w1.shape, b1.shape, w2.shape]:
            raise Hint("Each array must keep its shape: w1 (5, 4), b1 (5,) and w2 (3, 5).")
        if np.array_equal(parts[0], w1):
            raise Hint("w1 was returned without its factors: channel i should get the factor s[i].")
        if not np.allclose(parts[0], w1 * s[:, None]):
            raise Hint("Each row of w1 produces one channel, so it is multiplied by the factor of that channel.")
        x = np.random.default_rng(1).standard_normal((20, 4))
        wanted = _two_layers(x, w1, b1, w2)
        off = np.abs(_two_layers(x, *parts) - wanted).max()
        if not off <= 1e-5 * np.abs(wanted).max():  # float32 is enough, and NaN is not
            raise Hint(
                f"The output of the two layers has changed: one value is off by {off:.2f}. {_why(parts, b1, w2, s)}"
            )


def _made(answer, *arrays):
    """Call the function; if shapes do not broadcast, add a hint on the shape of s."""
    try:
        return result_of(answer, *arrays)
    except Hint as hint:
        which = " A factor for each row is s[:, None], one for each column is s." if "broadcast" in str(hint) else ""
        raise Hint(f"{hint}{which}") from None


def _why(parts, b1, w2, s) -> str:
    if not np.allclose(parts[2], w2 / s):
        return "Each column of w2 is applied to one channel and must be divided by its factor."
    if np.allclose(parts[1], b1 / s):
        return "The bias is divided by the factor, but its row of w1 is multiplied by it."
    return "What else is added?"


def _two_layers(x, w1, b1, w2):
    return np.maximum(x @ w1.T + b1, 0) @ w2.T


@exercise(4, "The calibration step is easy to forget, because PyTorch prints only a warning if you skip it.")
def own_ptq(answer) -> None:
    """Ask for the verdict of own_ptq.judge, which compares the reader's network with one from qviz's PTQ."""
    refuse_verdict(answer, "own PTQ", "own_ptq.judge(quantize_network)")

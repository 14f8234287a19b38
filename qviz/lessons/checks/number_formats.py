"""Checks: bits of smaller groups in Q4_K, an encoder for E4M3, and a scale that leaves the largest levels unused."""

import numpy as np

from qviz.numerics.codecs import FP4_E2M1, FP8_E4M3, MX

from ..answers import number_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

RNG = np.random.default_rng(0)
POSITIVE = FP8_E4M3.values[:127].astype(np.float64)  # 0 to 448
TIES = (POSITIVE[1:] + POSITIVE[:-1]) / 2
BEYOND = np.array([449.0, 463.0, 464.0, 480.0, 512.0, 1e4])
SIGNED = np.concatenate([POSITIVE[8:], RNG.uniform(0.02, 448, 200), 2.0 ** RNG.uniform(-6, 8.7, 300)])
CASES = (  # from cases that most answers get right to cases that few do
    ("positive", SIGNED),
    ("negative", -SIGNED),
    ("subnormal", np.concatenate([POSITIVE[:8], RNG.uniform(-(2.0**-6), 2.0**-6, 200), [2.0**-6 - 1e-5, 5e-4, -1e-9]])),
    ("tie", np.concatenate([TIES, -TIES])),
    ("beyond", np.concatenate([BEYOND, -BEYOND])),
)
ABOUT = {
    "positive": "",
    "negative": " The highest of the 8 bits is the sign; the others are those of the magnitude.",
    "subnormal": " It lies below 2^-6, the smallest number with a leading 1: there, all steps are 2^-9.",
    "tie": " It lies halfway between two values, and is rounded to the one whose code is even.",
    "beyond": " Values beyond 448 become 448, because the next code is NaN.",
}
BLOCK_BITS = 256 * 4 + 16 * (6 + 6) + 2 * 16  # codes, scales and minima, two float16 numbers
BLOCKS = [(block,) for block in np.concatenate([RNG.standard_normal((6, 32)), 3e-3 * RNG.standard_normal((3, 32))])]
BLOCKS += [(np.array([0.3, -5.9, 2.0]),), (np.array([4.0, 1.0]),), (np.array([-0.125, 0.1]),), (np.array([7.9]),)]


@exercise(
    1, "Smaller groups fit their weights better, but here their scales and minima cost 0.375 more bits per weight."
)
def bits_of_smaller_groups(answer) -> None:
    """Ask for the bits per weight of Q4_K with 16 groups of 16, including everything that a block stores."""
    bits = number_of(answer, "a number of bits")
    if np.isclose(bits, BLOCK_BITS / 256):
        return
    if np.isclose(bits, 4):
        raise Hint("The codes alone take 4 bits. What else does a block store?")
    if np.isclose(bits, BLOCK_BITS / 8 / 256):
        raise Hint("That is the number of bytes per weight.")
    if np.isclose(bits, BLOCK_BITS / 8) or np.isclose(bits, BLOCK_BITS):
        raise Hint("That is the size of the whole block. How many weights share it?")
    if np.isclose(bits, BLOCK_BITS / 16):
        raise Hint("This is the size of all 256 weights, not of 16 of them.")
    if np.isclose(bits, 4.5):
        raise Hint("That is Q4_K itself. Here there are twice as many scales and minima.")
    if np.isclose(bits, 4.75):
        raise Hint("You have counted the 6-bit scales and minima. The two float16 numbers are missing.")
    if any(np.isclose(bits, part) for part in (4.375, 4.4375, 4.8125)):
        raise Hint(
            "Each small group has a scale and a minimum, and the block has two float16 numbers that multiply them."
        )
    raise Hint("Count the bytes of a block: codes, scales, minima, two float16 numbers. Then divide its bits by 256.")


@exercise(
    2, "Between two powers of two, all steps are equal. Rounding up to the next power increases the exponent by one."
)
def encode_e4m3(answer) -> None:
    """Ask for a function from numbers to the codes of E4M3."""
    for kind, x in CASES:
        x = x.astype(np.float32)
        made = np.asarray(result_of(answer, x))
        if made.shape != x.shape:
            raise Hint(f"There must be a code for each number: got shape {made.shape} for {x.shape}.")
        if made.dtype.kind not in "iuf":
            raise Hint(f"Codes are whole numbers from 0 to 255: got an array of {made.dtype}.")
        codes_only = np.isin(made.astype(np.float64), np.arange(256))
        if not codes_only.all():
            i = int(np.argmin(codes_only))
            raise Hint(f"Codes are whole numbers from 0 to 255: got {made[i]:g} for {x[i]:.8g}.{ABOUT[kind]}")
        codes, wanted = made.astype(np.int64), FP8_E4M3.saturating().encode(x).astype(np.int64)
        same = (codes == wanted) | ((codes % 128 == 0) & (wanted % 128 == 0))  # +0 and -0 are both accepted
        if not same.all():
            i = int(np.argmin(same))
            value = FP8_E4M3.values[codes[i]]
            raise Hint(
                f"{x[i]:.8g} gets the code {codes[i]}, which is {value:g}. It should be {wanted[i]}, "
                f"which is {FP8_E4M3.values[wanted[i]]:g}.{ABOUT[kind]}"
            )


@exercise(
    3, "The largest level, 6, is 1.5 x 2^2. So the exponent of the scale is 2 less than that of the largest value."
)
def scale_of_mxfp4(answer) -> None:
    """Ask for the scale of a block in MXFP4, by the rule of the specification."""
    refuse_unchanged(answer, lambda block: 2.0 ** np.floor(np.log2(np.abs(block).max())), BLOCKS)
    codec = MX(FP4_E2M1, group_size=None)
    for (block,) in BLOCKS:
        made = np.asarray(result_of(answer, block))
        if made.size != 1 or made.dtype.kind not in "iuf":
            raise Hint(f"The scale is one number for the whole block: got an array of shape {made.shape}.")
        scale, wanted = float(made.ravel()[0]), float(codec.scale_of(codec.choose_params(block[None]))[0, 0])
        if np.isclose(scale, wanted):
            continue
        reach = np.abs(block).max() / scale if scale else np.inf
        if not np.isfinite(scale) or scale <= 0 or not np.isclose(np.log2(scale), np.rint(np.log2(scale))):
            raise Hint(f"The scale must be a power of two with an integer exponent: got {scale:.6g}.")
        if reach < 4:
            raise Hint(
                f"For {_block(block)} the largest is {reach:.3g} times the scale: the largest levels are not used."
            )
        raise Hint(f"For {_block(block)} the largest is {reach:.3g} times the scale. It must be less than 8 times.")


def _block(block: np.ndarray) -> str:
    return f"a block with values up to {np.abs(block).max():.4g}"

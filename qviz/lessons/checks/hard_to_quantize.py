"""Checks: the smallest sufficient set of remedies, unequal ranges in two layers, and a GPTQ loop with a bug."""

import numpy as np

from qviz.experiments.hard_to_quantize import NAMES, ROUNDED, ROUNDINGS, Remedies
from qviz.experiments.hard_to_quantize_table import all_settings, looked_up
from qviz.methods import gptq
from qviz.numerics import INT16, QParams

from ..answers import names_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

BITS, ENOUGH = 3, 20.0  # dB of the logits
CHOICES = (*NAMES.values(), *ROUNDED.values())
RATIO = 4.0
RNG = np.random.default_rng(0)
JOINTS = [tuple(map(RNG.standard_normal, ((5, 4), (5,), (3, 5)))) for _ in range(3)]
STEP = 0.5


def _layer(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (4, 8), correlated inputs, and the Cholesky factor of the inverse Hessian."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((50, 8)) @ rng.standard_normal((8, 8)) + 1
    return rng.standard_normal((4, 8)), x, np.linalg.cholesky(np.linalg.inv(x.T @ x)).T


LAYERS = [_layer(seed) for seed in range(3)]


@exercise(1, "Two of the five remedies are enough with 3 bits: equalization, and rounding that depends on the inputs.")
def fewest_remedies(answer) -> None:
    """Ask for as few remedies as possible with which the logits have an SQNR of 20 dB at 3 bits."""
    names = names_of(answer, CHOICES, "names of remedies")
    if set(ROUNDED.values()) <= names:
        raise Hint("You can use only one kind of rounding: adaptive rounding or GPTQ.")
    fields = {field: name in names for field, name in NAMES.items()}
    rounding = next((key for key, name in ROUNDED.items() if name in names), ROUNDINGS[0])
    found = looked_up(Remedies(weight_bits=BITS, **fields, rounding=rounding)).sqnr_db
    if found < ENOUGH:
        raise Hint(
            f"With these remedies, the SQNR of the logits is only {found:.1f} dB at {BITS} bits. What is missing?"
        )
    fewest = min(
        len(s.on) for s in all_settings()
        if s.network == Remedies().network and s.weight_bits == BITS and looked_up(s).sqnr_db >= ENOUGH
    )  # fmt: skip
    if len(names) > fewest:
        raise Hint(
            f"These remedies are enough: the SQNR of the logits is {found:.1f} dB. "
            f"But you can do it with fewer than {len(names)}."
        )


@exercise(
    2, "You can choose the factor freely. Equalization is the right choice if both layers have the same number of bits."
)
def shared_ranges(answer) -> None:
    """Ask for two layers whose channels have four times the range in the first as in the second."""
    refuse_unchanged(answer, lambda w1, b1, w2: (w1, b1, w2), JOINTS)
    for w1, b1, w2 in JOINTS:
        made = result_of(answer, w1, b1, w2)
        if not isinstance(made, tuple | list) or len(made) != 3:
            raise Hint("The answer must be a function that returns three arrays: w1, b1 and w2.")
        v1, c1, v2 = (np.asarray(part, float) for part in made)
        if (v1.shape, c1.shape, v2.shape) != (w1.shape, b1.shape, w2.shape):
            raise Hint("Each array must keep its shape: w1 (5, 4), b1 (5,) and w2 (3, 5).")
        x = np.random.default_rng(1).standard_normal((20, 4))
        wanted = np.maximum(x @ w1.T + b1, 0) @ w2.T
        off = np.abs(np.maximum(x @ v1.T + c1, 0) @ v2.T - wanted).max()
        if not off <= 1e-5 * np.abs(wanted).max():  # float32 is enough, and NaN is not
            same_bias = " The bias belongs to its channel, too." if np.array_equal(c1, b1) else ""
            raise Hint(f"The two layers no longer compute the same function: an output is off by {off:.2f}.{same_bias}")
        ratio = np.abs(v1).max(axis=1) / np.abs(v2).max(axis=0)
        if not np.allclose(ratio, RATIO):
            raise Hint(
                f"In the first channel, the largest absolute weight in w1 is {ratio[0]:.2f} times as large "
                f"as in w2, and in the last channel {ratio[-1]:.2f} times."
            )


@exercise(3, "If you overwrite the column first, its error is 0. Now the other columns compensate for it.")
def loop_of_gptq(answer) -> None:
    """Ask for a GPTQ loop that spreads the error of each column over the columns after it."""
    refuse_unchanged(answer, _as_given, [(w, u, STEP) for w, _, u in LAYERS])
    for w, x, u in LAYERS:
        found = np.asarray(result_of(answer, w, u, STEP), float)
        if found.shape != w.shape:
            raise Hint(f"The weights must keep their shape, {w.shape}: got {found.shape}.")
        if not np.allclose(found, STEP * np.rint(found / STEP)):
            raise Hint("Some weights lie between two levels. At the end, every column must be rounded.")
        wanted = gptq(w, x, QParams(STEP, 0, INT16), damping=0.0)
        if np.allclose(found, wanted):
            continue
        ours, theirs = (np.square((q - w) @ x.T).sum() for q in (found, STEP * np.rint(w / STEP)))
        if ours > theirs:
            raise Hint(
                "The errors of the outputs are larger than with rounding to nearest. Do the columns change in the "
                "right direction?"
            )
        raise Hint(
            f"{np.sum(~np.isclose(found, wanted))} of {w.size} weights have a different level than with GPTQ. "
            "Compute the error of a column before you overwrite it, and divide it by u[j, j]."
        )


def _as_given(w, u, step):
    w = w.copy()
    for j in range(w.shape[1]):
        w[:, j] = step * np.rint(w[:, j] / step)
        error = (w[:, j] - step * np.rint(w[:, j] / step)) / u[j, j]
        w[:, j + 1 :] -= np.outer(error, u[j, j + 1 :])
    return w

"""Checks: a jump by hand, an oscillating weight, a slope that ignores clipping, and one training step."""

import numpy as np

from qviz.numerics import INT2, INT4, INT8, UINT4, IntFormat, QParams, choose_qparams
from qviz.numerics.straight_through import descend, straight_through_slope

from ..answers import number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

MOST_STEPS, JUMPS = 60, 40
GRIDS = [QParams(0.25, 0, INT4), QParams(0.1, 5, UINT4), QParams(2.0, -1, INT2)]


@exercise(1, "The first three steps do not change the output, but without them the weight would not reach the edge.")
def steps_to_the_jump(answer) -> None:
    """Ask for the step after which the quantized weight jumps."""
    steps = number_of(answer, "a number of steps")
    way = descend(0.15, 1.0, QParams(1.0, 0, INT2), 0.1, 10)
    right = int(way.crossings[0])
    if steps == right:
        return
    if not (steps == int(steps) and 0 < steps <= 10):
        raise Hint("The answer must be a whole number of steps, 1 to 10.")
    where = f"After {int(steps)} steps the weight is at {way.weights[int(steps)]:.2f}"
    if steps < right:
        raise Hint(f"{where}, which still rounds to 0: the edge lies at 0.50.")
    raise Hint(f"{where}, but its output jumped earlier. While the output is 0, each step changes the weight by 0.1.")


@exercise(2, "If the target lies between two levels, neither is right, and each pushes the weight back to the other.")
def never_rests(answer) -> None:
    """Ask for a weight, a target and a learning rate for which the output oscillates at 3 bits."""
    weight, target, lr = numbers_of(answer, 3, "three numbers: a weight, a target and a learning rate")
    if not (abs(weight) <= 2 and abs(target) <= 2 and 0 < lr <= 0.5):
        raise Hint("Weight and target must lie between -2 and 2, and the learning rate between 0 and 0.5.")
    grid = choose_qparams(-1.0, 1.0, IntFormat(3), "symmetric")
    way = descend(weight, target, grid, lr, MOST_STEPS)
    if way.crossings.size >= JUMPS:
        return
    if way.slopes[-1] == 0:
        raise Hint("The weight is clipped and no longer moves. Keep it and the target within the range of the levels.")
    if np.abs(grid.levels - target).min() < 0.02:
        raise Hint("The target is a level, so the output can rest on it. Choose one between two levels.")
    raise Hint(
        f"It jumps only {way.crossings.size} times. Choose a target halfway between two levels, so that both are "
        "equally wrong, and start near the edge between them, so that the weight does not have to travel first."
    )


@exercise(3, "If a weight is clipped, moving it changes nothing, so no gradient should push it further out.")
def slope_where_clipped(answer) -> None:
    """Ask for a function from x and a grid to the slope of the straight-through estimator."""
    rng = np.random.default_rng(0)  # the same values for each answer
    cases = [(rng.uniform(-8, 8, 400), float(p.scale), int(p.zero_point), p.fmt.qmin, p.fmt.qmax) for p in GRIDS]
    refuse_unchanged(answer, lambda x, scale, zero_point, qmin, qmax: np.ones_like(x), cases)
    for qparams, case in zip(GRIDS, cases, strict=True):
        x, wanted = case[0], straight_through_slope(case[0], qparams)
        mine = numbers_of(result_of(answer, *case), x.size, "a function that returns a slope for each value")
        wrong = np.flatnonzero(mine != wanted)
        if wrong.size:
            raise Hint(_told(x[wrong[0]], mine[wrong[0]], qparams))


def _told(x: float, mine: float, qparams: QParams) -> str:
    """Return a hint for a wrong slope."""
    code = int(np.rint(x / float(qparams.scale))) + int(qparams.zero_point)
    fmt, at = qparams.fmt, f"With scale {float(qparams.scale):g} and zero point {int(qparams.zero_point)}, {x:.3f}"
    if fmt.qmin <= code <= fmt.qmax:
        return f"{at} gets the code {code}, so its slope is 1. Yours is {mine:g}."
    return (
        f"{at} would get the code {code}, but the codes only go from {fmt.qmin} to {fmt.qmax}. So it is clipped, and "
        f"its slope is 0. Yours is {mine:g}."
    )


def _drawn(seed: int, scale: float, fmt: IntFormat, lr: float, special=()) -> tuple:
    """Draw weights inside and outside the range, inputs and targets; `special` replaces the first weights."""
    rng = np.random.default_rng(seed)
    w = rng.uniform(1.4 * fmt.qmin, 1.4 * fmt.qmax, 12) * scale
    w[: len(special)] = special
    return w, rng.normal(0.5, 1, (7, 12)), rng.normal(0, 3, 7), scale, fmt.qmin, fmt.qmax, lr


STEPS = [
    _drawn(0, 0.1, INT4, 0.05),
    _drawn(1, 0.5, INT2, 0.2),
    _drawn(2, 0.02, INT8, 0.01),
    _drawn(3, 0.25, INT4, 0.1, [0.125, -0.125, 0.375, -0.375, 0.625, 1.85, -2.1, 9.0, -9.0]),  # ties, ends
    _drawn(4, 1.0, INT2, 1.0, [1.4, -2.4, 0.5, -0.5, -1.5]),
]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}  # float32 is enough; every slip below is off by more than 0.001 somewhere


def _codes(w, scale, qmin, qmax, rounding=np.rint):
    return np.clip(rounding(w / scale), qmin, qmax)


def _gradient(w_hat, x, y):
    return x.T @ (x @ w_hat - y) / len(y)


def _has_code(w, scale, qmin, qmax):
    return (np.rint(w / scale) >= qmin) & (np.rint(w / scale) <= qmax)


def _half_away(x):
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


def _stepped(w, x, y, scale, qmin, qmax, lr, rounding=np.rint):
    """Return the weights after one correct step."""
    w_hat = scale * _codes(w, scale, qmin, qmax, rounding)
    return w - lr * _gradient(w_hat, x, y) * _has_code(w, scale, qmin, qmax)


def _moved(w, x, y, scale, qmin, qmax, lr):
    return _stepped(w, x, y, scale, qmin, qmax, lr) - w


def _rounded(w, scale, qmin, qmax):
    return scale * _codes(w, scale, qmin, qmax)


def _past_the_last_level(w, x, y, scale, qmin, qmax, lr):
    inside = (w >= qmin * scale) & (w <= qmax * scale)
    return w - lr * _gradient(_rounded(w, scale, qmin, qmax), x, y) * inside


def _no_clipping(w, x, y, scale, qmin, qmax, lr):
    w_hat = scale * np.rint(w / scale)
    return w - lr * _gradient(w_hat, x, y) * _has_code(w, scale, qmin, qmax)


SLIPS = {  # hint -> a step with this mistake
    "No weight has changed. Take 1 for the slope of the rounding, or the network learns nothing.": lambda w, *rest: w,
    "You have updated the rounded weight. Update the float weight, or small steps are rounded away again.": (
        lambda w, x, y, s, a, b, lr: _rounded(w, s, a, b) + _moved(w, x, y, s, a, b, lr)
    ),
    "The new weights are rounded. Keep them as floats; only the forward pass rounds.": (
        lambda w, x, y, s, a, b, lr: _rounded(_stepped(w, x, y, s, a, b, lr), s, a, b)
    ),
    "The weights move in the wrong direction: subtract the gradient.": (
        lambda w, *rest: w - _moved(w, *rest)
    ),
    "A clipped weight has changed, although its slope is 0.": (
        lambda w, x, y, s, a, b, lr: w - lr * _gradient(_rounded(w, s, a, b), x, y)
    ),
    "The output was computed with the float weights: the forward pass must use the rounded ones.": (
        lambda w, x, y, s, a, b, lr: w - lr * _gradient(w, x, y) * _has_code(w, s, a, b)
    ),
    "The steps are too large, by a factor equal to the number of rows in x: the loss is a mean.": (
        lambda w, x, y, *rest: w + len(y) * _moved(w, x, y, *rest)
    ),
    "The steps are twice as large: the loss is half of the squared error.": lambda w, *rest: w + 2 * _moved(w, *rest),
    "In the forward pass a weight beyond the last level must be clipped to it.": _no_clipping,
    "A weight within half a step beyond the last level still has a code, so its slope is 1.": _past_the_last_level,
    "A weight exactly halfway between two levels gets the even code, as with np.rint.": (
        lambda *case: _stepped(*case, rounding=_half_away)
    ),
    "Round to the nearest level; a cast to int cuts off decimals.": lambda *case: _stepped(*case, rounding=np.trunc),
    "Round to the nearest level, not down.": lambda *case: _stepped(*case, rounding=np.floor),
}  # fmt: skip


@exercise(4, "That is the core of QAT: round in the forward pass, not in the backward pass, and keep float weights.")
def own_step(answer) -> None:
    """Ask for a function that takes one training step of a linear layer whose weights are fake-quantized."""
    what = "a function that returns the new weights, one for each of w"
    mine = [numbers_of(result_of(answer, *case), case[0].size, what) for case in STEPS]
    wrong = [not np.allclose(got, _stepped(*case), **CLOSE) for got, case in zip(mine, STEPS, strict=True)]
    if not any(wrong):
        return
    for words, slip in SLIPS.items():
        if all(np.allclose(got, slip(*case), **CLOSE) for got, case in zip(mine, STEPS, strict=True)):
            raise Hint(words)
    case, got = next((c, g) for c, g, bad in zip(STEPS, mine, wrong, strict=True) if bad)
    at = int(np.abs(got - _stepped(*case)).argmax())
    raise Hint(
        f"With scale {case[3]:g}, codes {case[4]} to {case[5]} and learning rate {case[6]:g}, a weight of "
        f"{case[0][at]:.4f} should become {_stepped(*case)[at]:.4f}: got {got[at]:.4f}."
    )

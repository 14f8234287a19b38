"""Checks: a jump by hand, a weight that never rests, and a slope that forgets clipping."""

import numpy as np

from qviz.numerics import INT2, INT4, UINT4, IntFormat, QParams, choose_qparams
from qviz.numerics.straight_through import descend, straight_through_slope

from ..answers import number_of, numbers_of, refuse_unchanged, result_of
from ..exercises import Hint, exercise

MOST_STEPS, JUMPS = 60, 40
GRIDS = [QParams(0.25, 0, INT4), QParams(0.1, 5, UINT4), QParams(2.0, -1, INT2)]


@exercise(1, "The first three steps do not change the loss, but the weight needs them to reach the edge.")
def steps_to_the_jump(answer) -> None:
    """Ask for the step after which a weight's output jumps."""
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
    raise Hint(f"{where}, and its output jumped before. While the output is 0, each step moves the weight by 0.1.")


@exercise(2, "If the target lies between two levels, both are wrong, and each pushes the weight back to the other.")
def never_rests(answer) -> None:
    """Ask for a weight, a target and a learning rate with which the output keeps jumping at 3 bits."""
    weight, target, lr = numbers_of(answer, 3, "three numbers: a weight, a target and a learning rate")
    if not (abs(weight) <= 2 and abs(target) <= 2 and 0 < lr <= 0.5):
        raise Hint("Weight and target must lie within -2 and 2, and the learning rate within 0 and 0.5.")
    grid = choose_qparams(-1.0, 1.0, IntFormat(3), "symmetric")
    way = descend(weight, target, grid, lr, MOST_STEPS)
    if way.crossings.size >= JUMPS:
        return
    if way.slopes[-1] == 0:
        raise Hint("The weight is clipped and no longer moves. Choose both numbers between the outermost levels.")
    if np.abs(grid.levels - target).min() < 0.02:
        raise Hint("The target is a level, so the output can rest on it. Choose one between two levels.")
    raise Hint(
        f"It jumps {way.crossings.size} times. A target halfway between two levels pulls as hard up as down, and a "
        "weight that begins near the edge between them need not travel first."
    )


@exercise(3, "If a weight is clipped, moving it changes nothing, so no gradient should push it further out.")
def slope_where_clipped(answer) -> None:
    """Ask for a function from x and a grid to the slope of the straight-through estimator."""
    rng = np.random.default_rng(0)  # each answer meets the same values
    cases = [(rng.uniform(-8, 8, 400), float(p.scale), int(p.zero_point), p.fmt.qmin, p.fmt.qmax) for p in GRIDS]
    refuse_unchanged(answer, lambda x, scale, zero_point, qmin, qmax: np.ones_like(x), cases)
    for qparams, case in zip(GRIDS, cases, strict=True):
        x, wanted = case[0], straight_through_slope(case[0], qparams)
        mine = numbers_of(result_of(answer, *case), x.size, "a function that returns a slope for each value")
        wrong = np.flatnonzero(mine != wanted)
        if wrong.size:
            raise Hint(_told(x[wrong[0]], mine[wrong[0]], qparams))


def _told(x: float, mine: float, qparams: QParams) -> str:
    """Say where a slope is wrong."""
    code = int(np.rint(x / float(qparams.scale))) + int(qparams.zero_point)
    inside = qparams.fmt.qmin <= code <= qparams.fmt.qmax
    what = "has a code, so its slope is 1" if inside else "is clipped, so its slope is 0"
    return (
        f"For scale {float(qparams.scale):g} and zero point {int(qparams.zero_point)}, {x:.3f} would get the code "
        f"{code} of {qparams.fmt.qmin} to {qparams.fmt.qmax}: it {what}. Yours is {mine:g}."
    )

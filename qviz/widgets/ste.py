"""One weight trained with the straight-through estimator: it creeps until it crosses an edge, then the output jumps."""

from dataclasses import dataclass

from qviz.numerics import IntFormat, QParams, choose_qparams
from qviz.numerics.straight_through import SLOPES, Descent, descend
from qviz.plots import Canvas, DescentPanel, SlopePanel, StaircasePanel
from qviz.plots.straight_through import LAYOUT

from .controls import choice, more, slider
from .explorer import Explorer

LIMITS = (-2.6, 2.6)  # a step ends between output and target, or half a bin beyond: at most 2 + 0.5
MOST_STEPS = 60


@dataclass(frozen=True)
class State:
    """A weight, its target, and how it is trained."""

    bits: int = more(slider("Bits", 3, 2, 5))
    weight: float = slider("Initial weight", -0.8, -2.0, 2.0, 0.05, digits=2)
    target: float = slider("Target", 0.7, -2.0, 2.0, 0.05, digits=2)
    lr: float = more(slider("Learning rate", 0.05, 0.01, 0.5, 0.01, digits=2))
    steps: int = slider("Steps", 40, 0, MOST_STEPS)
    slope: str = choice("Slope", SLOPES)


@dataclass(frozen=True)
class Result:
    """The grid, and the descent of the weight on it."""

    qparams: QParams
    descent: Descent


def compute(state: State) -> Result:
    """Train the weight by gradient descent, on a symmetric grid for -1 to 1."""
    qparams = choose_qparams(-1.0, 1.0, IntFormat(state.bits), "symmetric")
    return Result(qparams, descend(state.weight, state.target, qparams, state.lr, state.steps, state.slope))


class STEExplorer(Explorer):
    """The straight-through estimator: a staircase forward, a slope of 1 backward, and a weight that creeps.

    The loss is half the square of (output - target), where the output is the rounded weight.

    Examples
    --------
    >>> explorer = STEExplorer(slope="true derivative")
    >>> print(explorer.readout)
    int3: levels from -1.333 to 1.000, 0.333 apart; the loss depends on the output, the optimizer changes the weight
    true derivative: the slope is 0.00, so the weight does not change
    weight -0.8000 -> -0.8000, output -0.6667 -> -0.6667, loss 0.9339 -> 0.9339
    in 40 steps, the weight crossed no edge
    >>> explorer.close()
    """

    State = State
    readout_lines = 4
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put both functions above, the descent of the weight below."""
        forward = StaircasePanel("Forward: the staircase")
        return Canvas({"forward": forward, "backward": SlopePanel(), "descent": DescentPanel()}, LAYOUT, (940, 440))

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the weight after the last step, and its descent."""
        weight = float(result.descent.weights[-1])
        return {
            "forward": (result.qparams, weight, LIMITS),
            "backward": (result.qparams, weight, state.slope, LIMITS),
            "descent": (result.descent, result.qparams, LIMITS, MOST_STEPS),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the final weight, and the output that the loss depends on."""
        return {"weight": f"{result.descent.weights[-1]:.4f}", "output": f"{result.descent.outputs[-1]:.4f}"}

    def idle(self, state: State) -> dict[str, str]:
        """Disable the learning rate if the slope is always 0."""
        return (
            {}
            if state.slope != "true derivative"
            else {"lr": "with a slope of 0, nothing changes at any learning rate"}
        )

    def describe(self, state: State, result: Result) -> str:
        """Return grid, slope, first and last values, and crossings."""
        p, d = result.qparams, result.descent
        grid = f"{p.fmt}: levels from {float(p.lo):.3f} to {float(p.hi):.3f}, {float(p.scale):.3f} apart"
        ends = ((name, x[0], x[-1]) for name, x in (("weight", d.weights), ("output", d.outputs), ("loss", d.losses)))
        return "\n".join(
            (
                f"{grid}; the loss depends on the output, the optimizer changes the weight",
                _slope(state, d),
                ", ".join(f"{name} {first:.4f} -> {last:.4f}" for name, first, last in ends),
                f"in {state.steps} steps, the weight crossed {_crossings(d)}",
            )
        )


def _slope(state: State, descent: Descent) -> str:
    slope = descent.slopes[-1]
    if state.slope == "true derivative":
        return f"true derivative: the slope is {slope:.2f}, so the weight does not change"
    if slope == 0:
        return f"straight-through: the weight is clipped, so the slope is {slope:.2f} and the weight does not change"
    return f"straight-through: the slope is {slope:.2f}, as if nothing had been rounded"


def _crossings(descent: Descent) -> str:
    steps = [str(step) for step in descent.crossings]
    if len(steps) < 2:
        return f"an edge once, at step {steps[0]}" if steps else "no edge"
    listed = f"{', '.join(steps[:8])}, ..." if len(steps) > 8 else f"{', '.join(steps[:-1])} and {steps[-1]}"
    return f"an edge {len(steps)} times, at steps {listed}"

"""A network that is hard to quantize, and remedies that can be combined."""

from dataclasses import dataclass, fields

import numpy as np

from qviz.experiments.hard_to_quantize import NAMES, NEEDS, NETWORKS, ROUNDINGS, Outcome, Remedies, interval
from qviz.experiments.hard_to_quantize_table import looked_up
from qviz.networks.topology import LAYERS
from qviz.plots import Canvas, LayersPanel, RemediesPanel

from ._readout import Readout, Table
from .controls import choice, slider, toggle
from .explorer import Explorer

FIELDS = (*NAMES, "rounding")
ROWS = ("none", *NAMES.values(), "better rounding")
_HEAD = ("remedy", "right", "bootstrap 95 %", "logits dB", "divergence   ", "needs")
_WIDTHS = (-20, 8, 18, 11, 16, -1)
FLOAT_ACCURACY = 355 / 359  # of both networks, which compute the same function: qviz.networks.cnn_accuracy


@dataclass(frozen=True)
class State:
    """Which network, the bits of its weights, and which remedies are on."""

    network: str = choice("Network", NETWORKS)
    weight_bits: int = slider("Weight bits", 2, 2, 8)
    per_channel: bool = toggle("Scales per channel", True)
    better_ranges: bool = toggle("Better ranges (mse)", True)
    equalized: bool = toggle("Equalization", True)
    bias_corrected: bool = toggle("Bias correction", True)
    rounding: str = choice("Rounding", ROUNDINGS, "adaptive")


@dataclass(frozen=True)
class Result:
    """The settings, and the outcome after each remedy, by its field; "" is without any remedy."""

    remedies: Remedies
    steps: dict[str, Outcome]

    @property
    def this(self) -> Outcome:
        """The outcome with all remedies that are on."""
        return list(self.steps.values())[-1]


def compute(state: State) -> Result:
    """Look up the outcome of each step, from no remedy to all that are on."""
    remedies = Remedies(**{field.name: getattr(state, field.name) for field in fields(State)})
    on = ["", *(name for name in FIELDS if getattr(remedies, name) not in (False, ROUNDINGS[0]))]
    return Result(remedies, dict(zip(on, map(looked_up, remedies.ladder()), strict=True)))


class HardToQuantizeExplorer(Explorer):
    """The digits network with channels of unequal size: what each remedy adds to those above it.

    Examples
    --------
    >>> explorer = HardToQuantizeExplorer(weight_bits=8, per_channel=False, better_ranges=False, rounding="to nearest")
    >>> [int(step.right.sum()) for step in explorer.result.steps.values()]
    [76, 354, 355]
    >>> explorer.close()
    """

    State = State
    readout_lines = 9  # with all remedies on
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put the remedies on the left, the layers on the right."""
        panels = {"remedies": RemediesPanel(ROWS), "layers": LayersPanel(LAYERS)}
        return Canvas(panels, size=(980, 350), width_ratios=[3, 2])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the accuracy of each step, and the layers of the last one."""
        steps = [result.steps.get(field) for field in ("", *FIELDS)]
        off = np.nan, np.nan
        accuracies = [step.accuracy if step else np.nan for step in steps]
        intervals = [interval(int(step.right.sum()), len(step.right)) if step else off for step in steps]
        decibels = [step.sqnr_db if step else np.nan for step in steps]
        return {
            "remedies": (accuracies, intervals, decibels, FLOAT_ACCURACY),
            "layers": (result.this.weights_db, result.this.outputs_db),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the accuracy and the SQNR of the logits with all remedies that are on."""
        return {"right": f"{result.this.accuracy:.1%}", "logits": f"{result.this.sqnr_db:.1f} dB"}

    def describe(self, state: State, result: Result) -> Readout:
        """Return a table with a row for each step, and the layers of the last one."""
        names = {"": "none", **NAMES, "rounding": result.remedies.on[-1] if result.remedies.on else ""}
        rows = [(names[field], *_cells(step), NEEDS.get(names[field], "")) for field, step in result.steps.items()]
        layers = zip(LAYERS, result.this.weights_db, result.this.outputs_db, strict=True)
        return Readout.of(
            f"W{state.weight_bits}A8, {state.network}; each remedy on top of those above",
            Table(_HEAD, rows, _WIDTHS),
            "weights and outputs, dB: " + ", ".join(f"{n} {w:.1f} and {o:.1f}" for n, w, o in layers),
        )


def _cells(step: Outcome) -> tuple[str, ...]:
    """Return the accuracy, its interval, the SQNR and the divergence of a step."""
    low, high = interval(int(step.right.sum()), len(step.right))
    return f"{step.accuracy:.1%}", f"{low:.1%} to {high:.1%}", f"{step.sqnr_db:.1f}", f"{step.divergence:.4f}   "

"""Energy of one inference, from published figures: arithmetic and memory traffic."""

from dataclasses import dataclass

import numpy as np

from qviz.experiments.energy import ACCESS_PJ, FLOAT16, FLOAT32, Energy, energy, integers
from qviz.networks.examples import NETWORKS
from qviz.networks.layer_shapes import LayerShape
from qviz.plots import Canvas, SharesPanel

from ._readout import Readout, Table
from .controls import choice, ladder, slider
from .explorer import Explorer

_HEAD = ("numbers", "arithmetic", "weights", "activations", "total", "range")
PARTS = ("arithmetic", "moving weights", "moving activations")
# name of a network or of one of its layers -> layers
WHAT: dict[str, tuple[LayerShape, ...]] = {
    **NETWORKS,
    **{f"digits CNN, {layer.name}": (layer,) for layer in NETWORKS["digits CNN"]},
}


@dataclass(frozen=True)
class State:
    """What runs, with how many bits, and in which memory the data are."""

    what: str = choice("What runs", WHAT)
    place: str = ladder("Data live in", ACCESS_PJ, "DRAM")
    bits: int = slider("Weight bits", 8, 2, 8)
    batch: int = slider("Batch size", 1, 1, 64)


@dataclass(frozen=True)
class Result:
    """The estimate for each number format: float32 first, the chosen integers last."""

    estimates: dict[str, Energy]

    @property
    def saved(self) -> float:
        """The energy of float32 divided by that of the integers."""
        first, *_, last = self.estimates.values()
        return first.total_pj / last.total_pj


def compute(state: State) -> Result:
    """Estimate float32, float16 and integers."""
    formats = (FLOAT32, FLOAT16, integers(state.bits))
    return Result({fmt.name: energy(WHAT[state.what], fmt, state.place, state.batch) for fmt in formats})


class EnergyExplorer(Explorer):
    """Energy of one input, an estimate: arithmetic, moving weights, and moving activations.

    The figures are those of Horowitz (ISSCC 2014) for 45 nm chips; nothing is measured here.

    Examples
    --------
    >>> explorer = EnergyExplorer(what="language model", place="nowhere")
    >>> round(explorer.result.saved, 1)
    15.3
    >>> explorer.place = "DRAM"
    >>> round(explorer.result.saved, 1)
    4.0
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Show one bar for each number format."""
        panel = SharesPanel("Energy of one input (estimate)", "% of float32", PARTS, limit=125)
        return Canvas({"energy": panel}, size=(900, 280))

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the parts as percentages of the energy of float32."""
        estimates = result.estimates.values()
        parts = np.array([_parts(e)[:3] for e in estimates])
        words = [_micro(e.total_pj) for e in estimates]
        words[-1] = f"W{state.bits}A8: {words[-1]}"  # this text may change, the name of a row may not
        return {"energy": (("float32", "float16", "integers"), 100 * parts / parts[0].sum(), words)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the energy of the integers, and how much more float32 takes."""
        return {
            f"W{state.bits}A8": _micro(list(result.estimates.values())[-1].total_pj),
            "float32": f"{result.saved:.1f} times as much",
        }

    def idle(self, state: State) -> dict[str, str]:
        """Disable the batch size if no data are moved."""
        return {} if state.place != "nowhere" else {"batch": "no effect here, because no data are moved"}

    def describe(self, state: State, result: Result) -> str:
        """Return a table with the range of each estimate, because the figure for DRAM is a range."""
        count = f"batches of {state.batch} inputs" if state.batch > 1 else "one input"
        head = f"{state.what}, {count}, data in: {state.place}. Estimate for one input, in \N{MICRO SIGN}J:"
        rows = [
            (name, *(f"{pj / 1e6:.4f}" for pj in _parts(e)), f"{e.low_pj / 1e6:.4f} - {e.high_pj / 1e6:.4f}")
            for name, e in result.estimates.items()
        ]
        saved = f"float32 takes {result.saved:.1f} times the energy of W{state.bits}A8."
        return Readout.of(head, Table(_HEAD, rows, (-10, 12, 12, 13, 12, 21)), saved)


def _parts(e: Energy) -> tuple[float, ...]:
    return e.arithmetic_pj, e.weights_pj, e.activations_pj, e.total_pj


def _micro(pj: float) -> str:
    return f"{pj / 1e6:.3g} \N{MICRO SIGN}J"

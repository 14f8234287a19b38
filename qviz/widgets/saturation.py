"""Two products that do not fit in 16 bits, and what the kernel loses."""

from dataclasses import dataclass

import numpy as np

from qviz.numerics.saturation import SPREADS, LayerErrors, layer_errors, pair_sums
from qviz.plots import Canvas, LayerErrorsPanel, SaturationPanel

from ._readout import signed
from .controls import choice, more, slider, toggle
from .explorer import Explorer

ADDERS = ("16 bits", "32 bits")
CODES = dict(zip(SPREADS, ("uniformly distributed", "bell-shaped"), strict=True))


@dataclass(frozen=True)
class State:
    """Two activations and two weights as 8-bit codes, and how their products are added."""

    x1: int = slider("Activation 1", 211, 0, 255)
    w1: int = slider("Weight 1", 71, -128, 127)
    x2: int = more(slider("Activation 2", 171, 0, 255))
    w2: int = more(slider("Weight 2", 107, -128, 127))
    adder: str = choice("Pairs added in", ADDERS)
    spread: str = more(choice("Layer's codes", SPREADS))
    reduce_range: bool = toggle("reduce_range: activations of 7 bits")


@dataclass(frozen=True)
class Result:
    """The sum of the two products, and its error.

    Attributes
    ----------
    codes : the two activations as the kernel gets them
    products : the products of these codes
    kept : their sum as the kernel computes it
    truth : the sum of the products of the 8-bit codes
    unit : 8-bit steps per step of these codes: 1, or 2 with reduce_range
    errors : the errors of a layer
    """

    codes: tuple[int, int]
    products: tuple[int, int]
    kept: int
    truth: int
    unit: int
    errors: LayerErrors

    @property
    def rounding(self) -> int:
        """The error due to coarser activations, in units of a product of 8-bit codes."""
        return self.unit * sum(self.products) - self.truth

    @property
    def saturation(self) -> int:
        """The error due to saturation, in the same units."""
        return self.unit * (self.kept - sum(self.products))


def compute(state: State) -> Result:
    """Multiply and add like the kernel."""
    unit = 2 if state.reduce_range else 1
    x = np.array([state.x1, state.x2])
    codes, w = np.minimum(np.rint(x / unit), 255 // unit).astype(int), np.array([state.w1, state.w2])
    kept = int(pair_sums(codes, w, saturate=state.adder == "16 bits")[0])
    products = tuple(map(int, codes * w))
    return Result(tuple(map(int, codes)), products, kept, int(x @ w), unit, layer_errors(state.spread))


class SaturationExplorer(Explorer):
    """Two products of 8-bit codes, added in 16 bits or in 32, and what that does to a layer.

    Examples
    --------
    >>> explorer = SaturationExplorer()
    >>> print(explorer.readout.splitlines()[1])
    16 bits can hold -32,768 to 32,767: the result is 32,767, and 511 is lost
    >>> explorer.close()
    """

    State = State
    readout_lines = 4
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put the pair on the left, the layer on the right."""
        panels = {"pair": SaturationPanel(), "layer": LayerErrorsPanel()}
        return Canvas(panels, size=(940, 330), width_ratios=[3, 2])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the pair, and the errors of the layer."""
        bits = 7 if state.reduce_range else 8
        return {
            "pair": (result.products, result.kept),
            "layer": (result.errors, bits, state.adder == "16 bits"),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the computed sum, and how much is lost."""
        return {"result": f"{result.kept:,}", "lost": f"{abs(sum(result.products) - result.kept):,}"}

    def describe(self, state: State, result: Result) -> str:
        """Return the sum, how much of it is kept, and its error relative to the sum of 8-bit products."""
        (a, b), total = result.codes, sum(result.products)
        error = result.rounding + result.saturation
        layer = self._canvas.panels["layer"].description
        return "\n".join(
            (
                f"{a} * {signed(state.w1)} + {b} * {signed(state.w2)} = {total:,}",
                _kept(state, result, total),
                f"error, in units of 8-bit products: {error:,} "
                f"(rounding {result.rounding:,}, saturation {result.saturation:,})",
                layer.replace("a layer", f"a layer with {CODES[state.spread]} codes"),
            )
        )


def _kept(state: State, result: Result, total: int) -> str:
    if state.adder == "32 bits":
        return "32 bits can hold every such sum, so nothing is lost"
    lost = abs(total - result.kept)
    effect = f"the result is {result.kept:,}, and {lost:,} is lost" if lost else "this sum fits, so nothing is lost"
    return f"16 bits can hold -32,768 to 32,767: {effect}"

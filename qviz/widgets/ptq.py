"""Post-training quantization of a network: the effect of each choice."""

from dataclasses import dataclass

import numpy as np

from qviz.networks.topology import LAYERS
from qviz.numerics import CALIBRATORS, SCHEMES
from qviz.plots import BarsPanel, Canvas, HistogramPanel, LayersPanel
from qviz.plots.histogram import kept

from ._readout import Readout, Table
from .controls import choice, more, slider, toggle
from .explorer import Explorer

NETWORKS = ("as trained", "channels rescaled")
GRANULARITIES = ("per tensor", "per channel")
METHODS = (*CALIBRATORS, "torch min-max", "torch moving average", "torch histogram")
PLACES = ("input", *LAYERS)
_HEAD = ("layer", "weights dB", "outputs dB", "lo", "hi", "scale", "clipped")


@dataclass(frozen=True)
class State:
    """Which network, how many bits, and how the ranges are chosen."""

    network: str = more(choice("Network", NETWORKS))
    weight_bits: int = slider("Weight bits", 4, 2, 8)
    activation_bits: int = slider("Activation bits", 8, 2, 8)
    granularity: str = choice("Weight scales", GRANULARITIES)
    scheme: str = more(choice("Activations", SCHEMES))
    method: str = choice("Ranges by", METHODS)
    samples: int = more(choice("Samples", (1, 32, 256, 1000), 256))
    layer: str = more(choice("Layer shown", PLACES, "conv2"))
    reduce_range: bool = more(toggle("Reduce range"))


class PTQExplorer(Explorer):
    """Post-training quantization of the digits network, measured on the test images.

    Every change calibrates and converts the network, and runs it in integers; the lab caches intermediate results.

    Parameters
    ----------
    source : callable, positional only
        A `qviz.pytorch.labs.ptq_lab.PTQLab`, or a callable with the same arguments.
    **settings
        Initial values of controls.

    Examples
    --------
    >>> from qviz.pytorch.labs.ptq_lab import PTQLab
    >>> explorer = PTQExplorer(PTQLab(), weight_bits=8)
    >>> print(explorer.readout.splitlines()[0])
    W8A8: 98.61% right (float 98.89%), same answer as float on 99.72% of the images
    >>> explorer.close()
    """

    State = State
    readout_lines = 8
    source = "qviz.pytorch.labs.ptq_lab.PTQLab"

    def compute(self, state: State):
        """Return the result of the lab for these settings."""
        return self._source(
            network=state.network,
            weight_bits=state.weight_bits,
            activation_bits=state.activation_bits,
            scheme=state.scheme,
            per_channel=state.granularity == "per channel",
            method=state.method,
            samples=state.samples,
            reduce_range=state.reduce_range,
        )

    def canvas(self) -> Canvas:
        """Put answers and bytes on the left, layers on the right, one layer below."""
        panels = {
            "answers": BarsPanel(),
            "bytes": BarsPanel("Size on disk", "bytes", digits="{:,.0f}", scale="{:,.0f}", most=None),
            "layers": LayersPanel(names=PLACES),
            "outputs": HistogramPanel("Outputs of the layer shown, in float32", log=True),
        }
        layout = [["answers", "layers"], ["bytes", "layers"], ["outputs", "outputs"]]
        return Canvas(panels, layout, size=(940, 420), width_ratios=[5, 4], height_ratios=[2, 2, 4])

    def views(self, state: State, result) -> dict[str, tuple]:
        """Show the network, and the chosen layer."""
        layer = result.layer(state.layer)
        weights_db = np.array([x.weights.sqnr_db if x.weights else np.nan for x in result.layers])
        outputs_db = np.array([x.sqnr_db for x in result.layers])
        return {
            "answers": ({"float32": result.float_accuracy, "quantized": result.accuracy},),
            "bytes": ({"float32": result.float_size_bytes, "quantized": result.size_bytes},),
            "layers": (weights_db, outputs_db),
            "outputs": (layer.real, *kept(layer.qparams)),
        }

    def figures(self, state: State, result) -> dict[str, str]:
        """Return the accuracy and the bytes."""
        return {"right": f"{result.accuracy:.2%}", "bytes": f"{result.size_bytes:,}"}

    def describe(self, state: State, result) -> str:
        """Return accuracy and size, and a table with a row for each layer."""
        simulated = "; simulated" if result.engine == "simulated" else ""
        head = (
            f"W{state.weight_bits}A{state.activation_bits}: {result.accuracy:.2%} right "
            f"(float {result.float_accuracy:.2%}), same answer as float on {result.agreement:.2%} of the images\n"
            f"{result.size_bytes:,} bytes on disk (float {result.float_size_bytes:,}){simulated}"
        )
        shown = [layer.name for layer in result.layers].index(state.layer)
        rows = [_row(layer) for layer in result.layers]
        return Readout.of(head, Table(_HEAD, rows, (-8, 11, 11, 10, 10, 11, 9), shown, ">"))


def _row(layer) -> tuple[str, ...]:
    p = layer.qparams
    decibels = f"{layer.weights.sqnr_db:.2f}" if layer.weights else "", f"{layer.sqnr_db:.2f}"
    ends = f"{float(p.lo):.3f}", f"{float(p.hi):.3f}"
    return layer.name, *decibels, *ends, f"{float(p.scale):.5f}", f"{layer.clipped:.2%}"

"""The bytes of a network, layer by layer."""

from dataclasses import dataclass

import numpy as np

from qviz.networks.examples import NETWORKS
from qviz.networks.layer_shapes import LayerShape, StoredBytes, stored_bytes
from qviz.numerics import SCHEMES, IntFormat, PerChannel, PerGroup, PerTensor
from qviz.plots import Canvas, SharesPanel

from ._readout import Readout, Table
from .controls import choice, slider
from .explorer import Explorer

PARTS = ("codes", "scales", "zero_points", "biases")
_HEAD = ("layer", "float32", "codes", "scales", "zero points", "biases", "smaller")
GRANULARITIES = {
    "per tensor": PerTensor(),
    "per channel": PerChannel(0),
    "per 128 weights": PerGroup(-1, 128),
    "per 32 weights": PerGroup(-1, 32),
    "per 8 weights": PerGroup(-1, 8),
}


@dataclass(frozen=True)
class State:
    """Which network, and how its weights are stored."""

    network: str = choice("Network", NETWORKS)
    bits: int = slider("Bits", 8, 2, 8)
    granularity: str = choice("One scale", GRANULARITIES, "per channel")
    scheme: str = choice("Scheme", SCHEMES, "symmetric")


@dataclass(frozen=True)
class Row:
    """The bytes of one layer, quantized and in float32."""

    name: str
    stored: StoredBytes
    float_bytes: int

    @property
    def ratio(self) -> float:
        """The float32 bytes divided by the quantized bytes."""
        return self.float_bytes / self.stored.total


@dataclass(frozen=True)
class Result:
    """One row per layer; the last one is the whole network."""

    rows: tuple[Row, ...]

    @property
    def whole(self) -> Row:
        """The whole network."""
        return self.rows[-1]


def compute(state: State) -> Result:
    """Count the bytes of every layer."""
    rows = [_row(layer, state) for layer in NETWORKS[state.network]]
    whole = sum((row.stored for row in rows), StoredBytes(0, 0, 0, 0))
    return Result((*rows, Row("all", whole, sum(row.float_bytes for row in rows))))


def _row(layer: LayerShape, state: State) -> Row:
    stored = stored_bytes(layer, IntFormat(state.bits), GRANULARITIES[state.granularity], state.scheme)
    return Row(layer.name, stored, stored_bytes(layer, None).total)


class SizeExplorer(Explorer):
    """Where the bytes of a network are: codes, scales, zero points and biases of each layer.

    Codes are packed, so fewer than 8 bits take less memory, and a scale takes 16 bits.

    Examples
    --------
    >>> explorer = SizeExplorer(bits=4, granularity="per 32 weights")
    >>> round(explorer.result.whole.ratio, 2)
    6.96
    >>> explorer.close()
    """

    State = State
    readout_lines = 7
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Show one bar per layer."""
        names = [part.replace("_", " ") for part in PARTS]
        return Canvas(
            {"bytes": SharesPanel("Bytes of each layer", "% of its bytes in float32", names)}, size=(900, 330)
        )

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the parts of each layer as percentages of its float32 bytes."""
        shares = [[100 * getattr(row.stored, part) / row.float_bytes for part in PARTS] for row in result.rows]
        words = [f"{row.stored.total:,} of {row.float_bytes:,} bytes" for row in result.rows]
        return {"bytes": ([row.name for row in result.rows], np.array(shares), words)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the bytes of the network, and how many times smaller it is."""
        return {"bytes": f"{result.whole.stored.total:,}", "smaller": f"{result.whole.ratio:.2f} times"}

    def describe(self, state: State, result: Result) -> str:
        """Return a table with a row for each layer."""
        head = f"{state.network}, int{state.bits} {state.scheme}, one scale {state.granularity}; bytes:"
        return Readout.of(head, Table(_HEAD, [_cells(row) for row in result.rows], (-12, 12, 12, 10, 13, 9, 10)))


def _cells(row: Row) -> tuple[str, ...]:
    parts = (row.float_bytes, *(getattr(row.stored, part) for part in PARTS))
    return row.name, *(f"{count:,}" for count in parts), f"{row.ratio:.2f}x"

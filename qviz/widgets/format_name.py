"""The name of a format or a scheme, taken apart, and where its bits go."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qviz.numerics.codecs import CODECS, explain_name
from qviz.numerics.codecs.names import Explanation
from qviz.plots import Canvas, SharesPanel

from ._readout import Readout, Table
from .controls import typed
from .explorer import Explorer

EXAMPLES = (
    "W4A16 g128",
    "Q4_K_M",
    "Q4_K",
    "NVFP4",
    "MXFP4",
    "NF4 double quant",
    "E4M3",
    "int8",
    "BF16",
    "IQ2_XXS",
    "AWQ int4 g64",
)
BESIDE = ("int8", "FP16")  # for comparison
FULL = 16  # bits: what the picture calls 100 %
SHAPE = (4096, 4096)  # of the matrix that bits are counted for
THIS = "this format"  # not its name: the room beside the bars is measured once, and a name may be long


@dataclass(frozen=True)
class State:
    """A name, as the reader types it."""

    name: str = typed("Name", EXAMPLES, "W4A16 g128")


@dataclass(frozen=True)
class Result:
    """The name taken apart, and a row for each bar of the picture.

    Attributes
    ----------
    explanation : Explanation
    rows : tuple of (name, bits of a code, bits of scales for each weight, the bits in words)
    """

    explanation: Explanation
    rows: tuple[tuple[str, float, float, str], ...]


def compute(state: State) -> Result:
    """Take the name apart, and count its bits."""
    told = explain_name(state.name)
    rows = [(THIS, *_bits(told.code_bits, told.bits_per_value))]
    for other in BESIDE:
        rows.append((other, *_bits(CODECS[other].bits, CODECS[other].bits_per_value(SHAPE))))
    return Result(told, tuple(rows))


def _bits(code: float | None, total: float | None) -> tuple[float, float, str]:
    """Return the bits of a code, those of scales, and both in words."""
    if code is None:
        return (0.0, 0.0, "the name does not say") if total is None else (total, 0.0, f"{total:.4g} bits in all")
    if total is None:
        return code, 0.0, f"{code:.3g} bits, and scales"
    scales = total - code
    return code, scales, f"{code:.3g} + {scales:.3g} = {total:.4g} bits" if scales >= 0.001 else f"{code:.3g} bits"


def _lines(told: Explanation) -> Iterator[tuple[str, str]]:
    """Yield each piece with its meaning; a long one takes several lines."""
    for part in told.parts:
        first, *more = part.meaning.split("; ")
        yield part.text, first
        yield from (("", line) for line in more)


class FormatNameExplorer(Explorer):
    """The name of a number format or a scheme: type one, and it is taken apart.

    Examples
    --------
    >>> explorer = FormatNameExplorer(name="int4 g32")
    >>> print(explorer.readout)
    piece         meaning
    int4          integers of 4 bits, -8 to 7, times a scale
    g32           one scale for each 32 neighbouring weights of a row
    bits per weight, scales counted: 4.5
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Show the bits as bars."""
        panel = SharesPanel("Bits for each weight", f"% of {FULL} bits", ("code", "scales"), 145)
        return Canvas({"bits": panel}, size=(900, 220))

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show a bar for the name, and those beside it."""
        names, codes, scales, words = zip(*result.rows, strict=True)
        return {"bits": (names, 100 * np.column_stack([codes, scales]) / FULL, words)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Say the bits, where the name tells them."""
        bits = result.explanation.bits_per_value
        return {"bits per weight": "it depends" if bits is None else f"{bits:.4g}"}

    def describe(self, state: State, result: Result) -> str:
        """Say what each piece means."""
        told = result.explanation
        pieces = Table(("piece", "meaning"), list(_lines(told)), (-14, -1))
        if told.bits_per_value is None:
            return Readout.of(pieces, "bits per weight: the name alone does not say")
        return Readout.of(pieces, f"bits per weight, scales counted: {told.bits_per_value:.4g}")

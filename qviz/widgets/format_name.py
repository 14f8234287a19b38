"""The parts of a format's or a scheme's name, and the bits per weight."""

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
COMPARED = ("int8", "FP16")
FULL = 16  # bits that the picture shows as 100 %
SHAPE = (4096, 4096)  # of the matrix whose bits are counted
THIS = "this format"  # not its name, which may be too long: the margin of the bars is fixed


@dataclass(frozen=True)
class State:
    """A name that the reader types."""

    name: str = typed("Name", EXAMPLES, "W4A16 g128")


@dataclass(frozen=True)
class Result:
    """The explanation of a name, and a row for each bar of the picture.

    Attributes
    ----------
    explanation : Explanation
    rows : tuple of (name, bits per code, bits of scales per weight, text)
    """

    explanation: Explanation
    rows: tuple[tuple[str, float, float, str], ...]


def compute(state: State) -> Result:
    """Explain the name, and count its bits."""
    explanation = explain_name(state.name)
    rows = [(THIS, *_bits(explanation.code_bits, explanation.bits_per_value))]
    for other in COMPARED:
        rows.append((other, *_bits(CODECS[other].bits, CODECS[other].bits_per_value(SHAPE))))
    return Result(explanation, tuple(rows))


def _bits(code: float | None, total: float | None) -> tuple[float, float, str]:
    """Return the bits of a code, the bits of scales, and both as text."""
    if code is None:
        return (0.0, 0.0, "the name does not say") if total is None else (total, 0.0, f"{total:.4g} bits in all")
    if total is None:
        return code, 0.0, f"{code:.3g} bits, and scales"
    scales = total - code
    return code, scales, f"{code:.3g} + {scales:.3g} = {total:.4g} bits" if scales >= 0.001 else f"{code:.3g} bits"


def _lines(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Yield each piece of a name with its meaning; a long meaning takes several lines."""
    for part in explanation.parts:
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
    g32           one scale for every 32 neighbouring weights of a row
    bits per weight, including scales: 4.5
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Show the bits as bars."""
        panel = SharesPanel("Bits per weight", f"% of {FULL} bits", ("code", "scales"), 145)
        return Canvas({"bits": panel}, size=(900, 220))

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show a bar for the name, and those of the formats it is compared with."""
        names, codes, scales, words = zip(*result.rows, strict=True)
        return {"bits": (names, 100 * np.column_stack([codes, scales]) / FULL, words)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the bits per weight, if the name determines them."""
        bits = result.explanation.bits_per_value
        return {"bits per weight": "it depends" if bits is None else f"{bits:.4g}"}

    def describe(self, state: State, result: Result) -> str:
        """Return the meaning of each piece, and the bits per weight."""
        bits = result.explanation.bits_per_value
        pieces = Table(("piece", "meaning"), list(_lines(result.explanation)), (-14, -1))
        if bits is None:
            return Readout.of(pieces, "bits per weight: the name alone does not say")
        return Readout.of(pieces, f"bits per weight, including scales: {bits:.4g}")

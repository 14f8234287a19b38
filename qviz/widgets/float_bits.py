"""The bits of a small floating-point number."""

from dataclasses import dataclass

from qviz.numerics.codecs import (
    FP4_E2M1,
    FP6_E2M3,
    FP6_E3M2,
    FP8_E4M3,
    FP8_E4M3_IEEE,
    FP8_E5M2,
    FloatFields,
    FloatFormat,
)
from qviz.plots import Canvas, FloatBitsPanel, FloatLinePanel
from qviz.plots.float_bits import MOST_BITS, formula

from .controls import choice, toggle
from .explorer import Explorer

FORMATS = {
    "FP8 E4M3": FP8_E4M3,
    "FP8 E5M2": FP8_E5M2,
    "FP8 E4M3, IEEE": FP8_E4M3_IEEE,
    "FP8 E3M4": FloatFormat(3, 4),
    "FP6 E3M2": FP6_E3M2,
    "FP6 E2M3": FP6_E2M3,
    "FP4 E2M1": FP4_E2M1,
}
MEANING = {
    "zero": "exponent and mantissa are all zero",
    "subnormal": "the exponent field is 0: no leading 1, and the same power as for field 1",
    "normal": "a leading 1, which is not stored",
    "infinity": "the exponent field is all ones, the mantissa zero",
    "NaN": "not a number: this code is reserved for undefined results",
}


@dataclass(frozen=True)
class State:
    """Eight bits, from the highest on, and a format; a format with fewer bits uses the lowest ones."""

    bit7: bool = toggle("Bit 7")
    bit6: bool = toggle("Bit 6")
    bit5: bool = toggle("Bit 5", True)
    bit4: bool = toggle("Bit 4", True)
    bit3: bool = toggle("Bit 3", True)
    bit2: bool = toggle("Bit 2", True)
    bit1: bool = toggle("Bit 1")
    bit0: bool = toggle("Bit 0", True)
    format: str = choice("Format", FORMATS)


@dataclass(frozen=True)
class Result:
    """A format, a code, and the fields of the code."""

    fmt: FloatFormat
    code: int
    fields: FloatFields


def compute(state: State) -> Result:
    """Combine the bits into a code, and split it into fields."""
    fmt = FORMATS[state.format]
    code = sum(getattr(state, f"bit{i}") << i for i in range(fmt.bits))
    return Result(fmt, code, fmt.fields(code))


class FloatBitsExplorer(Explorer):
    """The bits of a small float: flip each, and see sign, exponent, mantissa and value.

    Examples
    --------
    >>> explorer = FloatBitsExplorer(bit7=True)
    >>> print(explorer.readout)
    FP8 E4M3: 1 0111 101, code 189 of 0 to 255
    sign 1, exponent field 7 (minus the bias, 7: 0), mantissa 5 of 8
    normal: a leading 1, which is not stored
    -1 x 2^(7 - 7) x (1 + 5/8) = -1.625
    >>> explorer.close()
    """

    State = State
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put the bits above the line of all values."""
        panels = {"bits": FloatBitsPanel(), "line": FloatLinePanel()}
        return Canvas(panels, [["bits"], ["line"]], (900, 380), height_ratios=[5, 3])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the code, and its value among all values."""
        return {"bits": (result.fmt, result.code), "line": (result.fmt, result.fields.value)}

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the value and its kind."""
        return {"value": f"{result.fields.value:g}", "kind": result.fields.kind}

    def describe(self, state: State, result: Result) -> str:
        """Return the fields, the kind and the value."""
        fmt, parts = result.fmt, result.fields
        bits = f"{result.code:0{fmt.bits}b}"
        split = " ".join((bits[0], bits[1 : 1 + fmt.exponent_bits], bits[1 + fmt.exponent_bits :]))
        idle = f"; bits {fmt.bits} to {MOST_BITS - 1} are not used" if fmt.bits < MOST_BITS else ""
        return (
            f"{state.format}: {split}, code {result.code} of 0 to {2**fmt.bits - 1}{idle}\n"
            f"sign {parts.sign}, exponent field {parts.exponent} (minus the bias, {fmt.bias}: "
            f"{parts.exponent - fmt.bias}), mantissa {parts.mantissa} of {2**fmt.mantissa_bits}\n"
            f"{parts.kind}: {MEANING[parts.kind]}\n{formula(fmt, result.code)}"
        )

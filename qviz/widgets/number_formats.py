"""Every number format on one tensor: its levels, its errors, and bits against error with all scales counted."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qviz.numerics.codecs import CODECS, RULES, Measured, compare_formats, family_of
from qviz.numerics.codecs.protocol import rows_of_params
from qviz.plots import Canvas, ErrorSizePanel, FormatLinePanel, FormatsPanel

from .controls import choice, ladder, more, slider, tensor_choice
from .explorer import Explorer

OWN = "as the format says"
GROUPS = {OWN: None, **{str(n): n for n in (16, 32, 64, 128, 256)}, "whole tensor": "per tensor"}
STRETCH, STRETCHES = 256, 128  # a larger tensor is measured on so many stretches of neighbours


@dataclass(frozen=True)
class State:
    """Which tensor, which format, and how many values share a scale."""

    data: str = tensor_choice("fc1 weights")
    format: str = ladder("Format", CODECS, "NVFP4")
    group: str = choice("Values per scale", GROUPS)
    rule: str = more(choice("Scale of MX formats", RULES))
    place: int = more(slider("Place shown", 1, 1, 64))
    value: int = more(slider("Value marked", 1, 1, STRETCH))


@dataclass(frozen=True)
class Result:
    """What was measured of every format, and of the chosen one a group.

    Attributes
    ----------
    x : (n,) float32; `total` is the size of the tensor, of which it may be a part
    found : all formats by name
    measured : the chosen one
    group : which group is shown, from 0
    values, values_hat : at most 256 of its values, before and after
    levels : all that its codes can stand for
    ends : of the axis: powers of two beyond the 256 values at this place, so that it seldom moves
    marked : which of the values is marked, from 0
    code : its code
    product : how its level is made of the code, such as "-4 x 0.00376"; "" where the code looks it up in a table
    """

    x: np.ndarray
    total: int
    found: Mapping[str, Measured]
    measured: Measured
    group: int
    values: np.ndarray
    values_hat: np.ndarray
    levels: np.ndarray
    ends: tuple[float, float]
    marked: int
    code: int
    product: str


def compute(state: State, x: np.ndarray, total: int, found: Mapping[str, Measured]) -> Result:
    """Pick a format, and the group at a place in the tensor, out of what was measured."""
    m = found[state.format]
    start, stretch = stretch_at(state.place, x)
    n = m.groups.shape[1]
    shown = slice(start, start + min(n, stretch.size))
    levels = m.codec.levels(m.params, start // n)
    ends = -power_above(-float(stretch.min())), power_above(float(stretch.max()))
    values, marked = x[shown], min(state.value, x[shown].size) - 1
    code, product = taken_apart(state.format, m, *divmod(start + marked, n))
    return Result(x, total, found, m, start // n, values, m.values.ravel()[shown], levels, ends, marked, code, product)


def stretch_at(place: int, x: np.ndarray) -> tuple[int, np.ndarray]:
    """Return where the stretch at a place, from 1, begins, and its values; the last one for a place beyond.

    Examples
    --------
    >>> stretch_at(9, np.arange(300))[0]
    256
    """
    start = min(place, -(-x.size // STRETCH)) * STRETCH - STRETCH
    return start, x[start : start + STRETCH]


def taken_apart(name: str, m: Measured, row: int, column: int) -> tuple[int, str]:
    """Return the code of one value, and how its level follows from it: times a scale, and plus an offset.

    Examples
    --------
    >>> m = compare_formats([0.5, 1.0, -1.5, 4.0], names=["int4", "MXFP4", "Q4_0"])
    >>> taken_apart("int4", m["int4"], 0, 1), taken_apart("MXFP4", m["MXFP4"], 0, 2)
    ((2, '2 x 0.5714'), (11, '-1.5 x 1'))
    >>> taken_apart("Q4_0", m["Q4_0"], 0, 3)
    (0, '0 x -0.5 + 4')
    """
    codec, params = m.codec, rows_of_params(m.params, np.array([row]))
    code = int(codec.encode(m.groups[row : row + 1], params)[0, column])
    if hasattr(codec, "scale_of"):
        scale = float(codec.scale_of(params)[0, 0])
        return code, f"{m.values[row, column] / scale:.4g} x {scale:.4g}" if scale else ""
    if family_of(name) in ("integers", "llama.cpp"):
        at = [float(codec.decode(np.full((1, m.groups.shape[1]), c), params)[0, column]) for c in (0, 1)]
        offset = f" {'-' if at[0] < 0 else '+'} {abs(at[0]):.4g}" if at[0] else ""
        return code, f"{code} x {at[1] - at[0]:.4g}{offset}"
    return code, ""


def power_above(value: float) -> float:
    """Return the least power of two that is not below a value; 0 for what is not above zero.

    Examples
    --------
    >>> power_above(0.3), power_above(4.0), power_above(-1.0)
    (0.5, 4.0, 0.0)
    """
    return 2.0 ** math.ceil(math.log2(value)) if value > 0 else 0.0


def stretches(x: np.ndarray) -> np.ndarray:
    """Return a flat array, or of a large one 128 stretches of 256 neighbours, evenly spread.

    Examples
    --------
    >>> stretches(np.arange(5)).size, stretches(np.arange(1_000_000)).size
    (5, 32768)
    """
    x = np.ravel(x)
    if x.size <= STRETCH * STRETCHES:
        return x
    starts = np.linspace(0, x.size - STRETCH, STRETCHES).astype(np.intp)
    return x[starts[:, None] + np.arange(STRETCH)].ravel()


class NumberFormatsExplorer(Explorer):
    """All number formats on one tensor: levels, errors, and bits per value with the scales counted.

    Examples
    --------
    >>> explorer = NumberFormatsExplorer(format="NF4")
    >>> print(explorer.readout.splitlines()[0])
    fc1 weights as NF4, groups of 64: 4 bits for the code + 0.5 for scales = 4.5 bits per value
    >>> explorer.close()
    """

    State = State
    _kept: tuple = (None, None, None)

    def compute(self, state: State) -> Result:
        """Pick a format out of what was measured."""
        return compute(state, *self._measured(state))

    def _measured(self, state: State) -> tuple:
        """Measure every format once for a tensor and its groups; return the tensor, its size, and what was found."""
        settings = state.data, state.group, state.rule
        if self._kept[0] != settings or self._kept[1] is not self._own:
            tensor = self.values(state)
            x = stretches(tensor)
            found = compare_formats(x, GROUPS[state.group], state.rule)
            self._kept = settings, self._own, (x, tensor.size, found)
        return self._kept[2]

    def canvas(self) -> Canvas:
        """Lay out levels above, errors and all formats below."""
        panels = {"line": FormatLinePanel(), "errors": ErrorSizePanel(), "formats": FormatsPanel()}
        return Canvas(panels, [["line", "line"], ["errors", "formats"]], (900, 450), height_ratios=[2, 5])

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show a group, all errors, and all formats."""
        x_hat = result.measured.values.ravel()[: result.x.size]
        return {
            "line": (result.values, result.values_hat, result.levels, result.ends, result.marked),
            "errors": (result.x, x_hat),
            "formats": (result.found, state.format),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Say the error, and the bits with all scales counted."""
        m = result.measured
        share = f"{m.bits_per_value / 16:.0%} of FP16"
        return {"SQNR": f"{m.sqnr_db:.2f} dB", "bits per value": f"{m.bits_per_value:.4g}", "size": share}

    def offers(self, state: State) -> dict[str, tuple]:
        """Mark one of the values that are shown."""
        x, _, found = self._measured(state)
        return {"value": (1, min(found[state.format].groups.shape[1], stretch_at(state.place, x)[1].size))}

    def describe(self, state: State, result: Result) -> str:
        """Count the bits, tell the error, and name what is better."""
        m, n = result.measured, result.measured.groups.shape[1]
        rest = m.bits_per_value - m.codec.bits
        shared = f"groups of {n:,}" if rest else "each value by itself"
        fixed = ", which are its own" if m.codec.whole_groups and state.group != OWN else ""
        part = "" if result.x.size == result.total else f"; measured on {result.x.size:,} of {result.total:,} values"
        used = f"{np.unique(result.values_hat).size:,} of {result.levels.size:,} levels"
        return (
            f"{state.data} as {state.format}, {shared}{fixed}: {m.codec.bits:g} bits for the code + "
            f"{rest:.3g} for scales = {m.bits_per_value:.4g} bits per value\n"
            f"mean squared error = {m.mse:.3e}, SQNR = {m.sqnr_db:.2f} dB{part}\n"
            f"group {result.group + 1:,} of {len(m.groups):,}: {used} used by {result.values.size} values; "
            f"{_better(state.format, result)}\n{_marked(result)}"
        )

    def close(self) -> None:
        """Free the tensor too."""
        super().close()
        self._kept = (None, None, None)


def _better(name: str, result: Result) -> str:
    """Name the best format that takes no more bits."""
    limit = result.measured.bits_per_value
    best = max((n for n, m in result.found.items() if m.bits_per_value <= limit), key=lambda n: result.found[n].sqnr_db)
    if result.found[best].sqnr_db <= result.measured.sqnr_db:
        return f"no format with at most {limit:.4g} bits loses less than {name}"
    other = result.found[best]
    return f"with no more bits, {best} has {other.sqnr_db:.2f} dB ({other.bits_per_value:.4g} bits)"


def _marked(result: Result) -> str:
    """Follow one value into its code and back."""
    value, value_hat = (float(x[result.marked]) for x in (result.values, result.values_hat))
    product = f" = {result.product}" if result.product else ""
    coded = f"{value:.4g} gets the code {result.code}, which represents {value_hat:.4g}{product}"
    return f"value {result.marked + 1}: {coded}; error {abs(value_hat - value):.2g}"

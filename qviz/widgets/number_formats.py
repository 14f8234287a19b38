"""All number formats on one tensor: levels, errors, and bits per value including scales."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qviz.numerics.codecs import CODECS, RULES, Measured, compare_formats, family_of
from qviz.numerics.codecs.protocol import rows_of_params
from qviz.plots import Canvas, ErrorSizePanel, FormatLinePanel, FormatsPanel

from .controls import choice, ladder, more, slider, tensor_choice, told_data
from .explorer import Explorer

OWN = "as the format says"
GROUPS = {OWN: None, **{str(n): n for n in (16, 32, 64, 128, 256)}, "whole tensor": "per tensor"}
CHUNK, CHUNKS = 256, 128  # a tensor of more values is measured on 128 chunks of 256


@dataclass(frozen=True)
class State:
    """Which tensor, which format, how many values share a scale, and which value is marked."""

    data: str = tensor_choice("fc1 weights")
    format: str = ladder("Format", CODECS, "NVFP4")
    group: str = choice("Values per scale", GROUPS)
    rule: str = more(choice("Scale of MX formats", RULES))
    place: int = more(slider("Place shown", 1, 1, 64))
    value: int = more(slider("Value marked", 1, 1, CHUNK))


@dataclass(frozen=True)
class Result:
    """The measurements of all formats, and one group in the chosen format.

    Attributes
    ----------
    x : (n,) float32, the measured values
    total : size of the whole tensor, of which `x` may be a part
    found : the measurements of all formats, by name
    measured : those of the chosen format
    group : index of the group that is shown
    values, values_hat : at most 256 of its values, before and after quantization
    levels : all values that its codes represent
    ends : of the axis: powers of two around the 256 values at this place, so that they rarely change
    marked : index of the marked value
    code : its code
    product : how its level is computed from the code, such as "-4 x 0.00376"; "" if it comes from a table
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
    """Select a format and the group at a place in the tensor from the measurements."""
    m = found[state.format]
    start, chunk = chunk_at(state.place, x)
    n = m.groups.shape[1]
    shown = slice(start, start + min(n, chunk.size))
    levels = m.codec.levels(m.params, start // n)
    ends = -power_above(-float(chunk.min())), power_above(float(chunk.max()))
    values, marked = x[shown], min(state.value, x[shown].size) - 1
    code, product = decomposed(state.format, m, *divmod(start + marked, n))
    return Result(x, total, found, m, start // n, values, m.values.ravel()[shown], levels, ends, marked, code, product)


def chunk_at(place: int, x: np.ndarray) -> tuple[int, np.ndarray]:
    """Return the start and the values of a chunk; places count from 1, and the last one also stands for those beyond.

    Examples
    --------
    >>> chunk_at(9, np.arange(300))[0]
    256
    """
    start = min(place, -(-x.size // CHUNK)) * CHUNK - CHUNK
    return start, x[start : start + CHUNK]


def decomposed(name: str, m: Measured, row: int, column: int) -> tuple[int, str]:
    """Return the code of one value, and its level as code times scale plus offset.

    Examples
    --------
    >>> m = compare_formats([0.5, 1.0, -1.5, 4.0], names=["int4", "MXFP4", "Q4_0"])
    >>> decomposed("int4", m["int4"], 0, 1), decomposed("MXFP4", m["MXFP4"], 0, 2)
    ((2, '2 x 0.5714'), (11, '-1.5 x 1'))
    >>> decomposed("Q4_0", m["Q4_0"], 0, 3)
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
    """Return the smallest power of two that is at least a value; 0 for a value that is not positive.

    Examples
    --------
    >>> power_above(0.3), power_above(4.0), power_above(-1.0)
    (0.5, 4.0, 0.0)
    """
    return 2.0 ** math.ceil(math.log2(value)) if value > 0 else 0.0


def chunks(x: np.ndarray) -> np.ndarray:
    """Return a flat array; of a large one only 128 evenly spaced chunks of 256 values.

    Examples
    --------
    >>> chunks(np.arange(5)).size, chunks(np.arange(1_000_000)).size
    (5, 32768)
    """
    x = np.ravel(x)
    if x.size <= CHUNK * CHUNKS:
        return x
    starts = np.linspace(0, x.size - CHUNK, CHUNKS).astype(np.intp)
    return x[starts[:, None] + np.arange(CHUNK)].ravel()


class NumberFormatsExplorer(Explorer):
    """All number formats on one tensor: levels, errors, and bits per value with the scales counted.

    Examples
    --------
    >>> explorer = NumberFormatsExplorer(format="NF4")
    >>> print(explorer.readout.splitlines()[0])
    fc1 weights as NF4, blocks of 64: 4 bits for the code + 0.5 for scales = 4.5 bits per value
    >>> explorer.close()
    """

    State = State
    _cached: tuple = (None, None, None)

    def compute(self, state: State) -> Result:
        """Select a format from the measurements."""
        return compute(state, *self._measured(state))

    def _measured(self, state: State) -> tuple:
        """Measure all formats once per tensor and group size; return values, size of the tensor, and measurements."""
        settings = state.data, state.group, state.rule
        if self._cached[0] != settings or self._cached[1] is not self._own:
            tensor = self.values(state)
            x = chunks(tensor)
            found = compare_formats(x, GROUPS[state.group], state.rule)
            self._cached = settings, self._own, (x, tensor.size, found)
        return self._cached[2]

    def canvas(self) -> Canvas:
        """Put the levels above, errors and all formats below."""
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
        """Return the SQNR, the bits per value including scales, and the size compared with FP16."""
        m = result.measured
        share = f"{m.bits_per_value / 16:.0%} of FP16"
        return {"SQNR": f"{m.sqnr_db:.2f} dB", "bits per value": f"{m.bits_per_value:.4g}", "size": share}

    def offers(self, state: State) -> dict[str, tuple]:
        """Limit the marked value to those that are shown."""
        x, _, found = self._measured(state)
        return {"value": (1, min(found[state.format].groups.shape[1], chunk_at(state.place, x)[1].size))}

    def describe(self, state: State, result: Result) -> str:
        """Return the bits, the error, and the best format with no more bits."""
        m, n = result.measured, result.measured.groups.shape[1]
        rest = m.bits_per_value - m.codec.bits
        shared = f"blocks of {n:,}" if rest else "each value by itself"
        fixed = ", which are its own" if m.codec.whole_groups and state.group != OWN else ""
        part = "" if result.x.size == result.total else f"; measured on {result.x.size:,} of {result.total:,} values"
        shown = f"its {n}" if result.values.size == n else f"{result.values.size} of its"
        used = f"{np.unique(result.values_hat).size:,} of the {result.levels.size:,} levels"
        return (
            f"{told_data(state.data)} as {state.format}, {shared}{fixed}: {m.codec.bits:g} bits for the code + "
            f"{rest:.3g} for scales = {m.bits_per_value:.4g} bits per value\n"
            f"mean squared error = {m.mse:.3e}, SQNR = {m.sqnr_db:.2f} dB; {_better(result)}{part}\n"
            f"block {result.group + 1:,} of {len(m.groups):,}: {shown} values use {used}\n"
            f"{_marked(result)}"
        )

    def close(self) -> None:
        """Free the tensor too."""
        super().close()
        self._cached = (None, None, None)


def _better(result: Result) -> str:
    """Return in words which format with no more bits is best."""
    limit = result.measured.bits_per_value
    best = max((n for n, m in result.found.items() if m.bits_per_value <= limit), key=lambda n: result.found[n].sqnr_db)
    if result.found[best].sqnr_db <= result.measured.sqnr_db:
        return f"no format with at most {limit:.4g} bits has a higher SQNR"
    return f"best format with at most {limit:.4g} bits: {best}, {result.found[best].sqnr_db:.2f} dB"


def _marked(result: Result) -> str:
    """Return the code and the error of the marked value."""
    value, value_hat = (float(x[result.marked]) for x in (result.values, result.values_hat))
    product = f" = {result.product}" if result.product else ""
    coded = f"{value:.4g} gets the code {result.code}, which represents {value_hat:.4g}{product}"
    return f"value {result.marked + 1}: {coded}; error {abs(value_hat - value):.2g}"

"""The bits of one small float: sign, exponent and mantissa, and the value they encode."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from qviz.numerics.codecs import FloatFormat

from .moving_text import Words
from .panel import Panel
from .small_numbers import numbers, set_numbers
from .style import FLOAT, QUANTIZED, QUIET, RANGE, ROUNDED, Labels, dress

MOST_BITS = 8
COLORS = {"sign": RANGE, "exponent": QUANTIZED, "mantissa": FLOAT}


class FloatBitsPanel(Panel):
    """The bits as boxes, coloured by field, with the value of each field below."""

    title = "The bits"

    def build(self, ax: Axes) -> None:
        """Create a box and a digit for each bit, and the labels."""
        dress(ax, Labels(self.title, "", ""))
        ax.set(xlim=(-0.1, MOST_BITS + 0.1), ylim=(-1.5, 1.25), xticks=[], yticks=[])
        ax.spines[["left", "bottom"]].set_visible(False)
        self.boxes = [
            self.moving(ax.add_patch(Rectangle((i + 0.04, 0), 0.92, 1, edgecolor="black", linewidth=1.5)))
            for i in range(MOST_BITS)
        ]
        self.digits = self.moving(numbers(ax, "black"))
        self.words = {name: Words(ax, ax.transData, 12, before=0.5) for name in COLORS}
        self.formula = Words(ax, ax.transAxes, 13, bold=True)
        for words in (*self.words.values(), self.formula):
            self.moving(*words.artists)

    def update(self, fmt: FloatFormat, code: int) -> None:
        """Show a code of a format with at most 8 bits."""
        parts, spare = fmt.fields(code), MOST_BITS - fmt.bits
        fields = ["sign"] + ["exponent"] * fmt.exponent_bits + ["mantissa"] * fmt.mantissa_bits
        bits = [int(bit) for bit in f"{code:0{fmt.bits}b}"]
        for i, box in enumerate(self.boxes):
            box.set_visible(i >= spare)
            if i >= spare:  # a 1 has a strong colour, a 0 a pale one
                box.set_facecolor(COLORS[fields[i - spare]])
                box.set_alpha(0.55 if bits[i - spare] else 0.12)
        set_numbers(self.digits, bits, spare + np.arange(fmt.bits) + 0.5, 0.5)
        told = {
            "sign": "sign",
            "exponent": f"exponent {parts.exponent}",
            "mantissa": f"mantissa {parts.mantissa}" if fmt.mantissa_bits else "",
        }
        ends = np.cumsum([spare + 1, fmt.exponent_bits, fmt.mantissa_bits])
        middles = (np.array([spare, *ends[:2]]) + ends) / 2
        for (name, text), middle in zip(told.items(), middles, strict=True):
            self.words[name].visible = bool(text)
            if text:
                self.words[name].say(text, middle, -0.3)
        self.formula.say(formula(fmt, code), 0.99, 0.08)
        self.description = f"{self.title}: {code:0{fmt.bits}b} in {fmt} is {parts.kind}; {formula(fmt, code)}."


def formula(fmt: FloatFormat, code: int) -> str:
    """Return the formula by which the fields of a code give its value.

    Examples
    --------
    >>> from qviz.numerics.codecs import FP8_E4M3
    >>> formula(FP8_E4M3, 0b1_0010_101)
    '-1 x 2^(2 - 7) x (1 + 5/8) = -0.05078125'
    >>> formula(FP8_E4M3, 0b0_0000_001)
    '+1 x 2^(1 - 7) x (0 + 1/8) = 0.001953125'
    """
    parts = fmt.fields(code)
    if parts.kind in ("NaN", "infinity"):
        return f"{'-' if parts.sign and parts.kind == 'infinity' else ''}{parts.kind}"
    leading, field = (1, parts.exponent) if parts.exponent else (0, 1)
    fraction = f" + {parts.mantissa}/{2**fmt.mantissa_bits}" if fmt.mantissa_bits else ""
    power = f"2^({field} - {fmt.bias})"
    return f"{'-' if parts.sign else '+'}1 x {power} x ({leading}{fraction}) = {parts.value:.10g}"


class FloatLinePanel(Panel):
    """All values of a format on the real line, with a mark at the chosen one.

    The axis is logarithmic away from zero, unless the format has at most two bits of exponent.
    """

    title = "All values of the format"
    _fmt: FloatFormat | None = None

    def build(self, ax: Axes) -> None:
        """Create the ticks and the mark."""
        dress(ax, Labels(self.title, "real value", ""))
        ax.set_ylim(0, 1)
        ax.set_yticks([])
        ax.spines["left"].set_visible(False)
        self.ticks = self.moving(*ax.plot([], [], color=QUIET, linewidth=1))
        self.mark = self.moving(*ax.plot([], [], "v", color=ROUNDED, markersize=12, markeredgecolor="black"))

    def update(self, fmt: FloatFormat, value: float) -> None:
        """Show the values of a format, with a mark at `value`: at the end for infinity, no mark for NaN."""
        levels = np.unique(fmt.values[np.isfinite(fmt.values)]).astype(np.float64)
        if fmt is not self._fmt:
            self._fmt = fmt
            self._set_axis(fmt)
        x = np.column_stack([levels, levels, np.full(levels.size, np.nan)])
        self.ticks.set_data(x.ravel(), np.tile([0.0, 0.55, np.nan], levels.size))
        self.mark.set_data([np.clip(np.nan_to_num(value), *self.ax.get_xlim())], [0.72])
        self.mark.set_visible(not np.isnan(value))
        self.description = (
            f"{self.title}: {levels.size} different ones, up to {fmt.max:g}; normal from {fmt.smallest_normal:g} on. "
            f"The mark is at {value:g}."
        )

    def _set_axis(self, fmt: FloatFormat) -> None:
        most, even = fmt.max, fmt.exponent_bits <= 2
        if even:
            self.ax.set_xscale("linear")
            ticks = np.arange(np.floor(most) + 1)
        else:
            self.ax.set_xscale("symlog", linthresh=fmt.smallest_normal, linscale=0.5)
            decades = 10.0 ** np.arange(-2, 5)
            ticks = np.array([0, *decades[(decades >= fmt.smallest_normal) & (decades <= most)]])
        end = (1.1 if even else 1.6) * most
        self.ax.set_xlim(-end, end)
        self.ax.set_xticks(np.unique([0 - ticks, ticks]))
        self.ax.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}")
        self.ax.minorticks_off()
        self.ax.set_xlabel("real value" if even else "real value (logarithmic axis, except around zero)")

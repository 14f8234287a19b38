"""One output value of the network in integers, from its input codes to its output code."""

from dataclasses import dataclass, field

import ipywidgets as widgets
import numpy as np

from qviz import data
from qviz.experiments.integer_walk import (
    WIDTH,
    Change,
    Walk,
    carried_on,
    changed,
    channels,
    cut_out,
    real_output,
)
from qviz.networks.topology import LAYERS
from qviz.numerics.integer_layer import ROUNDINGS
from qviz.plots import Canvas, RequantizePanel, TermsPanel, WalkPanel

from ._readout import Readout, Table, signed
from .controls import Slider, choice, more, slider
from .explorer import Explorer


@dataclass(frozen=True)
class WideSlider(Slider):
    """A slider whose number box has space for eleven characters."""

    def build(self) -> tuple[widgets.Widget, list[widgets.Widget]]:
        """Return the row, and the widgets to link."""
        row, (handle, box) = super().build()
        box.layout.width = "110px"
        return row, [handle, box]


@dataclass(frozen=True)
class State:
    """Which output value, and how the integers that it is computed from are changed."""

    layer: str = choice("Layer", LAYERS)
    arithmetic: str = more(choice("Arithmetic", ROUNDINGS))
    image: int = more(slider("Test image", 0, 0, 358))
    channel: int = more(slider("Output channel", 4, 0, 63))
    place: int = more(slider("Place (8 x 8)", 27, 0, 63))
    pick: int = slider("Pick product", 3, 1, 512)
    activation: int = slider("Activation +/-", 0, -255, 255)
    weight: int = slider("Weight +/-", 0, -255, 255)
    x_zero: int = more(slider("Zero point z_x", 0, 0, 255))
    w_zero: int = more(slider("Zero point z_w", 0, -128, 127))
    bias: int = more(slider("Bias +/-", 0, -150_000, 150_000, 500))
    mantissa: int = more(field(default=0, metadata={"control": WideSlider("Mantissa +/-", -(2**30), 2**30, 2**25, 0)}))
    shift: int = more(slider("Shift +/-", 0, -8, 8))
    y_zero: int = more(slider("z_y +/-", 0, -255, 255))


@dataclass(frozen=True)
class Result:
    """The output value in the original and in the changed network, and the codes of the logits in both.

    `picked` is the index of a product; `channel` is the one shown, which is the last one if the layer has fewer.
    """

    before: Walk
    now: Walk
    channel: int
    picked: int
    code_before: int
    code: int
    logits_before: np.ndarray
    logits: np.ndarray


def compute(state: State) -> Result:
    """Extract one output of the network, change its integers, and compute the logits from its code."""
    place = state.place if state.layer.startswith("conv") else 0
    at = state.layer, state.image, min(state.channel, channels(state.layer) - 1), place
    before = cut_out(*at, state.arithmetic)
    picked = min(state.pick, before.q_x.size) - 1
    parts = ("activation", "weight", "x_zero", "w_zero", "bias", "mantissa", "shift", "y_zero")
    now = changed(before, Change(picked, **{part: getattr(state, part) for part in parts}))
    codes = before.code(state.arithmetic), now.code(state.arithmetic)
    return Result(before, now, at[2], picked, *codes, *(carried_on(*at, code, state.arithmetic) for code in codes))


class IntegerWalkExplorer(Explorer):
    """One output value in integers: its running sum, its four terms, its code, and the logits.

    Every integer can be changed; the original network is drawn dashed and hollow. The rest of the network runs with
    the changed code instead of the original one.

    Examples
    --------
    >>> explorer = IntegerWalkExplorer(layer="fc2", channel=5)
    >>> explorer.result.code == explorer.result.code_before
    True
    >>> explorer.x_zero = 1  # as if each input code represented a number one step lower
    >>> explorer.result.now.total - explorer.result.before.total == explorer.result.now.terms.weight_sums.item()
    True
    >>> explorer.set(layer="fc2", channel=3, x_zero=0, bias=40_000)  # a bias that turns every image into a 3
    >>> explorer.result.logits_before.argmax(), explorer.result.logits.argmax()
    (np.int64(5), np.int64(3))
    >>> explorer.close()
    """

    State = State
    readout_lines = 6
    compute = staticmethod(compute)

    def canvas(self) -> Canvas:
        """Put the running sum above, its terms and the code below."""
        panels = {"walk": WalkPanel(), "terms": TermsPanel(), "code": RequantizePanel()}
        return Canvas(
            panels, [["walk", "walk"], ["terms", "code"]], (940, 450), height_ratios=[6, 5], width_ratios=[6, 7]
        )

    def views(self, state: State, result: Result) -> dict[str, tuple]:
        """Show the changed value, and the original one for comparison."""
        now, before, layer = result.now, result.before, result.now.layer
        terms = now.terms
        parts = (terms.products, terms.weight_sums, terms.input_sums, terms.zero_points)
        marks = (now.steps(state.arithmetic), result.code), (before.steps(state.arithmetic), result.code_before)
        return {
            "walk": (now.products, before.products, result.picked),
            "terms": ([*(np.asarray(part).item() for part in parts), now.bias],),
            "code": (*marks, _z_y(now), layer.relu, layer.y.fmt, state.arithmetic, _z_y(before)),
        }

    def figures(self, state: State, result: Result) -> dict[str, str]:
        """Return the code, and the answer of the network."""
        return {"code": f"{result.code}", "answer": f"{result.logits.argmax()}"}

    def idle(self, state: State) -> dict[str, str]:
        """Disable the place unless the layer is a convolution."""
        if state.layer.startswith("conv"):
            return {}
        return {"place": f"{state.layer} has one place; only a convolution has more"}

    def offers(self, state: State) -> dict[str, tuple]:
        """Limit channels and products to those of the layer."""
        products = cut_out(state.layer, state.image, 0, 0, state.arithmetic).q_x.size
        return {"channel": (0, channels(state.layer) - 1), "pick": (1, products)}

    def describe(self, state: State, result: Result) -> str:
        """Return the arithmetic, line by line."""
        lines = (_place(state, result), _product(state, result), *_sum(result), *_requantized(state, result))
        effect, table = _logits(state, result)
        return Readout.of("\n".join((*lines, _meaning(state, result), effect)), table)


def _place(state: State, result: Result) -> str:
    at = f", row {state.place // WIDTH}, column {state.place % WIDTH}" if state.layer.startswith("conv") else ""
    d = data.digits()
    n, beyond = result.now.q_x.size, int(result.now.padding.sum())
    padding = f", {beyond} of them with padding, whose code is z_x" if beyond else ""
    last = "" if state.channel == result.channel else f" (the last: there is no {state.channel})"
    return (
        f"{state.layer}, output channel {result.channel}{last}{at}; test image {state.image}, "
        f"a {d.labels[d.test][state.image]}: {n} products{padding}"
    )


def _product(state: State, result: Result) -> str:
    walk, at = result.now, result.picked
    q_x, q_w, z_x, z_w = int(walk.q_x[at]), int(walk.layer.q_w[0, at]), *_zeros(walk)
    before = int(result.before.q_x[at]), int(result.before.layer.q_w[0, at])
    notes = f"; product {state.pick} is beyond the last" if state.pick > walk.q_x.size else ""
    notes += "; q_x is padding" if walk.padding[at] else _held("q_x", q_x, before[0] + state.activation)
    notes += _held("q_w", q_w, before[1] + state.weight)
    return (
        f"product {at + 1}: (q_x - z_x) * (q_w - z_w) = ({q_x} - {z_x}) * ({q_w} - {signed(z_w)}) = "
        f"{walk.products[at]}{notes}"
    )


def _held(name: str, value: int, wanted: int) -> str:
    """Return a note if a change would take a number beyond its limit, where it was held."""
    if value == wanted:
        return ""
    return f"; {name} cannot go {'above' if wanted > value else 'below'} {value}"


def _sum(result: Result) -> tuple[str, str]:
    walk, (z_x, z_w) = result.now, _zeros(result.now)
    sums = int(walk.terms.products.item()), int(walk.layer.q_w.sum()), int(walk.q_x.sum()), walk.q_x.size
    return (
        "sum = sum of q_x q_w - z_x * sum of q_w - z_w * sum of q_x + n * z_x * z_w",
        f"    = {sums[0]} - {z_x} * {signed(sums[1])} - {signed(z_w)} * {sums[2]} + {sums[3]} * {z_x} * "
        f"{signed(z_w)} = {walk.total}",
    )


def _requantized(state: State, result: Result) -> tuple[str, str, str, str]:
    walk, layer, arithmetic = result.now, result.now.layer, state.arithmetic
    exact = f"bias / (scale_x * scale_w) = {layer.bias[0]:.6f} / {layer.scale[0]:.6e} = {walk.bias_for('fbgemm'):.2f}"
    return (
        exact + (", added without rounding" if arithmetic == "fbgemm" else f", rounded to an int32: {walk.bias}"),
        _multiplier(state, result),
        _rounding(walk, arithmetic),
        _clipped(walk.rounded(arithmetic), state, result),
    )


def _multiplier(state: State, result: Result) -> str:
    now, before = result.now, result.before
    whole = f"{now.mantissa} / 2**31 / 2**{now.shift}"
    same = (now.mantissa, now.shift) == (before.mantissa, before.shift)
    return (
        f"multiplier = {'scale_x * scale_w / scale_y = ' if same else ''}{now.layer.multiplier[0]:.8f}"
        f"{' = ' if state.arithmetic == 'gemmlowp' else ', in integers '}{whole}"
        f"{'' if same else f' (before: {before.mantissa} / 2**31 / 2**{before.shift})'}"
        f"{_held('the mantissa', now.mantissa, before.mantissa + state.mantissa)}"
    )


def _rounding(walk: Walk, arithmetic: str) -> str:
    layer, steps, rounded = walk.layer, walk.steps(arithmetic), walk.rounded(arithmetic)
    if arithmetic == "gemmlowp":
        high = walk.high()
        product = f"high_mul({walk.total} + {signed(walk.bias)}, {walk.mantissa}) = {high}"
        return f"{product}; {high} / 2**{walk.shift} = {steps:.4f}, rounded: {rounded}"
    bias = f"{walk.bias_for(arithmetic):.2f}" if arithmetic == "fbgemm" else walk.bias
    return f"round(({walk.total} + {signed(bias)}) * {layer.multiplier[0]:.8f}) = round({steps:.4f}) = {rounded}"


def _clipped(rounded: int, state: State, result: Result) -> str:
    y, relu = result.now.layer.y, result.now.layer.relu
    zero_point, code = _z_y(result.now), result.code
    held = _held("z_y", zero_point, _z_y(result.before) + state.y_zero)
    lowest = zero_point if relu else y.fmt.qmin
    free = (
        ": this clip acts as the ReLU" if relu and rounded < 0 else ": clipped" if code != rounded + zero_point else ""
    )
    clip = f"clip({rounded} + {zero_point}, {lowest}, {y.fmt.qmax})"
    return f"q_y = {clip} = {code}{free} (before: {result.code_before}){held}"


def _meaning(state: State, result: Result) -> str:
    y = result.before.layer.y  # the next layer uses the original scale and zero point
    value = float(y.scale) * (result.code - int(y.zero_point))
    real = real_output(state.layer, state.image, result.channel, state.place)
    product = f"{y.scale:.6f} * ({result.code} - {y.zero_point})"
    reads = "it represents" if state.layer == "fc2" else "the next layer reads it as"
    return f"{reads} {product} = {value:.4f} (float network: {real:.4f})"


def _logits(state: State, result: Result) -> tuple[str, Table]:
    others = f"if only this code of {state.layer} changes, the codes of the logits are:"
    effect = "it is one of the logits, whose codes are:" if state.layer == LAYERS[-1] else others
    logits = {"before": result.logits_before, "now": result.logits}
    rows = [(name, *map(str, codes), str(codes.argmax())) for name, codes in logits.items()]
    head = ("logit", *map(str, range(10)), "answer")
    return effect, Table(head, rows, (-10, *[5] * 10, 8))


def _z_y(walk: Walk) -> int:
    return int(walk.layer.y.zero_point)


def _zeros(walk: Walk) -> tuple[int, int]:
    return int(walk.layer.x.zero_point), walk.layer.w.zero_point.item()

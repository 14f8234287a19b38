"""What holds for every panel: painting only what moves gives the picture that painting all would give."""

import inspect
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pytest

from qviz import PerChannel, QParams, plots
from qviz.numerics import IntFormat, calibrate, error_of_ranges, fake_quantize, observe
from qviz.numerics.calibration_results import calibration_results
from qviz.numerics.codecs import FP8_E4M3, as_codec, compare_formats
from qviz.numerics.roofline import Roof, Work
from qviz.numerics.saturation import layer_errors
from qviz.numerics.straight_through import descend
from qviz.plots.roofline import Ratio, RooflinePoint

RNG = np.random.default_rng(0)
X = RNG.standard_normal(5000).astype(np.float32)
WEIGHTS = RNG.standard_normal((16, 8, 3, 3)).astype(np.float32) * np.geomspace(0.1, 1, 16).reshape(-1, 1, 1, 1)
ALIKE = [[0.98, 0.99], [0.96, 0.97]]
PICTURE = np.linspace(0, 1, 40 * 60).reshape(40, 60)


def per_tensor(bits, signed=False, method="mse"):
    return calibrate(X, method, IntFormat(bits, signed=signed))


def weights_at(bits):
    return calibrate(WEIGHTS, "min-max", IntFormat(bits), "symmetric", PerChannel(0))


def curve(bits):
    thresholds = np.geomspace(0.1, 4, 50)
    rounding, clipping = error_of_ranges(observe(X)[0], -thresholds, thresholds, IntFormat(bits))
    return thresholds, rounding, clipping, (1.5, 0.01), (1e-8, 1.0)


SIZES, SHARES = np.arange(10, 90, 5), np.append(RNG.random(15), 1.0)
CLOUD = plots.Cloud(SIZES, SHARES, uniform={"2 bits": 0, "8 bits": 15}, chosen={"mixed": 7})


def found(bits):
    return calibration_results(X, observe(X)[0], IntFormat(bits, signed=False), "affine")


def shares(bits):
    return ("conv1", "all"), np.array([[3.0 * bits, 2.0], [3.1 * bits, 0.5]]), (f"{bits} bytes", "9 bytes")


def ratios(bits):
    found = [Ratio(0.9 * r, r, 1.1 * r) for r in (0.3, bits / 2)]
    return ("16 wide", "1024 wide"), None if bits == 2 else found, bits % 2


def points(bits):
    roof = None if bits == 2 else Roof(100.0, 10.0, 0.01)
    return [RooflinePoint(Work(1e6 * k, 8e6 / bits), roof, 5.0) for k in (1, 4)], "3 layers"


VALUES = np.float32([-2.7, -1.1, -0.4, 0.3, 0.9, 1.6, 3.2])


@cache
def all_formats():
    return compare_formats(VALUES)


def as_ints(bits):
    return as_codec(f"int{bits}").fake_quantize(VALUES)


# panel -> the arguments of its update, at some bits
DATA = {
    "BarsPanel": lambda bits: ({"float32": 0.99, "quantized": bits / 8},),
    "AccuracyByBitsPanel": lambda bits: (["W8A8", "W2A4"], {"PTQ": [0.98, bits / 10], "QAT": ALIKE}, 0.985),
    "AccuracyPanel": lambda bits: (
        [bits / 10, 0.9, 0.97],
        0.985,
        0.96 if bits > 3 else np.nan,
        8,
        9,
        ["a", f"W{bits}A4"],
    ),
    "CalibratorPanel": lambda bits: (found(bits),),
    "ChannelPanel": lambda bits: (WEIGHTS, weights_at(bits)),
    "CrossingsPanel": lambda bits: ([300, 10, 0][: bits - 2], 10_000, 8),
    "DigitsReadPanel": lambda bits: (PICTURE[:8, :8][None].repeat(12, 0), np.arange(12) % bits, np.zeros(12, int)),
    "DescentPanel": lambda bits: (descend(-1, 1.3, per_tensor(bits), 0.1, 20), per_tensor(bits), (-5.0, 5.0), 30),
    "CombinationsPanel": lambda bits: ([355, *range(340 + bits, 347 + bits)], 359, [bits * 4786] * 8, bits % 8),
    "ErrorCurvePanel": curve,
    "ErrorHistogramPanel": lambda bits: (X, fake_quantize(X, per_tensor(bits)), float(per_tensor(bits).scale)),
    "HistogramPanel": lambda bits: (X, float(per_tensor(bits).lo), float(per_tensor(bits).hi)),
    "ImagePanel": lambda bits: (np.rint(PICTURE * (2**bits - 1)) / (2**bits - 1),),
    "LayersPanel": lambda bits: (6.0 * bits * np.array([np.nan, 1, -1, np.inf, 0.5]), np.linspace(0, 6.0 * bits, 5)),
    "LayerErrorsPanel": lambda bits: (layer_errors(), {2: 6, 3: 7, 4: 7, 8: 8}[bits], bits != 4),
    "LayerSqnrPanel": lambda bits: ([np.inf, *6.0 * bits - np.arange(4)], 6.0 * bits + np.arange(15).reshape(3, 5)),
    "LevelsPanel": lambda bits: (X, per_tensor(bits)),
    "LossPanel": lambda bits: ([30.0, 0.3, 0.0][: bits - 2], 8),
    "MarginsPanel": lambda bits: (np.linspace(0, 20, 50), {"few": 12.0 / bits, "many": 1.0 / bits}),
    "NumberLinePanel": lambda bits: ([-3.1, 0.4, 9.0], per_tensor(bits), (-5.0, 10.0)),
    "RatioPanel": ratios,
    "RooflinePanel": points,
    "SharesPanel": shares,
    "AnswersLostPanel": lambda bits: ({"one": 10.0 / bits, "two": np.nan, "three": 90 / bits}, 0.5 * bits, "one"),
    "ParetoPanel": lambda bits: (CLOUD, bits),
    "LatencyPanel": lambda bits: (CLOUD, bits, ((1.0, 0.2), (0.8, 0.1)), 0.9),
    "RangesPanel": lambda bits: (X, found(bits)),
    "SlopePanel": lambda bits: (per_tensor(bits), bits - 3.0, "straight-through", (-5.0, 5.0)),
    "SaturationPanel": lambda bits: ((211 * 9 * bits, 171 * 13 * bits), min(4122 * bits, 32767)),
    "ShiftPanel": lambda bits: (dict.fromkeys(("weights", "activations", "biases"), WEIGHTS[..., 0, 0] * bits), 9.0),
    "RemediesPanel": lambda bits: (
        [0.1 * bits, np.nan, 0.98],
        [(0.1 * bits, 0.11 * bits), (np.nan, np.nan), (0.97, 0.99)],
        [6.0 * bits, np.nan, 40.0],
        0.99,
    ),
    "ErrorSizePanel": lambda bits: (VALUES, as_ints(bits)),
    "FloatBitsPanel": lambda bits: (FP8_E4M3, 8 * bits),
    "FloatLinePanel": lambda bits: (FP8_E4M3, 0.5 * bits),
    "FormatLinePanel": lambda bits: (VALUES, as_ints(bits), np.unique(as_ints(bits)), (-3.0, 3.5)),
    "FormatsPanel": lambda bits: (all_formats(), f"int{bits}"),
    "RightMarginPanel": lambda bits: (np.linspace(-12 / bits, 3 * bits, 50),),
    "RequantizePanel": lambda bits: ((18.2 * bits, 18 * bits), (-90.0, 0), 0, True),
    "SqnrPanel": lambda bits: (np.arange(16) + 6.0 * bits - 12, 6.0 * bits),
    "StaircasePanel": lambda bits: (per_tensor(bits), 1.3, (-5.0, 5.0)),
    "TermsPanel": lambda bits: ((12000, -300 * bits, 40 * bits, -7, 1500),),
    "WalkPanel": lambda bits: (np.arange(-20, 20) * 5 * bits, np.arange(-20, 20) * 40, bits),
    "LatencyBubblesPanel": lambda bits: (
        {"a": (1, 0.1, 0.9, 9000), "b": (2, 0.3, 0.7, 1000 * bits), "c": (4, 0, 0.5, 9999)},
    ),
    "VerdictPanel": lambda bits: (
        {(way, "bits"): ("out", "costs", "")[(bits + i) % 3] for i, way in enumerate(("one", "two", "three"))},
        "two" if bits > 3 else "one",
    ),
}
BITS = (2, 3, 4, 8)
every_panel = pytest.mark.parametrize("name", sorted(DATA))


LAYERS = ("input", "conv1", "conv2", "fc1", "fc2")
PARTS = ("weights", "activations", "biases")
COMBINATIONS = [parts for n in range(4) for parts in combinations(PARTS, n)]
MADE_OF = {  # panel -> the arguments of its own, where it has some
    "AnswersLostPanel": (("one", "two", "three"), {"two": "not here"}),
    "CombinationsPanel": (COMBINATIONS,),
    "LayerSqnrPanel": (LAYERS,),
    "RemediesPanel": (("none", "one", "two"),),
    "LayersPanel": (LAYERS,),
    "MarginsPanel": (("few", "many"),),
    "SharesPanel": ("Bytes", "% of float32", ("codes", "scales")),
    "VerdictPanel": (("one", "two", "three"), ("bits",)),
}


def canvas_of(name):
    return plots.Canvas({"panel": getattr(plots, name)(*MADE_OF.get(name, ()))}, size=(600, 300))


def painted(canvas, data):
    canvas.update({"panel": data})
    return canvas.png()


def test_every_panel_is_here():
    panels = {name for name in plots.__all__ if inspect.isclass(getattr(plots, name))}
    assert {name for name in panels if issubclass(getattr(plots, name), plots.Panel)} - {"Panel"} == set(DATA)


@every_panel
def test_blitting_equals_a_full_redraw(name, decode):
    canvas = canvas_of(name)
    for bits in BITS:
        png = painted(canvas, DATA[name](bits))
    panel = canvas.panels["panel"]
    for order, artist in enumerate(panel.artists):  # the oracle: matplotlib draws the whole figure
        artist.set_animated(False)
        artist.set_zorder(100 + order)
    canvas.figure.canvas.draw()
    np.testing.assert_array_equal(decode(png), np.asarray(canvas.figure.canvas.buffer_rgba())[:, :, :3])


@every_panel
def test_the_picture_does_not_depend_on_what_was_shown_before(name):
    canvas = canvas_of(name)
    first = {bits: painted(canvas, DATA[name](bits)) for bits in BITS}
    again = {bits: painted(canvas, DATA[name](bits)) for bits in reversed(BITS)}
    assert first == again
    assert len(set(first.values())) > 1


@every_panel
def test_the_same_data_gives_the_same_bytes(name):
    canvas = canvas_of(name)
    assert painted(canvas, DATA[name](3)) == painted(canvas, DATA[name](3)) == painted(canvas_of(name), DATA[name](3))


# Where one pair of limits for all bits would leave half of the axes empty, there are two, and one change between them.
TWO_LIMITS = {"ChannelPanel", "SqnrPanel"}


@every_panel
def test_axes_stay_while_bits_move(name):
    canvas = canvas_of(name)
    views = []
    for bits in BITS:
        canvas.update({"panel": DATA[name](bits)})
        views.append(canvas.panels["panel"].view())
    assert sum(one != two for one, two in pairwise(views)) <= (name in TWO_LIMITS)


@every_panel
def test_every_picture_is_told_in_words(name):
    canvas = canvas_of(name)
    told = []
    for bits in (2, 8):
        canvas.update({"panel": DATA[name](bits)})
        told.append(canvas.description)
    assert all(len(words) > 20 for words in told)
    assert told[0] != told[1]


@every_panel
def test_a_panel_keeps_its_artists(name):
    canvas = canvas_of(name)
    painted(canvas, DATA[name](2))
    ax = canvas.panels["panel"].ax
    count = len(ax.get_children())
    for bits in BITS:
        painted(canvas, DATA[name](bits))
    assert len(ax.get_children()) == count


@every_panel
def test_nothing_is_cut_at_the_edge(name, decode):
    pixels = decode(painted(canvas_of(name), DATA[name](4)))
    for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert (edge == 255).all()


def test_a_qparams_of_one_value_is_shown_too():
    data = ([0.0], QParams(1.0, 0, IntFormat(2)))
    assert painted(canvas_of("NumberLinePanel"), data)

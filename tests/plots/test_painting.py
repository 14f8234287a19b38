"""What holds for every panel: painting only what moves gives the picture that painting all would give."""

import inspect

import numpy as np
import pytest

from qviz import PerChannel, QParams, plots
from qviz.numerics import IntFormat, calibrate, error_of_ranges, error_parts, fake_quantize, observe
from qviz.numerics.outcomes import outcomes

RNG = np.random.default_rng(0)
X = RNG.standard_normal(5000).astype(np.float32)
WEIGHTS = RNG.standard_normal((16, 8, 3, 3)).astype(np.float32) * np.geomspace(0.1, 1, 16).reshape(-1, 1, 1, 1)
PICTURE = np.linspace(0, 1, 40 * 60).reshape(40, 60)


def per_tensor(bits, signed=False, method="mse"):
    return calibrate(X, method, IntFormat(bits, signed=signed))


def weights_at(bits):
    return calibrate(WEIGHTS, "min-max", IntFormat(bits), "symmetric", PerChannel(0))


def curve(bits):
    thresholds = np.geomspace(0.1, 4, 50)
    rounding, clipping = error_of_ranges(observe(X)[0], -thresholds, thresholds, IntFormat(bits))
    return thresholds, rounding, clipping, (1.5, 0.01), (1e-8, 1.0)


def found(bits):
    return outcomes(X, observe(X)[0], IntFormat(bits, signed=False), "affine")


# panel -> the arguments of its update, at some bits
DATA = {
    "CalibratorPanel": lambda bits: (found(bits),),
    "ChannelPanel": lambda bits: (WEIGHTS, weights_at(bits)),
    "ErrorBarPanel": lambda bits: (error_parts(X, per_tensor(bits)),),
    "ErrorCurvePanel": curve,
    "ErrorHistogramPanel": lambda bits: (X, fake_quantize(X, per_tensor(bits)), float(per_tensor(bits).scale)),
    "HistogramPanel": lambda bits: (X, float(per_tensor(bits).lo), float(per_tensor(bits).hi)),
    "ImagePanel": lambda bits: (np.rint(PICTURE * (2**bits - 1)) / (2**bits - 1),),
    "LevelsPanel": lambda bits: (X, per_tensor(bits)),
    "NumberLinePanel": lambda bits: ([-3.1, 0.4, 9.0], per_tensor(bits), (-5.0, 10.0)),
    "RangesPanel": lambda bits: (X, found(bits)),
    "SqnrPanel": lambda bits: (np.arange(16) + 6.0 * bits - 12, 6.0 * bits),
    "StaircasePanel": lambda bits: (per_tensor(bits), 1.3, (-5.0, 5.0)),
}
BITS = (2, 3, 4, 8)
every_panel = pytest.mark.parametrize("name", sorted(DATA))


def canvas_of(name):
    return plots.Canvas({"panel": getattr(plots, name)()}, size=(600, 300))


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


@every_panel
def test_axes_stay_while_bits_move(name):
    canvas = canvas_of(name)
    views = []
    for bits in BITS:
        canvas.update({"panel": DATA[name](bits)})
        views.append(canvas.panels["panel"].view())
    assert all(view == views[0] for view in views)


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

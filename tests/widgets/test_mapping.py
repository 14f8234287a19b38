from fractions import Fraction

import numpy as np
import pytest

from qviz.numerics import choose_qparams, fake_quantize, quantize
from qviz.widgets import MappingExplorer
from qviz.widgets.mapping import LIMITS, State, compute, fitting


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = MappingExplorer()
    yield explorer
    explorer.close()


@pytest.mark.parametrize(
    ("state", "scale", "zero_point", "unclipped", "q", "x_hat"),
    [
        (State(lo=-1.0, hi=2.5, bits=3, x=0.8), 0.5, 2, 4, 4, 1.0),
        (State(lo=-1.0, hi=2.5, bits=3, x=9.0), 0.5, 2, 20, 7, 2.5),
        (State(lo=-1.0, hi=2.5, bits=3, x=-2.0), 0.5, 2, -2, 0, -1.0),
        (State(lo=2.0, hi=7.5, bits=4, x=0.25), 0.5, 0, 0, 0, 0.0),  # widened to 0; half a step, to even
        (State(lo=-3.0, hi=-1.5, bits=2, x=-1.5), 1.0, 3, 1, 1, -2.0),  # widened to 0; half a step, to even
        (State(lo=-1.0, hi=3.5, bits=4, scheme="symmetric", x=1.3), 0.5, 0, 3, 3, 1.5),
        (State(lo=-4.0, hi=1.0, bits=2, scheme="symmetric", x=-12.0), 4.0, 0, -3, -2, -8.0),
        (State(lo=0.0, hi=0.0, bits=8, x=3.0), 1.0, 0, 3, 3, 3.0),
    ],
)
def test_hand_worked_steps(state, scale, zero_point, unclipped, q, x_hat):
    result = compute(state)
    assert float(result.qparams.scale) == scale
    assert int(result.qparams.zero_point) == zero_point
    assert (result.unclipped, result.q, result.x_hat) == (unclipped, q, x_hat)
    assert result.clipped == (unclipped != q)
    assert result.steps == state.x / scale


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_the_steps_lead_to_what_numerics_says(scheme, bits):
    for lo, hi, x in np.random.default_rng(0).uniform([-10, 0, -12], [0, 10, 12], (200, 3)).round(2):
        result = compute(State(lo=lo, hi=hi, bits=bits, scheme=scheme, x=x))
        fmt = result.qparams.fmt
        assert result.qparams == choose_qparams(lo, hi, fmt, scheme)
        assert result.q == int(np.clip(result.unclipped, fmt.qmin, fmt.qmax)) == int(quantize(x, result.qparams))
        assert result.x_hat == float(fake_quantize(x, result.qparams))


def test_scale_in_exact_fractions():
    result = compute(State(lo=-4.0, hi=8.0, bits=3))
    assert float(result.qparams.scale) == float(Fraction(12, 7))


def test_every_setting_stays_on_the_axes():
    ends = {"affine": [], "symmetric": []}
    for lo in np.arange(-10, 5.01, 0.5):
        for hi in np.arange(max(lo, -5), 10.01, 0.1):
            for scheme, found in ends.items():
                found += [compute(State(lo=lo, hi=hi, bits=2, scheme=scheme, x=x)).x_hat for x in (-12.0, 12.0)]
    for scheme, found in ends.items():
        assert LIMITS[scheme][0] < min(found) and max(found) < LIMITS[scheme][1]


def test_readout_of_a_symmetric_scheme(explorer):
    explorer.set(lo=-1.0, hi=3.5, bits=4, scheme="symmetric", x=1.3)
    assert explorer.readout == (
        "int4: codes -8 to 7; range -1.00 to 3.50 contains zero\n"
        "scale = max(|lo|, |hi|) / qmax = 3.50 / 7 = 0.500000\n"
        "zero_point = 0, because the scheme is symmetric\n"
        "q = clip(round(x / scale) + zero_point, qmin, qmax) = clip(round(2.6000) + 0, -8, 7) = clip(3, -8, 7) = 3\n"
        "x' = scale * (q - zero_point) = 0.500000 * (3 - 0) = 1.500000\n"
        "error = x' - x = 1.500000 - 1.30 = 0.200000: rounding, at most half a step (0.250000)"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"x": 11.0}, "x is clipped, because it lies at least half a step above the end of the range, 8.571429"),
        ({"x": -9.5}, "- (-9.50) = 6.071429: x is clipped, because it lies at least half a step below the end"),
        ({"x": -9.5}, "below the end of the range, -3.428571"),
        ({"lo": 3.0}, "range 3.00 to 8.00 is extended to include zero: 0.00 to 8.00"),
        ({"lo": -5.0, "hi": -2.0}, "range -5.00 to -2.00 is extended to include zero: -5.00 to 0.00"),
        ({"lo": 0.0, "hi": 0.0}, "scale = 1.000000, by convention, because the range contains only zero"),
    ],
)
def test_what_the_readout_says(explorer, settings, words):
    explorer.set(**settings)
    assert words in explorer.readout


def test_a_range_upside_down_is_refused_in_words(explorer):
    png = explorer.png
    explorer.set(lo=4.0, hi=-2.0)
    assert explorer.readout == (
        "Not shown: lo must not be above hi: got lo=4.0 and hi=-2.0\nThe picture still shows the last valid setting."
    )
    assert explorer.png == png
    explorer.hi = 8.0
    assert explorer.last_error is None


def test_fitted_axes_hold_everything_and_stay_for_a_while():
    limits = []
    for x in np.arange(-12, 12.01, 0.1):
        state = State(lo=-1.0, hi=2.5, bits=4, x=float(x), fit=True)
        result = compute(state)
        left, right = fitting(state, result)
        assert left < min(x, result.x_hat, result.qparams.lo) and max(x, result.x_hat, result.qparams.hi) < right
        limits.append((left, right))
    assert len(set(limits)) <= 24
    assert limits.count((-3.0, 5.0)) >= 30  # x within the range moves no axis


def test_fitting_changes_the_picture_and_not_the_numbers(explorer):
    png, readout = explorer.png, explorer.readout
    explorer.fit = True
    assert (explorer.png != png, explorer.readout == readout) == (True, True)
    explorer.fit = False
    assert explorer.png == png


def test_no_label_of_an_axis_is_cut():
    """Numbers beside an axis get wider when it gets longer; its label then moves, and must stay in the picture."""
    explorer = MappingExplorer(fit=True, lo=-1.0, hi=2.5, x=0.8)
    figure = explorer._canvas.figure
    for settings in ({}, {"fit": False}, {"fit": True, "lo": -9.8, "x": -12.0}):
        explorer.set(**settings)
        for ax in figure.axes:
            for words in (ax.xaxis.label, ax.yaxis.label):
                box = words.get_window_extent(figure.canvas.get_renderer())
                assert min(box.x0, box.y0) >= 0 and box.x1 <= figure.bbox.width and box.y1 <= figure.bbox.height
    explorer.close()

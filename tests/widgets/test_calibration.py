"""The calibration explorer's compute, against numbers worked by hand, torch, and what must hold by construction."""

import math

import numpy as np
import pytest

from qviz.numerics import CALIBRATORS, IntFormat, calibrate, error_parts
from qviz.tensors import TENSORS, tensor
from qviz.widgets import CalibrationExplorer
from qviz.widgets._sample import BATCH, Sample
from qviz.widgets.calibration import State, compute


def test_all_seen_by_hand():
    # [0, 10] in 2 bits: levels 0, 3.33, 6.67, 10. Errors: 0, 1, 1.33, 0.33, 0.
    result = compute(State(bits=2, method="min-max"), Sample(np.array([0.0, 1.0, 2.0, 3.0, 10.0])))
    outcome = result.outcome
    assert float(outcome.qparams.scale) == pytest.approx(10 / 3)
    assert (outcome.parts.rounding, outcome.parts.clipping) == (pytest.approx((1 + 16 / 9 + 1 / 9) / 5), 0)
    assert outcome.sqnr_db == pytest.approx(10 * math.log10(22.8 / ((1 + 16 / 9 + 1 / 9) / 5)))
    assert outcome.threshold == 10


def test_only_the_first_batch_is_seen_and_everything_is_measured():
    x = np.append(np.tile([0.0, 1.0, 2.0, 3.0], BATCH // 4), 9.0)  # the 9 comes too late: it is clipped to 3
    result = compute(State(bits=2, method="min-max", batches=1), Sample(x))
    assert float(result.outcome.qparams.scale) == 1
    assert result.outcome.parts.rounding == 0
    assert result.outcome.parts.clipping == pytest.approx(36 / (BATCH + 1))
    assert result.outcome.parts.clipped_fraction == pytest.approx(1 / (BATCH + 1))
    assert result.sample.summary(1) == "2,000 of 2,001 values seen, batches of 2,000; 0 outliers added"
    assert compute(State(bits=2, method="min-max", batches=2), Sample(x)).outcome.parts.clipping == 0


def test_symmetric_by_hand():
    # 3 bits, symmetric: scale = 3 / 3. Codes -4 to 3; -0.5 and 1.5 lie halfway and go to the even ones.
    result = compute(State(bits=3, scheme="symmetric", method="min-max"), Sample(np.array([-3.0, -0.5, 1.5, 3.0])))
    assert (float(result.outcome.qparams.scale), int(result.outcome.qparams.zero_point)) == (1, 0)
    assert result.outcome.parts.total == pytest.approx(0.5 / 4)


def test_percentile_follows_its_slider_and_only_its_own_method():
    sample = Sample(np.arange(1, 1001) / 1000)
    narrow, wide = (compute(State(method="percentile", percentile=p), sample) for p in (90.0, 100.0))
    assert narrow.outcome.threshold == pytest.approx(0.95, abs=0.002)
    assert wide.outcome.threshold == 1.0
    for method in set(CALIBRATORS) - {"percentile"}:
        one, other = (compute(State(method=method, percentile=p), sample) for p in (90.0, 100.0))
        assert one.outcome.lo == other.outcome.lo
        assert one.outcome.hi == other.outcome.hi


@pytest.mark.parametrize("batches", [1, 2, 7, 50])
@pytest.mark.parametrize("name", ["conv2 activations", "Gaussian", "conv2 weights"])
def test_moving_average_is_that_of_torch(name, batches):
    observers = pytest.importorskip("torch.ao.quantization.observer")
    torch = pytest.importorskip("torch")
    x = np.array(tensor(name))
    theirs = observers.MovingAverageMinMaxObserver(averaging_constant=0.01)
    for start in range(0, min(batches * BATCH, x.size), BATCH):
        theirs(torch.from_numpy(x[start : start + BATCH]))
    outcome = compute(State(method="moving average", batches=batches), Sample(x)).outcome
    assert outcome.lo == pytest.approx(theirs.min_val.item(), rel=1e-5, abs=1e-6)
    assert outcome.hi == pytest.approx(theirs.max_val.item(), rel=1e-5)


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("method", CALIBRATORS)
def test_with_one_batch_it_is_calibrate(method, scheme):
    x = tensor("conv2 activations", n=BATCH)
    outcome = compute(State(scheme=scheme, method=method, batches=1), Sample(x)).outcome
    qparams = calibrate(x, method, IntFormat(4, signed=scheme == "symmetric"), scheme)
    assert outcome.qparams == qparams
    assert outcome.parts == error_parts(x, qparams)


@pytest.mark.parametrize("outliers", [0.0, 0.05, 1.0])
@pytest.mark.parametrize("name", ["conv2 activations", "heavy-tailed", "fc1 weights"])
def test_outliers_are_those_of_the_data(name, outliers):
    sample = Sample(tensor(name), outliers)
    assert (sample.x == tensor(name, outliers=outliers / 100)).all()
    assert sample.outliers == round(tensor(name).size * outliers / 100)


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("name", ["Gaussian", "heavy-tailed", "conv2 activations", "fc1 weights"])
def test_the_curve_says_what_is_measured(name, bits, scheme):
    """The curve knows the histogram alone, the measure every value: they meet within a few per cent."""
    sample = Sample(tensor(name))
    for method in CALIBRATORS:
        result = compute(State(bits=bits, scheme=scheme, method=method), sample)
        threshold, estimate = result.curve.choice
        assert threshold == result.outcome.threshold
        assert estimate == pytest.approx(result.outcome.parts.total, rel=0.05)
        total = result.curve.rounding + result.curve.clipping
        assert result.curve.best[1] <= total.min()
        assert result.curve.above_best >= 1


@pytest.mark.parametrize("outliers", [0.0, 1.0])
@pytest.mark.parametrize("name", TENSORS)
def test_the_error_axis_serves_every_setting(name, outliers):
    sample = Sample(tensor(name), outliers)
    least, most = sample.error_limits
    for bits in (2, 5, 8):
        for scheme in ("affine", "symmetric"):
            curve = compute(State(bits=bits, scheme=scheme, method="mse"), sample).curve
            total = curve.rounding + curve.clipping
            assert total.max() <= most / 10  # the legend's room stays free
            assert total.min() >= least or name in ("photograph", "digits")  # these can be represented exactly


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
@pytest.mark.parametrize("name", ["Gaussian", "conv1 activations", "conv2 activations", "fc1 activations"])
def test_mse_stands_at_the_lowest_point(name, scheme):
    sample = Sample(tensor(name))
    for bits in range(2, 9):
        assert compute(State(bits=bits, scheme=scheme, method="mse"), sample).curve.above_best < 1.005


def test_axes_stay_while_bits_method_and_percentile_move(shown):
    explorer = shown(CalibrationExplorer, data="Laplace", outliers=0.1)
    view = [panel.view() for panel in explorer._canvas.panels.values()]
    for settings in ({"bits": 2}, {"bits": 8}, {"method": "percentile"}, {"percentile": 90.0}, {"scheme": "symmetric"}):
        explorer.set(**settings)
        assert [panel.view() for panel in explorer._canvas.panels.values()] == view
    explorer.outliers = 0.2
    assert [panel.view() for panel in explorer._canvas.panels.values()] != view


def test_readout(shown):
    explorer = shown(CalibrationExplorer, data=np.array([0.0, 1.0, 2.0, 3.0, 10.0]), bits=2)
    assert explorer.readout.splitlines()[:3] == [
        "uint2, min-max: range 0.0000 to 10.0000, scale = 3.333333, zero point = 0",
        "5 of 5 values seen, batches of 2,000; 0 outliers added; percentile 99.99 (not used by min-max)",
        "mean squared error = 5.778e-01 (rounding 5.778e-01, clipping 0.000e+00), SQNR = 15.96 dB, clipped 0.000%",
    ]
    explorer.method = "percentile"
    assert explorer.readout.splitlines()[1].endswith("percentile 99.99")


def test_what_does_not_depend_on_the_moved_control_is_kept(shown):
    explorer = shown(CalibrationExplorer)
    sample = explorer.result.sample
    explorer.set(bits=3, scheme="symmetric", method="entropy")
    assert explorer.result.sample is sample
    explorer.outliers = 0.5
    assert explorer.result.sample is not sample
    explorer.set(data=np.ones(3))
    first = explorer.result.sample
    explorer.set(data=np.ones(4))
    assert explorer.result.sample is not first

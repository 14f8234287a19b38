"""Every control of every explorer at each end and at each option, on the real data."""

import numpy as np
import pytest

from qviz.widgets import ArenaExplorer, CalibrationExplorer, QuantizeExplorer
from qviz.widgets.controls import YOURS


def test_each_extreme_of_each_control(explorer_type, shown, extremes_of, is_expected):
    explorer = shown(explorer_type)
    start = explorer.state
    for name, (control, _) in explorer._controls.items():
        for value in extremes_of(control):
            setattr(explorer, name, value)
            assert explorer.last_error is None or is_expected(explorer.last_error), (name, value)
            assert getattr(explorer, name) == value
            assert explorer.png[1:4] == b"PNG"
            assert explorer.readout
        explorer.reset()
        assert explorer.state == start
        assert explorer.last_error is None


def ends(values):
    """Return the first and the last: each option in between was tried alone."""
    return values[:: max(len(values) - 1, 1)]


def test_two_extremes_at_a_time(explorer_type, shown, extremes_of, is_expected, small_data):
    explorer = shown(explorer_type)
    controls = {name: control for name, (control, _) in explorer._controls.items() if name != "data"}
    for first, second in ((a, b) for a in controls for b in controls if a < b):
        for one in ends(extremes_of(controls[first])):
            for other in ends(extremes_of(controls[second])):
                explorer.set(**{first: one, second: other})
                assert explorer.last_error is None or is_expected(explorer.last_error), explorer.code
        explorer.reset()


@pytest.mark.parametrize("error", [ValueError("x must be finite"), RuntimeWarning("no data of your own yet.")])
def test_an_error_that_is_not_expected_is_none(error, is_expected):
    assert not is_expected(error)


HARD = {
    "all zero": np.zeros(100),
    "constant": np.ones(10),
    "constant below zero": -np.ones(10),
    "one value": np.array([3.0]),
    "0-d": np.array(2.0),
    "subnormal": np.linspace(-1e-40, 1e-40, 1001),
    "small": np.linspace(-1e-30, 1e-30, 1001),
    "large": np.linspace(-1e37, 1e37, 1001),
    "far from zero": np.linspace(100, 101, 1001),
    "far below zero": np.linspace(-101, -100, 1001),
    "whole numbers": np.arange(12).reshape(3, 4),
    "mostly zero": np.append(np.zeros(5000), 1.0),
}


@pytest.mark.parametrize("kind", [ArenaExplorer, CalibrationExplorer, QuantizeExplorer])
@pytest.mark.parametrize("hard", HARD)
def test_hard_data_of_your_own(kind, hard, shown, extremes_of):
    explorer = shown(kind, data=HARD[hard])
    assert explorer.data == YOURS
    for scheme in ("affine", "symmetric"):
        for name in ("bits", "method", "outliers", "percentile"):
            for value in extremes_of(explorer._controls[name][0]) if name in explorer._controls else ():
                explorer.set(scheme=scheme, **{name: value})
                assert explorer.last_error is None, explorer.code
                assert "nan" not in explorer.readout


def test_outliers_beyond_float32_are_told(shown):
    explorer = shown(ArenaExplorer, data=np.linspace(-3e38, 3e38, 1001))
    explorer.outliers = 1.0
    assert explorer.readout.startswith("Not shown: x must be finite: got ")

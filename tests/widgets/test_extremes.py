"""Every control of every explorer at each end and at each option, on the real data."""

import itertools

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


def corners(controls):
    """Yield settings of all controls, at random ends, until each two ends have come together."""
    rng = np.random.default_rng(0)
    missing = {
        ((first, one), (second, other))
        for first, second in itertools.combinations(sorted(controls), 2)
        for one in controls[first]
        for other in controls[second]
    }
    while missing:
        # One pair that has not come yet, and of the rest what chance brings: most of it is new at first.
        corner = {name: values[int(rng.integers(len(values)))] for name, values in sorted(controls.items())}
        corner |= dict(min(missing, key=repr))
        missing -= set(itertools.combinations(corner.items(), 2))
        yield corner


def test_every_two_extremes_together(explorer_type, shown, extremes_of, is_expected, small_data):
    explorer = shown(explorer_type)
    for corner in corners(
        {name: ends(extremes_of(control)) for name, (control, _) in explorer._controls.items() if name != "data"}
    ):
        explorer.set(**corner)
        assert explorer.last_error is None or is_expected(explorer.last_error), explorer.code


def test_corners_hold_every_pair():
    controls = {"a": [1, 2], "b": [3, 4], "c": [5], "d": [6, 7]}
    seen = {pair for corner in corners(controls) for pair in itertools.permutations(corner.items(), 2)}
    assert len(seen) == 2 * (3 * 2 * 2 + 3 * 2)  # in both orders: of a, b, d two by two, and each of their ends with c


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

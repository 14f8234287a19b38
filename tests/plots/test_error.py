import numpy as np

from qviz.numerics import INT4, QParams, calibrate, fake_quantize
from qviz.plots import ErrorCurvePanel, ErrorHistogramPanel, error_histogram


def test_rounding_stays_within_half_a_step(x, built):
    panel = built(ErrorHistogramPanel())
    qparams = calibrate(x, "min-max", INT4)
    inside = x[(x > float(qparams.lo)) & (x < float(qparams.hi))]
    panel.update(inside, fake_quantize(inside, qparams), float(qparams.scale))
    heights, edges, _ = panel.outline.get_data()
    shown = np.flatnonzero(heights)
    width = edges[1] - edges[0]
    assert edges[shown[0]] >= -0.5 - width and edges[shown[-1] + 1] <= 0.5 + width
    assert "0.00% of the values" in panel.description


def test_errors_of_more_than_a_step_are_told(built):
    panel = built(ErrorHistogramPanel())
    panel.update(np.array([0.0, 0.1, 0.2, 9.0]), np.array([0.0, 0.0, 0.0, 4.0]), 1.0)
    assert "25.00% of the values are off by more than that" in panel.description


def test_the_curve_is_the_sum_of_its_parts(built):
    panel = built(ErrorCurvePanel())
    thresholds, rounding, clipping = np.array([1.0, 2.0, 4.0]), np.array([0.1, 0.2, 0.4]), np.array([0.8, 0.1, 0.0])
    panel.update(thresholds, rounding, clipping, (4.0, 0.4), (0.01, 1.0))
    np.testing.assert_allclose(panel.total.get_ydata(), [0.9, 0.3, 0.4])
    assert panel.description == (
        "Error against clipping threshold: chosen 4 with error 0.4; the lowest point of the curve is 0.3 at 2."
    )


def test_hand_worked_histogram():
    picture = error_histogram([0.0, 0.4, 5.0], QParams(1.0, 0, INT4))
    assert picture.description == ("Error of each value: one step is 1; 0.00% of the values are off by more than that.")


def test_a_value_that_is_rounded_up_is_drawn_to_the_right(built):
    panel = built(ErrorHistogramPanel())
    x = np.linspace(0, 1, 50)
    panel.update(x, x + 0.25, 1.0)
    heights, edges, _ = panel.outline.get_data()
    (shown,) = np.flatnonzero(heights)
    assert edges[shown] <= 0.25 <= edges[shown + 1]

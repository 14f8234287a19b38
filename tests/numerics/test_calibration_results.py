import numpy as np
import pytest

from qviz.numerics import (
    CALIBRATORS,
    INT4,
    INT8,
    SCHEMES,
    UINT8,
    MinMax,
    calibrate,
    error_parts,
    fake_quantize,
    observe,
    sqnr_db,
)
from qviz.numerics.calibration_results import best_of, calibration_result, calibration_results


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_outcome_is_what_one_gets_step_by_step(x, scheme):
    seen = observe(x, batches=4)[0]
    found = calibration_results(x, seen, INT4, scheme)
    assert list(found) == list(CALIBRATORS)
    for name, o in found.items():
        assert (o.lo, o.hi) == CALIBRATORS[name].choose_range(seen, INT4, scheme)
        assert o.qparams == calibrate(x, name, INT4, scheme, batches=4)
        assert o.parts == error_parts(x, o.qparams)
        # The same ratio, from sums in another order
        assert o.sqnr_db == pytest.approx(sqnr_db(x, fake_quantize(x, o.qparams)), abs=1e-9)
        assert o.threshold == max(abs(min(o.lo, 0.0)), o.hi, 0.0)


def test_decided_on_a_part_measured_on_all():
    x = np.array([1.0, -1.0, 5.0])
    o = calibration_result(x, observe(x[:2])[0], MinMax(), INT8, "symmetric")
    assert (o.lo, o.hi) == (-1.0, 1.0)
    assert o.parts.clipping == pytest.approx(16 / 3, rel=1e-15) and o.parts.clipped_fraction == pytest.approx(1 / 3)


def test_best_is_the_least_error(x):
    found = calibration_results(x, observe(x)[0], UINT8)
    assert found[best_of(found)].parts.total == min(o.parts.total for o in found.values())


def test_zero_signal():
    assert calibration_result([0.0], observe([0.0])[0], MinMax()).sqnr_db == np.inf
    assert calibration_result([0.0], observe([1.0])[0], MinMax()).sqnr_db == np.inf

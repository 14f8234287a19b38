"""The roofline, worked by hand, and what must hold of any machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qviz.numerics.roofline import LIMITS, Roof, Work, linear_work

ROOF = Roof(peak=100, bandwidth=10, call_ms=0.02)
positive = st.floats(1e-3, 1e6)


@pytest.mark.parametrize(
    ("work", "limit", "gops"),
    [
        (Work(1e3, 1e3), "calls", 1e3 / 0.02e-3 / 1e9),
        (Work(4e9, 1e9), "memory", 40),
        (Work(40e9, 1e9), "arithmetic", 100),
    ],
)
def test_by_hand(work, limit, gops):
    assert ROOF.limit(work) == limit
    assert ROOF.attainable(work) == pytest.approx(gops)


@given(positive, positive, positive, st.floats(1, 1e12), st.floats(1, 1e12))
def test_no_work_is_above_any_of_its_roofs(peak, bandwidth, call_ms, operations, moved):
    roof, work = Roof(peak, bandwidth, call_ms), Work(operations, moved)
    reached = roof.attainable(work)
    roofs = {
        "calls": operations / call_ms / 1e6,
        "memory": work.intensity * bandwidth,
        "arithmetic": peak,
    }
    assert reached == pytest.approx(min(roofs.values()), rel=1e-9)  # two orders of the same few divisions
    assert reached == pytest.approx(roofs[roof.limit(work)], rel=1e-9)
    assert tuple(roofs) == LIMITS


def test_work_of_linear_layers_by_hand():
    """Three layers of 4 x 4, two inputs: 3 * 2 * 16 * 2 operations; 16 weights, 8 values in, 8 out, three times."""
    assert linear_work(4, 3, 2, quantized=False) == Work(192, 3 * 4 * (16 + 8 + 8))
    once = 2 * 8 * (4 + 1)
    assert linear_work(4, 3, 2, quantized=True) == Work(192, 3 * 32 + once)
    assert linear_work(4, 3, 2, quantized=True, between=True) == Work(192, 3 * 32 + 3 * once)


@given(st.integers(1, 500), st.integers(1, 5), st.integers(1, 300))
def test_float_moves_four_times_what_integers_move_without_conversions(width, layers, batch):
    real, integer = (linear_work(width, layers, batch, quantized=q) for q in (False, True))
    assert real.bytes == 4 * (integer.bytes - 10 * width * batch)

"""The explorer of speed, on a machine made up by hand: nothing here depends on the time."""

import asyncio
from types import SimpleNamespace as Made

import numpy as np
import pytest

from qviz.experiments.measured_speed import EXAMPLE, MACHINE
from qviz.numerics.roofline import Roof
from qviz.widgets import SpeedExplorer
from qviz.widgets.speed import BATCHES, WIDTHS, ratio

UNMEASURED = "Time: not measured yet. Press Measure speed."


def time(median_ms, spread_ms=0.0):
    return Made(median_ms=median_ms, spread_ms=spread_ms)


class Machine:
    """int8 takes 0.04 ms for calls, and then a fifth of float32's time, which has 0.01 ms for calls."""

    def __init__(self, fails_at=None, error=None):
        self.fails_at, self.error, self.asked = fails_at, error, []

    def machine(self, layers, between):
        return Made(real=Roof(100.0, 50.0, 0.01), integer=Roof(500.0, 50.0, 0.04), engine="made up")

    def __call__(self, layers, between):
        self.asked.append((layers, between))
        for width in WIDTHS:
            for batch in BATCHES:
                if width == self.fails_at:
                    raise self.error
                ms = 2 * layers * width**2 * batch / 100 / 1e6
                yield Made(width=width, batch=batch, real=time(0.01 + ms, 0.002), integer=time(0.04 + ms / 5))


@pytest.fixture
def explorer():
    made = SpeedExplorer(Machine())
    yield made
    made.close()


def press(explorer):
    next(b for b in explorer._work.children if b.description == "Measure speed").click()


def test_nothing_is_measured_until_the_reader_asks(explorer):
    explorer.set(width=1024, layers=3, between=True)
    assert explorer._source.asked == []
    assert explorer.readout.endswith(UNMEASURED) and "ms" not in explorer.readout
    assert explorer.result.cases is None and explorer.result.machine is None


def test_the_button_measures_the_layers_chosen_and_keeps_them(explorer):
    press(explorer)
    explorer.set(layers=1, between=True)
    assert explorer.readout.endswith(UNMEASURED)
    press(explorer)
    assert explorer._source.asked == [(2, False), (1, True)]
    explorer.set(layers=2, between=False)
    assert "times as fast" in explorer.readout
    assert not explorer.working and explorer._work.share == 1


def test_the_kernel_listens_while_it_measures(explorer):
    """A moved control gets its turn between two cases, and ends the measurement; nothing of it is kept."""

    async def page():
        press(explorer)
        for _ in range(1000):
            await asyncio.sleep(0.001)
            if 0.2 < explorer._work.share < 1:
                break
        assert explorer.working and explorer.result.cases is None
        explorer.width = 1024
        assert not explorer.working

    asyncio.run(page())
    explorer.refresh()
    assert explorer._source.asked == [(2, False)] and explorer.readout.endswith(UNMEASURED)


def test_what_is_said_by_hand(explorer):
    """16 wide, one at once: 1,024 operations are nothing, and the calls 0.01 and 0.04 ms: 0.25 times as fast."""
    explorer.set(width=16, batch=1)
    press(explorer)
    lines = explorer.readout.splitlines()
    assert lines[0].endswith("1,024 operations")
    assert "10.0 \N{MICRO SIGN}s (interquartile range 2.0); limited mainly by calls" in lines[3]
    assert lines[5] == "int8 is 0.25 times as fast, with one thread, on made up."
    explorer.set(width=1024, batch=256)  # 10.75 ms against 2.19
    assert explorer.readout.splitlines()[3].endswith("limited mainly by arithmetic")
    assert explorer.readout.splitlines()[5].startswith("int8 is 4.91 times as fast")


def test_the_spread_of_a_ratio_is_wider_than_that_of_either_time():
    r = ratio(Made(real=time(10.0, 2.0), integer=time(5.0, 1.0)))
    assert (r.low, r.median, r.high) == pytest.approx((9 / 5.5, 2.0, 11 / 4.5))
    wild = ratio(Made(real=time(1.0, 9.0), integer=time(1.0, 9.0)))  # spreads wider than the medians
    assert (wild.low, wild.median, wild.high) == pytest.approx((0.1 / 5.5, 1.0, 5.5 / 0.1))


def test_bars_to_the_left_are_losses(explorer):
    press(explorer)
    panel = explorer._canvas.panels["ratios"]
    lost = [case for case in explorer.result.cases if ratio(case).median < 1]
    assert 0 < len(lost) < 12
    assert len(panel.slower.get_path().vertices) == 5 * len(lost)
    assert panel.slower.get_path().vertices[:, 0].max() == 0 == panel.faster.get_path().vertices[:, 0].min()


def test_the_points_stand_under_their_roofs(explorer):
    press(explorer)
    for width in WIDTHS:
        for batch in BATCHES:
            explorer.set(width=width, batch=batch)
            for point in explorer._points(explorer.state, explorer.result):
                assert 0 < point.gops <= point.roof.peak


@pytest.mark.parametrize(
    ("error", "told"),
    [(RuntimeError("no kernel"), "Not measured: no kernel"), (KeyboardInterrupt(), UNMEASURED)],
)
def test_what_ends_a_measurement_is_told_and_nothing_is_kept(error, told):
    explorer = SpeedExplorer(Machine(fails_at=64, error=error))
    press(explorer)
    assert told in explorer.readout
    assert not explorer.working
    explorer.refresh()
    assert explorer.readout.endswith(UNMEASURED)
    explorer.close()


def test_it_is_stored_without_a_time(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"].endswith(UNMEASURED)
    shown = explorer._canvas.description
    assert "An example, not this machine: AMD EPYC" in shown and MACHINE in bundle["text/plain"]
    assert "256 wide, batch 16 1.27x" in shown and "64 wide, batch 1 " not in shown  # what the example does not hold
    press(explorer)
    assert "example" not in explorer._canvas.description + explorer.readout


def test_the_example_stands_under_no_roof(explorer):
    """2 * 256 * 256 * 16 products and sums in each of 2 layers, in the middle of the three times measured."""
    example = next(e for e in EXAMPLE if (e.width, e.batch) == (256, 16))
    points = explorer._points(explorer.state, explorer.result)
    for point, times in zip(points, (example.float_us, example.int8_us), strict=True):
        assert point.roof is None and point.gops == pytest.approx(4_194_304 / np.median(times) / 1e3)
    explorer.layers = 3  # the example has two
    assert all(np.isnan(point.gops) for point in explorer._points(explorer.state, explorer.result))

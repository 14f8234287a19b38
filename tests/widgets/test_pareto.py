"""Each network among all of them, against loops over the tables."""

import itertools
from types import SimpleNamespace as Made

import numpy as np
import pytest

from qviz.experiments.mixed_precision import BITS, every_network, place, size_bytes
from qviz.widgets import ParetoExplorer, pareto

NETWORKS = list(itertools.product(BITS, repeat=4))
SOME = [(4, 4, 4, 4), (5, 4, 3, 6), (2, 2, 2, 2), (8, 8, 8, 8), (2, 8, 5, 3), (5, 4, 3, 5)]


def state(bits, **others):
    return pareto.State(*bits, **others)


@pytest.mark.parametrize("score", ["accuracy", "SQNR"])
@pytest.mark.parametrize("method", ["min-max", "mse"])
@pytest.mark.parametrize("bits", SOME, ids=str)
def test_what_beats_it(bits, method, score):
    result = pareto.compute(state(bits, method=method, score=score))
    found = every_network(method=method)
    table = found.right if score == "accuracy" else found.sqnr_db

    def sides(b):
        return int(size_bytes()[place(b)]), table[place(b)]

    size, value = sides(bits)
    beating = [b for b in NETWORKS if sides(b)[0] <= size and sides(b)[1] >= value and sides(b) != (size, value)]
    assert result.beaten_by == len(beating)
    assert result.on_front == (not beating)
    if beating:
        assert sides(result.beater) == max(map(sides, beating), key=lambda s: (s[1], -s[0]))


@pytest.mark.parametrize("bits", SOME, ids=str)
def test_it_is_the_network_of_the_tables(bits):
    result, found = pareto.compute(state(bits)), every_network()
    assert (result.size_bytes, result.right) == (size_bytes()[place(bits)], found.right[place(bits)])
    assert result.sqnr_db == found.sqnr_db[place(bits)]
    assert result.cloud.size_bytes[result.here] == result.size_bytes
    assert result.cloud.score[result.here] == result.right / 359
    assert size_bytes()[place(result.fits)] <= result.size_bytes
    assert result.fits == 8 or size_bytes()[place(result.fits + 1)] > result.size_bytes


def test_the_uniform_networks_are_marked():
    cloud = pareto.cloud_of("min-max", "accuracy")
    for bits in BITS:
        assert cloud.size_bytes[cloud.uniform[f"{bits} bits"]] == size_bytes()[place(bits)]


def test_readout(shown):
    explorer = shown(ParetoExplorer, conv1=5, fc1=3, fc2=5)
    lines = explorer.readout.splitlines()
    assert lines[0] == "conv1 5, conv2 4, fc1 3, fc2 5 bits: 16,058 bytes, 9.54 times smaller than float32"
    assert lines[1].startswith("accuracy 98.61% (354 of 359 test images; float32: 355), SQNR 17.")
    assert lines[2].startswith("by accuracy: on the Pareto front, as are ")
    explorer.score = "SQNR"
    assert explorer.readout.splitlines()[2].startswith("by SQNR: ")


def test_every_slider_moves_the_star_to_the_right(shown):
    explorer = shown(ParetoExplorer)
    for layer in ("conv1", "conv2", "fc1", "fc2"):
        before = explorer._canvas.panels["pareto"].star.get_xdata()[0]
        setattr(explorer, layer, 5)
        assert explorer._canvas.panels["pareto"].star.get_xdata()[0] > before


def test_axes_stay_while_bits_move(shown):
    explorer = shown(ParetoExplorer)
    (panel,) = explorer._canvas.panels.values()
    view = panel.view()
    for bits in SOME:
        explorer.set(**dict(zip(("conv1", "conv2", "fc1", "fc2"), bits, strict=True)))
        assert panel.view() == view
    explorer.method = "mse"
    assert panel.view() != view


def test_clouds_are_kept(shown):
    shown(ParetoExplorer)
    assert pareto.cloud_of("min-max", "accuracy") is pareto.cloud_of("min-max", "accuracy")
    assert pareto.cloud_of.cache_info().maxsize == 4
    assert every_network.cache_info().maxsize == 6
    assert np.isfinite(pareto.cloud_of("mse", "SQNR").score).all()


UNMEASURED = "not measured yet: press Measure speed"


class Clock:
    """float32 takes 1.5 ms, int8 1.2 ms, made up by hand; or what it fails with."""

    def __init__(self, error=None):
        self.error, self.asked = error, 0

    def __call__(self):
        return list(self.steps())[-1][1]

    def steps(self):
        self.asked += 1
        yield 0.5, None
        if self.error:
            raise self.error
        times = (Made(median_ms=ms, spread_ms=0.1, batch=32) for ms in (1.5, 1.2))
        yield 1.0, Made(**dict(zip(("real", "integer"), times, strict=True)), engine="made up")


@pytest.fixture
def timed():
    """Return a function that makes an explorer with a clock; each is closed at the end."""
    made = []

    def make(error=None):
        made.append(ParetoExplorer(Clock(error)))
        return made[-1]

    yield make
    for explorer in made:
        explorer.close()


def buttons(explorer):
    return {button.description: button for button in explorer._work.children} if explorer._work else {}


def test_without_a_clock_there_is_no_time(shown):
    explorer = shown(ParetoExplorer)
    assert "Measure speed" not in buttons(explorer) and list(explorer._canvas.panels) == ["pareto"]
    assert explorer.readout.splitlines()[-1].startswith("time: there are kernels only for float32 and 8 bits, ")
    assert explorer.code == "qviz.widgets.ParetoExplorer()" and not explorer.working


def test_nothing_is_timed_until_the_reader_asks(timed):
    explorer = timed()
    explorer.set(conv1=5, score="SQNR")
    assert explorer._source.asked == 0 and explorer.readout.endswith(UNMEASURED)
    assert explorer.code.startswith("qviz.widgets.ParetoExplorer(qviz.pytorch.labs.speed.DigitsSpeed(), conv1=5")
    assert "not measured yet" in explorer._canvas.description and "ms" not in explorer.readout


def test_every_network_takes_as_long_as_int8(timed):
    explorer = timed()
    buttons(explorer)["Measure speed"].click()
    lines = explorer.readout.splitlines()
    assert lines[-2] == (
        "measured here, 32 images per batch, one thread, made up: "
        "float32 1.500 ms (interquartile range 0.100), int8 1.200 ms (interquartile range 0.100)"
    )
    assert lines[-1] == "this network takes as long as int8: 1.25 times as fast as float32"
    pareto, latency = explorer._canvas.panels.values()
    for bits in SOME:
        explorer.set(**dict(zip(("conv1", "conv2", "fc1", "fc2"), bits, strict=True)))
        assert latency.star.get_xdata()[0] == 1.2
        assert latency.star.get_ydata()[0] == pareto.star.get_ydata()[0]
    assert explorer._source.asked == 1 and explorer.readout.splitlines()[-2:] == lines[-2:]


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError("no kernel"), "Not measured: no kernel"), (KeyboardInterrupt(), UNMEASURED)],
)
def test_what_ends_a_measurement_is_told(error, told, timed):
    explorer = timed(error)
    buttons(explorer)["Measure speed"].click()
    assert told in explorer.readout
    explorer.refresh()
    assert explorer.readout.endswith(UNMEASURED)


def test_a_clock_must_be_called():
    message = r"must be created as .*ParetoExplorer\(qviz.pytorch.labs.speed.DigitsSpeed\(\)\): got 3"
    with pytest.raises(TypeError, match=message):
        ParetoExplorer(3)

"""The arena's compute and its table, against numbers worked by hand and what must hold by construction."""

import numpy as np
import pytest

from qviz.data import TENSORS, tensor
from qviz.numerics import CALIBRATORS
from qviz.widgets import ArenaExplorer, arena, calibration
from qviz.widgets._sample import BATCH, Sample


def test_min_max_by_hand():
    x = np.append(np.tile([0.0, 1.0, 2.0, 3.0], BATCH // 4), 9.0)
    result = arena.compute(arena.State(bits=2, batches=1), Sample(x))
    parts = result.outcomes["min-max"].parts
    assert (parts.rounding, parts.clipping) == (0, pytest.approx(36 / (BATCH + 1)))


@pytest.mark.parametrize("scheme", ["affine", "symmetric"])
def test_each_method_is_what_the_calibration_explorer_shows(scheme):
    sample = Sample(tensor("conv2 activations"), 0.1)
    found = arena.compute(arena.State(scheme=scheme, bits=3, batches=5), sample).outcomes
    assert list(found) == list(CALIBRATORS)
    for method in CALIBRATORS:
        alone = calibration.compute(calibration.State(scheme=scheme, bits=3, batches=5, method=method), sample)
        assert found[method] == alone.outcome


# Where the values are few and evenly spaced, a histogram cannot tell how they fall on the levels: here MSE may lose.
SPACED = ("digits", "photograph")


@pytest.mark.parametrize("outliers", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("name", TENSORS)
def test_mse_has_the_least_mse_when_all_is_seen(name, outliers):
    """By construction, within the resolution of its search: a thousandth."""
    sample = Sample(tensor(name), outliers)
    for bits in range(2, 9):
        for scheme in ("affine", "symmetric"):
            result = arena.compute(arena.State(bits=bits, scheme=scheme), sample)
            least = result.outcomes[result.best].parts.total
            assert result.outcomes["mse"].parts.total <= least * (1.02 if name in SPACED else 1.001)


def test_one_batch_is_too_few_for_every_method_but_not_the_same_for_all():
    """A few thousand activations miss the largest: min-max then clips, and MSE no longer always wins."""
    sample = Sample(tensor("conv2 activations"))
    few, all_ = (arena.compute(arena.State(bits=8, batches=b), sample).outcomes for b in (1, 50))
    assert few["min-max"].parts.clipping > 0
    assert all_["min-max"].parts.clipping == 0
    assert all(few[name].parts.total > all_[name].parts.total for name in ("min-max", "percentile", "mse"))


def test_the_first_of_equals_is_best():
    found = arena.compute(arena.State(bits=2, batches=1), Sample(np.arange(4.0)))  # four values, four levels
    assert found.outcomes["min-max"].parts.total == 0
    assert found.outcomes["min-max"] == found.outcomes["moving average"]
    assert found.best == "min-max"


def test_table(shown):
    explorer = shown(ArenaExplorer, data=np.array([0.0, 1.0, 2.0, 3.0, 10.0]), bits=2)
    head, titles, *rows = explorer.readout.splitlines()
    assert head == "uint2, affine: 5 of 5 values seen, batches of 2,000; 0 outliers put in"
    assert titles == "  method                 lo        hi        MSE   rounding   clipping  SQNR dB"
    assert rows[0] == "  min-max            0.0000   10.0000  5.778e-01  5.778e-01  0.000e+00    15.96"
    assert {len(row) for row in [titles, *rows]} == {len(titles)}
    assert [row[2:17].strip() for row in rows] == list(CALIBRATORS)
    assert [row[2:17].strip() for row in rows if row.startswith("*")] == [explorer.result.best]


@pytest.mark.parametrize("settings", [{"bits": 8}, {"outliers": 1.0}, {"data": "photograph", "bits": 8}])
def test_the_table_keeps_its_width(settings, shown):
    _, titles, *rows = shown(ArenaExplorer, **settings).readout.splitlines()
    assert {len(row) for row in rows} == {len(titles)}


def test_axes_stay_while_bits_scheme_and_batches_move(shown):
    explorer = shown(ArenaExplorer, outliers=0.2)
    view = [panel.view() for panel in explorer._canvas.panels.values()]
    for settings in ({"bits": 2}, {"bits": 8}, {"scheme": "symmetric"}, {"batches": 1}):
        explorer.set(**settings)
        assert [panel.view() for panel in explorer._canvas.panels.values()] == view


def test_bars(shown):
    """Bars are multiples of the least error; one that does not fit says how long it is, and what of."""
    explorer = shown(ArenaExplorer, bits=8)
    panel = explorer._canvas.panels["errors"]
    found = explorer.result.outcomes
    least = found[explorer.result.best].parts.total
    for row, name in enumerate(CALIBRATORS):
        times, words = found[name].parts.total / least, panel.beyond[row]
        assert words.visible == (times > 5)
        assert not words.visible or words.text.startswith(
            f"{times:.1f}x, mostly " if times < 100 else f"{times:,.0f}x, mostly "
        )
    assert panel.beyond[list(CALIBRATORS).index("moving average")].text.endswith("mostly clipping \N{RIGHTWARDS ARROW}")
    assert panel.best.text == f"\N{BLACK STAR} {explorer.result.best}"

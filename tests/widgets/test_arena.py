"""The arena's compute and its table, against numbers worked by hand and what must hold by construction."""

import numpy as np
import pytest

from qviz.numerics import CALIBRATORS, IntFormat, observe
from qviz.numerics.calibration_results import calibration_results
from qviz.tensors import TENSORS, tensor
from qviz.widgets import ArenaExplorer, arena, calibration
from qviz.widgets._sample import BATCH, MANY, Sample


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
    assert head == "uint2, affine: 5 of 5 values seen, batches of 2,000; 0 outliers added"
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


def test_the_observer_can_see_all_of_a_large_tensor(shown):
    """The first tenth is three times as narrow: an observer that saw no more would choose far too narrow a range."""
    rng = np.random.default_rng(0)
    x = np.r_[0.02 * rng.standard_normal(100_000), 0.06 * rng.standard_normal(900_000)].astype(np.float32)
    explorer = shown(ArenaExplorer, data=x)
    assert explorer.readout.startswith("uint4, affine: 1,000,000 of 1,000,000 values seen, batches of 20,000;")
    found = explorer.result.outcomes
    assert explorer.result.best == "mse"
    assert found["mse"].parts.total == pytest.approx(4.3e-5, rel=0.05)
    whole = calibration_results(x, observe(x, batches=50)[0], IntFormat(4, signed=False), "affine")
    for name, outcome in found.items():
        assert (outcome.lo, outcome.hi) == (whole[name].lo, whole[name].hi)
    explorer.batches = 5
    assert "100,000 of 1,000,000 values seen" in explorer.readout and explorer.result.best != "mse"
    with pytest.raises(ValueError, match=r"^batches must be a whole number from 1 to 50: got 500$"):
        explorer.set(batches=500)
    with pytest.raises(ValueError, match=r"^batches must be a whole number from 1 to 50: got 500$"):
        explorer.batches = 500


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("kind", ["normal", "outliers", "one-sided", "float16", "bfloat16", "grid"])
def test_errors_of_a_large_tensor_are_those_of_all_its_values(kind, bits):
    """Within a thousandth, the resolution at which ranges are chosen; where 12 bits hold each value, exactly."""
    x = np.random.default_rng(0).standard_normal(MANY + 1).astype(np.float32)
    x = {
        "normal": lambda: x,
        "outliers": lambda: np.where(np.arange(x.size) % 10_000, x, 50 * x),
        "one-sided": lambda: np.abs(x) * 1e-20,
        "float16": lambda: x.astype(np.float16).astype(np.float32),
        "bfloat16": lambda: (x.view(np.uint32) & 0xFFFF0000).view(np.float32),
        "grid": lambda: np.rint(x * 10) / 16,
    }[kind]()
    sample, fmt = Sample(x), IntFormat(bits, signed=False)
    values, counts = sample.measured
    assert counts.sum() == x.size and values.size < x.size / 2
    if kind in ("float16", "bfloat16", "grid"):
        different, times = np.unique(x, return_counts=True)
        kept = values != 0  # 0.0 and -0.0 are one here, and two codes there
        np.testing.assert_array_equal(np.sort(values[kept]), different[different != 0])
        assert sorted(counts[kept]) == sorted(times[different != 0])
    quick = calibration_results(values, sample.seen(50), fmt, counts=counts)
    for name, whole in calibration_results(x, sample.seen(50), fmt).items():
        assert quick[name].parts.rounding == pytest.approx(whole.parts.rounding, rel=1e-3)
        assert quick[name].parts.clipping == pytest.approx(whole.parts.clipping, rel=1e-3, abs=1e-3 * whole.parts.total)
        assert quick[name].sqnr_db == pytest.approx(whole.sqnr_db, abs=0.005)


def test_values_next_to_the_largest_float_stay_finite():
    largest = np.finfo(np.float32).max
    values, counts = Sample(np.resize(np.array([largest, -largest, 0.0], np.float32), MANY + 2)).measured
    assert sorted(values) == [-largest, 0.0, largest] and counts.sum() == MANY + 2

import numpy as np
import pytest

from qviz.numerics.codecs import CODECS, FP8_E4M3, compare_formats, family_of
from qviz.plots import Canvas, ErrorSizePanel, FormatLinePanel, FormatsPanel
from qviz.plots.number_formats import COLUMNS, MOST, SIZES

X = np.random.default_rng(0).standard_normal(2048).astype(np.float32)


def panel_of(kind):
    panel = kind()
    Canvas({"panel": panel}, size=(600, 400))
    return panel


def segments(line):
    return np.asarray(line.get_xdata()).reshape(-1, 3)[:, :2]


def test_values_go_to_their_levels():
    panel, levels = panel_of(FormatLinePanel), np.float32([-2, -1, 0, 1, np.inf])
    panel.update(np.float32([0.9, -1.4]), np.float32([1, -1]), levels, (-2.0, 2.0))
    assert np.allclose(segments(panel.ticks), [[-2, -2], [-1, -1], [0, 0], [1, 1]])
    assert np.allclose(segments(panel.moves), [[-1.4, -1], [0.9, 1]])
    assert panel.description.endswith("2 of 4 levels used by 2 values, from -1.4 to 0.9.")


def test_many_values_and_levels_are_thinned():
    panel = panel_of(FormatLinePanel)
    panel.update(X, X, np.unique(FP8_E4M3.values[np.isfinite(FP8_E4M3.values)]), (X.min(), X.max()))
    assert panel.values.get_xdata().size == MOST
    assert {X.min(), X.max()} <= set(panel.values.get_xdata().astype(np.float32))
    panel.update(X, X, np.linspace(-5, 5, 60_001), (X.min(), X.max()))
    assert segments(panel.ticks).shape[0] <= COLUMNS + 1


def test_error_sizes_by_hand():
    panel, x = panel_of(ErrorSizePanel), np.float32([1, -1, 1, -1])
    panel.update(x, np.float32([1, -1, 1.5, -0.99]))
    heights, edges, _ = panel.outline.get_data()
    at = [np.searchsorted(SIZES, size) - 1 for size in (0.5, 0.01)]
    assert np.flatnonzero(heights).tolist() == sorted(at) and np.array_equal(edges, SIZES)
    typical = np.sqrt((0.25 + 0.0001) / 4)
    assert panel.middle.get_xdata()[0] == pytest.approx(typical, rel=1e-4)
    assert panel.description.endswith("root mean square 25.00% of that of the values; 50.0% are exact.")


def test_no_error_at_all():
    panel = panel_of(ErrorSizePanel)
    panel.update(np.zeros(3, np.float32), np.zeros(3, np.float32))
    assert panel.description.endswith("100.0% are exact.")


def test_every_format_is_marked_and_one_has_the_star():
    panel, found = panel_of(FormatsPanel), compare_formats(X)
    panel.update(found, "NF4")
    drawn = {(x, y): family for family, mark in panel.marks.items() for x, y in zip(*mark.get_data(), strict=True)}
    for name, m in found.items():
        assert drawn[m.bits_per_value, m.sqnr_db] == family_of(name)
    assert (panel.star.get_xdata()[0], panel.star.get_ydata()[0]) == (found["NF4"].bits_per_value, found["NF4"].sqnr_db)
    better = [n for n, m in found.items() if m.bits_per_value <= 4.5 and m.sqnr_db > found["NF4"].sqnr_db]
    assert panel.description.endswith(f"better with at most as many bits: {', '.join(better) or 'none'}.")
    front = np.column_stack(panel.front.get_data())
    assert (np.diff(front, axis=0) > 0).all()  # more bits, and better


def test_what_loses_nothing_or_lies_beyond_the_axis_has_its_star_at_the_end():
    panel, found = panel_of(FormatsPanel), compare_formats(np.float32([0.0, 1.0, 2.0]), names=["FP16", "int8", "Q4_K"])
    for name in found:
        panel.update(found, name)
        (x,), (y,) = panel.star.get_data()
        assert (
            panel.ax.get_xlim()[0] <= x <= panel.ax.get_xlim()[1]
            and panel.ax.get_ylim()[0] <= y <= panel.ax.get_ylim()[1]
        )
    panel.update(found, "FP16")
    assert "nothing lost" in panel.description


def test_families_hold_every_format():
    assert {family_of(name) for name in CODECS} == set(panel_of(FormatsPanel).marks)


def test_a_value_beyond_the_largest():
    found = compare_formats(np.float32([1e6, 1.0]), names=["FP16", "BF16"])
    assert found["FP16"].mse == np.inf and found["FP16"].sqnr_db == -np.inf and np.isfinite(found["BF16"].mse)
    formats, errors = panel_of(FormatsPanel), panel_of(ErrorSizePanel)
    formats.update(found, "FP16")
    assert "beyond its largest value" in formats.description
    errors.update(np.float32([1e6, 1.0]), found["FP16"].values.ravel())
    assert errors.middle.get_xdata()[0] == SIZES[-1]

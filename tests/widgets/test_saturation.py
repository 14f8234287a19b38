"""The explorer of saturation: the issue's own numbers, both cures, and what they cost."""

import pytest

from qviz.widgets import SaturationExplorer


@pytest.fixture
def explorer(shown):
    return shown(SaturationExplorer)


def test_it_starts_with_the_issues_numbers(explorer):
    result = explorer.result
    assert result.products == (14_981, 18_297) and result.truth == 33_278
    assert (result.kept, result.saturation, result.rounding) == (32_767, -511, 0)


def test_reduce_range_trades_saturation_for_rounding(explorer):
    explorer.reduce_range = True
    result = explorer.result
    assert result.codes == (106, 86)  # 105.5 and 85.5, rounded half to even
    assert (result.saturation, result.rounding) == (0, 2 * (106 * 71 + 86 * 107) - 33_278)
    assert "this sum fits, so nothing is lost" in explorer.readout


def test_32_bits_lose_nothing(explorer):
    explorer.adder = "32 bits"
    assert (explorer.result.kept, explorer.result.saturation) == (33_278, 0)
    assert "32 bits can hold every such sum" in explorer.readout


@pytest.mark.parametrize("reduce_range", [False, True])
def test_the_farthest_codes(explorer, reduce_range):
    explorer.set(x1=255, x2=255, w1=-128, w2=-128, reduce_range=reduce_range)
    result = explorer.result
    assert result.codes == ((127, 127) if reduce_range else (255, 255))
    assert (result.saturation == 0) is reduce_range
    assert result.rounding + result.saturation == result.unit * result.kept - result.truth
    assert "255 * (-128)" in explorer.readout or reduce_range


def test_few_large_codes_hardly_saturate(explorer):
    assert "With 16-bit sums, 7 bits are best" in explorer.readout
    explorer.spread = "bell-shaped"
    assert "With 16-bit sums, 8 bits are best" in explorer.readout

"""The pictures of saturation show what they are given, and numbers put together of letters stand where text would."""

import numpy as np
import pytest
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from qviz.numerics.saturation import layer_errors
from qviz.plots import Canvas, LayerErrorsPanel, SaturationPanel
from qviz.plots.saturation import KEPT, SECOND, SUM
from qviz.plots.small_numbers import _spelled
from qviz.plots.style import FONT_SIZE


def shown(panel, *data):
    canvas = Canvas({"panel": panel})
    canvas.update({"panel": data})
    return panel


@pytest.mark.parametrize("text", ["32,767", "-44,108", "0", "-32,768, lost 11,340"])
def test_a_text_put_together_is_as_wide_as_one_laid_out(text):
    drawn = _spelled(text).get_extents()
    text = text.replace("-", "\N{MINUS SIGN}")
    laid_out = TextPath((0, 0), text, prop=FontProperties(size=FONT_SIZE)).get_extents()
    assert drawn.width == pytest.approx(laid_out.width, abs=1)  # a point: letters are not moved together here
    assert -1.5 < drawn.x1 <= 0 and abs(drawn.y0 + drawn.y1) < 4  # ends at the point, in the middle of its height


def test_what_is_lost_is_a_bar_of_its_own():
    panel = shown(SaturationPanel(), (14_981, 18_297), 32_767)
    bar = panel.bars[SECOND]
    assert (bar.get_x(), bar.get_width()) == (14_981, 18_297)
    assert panel.bars[SUM].get_width() == 33_278
    assert (panel.lost.get_x(), panel.lost.get_width()) == (32_767, 511) and panel.lost.get_visible()
    assert panel.description.endswith("33,278; the result is 32,767, lost 511.")


def test_where_nothing_is_lost_there_is_no_such_bar():
    panel = shown(SaturationPanel(), (-100, 30), -70)
    assert not panel.lost.get_visible()
    assert panel.bars[KEPT].get_width() == -70
    assert panel.description.endswith("-100 and 30 are -70; the result is -70.")


@pytest.mark.parametrize("saturate", [False, True])
def test_the_mark_is_on_the_curve_that_is_meant(saturate):
    errors = layer_errors()
    panel = shown(LayerErrorsPanel(), errors, 8, saturate)
    ((x,), (y,)) = panel.here.get_data()
    assert (x, y) == (8, (errors.with_saturation if saturate else errors.without)[0])
    low, high = panel.ax.get_ylim()
    for spread in ("uniform", "bell-shaped"):  # every curve stays on the axes
        both = np.concatenate([layer_errors(spread).without, layer_errors(spread).with_saturation])
        assert low < both.min() and both.max() < high

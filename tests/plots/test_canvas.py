from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qviz.numerics import INT4, IntFormat, calibrate
from qviz.plots import Canvas, HistogramPanel, ImagePanel, LevelsPanel, Panel, before_and_after, draw
from qviz.plots.canvas import _encode


class Counting(HistogramPanel):
    """A histogram that counts how often its still part is drawn."""

    drawn = 0

    def label_width(self):
        self.drawn += 1
        return super().label_width()


def test_png_holds_the_pixels_that_were_painted(x, decode):
    canvas = Canvas({"a": HistogramPanel(), "b": HistogramPanel(log=True)}, size=(500, 200))
    canvas.update({"a": (x, -2, 2), "b": (x, -1, 3)})
    pixels = decode(canvas.png())
    assert pixels.shape == (200, 500, 3)
    np.testing.assert_array_equal(pixels, np.asarray(canvas.figure.canvas.buffer_rgba())[:, :, :3])


@pytest.mark.parametrize("sharp", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (64, 33)])
def test_encoder_against_pillow(shape, sharp, decode):
    rgba = np.random.default_rng(0).integers(0, 256, (*shape, 4), np.uint8)
    rgba[len(rgba) // 2 :] = 255  # runs, and rows that are like the one above
    np.testing.assert_array_equal(decode(_encode(rgba, sharp)), rgba[:, :, :3])


def test_a_sharp_picture_holds_the_pixels_that_were_painted(x, decode):
    canvas = Canvas({"a": HistogramPanel()}, size=(300, 200))
    canvas.update({"a": (x, -2, 2)})
    pixels = decode(canvas.png(dots=2))
    assert pixels.shape == (400, 600, 3)
    np.testing.assert_array_equal(pixels, np.asarray(canvas.figure.canvas.buffer_rgba())[:, :, :3])


def test_layout_puts_panels_where_it_says():
    panels = {name: HistogramPanel() for name in "abc"}
    canvas = Canvas(panels, [["a", "b"], ["a", "c"]], (600, 400), width_ratios=[1, 3])
    canvas.png()
    a, b, c = (panels[name].ax.get_position() for name in "abc")
    assert a.x1 < b.x0 and c.y1 < b.y0 and a.height > b.height
    assert b.width > 2 * a.width


def test_only_new_limits_redraw_the_still_part(x):
    panel = Counting()
    canvas = Canvas({"a": panel})
    for lo in (-3, -2, -1):
        canvas.update({"a": (x, lo, 2)})
        canvas.png()
    assert panel.drawn == 1
    canvas.update({"a": (2 * x, -1, 2)})
    canvas.png()
    assert panel.drawn == 2


def test_axes_keep_their_place_while_artists_move(x):
    canvas = Canvas({"a": LevelsPanel()})
    places = set()
    for bits in (2, 5, 8):
        canvas.update({"a": (x, calibrate(x, fmt=IntFormat(bits)))})
        canvas.png()
        places.add(canvas.panels["a"].ax.get_position().bounds)
    assert len(places) == 1


def test_description_has_a_line_for_each_panel(x):
    canvas = Canvas({"a": HistogramPanel("A"), "b": HistogramPanel("B")})
    assert canvas.description == ""
    canvas.update({"a": (x, -1, 1), "b": (x, -2, 2)})
    assert [line[:2] for line in canvas.description.splitlines()] == ["A:", "B:"]


def test_threads_do_not_disturb_each_other(x):
    """Widget callbacks may run on another thread than cells: the bytes are those of one thread alone."""

    def paint(seed):
        canvas = Canvas({"a": HistogramPanel(str(seed)), "b": LevelsPanel()}, size=(400, 150))
        pngs = []
        for step in range(4):
            canvas.update({"a": (x + seed, -step, step), "b": (x, calibrate(x))})
            pngs.append(canvas.png())
        return pngs

    alone = [paint(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(paint, range(4))) == alone


def test_no_figure_is_left_in_pyplot(x):
    import matplotlib.pyplot as plt

    before_and_after(x, calibrate(x))
    assert plt.get_fignums() == []


def test_a_picture_is_png_and_words(x, tmp_path, decode):
    picture = before_and_after(x, calibrate(x, fmt=INT4), size=(450, 300))
    bundle = picture._repr_mimebundle_()
    assert bundle["text/plain"] == repr(picture) == picture.description
    path = picture.save(tmp_path / "picture.png")
    assert path.parent == tmp_path
    assert decode(path.read_bytes()).shape == (300, 450, 3)


def test_draw_takes_panels_with_their_data():
    picture = draw(
        {"a": (ImagePanel("A"), np.eye(4)), "b": (ImagePanel("B"), np.zeros((2, 2)))}, [["a"], ["b"]], (80, 90)
    )
    assert picture.description == "A: 4 x 4 pixels, 2 different greys.\nB: 2 x 2 pixels, 1 different greys."


def test_a_panel_must_say_how_it_is_built():
    with pytest.raises(TypeError, match="abstract"):
        Panel()

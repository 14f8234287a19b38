import numpy as np
import pytest

from qviz.plots import Canvas, ImagePanel, cropped, photograph_at
from qviz.plots.image import nearest


def shown(canvas, decode):
    """Return the (height, width) greys inside the axes of the only panel."""
    pixels = decode(canvas.png())
    left, bottom, right, top = np.rint(canvas.panels["a"].ax.bbox.extents).astype(int)
    inside = pixels[pixels.shape[0] - top : pixels.shape[0] - bottom, left:right]
    assert (inside == inside[:, :, :1]).all()
    return inside[:, :, 0]


@pytest.mark.parametrize("still", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (50, 20), (300, 400)])
def test_each_dot_has_the_grey_of_its_pixel(still, shape, decode):
    picture = np.random.default_rng(0).integers(0, 256, shape) / 255
    canvas = Canvas({"a": ImagePanel(still=still)}, size=(300, 260))
    canvas.update({"a": (picture,)})
    dots = shown(canvas, decode)
    # the oracle: the pixel that holds the centre of each dot, in exact fractions
    rows = ((np.arange(dots.shape[0]) + 0.5) / dots.shape[0] * shape[0]).astype(int)
    columns = ((np.arange(dots.shape[1]) + 0.5) / dots.shape[1] * shape[1]).astype(int)
    np.testing.assert_array_equal(dots, np.rint(picture * 255)[rows[:, None], columns])


def test_pixels_are_square():
    canvas = Canvas({"a": ImagePanel()}, size=(300, 200))
    canvas.update({"a": (np.eye(10),)})
    canvas.png()
    box = canvas.panels["a"].ax.bbox
    assert box.width == pytest.approx(box.height)


def test_black_and_white_are_said_not_taken_from_the_picture(decode):
    canvas = Canvas({"a": ImagePanel()}, size=(200, 200))
    canvas.update({"a": (np.full((4, 4), 0.6),)})
    assert set(shown(canvas, decode).ravel()) == {153}
    canvas.update({"a": (np.full((4, 4), 0.6), 0.2, 0.6)})
    assert set(shown(canvas, decode).ravel()) == {255}
    canvas.update({"a": (np.full((4, 4), -7.0), 0.2, 0.6)})
    assert set(shown(canvas, decode).ravel()) == {0}


def test_a_still_picture_is_drawn_anew_when_it_changes(decode):
    canvas = Canvas({"a": ImagePanel(still=True)}, size=(200, 200))
    for grey in (0.0, 1.0, 0.0):
        canvas.update({"a": (np.full((4, 4), grey),)})
        assert set(shown(canvas, decode).ravel()) == {255 * grey}


def test_a_still_picture_is_not_drawn_anew_when_it_does_not_change():
    panel = ImagePanel(still=True)
    canvas = Canvas({"a": panel})
    views = []
    for _ in range(2):
        canvas.update({"a": (np.eye(4),)})
        views.append(panel.view())
    assert views[0] == views[1]


@pytest.mark.parametrize("bits", [2, 3, 8])
def test_how_many_greys_are_left(bits):
    ramp = np.tile(np.linspace(0, 1, 1000), (10, 1))
    before, after = photograph_at(ramp, bits).description.splitlines()
    assert before.endswith("256 different greys.")
    assert after == f"At {bits} bits: 10 x 1000 pixels, {2**bits} different greys."


def test_zoom_shows_the_middle():
    assert (
        photograph_at(np.eye(30), 2, zoom=True)
        .description.splitlines()[0]
        .endswith("10 x 10 pixels, 2 different greys.")
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 3), (30, 31)])
def test_a_crop_is_never_empty(shape):
    assert cropped(np.zeros(shape)).size > 0


@pytest.mark.parametrize(("pixels", "dots"), [(5, 5), (3, 7), (7, 3), (1, 4), (256, 251)])
def test_nearest_is_the_pixel_under_the_centre(pixels, dots):
    np.testing.assert_array_equal(nearest(pixels, dots), np.floor((np.arange(dots) + 0.5) * pixels / dots))

import numpy as np
import pytest

from qviz.data import photograph
from qviz.widgets import PhotoExplorer
from qviz.widgets.photo import State, compute, digits_mosaic


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = PhotoExplorer()
    yield explorer
    explorer.close()


def test_hand_worked_picture():
    picture = np.array([[0.0, 0.2], [0.6, 1.0]])  # at 2 bits the levels are 0, 1/3, 2/3, 1
    result = compute(State(bits=2), picture)
    np.testing.assert_allclose(result.quantized, [[0, 1 / 3], [2 / 3, 1]])
    assert result.greys == (4, 4)
    assert result.bytes == (16, 1)


@pytest.mark.parametrize("bits", range(2, 9))
def test_greys_and_bytes_of_the_photograph(bits):
    result = compute(State(bits=bits), photograph())
    assert result.greys == (256, 2**bits)
    assert result.bytes == (256 * 384 * 4, 256 * 384 * bits // 8)
    assert np.unique(result.quantized).size == 2**bits


def test_eight_bits_lose_nothing_of_an_eight_bit_picture():
    result = compute(State(bits=8), photograph())
    np.testing.assert_allclose(result.quantized, photograph(), atol=1e-7)


def test_bytes_are_rounded_up():
    assert compute(State(bits=3), np.eye(3)).bytes == (36, 4)  # 27 bits


@pytest.mark.parametrize("picture", [np.zeros((3, 3)), np.full((2, 2), 0.5), np.full((1, 1), -4.0)])
def test_flat_pictures(picture):
    result = compute(State(bits=2), picture)
    np.testing.assert_allclose(result.quantized, picture, rtol=1e-6)
    assert result.greys == (1, 1)


def test_the_digits_are_ten_and_five_more():
    sheet = digits_mosaic()
    assert sheet.shape == (30, 50)
    assert (sheet.min(), sheet.max()) == (0, 1)
    assert not sheet[::10].any() and not sheet[9::10].any()  # a margin around each


def test_readout_follows_the_bits(explorer):
    assert "256 different grey values became 256" in explorer.readout
    explorer.bits = 3
    assert "256 different grey values became 8" in explorer.readout
    assert "36,864 bytes with 3 bits per pixel, 10.67 times smaller" in explorer.readout


def test_zoom_changes_the_picture_and_not_the_numbers(explorer):
    png, readout = explorer.png, explorer.readout
    explorer.zoom = True
    assert explorer.png != png
    assert explorer.readout == readout
    explorer.zoom = False
    assert explorer.png == png


def test_ones_own_picture_in_its_own_units(explorer):
    explorer.set(data=np.arange(256.0).reshape(16, 16), bits=2)
    assert explorer.readout.startswith("2 bits: 4 levels, 85.000000 apart\n256 different grey values became 4")


@pytest.mark.parametrize("shape", [(5,), (4, 4, 3), (2, 1025)])
def test_what_is_no_picture_is_refused_in_words(explorer, shape):
    png = explorer.png
    explorer.set(data=np.ones(shape))
    assert "a picture must have two axes, rows and columns, of at most 1024 pixels: got shape" in explorer.readout
    assert explorer.png == png
    explorer.data = "digits"
    assert "bits: " in explorer.readout

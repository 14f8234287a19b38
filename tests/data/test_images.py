import dataclasses

import numpy as np
import pytest

from qviz.data import digits, photograph


def test_digits_equal_scikit_learns(reference):
    bunch = reference("sklearn.datasets").load_digits()
    np.testing.assert_array_equal(digits().images[:, 0] * 16, bunch.images)
    np.testing.assert_array_equal(digits().labels, bunch.target)


def test_digits_have_the_promised_types():
    d = digits()
    assert (d.images.dtype, d.images.shape) == (np.float32, (1797, 1, 8, 8))
    assert (d.labels.dtype, d.labels.shape) == (np.int64, (1797,))
    assert (d.images.min(), d.images.max()) == (0, 1)


def test_split_is_a_partition():
    d = digits()
    assert (len(d.train), len(d.test)) == (1438, 359)
    np.testing.assert_array_equal(np.sort(np.concatenate([d.train, d.test])), np.arange(1797))


def test_split_is_stratified():
    d = digits()
    share = np.bincount(d.labels[d.test], minlength=10) / np.bincount(d.labels, minlength=10)
    # a class has at least 174 images, and rounding moves its test part by at most half an image
    np.testing.assert_allclose(share, 0.2, atol=0.5 / 174)


def test_no_image_is_in_both_parts():
    d = digits()
    seen = {image.tobytes() for image in d.images[d.train]}
    assert not [i for i in d.test if d.images[i].tobytes() in seen]


def test_photograph_equals_scikit_images():
    # importorskip, in CI too: scikit-image is needed to remake the data, not to take the course
    colour = pytest.importorskip("skimage.data").coffee()
    assert colour.shape == (400, 600, 3)
    # The mean grey survives any good resizing; 1/255 covers rounding to 8 bits.
    mean = (colour @ [0.2126, 0.7152, 0.0722]).mean() / 255
    assert photograph().mean() == pytest.approx(mean, abs=1 / 255)


def test_photograph_uses_the_whole_range():
    p = photograph()
    assert (p.dtype, p.shape) == (np.float32, (256, 384))
    np.testing.assert_array_equal(np.unique(p), np.arange(256, dtype=np.float32) / 255)
    dark, bright = np.quantile(p, [0.05, 0.95])
    assert dark < 0.1
    assert bright > 0.7


def test_photograph_has_smooth_gradients_that_band():
    """Most neighbours differ by less than a step of 3 bits, so steps show as the edges of bands."""
    step = np.abs(np.diff(photograph(), axis=1))
    assert np.mean(step < 1 / 7) > 0.95
    assert np.mean(step > 0) > 0.5  # and it is no flat drawing


@pytest.mark.parametrize("field", ["images", "labels", "train", "test"])
def test_digits_cannot_be_spoilt(field):
    with pytest.raises(ValueError, match="read-only"):
        getattr(digits(), field)[:] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(digits(), field, None)


def test_photograph_cannot_be_spoilt():
    with pytest.raises(ValueError, match="read-only"):
        photograph()[0, 0] = 0


def test_arrays_are_loaded_once():
    assert digits() is digits()
    assert photograph() is photograph()

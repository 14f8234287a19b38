"""Inputs that several files of this folder share."""

import io

import numpy as np
import pytest
from PIL import Image

from qviz.plots import Canvas


@pytest.fixture(scope="session")
def x():
    """Return 20,000 values with two outliers."""
    values = np.random.default_rng(0).standard_normal(20_000).astype(np.float32)
    values[:2] = -9.0, 12.0
    return values


@pytest.fixture
def decode():
    """Return `decode(png)`, the (height, width, 3) bytes that Pillow reads from a PNG file."""
    return lambda png: np.asarray(Image.open(io.BytesIO(png)))


@pytest.fixture
def built():
    """Return `built(panel)`, the panel in an axes."""

    def build(panel):
        Canvas({"panel": panel})
        return panel

    return build

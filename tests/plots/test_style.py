"""Legible on a projector, in black and white, and to the colour-blind."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from qviz.plots import style

ROLES = ("FLOAT", "QUANTIZED", "CLIPPED", "ROUNDED", "ERROR", "RANGE", "FURTHER", "QUIET")


def luminance(color):
    """Return the relative luminance of WCAG 2, 0 to 1."""
    rgb = np.array(to_rgb(color))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def lightness(color):
    """Return L* of CIELAB, 0 to 100: equal steps look equally large."""
    y = luminance(color)
    return 116 * np.cbrt(y) - 16 if y > 0.008856 else 903.3 * y


def test_the_oracle():
    assert lightness("white") == pytest.approx(100)
    assert lightness("black") == pytest.approx(0)
    assert lightness("#777777") == pytest.approx(50, abs=0.1)


def test_every_role_is_a_colour():
    assert {name for name in vars(style) if isinstance(getattr(style, name), str) and name.isupper()} == set(ROLES)


@pytest.mark.parametrize(("one", "other"), list(combinations(ROLES, 2)))
def test_roles_differ_in_lightness(one, other):
    assert abs(lightness(getattr(style, one)) - lightness(getattr(style, other))) > 3


@pytest.mark.parametrize("role", ROLES)
def test_roles_stand_out_from_white(role):
    contrast = 1.05 / (luminance(getattr(style, role)) + 0.05)
    assert contrast >= (2 if role in ("ROUNDED", "QUIET") else 3)  # those two fill areas and guide the eye


def test_words_are_large_enough():
    ax: Axes = Figure().subplots()
    style.dress(ax, style.Labels("title", "x", "y"))
    ax.plot([0, 1], label="line")
    style.legend(ax)
    words = [ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels(), *ax.get_legend().get_texts()]
    assert min(text.get_fontsize() for text in words) >= 9
    assert ax.get_title(loc="left") == "title"

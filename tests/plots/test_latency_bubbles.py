"""Bubbles, spreads and names where the measurements say; no time in words."""

import numpy as np
import pytest

from qviz.plots import Canvas, LatencyBubblesPanel, latency_bubbles
from qviz.plots.latency_bubbles import LARGEST

MEASURED = {"float32": (2.5, 0.5, 0.99, 160_000), "int8": (1.25, 0.25, 0.97, 40_000)}


def test_by_hand():
    canvas = Canvas({"panel": LatencyBubblesPanel()})
    canvas.update({"panel": (MEASURED,)})
    panel = canvas.panels["panel"]
    np.testing.assert_allclose(panel.bubbles.get_offsets(), [[2.5, 99], [1.25, 97]])
    np.testing.assert_allclose(panel.bubbles.get_sizes(), [LARGEST, LARGEST / 4])
    ends = [[x for x, _ in segment] for segment in panel.spreads.get_segments()]
    np.testing.assert_allclose(ends, [[2.25, 2.75], [1.125, 1.375]])
    assert [(t.get_text(), t.xy) for t in panel.names if t.get_visible()] == [
        ("float32", (2.5, 99)),
        ("int8", (1.25, 97)),
    ]


def test_words_are_the_same_whatever_the_times():
    other = {name: (9 * ms, 3 * spread, *rest) for name, (ms, spread, *rest) in MEASURED.items()}
    assert latency_bubbles(MEASURED).description == latency_bubbles(other).description
    assert latency_bubbles(MEASURED)._png != latency_bubbles(other)._png


@pytest.mark.parametrize("count", [0, 7])
def test_a_picture_has_room_for_six(count):
    with pytest.raises(ValueError, match=f"measured must hold 1 to 6 networks: got {count}"):
        latency_bubbles({str(i): (1, 0, 0.5, 1) for i in range(count)})

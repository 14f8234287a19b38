"""The stored example of speed: its ratios, and that it shows what the page says of it."""

import numpy as np

from qviz.experiments.measured_speed import EXAMPLE, MACHINE, MeasuredTime


def test_ratios_pair_what_was_measured_together():
    """12 / 30 is the middle one; the ends of the lists, 10 / 40 and 12 / 20, were never measured together."""
    assert MeasuredTime(1, 1, (10.0, 12.0, 10.0), (20.0, 30.0, 40.0)).times_as_fast == (0.25, 0.4, 0.5)


def test_small_layers_lose_and_large_ones_win():
    """More work to do can only help: of each width, the most inputs at once beat one input, or it is wide already."""
    middle = {(e.width, e.batch): e.times_as_fast[1] for e in EXAMPLE}
    assert len(middle) == len(EXAMPLE) == 9
    assert max(middle[16, batch] for batch in (1, 16, 256)) < 1 < min(middle[1024, batch] for batch in (1, 16, 256))
    assert middle[256, 1] < 1 < middle[256, 16] < middle[256, 256]
    assert all(np.ptp(e.times_as_fast) < 0.6 * e.times_as_fast[1] + 0.2 for e in EXAMPLE)
    assert "EPYC" in MACHINE and "thread" in MACHINE

"""The explorer of bytes: sums by hand, and the table."""

import numpy as np
import pytest

from qviz.widgets import SizeExplorer, size


def test_by_hand():
    """conv1: 144 codes of 4 bits are 72 bytes, 16 scales 32, 16 zero points 16, 16 biases 64; float32 576 + 64."""
    row = size.compute(size.State(bits=4, scheme="affine")).rows[0]
    assert (row.stored.codes, row.stored.scales, row.stored.zero_points, row.stored.biases) == (72, 32, 16, 64)
    assert row.float_bytes == 640 and row.ratio == pytest.approx(640 / 184)


@pytest.mark.parametrize("network", ["digits CNN", "wide", "language model"])
def test_the_whole_is_the_sum_of_its_layers(network):
    *layers, whole = size.compute(size.State(network=network, bits=3, granularity="per 32 weights")).rows
    assert whole.stored.total == sum(row.stored.total for row in layers)
    assert whole.float_bytes == sum(row.float_bytes for row in layers)


def test_eight_bits_are_nearly_four_times_smaller_where_weights_dominate():
    """A scale and a bias a channel take 6 bytes beside 1,024 codes: 4 * 1025 / 1030 = 3.98."""
    assert size.compute(size.State(network="wide")).whole.ratio > 3.8


def test_more_bits_and_more_scales_take_more_bytes():
    for name in size.NETWORKS:
        totals = [
            [size.compute(size.State(name, bits, one)).whole.stored.total for bits in range(2, 9)]
            for one in size.GRANULARITIES
        ]
        assert (np.diff(totals) > 0).all()
    assert (np.diff(totals, axis=0) > 0).all()  # the language model: each channel has many groups


def test_bars_and_table(shown):
    explorer = shown(SizeExplorer, bits=2, granularity="per 8 weights", scheme="affine")
    head, titles, *rows = explorer.readout.splitlines()
    assert head == "digits CNN, int2 affine, one scale per 8 weights; bytes:"
    assert {len(row) for row in rows} == {len(titles)}
    assert [row.split()[0] for row in rows] == ["conv1", "conv2", "fc1", "fc2", "all"]
    panel = explorer._canvas.panels["bytes"]
    ends = [shape.get_path().vertices[:, 0].max() for shape in panel.bars]
    assert ends[-1] == pytest.approx(max(100 / row.ratio for row in explorer.result.rows))
    assert max(ends) < panel.limit

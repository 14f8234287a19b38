"""The estimate of energy: the published table value by value, and sums worked by hand."""

import pytest

from qviz.experiments.energy import ACCESS_PJ, ADD_PJ, FLOAT16, FLOAT32, MULTIPLY_PJ, energy, integers
from qviz.networks.layer_shapes import LayerShape, linear

# Horowitz, ISSCC 2014, figure 1.1.9, typed a second time and in another order
PUBLISHED = [
    (ADD_PJ, "int8", 0.03),
    (ADD_PJ, "int32", 0.1),
    (MULTIPLY_PJ, "int8", 0.2),
    (MULTIPLY_PJ, "int32", 3.1),
    (ADD_PJ, "float16", 0.4),
    (ADD_PJ, "float32", 0.9),
    (MULTIPLY_PJ, "float16", 1.1),
    (MULTIPLY_PJ, "float32", 3.7),
    (ACCESS_PJ, "8 KB cache", (10, 10)),
    (ACCESS_PJ, "32 KB cache", (20, 20)),
    (ACCESS_PJ, "1 MB cache", (100, 100)),
    (ACCESS_PJ, "DRAM", (1300, 2600)),
]
FC = [linear("fc", 100, 10)]


@pytest.mark.parametrize(("table", "name", "value"), PUBLISHED)
def test_the_published_table(table, name, value):
    assert table[name] == value


def test_nothing_else_is_in_the_table():
    assert len(ADD_PJ) + len(MULTIPLY_PJ) + len(ACCESS_PJ) == len(PUBLISHED) + 1  # "nowhere" is ours, and costs nothing
    assert ACCESS_PJ["nowhere"] == (0, 0)


def test_by_hand_in_dram():
    """1,000 products of 0.2 + 0.1 pJ; 1,000 weights of 4 bits are 62.5 accesses, 110 activations of 8 are 13.75."""
    e = energy(FC, integers(4), "DRAM", batch=5)
    assert e.arithmetic_pj == pytest.approx(300)
    assert e.weights_pj == pytest.approx(62.5 / 5 * 1950)
    assert e.activations_pj == pytest.approx(13.75 * 1950)
    assert (e.low_pj, e.high_pj) == pytest.approx((300 + 26.25 * 1300, 300 + 26.25 * 2600))
    assert e.total_pj == pytest.approx((e.low_pj + e.high_pj) / 2)


@pytest.mark.parametrize(("numbers", "pj"), [(FLOAT32, 4.6), (FLOAT16, 1.5), (integers(8), 0.3), (integers(2), 0.3)])
def test_arithmetic_alone(numbers, pj):
    e = energy(FC, numbers, "nowhere")
    assert e.total_pj == e.arithmetic_pj == pytest.approx(1000 * pj)


def test_a_convolution_uses_each_weight_at_every_place():
    e = energy([LayerShape("conv", (16, 1, 3, 3), 64, 64)], FLOAT32, "8 KB cache")
    assert e.arithmetic_pj == pytest.approx(9216 * 4.6)
    assert e.weights_pj == pytest.approx(144 * 5)
    assert e.activations_pj == pytest.approx((64 + 1024) * 5)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        ({"place": "disk"}, ValueError, "place must be one of 'nowhere', '8 KB cache'"),
        ({"batch": 0}, ValueError, "batch must be from 1 "),
        ({"batch": 1.5}, TypeError, "batch must be a whole number"),
    ],
)
def test_refusals(change, error, text):
    with pytest.raises(error, match=text):
        energy(FC, FLOAT32, **change)


def test_bits_that_no_kernel_has_are_refused():
    with pytest.raises(ValueError, match="weight_bits must be from 2 to 8: got 16"):
        integers(16)

"""How sensitive layers are, and who gets the bits: against loops, and against losses made up so that one can tell."""

import itertools
from functools import reduce

import numpy as np
import pytest

from qviz.experiments.bit_allocation import all_but, alone, best_that_fits, take_bits, uniform
from qviz.experiments.mixed_precision import BITS, FLOAT, LAYERS, WIDTHS, every_network, place, size_bytes

UNIFORM = {bits: int(size_bytes()[place(bits)]) for bits in BITS}


def additive(*weights):
    """A loss to which each layer adds its own: weight times 4 ** -bits, 0 in float32."""
    parts = [w * np.array([*(4.0**-b for b in BITS), 0.0]) for w in weights]
    return reduce(np.add.outer, parts)


@pytest.mark.parametrize("layer", LAYERS)
def test_lines_through_the_table(layer):
    table, i = every_network().right, LAYERS.index(layer)
    for n, bits in enumerate(WIDTHS):
        one, rest = [FLOAT] * 4, [bits] * 4
        one[i], rest[i] = bits, FLOAT
        assert alone(table, layer)[n] == table[place(one)]
        assert all_but(table, layer)[n] == table[place(rest)]
        assert uniform(table)[n] == table[place(bits)]


@pytest.mark.parametrize("budget", [UNIFORM[2], UNIFORM[3] - 1, UNIFORM[4], 22_222, UNIFORM[8], 10**9])
@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (100, 1, 1, 1), (0, 3, 50, 0.1)])
def test_the_best_against_a_search_by_loops(budget, weights):
    loss, size = additive(*weights), size_bytes()
    fitting = [b for b in itertools.product(BITS, repeat=4) if size[place(b)] <= budget]
    best = min(fitting, key=lambda b: (loss[place(b)], size[place(b)]))
    assert best_that_fits(loss, budget) == best


@pytest.mark.parametrize("budget", [UNIFORM[2], 16_000, UNIFORM[4], UNIFORM[8] - 1, UNIFORM[8]])
def test_bits_are_taken_one_by_one_until_it_fits(budget):
    way = take_bits(every_network().divergence, budget)
    sizes = [size_bytes()[place(bits)] for bits in way]
    assert way[0] == (8, 8, 8, 8)
    assert all(sum(a) - sum(b) == 1 and max(np.subtract(a, b)) == 1 for a, b in itertools.pairwise(way))
    assert sizes[-1] <= budget
    assert all(size > budget for size in sizes[:-1])


def test_the_layer_that_hurts_least_for_its_bytes_gives_first():
    """By hand: of four layers alike, fc1 saves most bytes; if it is a million times as sensitive, conv2 does."""
    assert take_bits(additive(1, 1, 1, 1), UNIFORM[8] - 1)[1] == (8, 8, 7, 8)
    assert take_bits(additive(1, 1, 1e6, 1), UNIFORM[8] - 1)[1] == (8, 7, 8, 8)
    assert take_bits(additive(0, 1, 1, 1), UNIFORM[8] - 1)[1] == (7, 8, 8, 8)


def test_the_best_is_never_worse_than_the_greedy_one_or_the_uniform_one():
    loss, size = every_network().divergence, size_bytes()
    for bits, budget in UNIFORM.items():
        best = loss[place(best_that_fits(loss, budget))]
        assert best <= min(loss[place(take_bits(loss, budget)[-1])], loss[place(bits)])
        assert size[place(best_that_fits(loss, budget))] <= budget


def judged(bits):
    """Return what the test images say of a network: right, divergence, decibels."""
    test, at = every_network("test", "mse"), place(bits)
    return test.right[at], test.divergence[at], test.sqnr_db[at]


def test_mixed_beats_uniform_with_fewer_bytes():
    """Chosen on the training images alone; on the test images better by both measures that are finer than chance.

    Right answers differ by one or two of 359 images, which tells nothing.
    """
    chosen = best_that_fits(every_network("training", "mse").divergence, UNIFORM[4])
    assert size_bytes()[place(chosen)] < UNIFORM[4]
    (_, divergence, decibels), (_, most, low) = judged(chosen), judged(4)
    assert divergence < 0.7 * most and decibels > low + 1.5


@pytest.mark.parametrize(("bits", "gained_db"), [(4, 5.0), (3, 3.0)])
def test_one_percent_more_bytes_are_worth_much(bits, gained_db):
    budget = 1.01 * UNIFORM[bits]
    chosen = best_that_fits(every_network("training", "mse").divergence, budget)
    assert size_bytes()[place(chosen)] <= budget
    (right, divergence, decibels), (least, most, low) = judged(chosen), judged(bits)
    assert right > least and divergence < 0.5 * most and decibels > low + gained_db


def test_where_mixed_precision_loses():
    """What the lesson owns up to: greedy at this budget; min-max ranges; and 3 bits, where nothing better fits."""
    loss = every_network("training", "mse").divergence
    greedy = take_bits(loss, UNIFORM[4])[-1]
    assert judged(greedy)[1] > judged(4)[1] and judged(greedy)[0] < judged(4)[0]
    assert best_that_fits(loss, UNIFORM[3]) == (3, 3, 3, 3)
    test = every_network("test", "min-max").divergence
    chosen = best_that_fits(every_network("training", "min-max").divergence, UNIFORM[4])
    assert test[place(chosen)] > test[place(4)]


@pytest.mark.parametrize("choose", [take_bits, best_that_fits])
@pytest.mark.parametrize("budget", [UNIFORM[2] - 1, 0, float("nan")])
def test_too_small_a_budget_is_told(choose, budget):
    with pytest.raises(ValueError, match=r"budget_bytes must be at least 10,516, the size at 2 bits: got "):
        choose(additive(1, 1, 1, 1), budget)


@pytest.mark.parametrize("choose", [take_bits, best_that_fits])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_no_number_is_told(choose, bad):
    """A network without a loss would be the best one: NaN sorts nowhere."""
    loss = additive(1, 1, 1, 1)
    loss[0, 1, 2, 3] = loss[3, 2, 1, 0] = bad
    with pytest.raises(ValueError, match=r"loss must be finite for every network: got 2 values that are NaN or inf"):
        choose(loss, UNIFORM[4])
    with pytest.raises(
        ValueError, match=r"loss must have one entry for each network, shape \(8, 8, 8, 8\): got \(1, 8, 8, 8\)"
    ):
        choose(loss[:1], UNIFORM[4])


def test_an_unknown_layer_is_told():
    with pytest.raises(ValueError, match=r"layer must be one of 'conv1', .*: got 'conv3'"):
        alone(size_bytes(), "conv3")

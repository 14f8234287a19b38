"""The explorer's weight moves as one of torch does under qviz.pytorch.straight_through, which has torch's gradient."""

import numpy as np
import pytest

from qviz.widgets import STEExplorer
from qviz.widgets.ste import LIMITS, State, compute


@pytest.fixture
def explorer():
    """Return an explorer, and close it."""
    explorer = STEExplorer()
    yield explorer
    explorer.close()


@pytest.mark.parametrize("bits", [2, 3, 5])
@pytest.mark.parametrize(("weight", "target", "lr"), [(-0.8, 0.7, 0.05), (1.05, -2.0, 0.5), (0.3, 1.9, 0.31)])
def test_the_way_is_that_of_torch(bits, weight, target, lr):
    torch = pytest.importorskip("torch")
    from qviz.pytorch.straight_through import straight_through

    result = compute(State(bits=bits, weight=weight, target=target, lr=lr, steps=30))
    p = result.qparams
    w = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    seen = []
    for _ in range(31):
        output = straight_through(w, torch.tensor(p.scale), 0, p.fmt.qmin, p.fmt.qmax)
        seen.append((float(w.detach()), float(output.detach())))
        optimizer.zero_grad()
        ((output - target) ** 2 / 2).backward()
        optimizer.step()
    # the same float64 operations in another order: some units in the last place
    np.testing.assert_allclose(np.transpose(seen), [result.descent.weights, result.descent.outputs], rtol=0, atol=1e-12)


def test_the_axes_hold_every_way():
    rng = np.random.default_rng(0)
    for _ in range(300):
        weight, target = rng.uniform(-2, 2, 2)
        bits, lr = int(rng.integers(2, 6)), float(rng.uniform(0.01, 0.5))
        d = compute(State(bits=bits, weight=weight, target=target, lr=lr, steps=60)).descent
        assert LIMITS[0] < d.weights.min() and d.weights.max() < LIMITS[1]


def test_with_the_true_derivative_nothing_ever_moves(explorer):
    assert "in 40 steps, the weight crossed an edge 4 times, at steps 5, 11, 21 and 38" in explorer.readout
    explorer.set(slope="true derivative", steps=60)
    assert "the slope is 0.00, so the weight does not change\nweight -0.8000 -> -0.8000" in explorer.readout
    assert "in 60 steps, the weight crossed no edge" in explorer.readout


def test_a_clipped_weight_is_told(explorer):
    explorer.set(weight=1.6)
    assert "the weight is clipped, so the slope is 0.00 and the weight does not change" in explorer.readout


def test_many_crossings_are_cut_short(explorer):
    explorer.set(bits=2, weight=0.45, target=0.5, lr=0.2, steps=60)
    assert "in 60 steps, the weight crossed an edge 60 times, at steps 1, 2, 3, 4, 5, 6, 7, 8, ..." in explorer.readout

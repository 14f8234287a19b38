import pytest

from qviz.experiments import SwitchedCNN, Switches
from qviz.widgets import SwitchesExplorer
from qviz.widgets.switches import State, compute


@pytest.fixture
def explorer():
    """Return an explorer on a few images, and close it."""
    explorer = SwitchesExplorer()
    yield explorer
    explorer.close()


def test_the_state_is_the_switches():
    state = State(weights=False, weight_bits=3, bias_bits=7, bias_scale="its own", method="mse")
    result = compute(state, SwitchedCNN(most=5))
    assert result.switches == Switches(weights=False, weight_bits=3, bias_bits=7, bias_scale="its own", method="mse")
    assert result.this == result.combinations["activations", "biases"]


def test_all_off_is_float(explorer):
    explorer.set(weights=False, activations=False, biases=False)
    assert explorer.result.this.right == 355
    line = "* nothing: float32                 inf   1.0000      355     98.9%       153,128            12,840"
    assert line in explorer.readout.splitlines()


def test_the_picture_is_told_in_numbers(explorer):
    explorer.set(weight_bits=3, activation_bits=3)
    views = explorer.views(explorer.state, explorer.result)
    this_db, alone_db = views["layers"]
    right, images, sizes, this = views["combinations"]
    outcomes = explorer.result.combinations
    assert this_db == [layer.sqnr_db for layer in outcomes["weights", "activations", "biases"].layers]
    assert [row[-1] for row in alone_db] == [outcomes[part,].sqnr_db for part in ("weights", "activations", "biases")]
    assert (images, this) == (359, 7)
    assert right[:2] == [355, outcomes["weights",].right]
    assert sizes[4] == outcomes["weights", "activations"].size_bytes


def test_the_star_is_at_this_setting(explorer):
    for parts in ((), ("biases",), ("weights", "biases")):
        explorer.set(**{part: part in parts for part in ("weights", "activations", "biases")})
        starred = [line for line in explorer.readout.splitlines() if line.startswith("*")]
        assert len(starred) == 1
        assert starred[0].split("  ")[0] == f"* {', '.join(parts) or 'nothing: float32'}"


def test_a_wider_weight_breaks_an_8_bit_bias(explorer):
    """The finer the scale of the weights, the finer the step of the sum, and the shorter the reach of 8 bits."""
    explorer.set(weight_bits=4, activation_bits=4, bias_bits=8)
    alone = [explorer.result.combinations["biases",].right]
    explorer.set(weight_bits=8, activation_bits=8)
    alone.append(explorer.result.combinations["biases",].right)
    assert alone[1] < alone[0]


def test_it_keeps_one_network_until_it_is_closed(explorer):
    cnn = explorer._cnn
    explorer.weight_bits = 3
    assert explorer._cnn is cnn
    explorer.close()
    assert explorer._cnn is None

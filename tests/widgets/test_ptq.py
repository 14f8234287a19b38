"""The PTQ explorer: it says what the laboratory found, and offers what the laboratory can."""

import pytest

pytest.importorskip("torch")

from qviz.pytorch.labs.ptq_lab import NETWORKS, PTQLab
from qviz.pytorch.ptq_config import METHODS
from qviz.widgets import PTQExplorer, ptq


@pytest.fixture
def explorer(shown):
    return shown(PTQExplorer)


def test_its_lists_are_those_of_the_room_of_torch(explorer):
    assert ptq.METHODS == METHODS
    assert ptq.NETWORKS == tuple(NETWORKS)
    assert ptq.PLACES == tuple(layer.name for layer in explorer.result.layers)


def test_each_control_reaches_the_laboratory(explorer):
    explorer.set(network="channels rescaled", weight_bits=6, activation_bits=5, granularity="per channel")
    explorer.set(scheme="symmetric", method="aciq", samples=32, reduce_range=True)
    same = PTQLab()(
        "channels rescaled",
        weight_bits=6,
        activation_bits=5,
        per_channel=True,
        scheme="symmetric",
        method="aciq",
        samples=32,
        reduce_range=True,
    )
    assert str(explorer.result) == str(same)


def test_the_readout_says_what_was_found(explorer):
    explorer.set(weight_bits=2, activation_bits=4, layer="fc1")
    r, text = explorer.result, explorer.readout.splitlines()
    assert text[0].startswith(f"W2A4: {r.accuracy:.2%} right (float 98.89%), same answer as float on {r.agreement:.2%}")
    assert f"{r.size_bytes:,} bytes on disk" in text[1] and "simulated" not in text[1]
    assert [line[2:7].strip() for line in text[3:]] == list(ptq.PLACES)
    assert [line for line in text if line.startswith(">")] == [text[3 + ptq.PLACES.index("fc1")]]
    assert f"{r.layer('fc1').sqnr_db:.2f}" in text[6]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", "channels rescaled"),
        ("weight_bits", 3),
        ("activation_bits", 7),
        ("granularity", "per channel"),
        ("scheme", "symmetric"),
        ("samples", 1000),
        ("layer", "fc2"),
        ("reduce_range", True),
        *(("method", method) for method in METHODS[1:]),
    ],
)
def test_every_control_shows_at_once(explorer, name, value):
    png, readout = explorer.png, explorer.readout
    setattr(explorer, name, value)
    assert explorer.last_error is None
    assert explorer.png != png and explorer.readout != readout


def test_an_unknown_layer_is_told(explorer):
    with pytest.raises(ValueError, match="name must be one of input, conv1, conv2, fc1, fc2: got 'bn1'"):
        explorer.result.layer("bn1")

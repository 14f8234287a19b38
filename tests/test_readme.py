"""The Python in the README runs as it stands there, on files and arrays that a reader might have."""

import re
from pathlib import Path

import numpy as np
import pytest

BLOCKS = re.findall(r"```python\n(.*?)```", (Path(__file__).parent.parent / "README.md").read_text("utf-8"), re.DOTALL)
RNG = np.random.default_rng(0)


def block(name):
    """Return the one block that uses this name."""
    (found,) = (text for text in BLOCKS if name in text)
    return found


def test_nothing_is_left_out():
    assert len(BLOCKS) == 2


def test_with_your_own_data(tmp_path, monkeypatch, capsys):
    pytest.importorskip("ipywidgets")
    monkeypatch.chdir(tmp_path)
    x = RNG.standard_normal((8, 64)).astype(np.float32)
    np.save("my_weights.npy", x)
    space = {"x": x}
    exec(block("CalibrationExplorer"), space)
    assert space["q"].dtype == np.int8 and space["q"].shape == x.shape
    assert 35 < float(capsys.readouterr().out) < 50  # 8 bits on a bell shape: 6 dB a bit, less some for its tails


def test_with_your_own_network(tmp_path, monkeypatch, capsys):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    monkeypatch.chdir(tmp_path)

    def network():
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))

    model = network()
    torch.save(model.state_dict(), "my_weights.pt")
    x = torch.as_tensor(RNG.standard_normal((256, 1, 8, 8)), dtype=torch.float32)
    y = model.eval()(x).argmax(dim=1)  # so the float network is right everywhere
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=16)
    space = {"MyNetwork": network, "batches": batches, "x": x, "y": y}
    exec(block("quantize_model"), space)
    assert "float 1.0000" in capsys.readouterr().out
    from qviz.pytorch import load

    again = load("my_network_int8.safetensors", model, x)
    assert torch.equal(again(x), space["int8"](x))

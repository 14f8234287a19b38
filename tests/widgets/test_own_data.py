"""Files with several arrays in an explorer: a list to choose from, by hand and from code."""

import datetime
import gc
import io
import json

import ipywidgets
import numpy as np
import pytest

from qviz.widgets import CalibrationExplorer, GranularityExplorer, QuantizeExplorer


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return {f"layer.{i}.weight": rng.standard_normal((8, 4 + i)) for i in range(12)} | {"bias": np.ones(5)}


@pytest.fixture(params=["npz", "safetensors", "shards", "folder"])
def saved(request, arrays, tmp_path, reference):
    """Return the path of a file, an index or a folder with these arrays."""
    path = tmp_path / f"model.{request.param}"
    if request.param == "npz":
        np.savez(path, **arrays)
        return path
    save_file = reference("safetensors.numpy").save_file
    if request.param == "safetensors":
        save_file(arrays, path)
        return path
    files = {name: f"{i % 2}.safetensors" for i, name in enumerate(arrays)}
    for file in set(files.values()):
        save_file({name: array for name, array in arrays.items() if files[name] == file}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": files}))
    return index if request.param == "shards" else tmp_path


def shows(explorer, arrays, name):
    np.testing.assert_array_equal(explorer.own(), arrays[name].astype(np.float32))
    return explorer.tensor == name and f"{arrays[name].size} of {arrays[name].size} values" in explorer.readout


def test_a_file_opens_with_its_first_matrix_and_a_list(saved, arrays, shown):
    explorer = shown(CalibrationExplorer, data=str(saved))
    assert shows(explorer, arrays, "layer.0.weight")
    listed = explorer._tensors.children[1]
    assert [name for _, name in listed.options] == ["bias", *(f"layer.{i}.weight" for i in range(12))]
    assert listed.options[3][0] == "layer.2.weight   8 x 6   float64"
    assert explorer._tensors.layout.display is None and listed.value == "layer.0.weight"
    listed.value = "layer.10.weight"
    assert shows(explorer, arrays, "layer.10.weight")


def test_code_chooses(saved, arrays, shown):
    explorer = shown(CalibrationExplorer, data=saved, tensor="bias", bits=3)
    assert shows(explorer, arrays, "bias")
    explorer.set(tensor="layer.2.weight", bits=5)
    assert shows(explorer, arrays, "layer.2.weight") and explorer.bits == 5
    explorer.tensor = "layer.3.weight"
    assert shows(explorer, arrays, "layer.3.weight")
    explorer.data = "Gaussian"
    assert explorer.tensor == "" and explorer._tensors.layout.display == "none"
    explorer.data = "your own"
    assert explorer.tensor == "layer.3.weight"
    again = eval(explorer.code, {"qviz": __import__("qviz")})
    assert (again.tensor, again.state, again.readout) == (explorer.tensor, explorer.state, explorer.readout)
    again.close()
    explorer.reset(tensor="layer.4.weight")
    assert shows(explorer, arrays, "layer.4.weight") and explorer.bits == 3
    explorer.reset()
    assert shows(explorer, arrays, "bias")
    explorer.reset(data=np.ones(3))
    assert explorer.tensor == ""


def test_a_name_that_is_not_there_moves_nothing(saved, arrays, shown):
    explorer = shown(CalibrationExplorer, data=saved, tensor="layer.1.weight")
    for settings in ({"tensor": "layers.2.weight"}, {"data": saved, "tensor": "layers.2.weight"}):
        with pytest.raises(
            ValueError, match=r"tensor 'layers.2.weight' is not in .*; did you mean '?.*'layer.2.weight'"
        ):
            explorer.set(bits=2, **settings)
        assert shows(explorer, arrays, "layer.1.weight") and explorer.bits == 4


def test_typing_narrows_the_list(saved, shown):
    explorer = shown(QuantizeExplorer, data=saved)
    find, listed = explorer._tensors.children
    assert isinstance(find, ipywidgets.Text) and find.description and listed.description
    picture = explorer.png
    for typed, names in (
        ("LAYER.11", ["layer.11.weight"]),
        ("weight layer.1.", ["layer.1.weight"]),
        ("float64 x 15", ["layer.11.weight"]),
        ("nothing", []),
    ):
        find.value = typed
        assert [name for _, name in listed.options] == names
        assert explorer.tensor == "layer.0.weight" and explorer.png == picture
    find.value = ""
    assert len(listed.options) == 13 and listed.value == "layer.0.weight"


def test_one_that_cannot_be_shown_is_told_and_the_list_goes_back(tmp_path, shown):
    np.savez(tmp_path / "x.npz", a=np.ones((2, 2)), b=np.array([1.0, np.nan]), c=np.array([True]))
    explorer = shown(QuantizeExplorer, data=tmp_path / "x.npz")
    listed = explorer._tensors.children[1]
    for name, sentence in (("b", "b must hold finite numbers"), ("c", "must hold real numbers")):
        listed.value = name
        assert explorer.readout.startswith("Not shown: ") and sentence in explorer.readout
        assert explorer.tensor == listed.value == "a"


def test_a_file_of_one_array_shows_no_list(tmp_path, shown):
    np.savez(tmp_path / "x.npz", only=np.ones((2, 16)))
    explorer = shown(GranularityExplorer, data=tmp_path / "x.npz")
    assert explorer.tensor == "" and explorer._tensors.layout.display == "none"
    assert explorer.code == f"qviz.widgets.GranularityExplorer(data={str(tmp_path / 'x.npz')!r})"


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
def test_small_floats_are_shown(kind, tmp_path, shown, reference):
    torch = reference("torch")
    values = torch.randn(16, 32, generator=torch.Generator().manual_seed(0)).to(getattr(torch, kind))
    reference("safetensors.torch").save_file({"w": values, "b": values[0].clone()}, tmp_path / "x.safetensors")
    explorer = shown(QuantizeExplorer, data=tmp_path / "x.safetensors")
    assert explorer.tensor == "w"
    np.testing.assert_array_equal(explorer.own(), values.float().numpy())


# A file of the reader's computer


def opened(explorer, name, content):
    """Hand a file to the kernel, as the button does."""
    (button,) = [w for w in explorer._panel_of_controls.buttons.children if isinstance(w, ipywidgets.FileUpload)]
    now = datetime.datetime.now(datetime.UTC)
    button.value = ({"name": name, "type": "", "size": len(content), "content": content, "last_modified": now},)
    assert button.value == ()


def test_a_file_is_opened_by_its_own_name(shown):
    explorer = shown(QuantizeExplorer)
    file = io.BytesIO()
    np.savez(file, a=np.arange(6.0).reshape(2, 3), b=np.arange(4.0))
    opened(explorer, "net.npz", file.getvalue())
    assert explorer.last_error is None and explorer.data == "your own" and explorer.tensor == "a"
    explorer.tensor = "b"  # it is still there
    assert explorer.result.x.tolist() == [0, 1, 2, 3]
    assert explorer.code == "qviz.widgets.QuantizeExplorer(data='net.npz', tensor='b')"


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("net.pt", b"x", "Not shown: data must end in .npy, .npz or .safetensors: got 'net.pt'"),
        ("net.npy", b"x", "Not shown: net.npy"),
    ],
)
def test_a_file_that_cannot_be_shown_leaves_the_last_picture(name, content, cause, shown):
    explorer = shown(QuantizeExplorer)
    png = explorer.png
    opened(explorer, name, content)
    first = explorer.readout.splitlines()[0]
    assert first.startswith(cause) and "/" not in first
    assert explorer.png == png and explorer.data == "Gaussian"


def test_what_was_opened_is_removed_with_the_explorer(build, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    explorer = build(QuantizeExplorer)
    file = io.BytesIO()
    np.save(file, np.arange(3.0))
    opened(explorer, "x.npy", file.getvalue())
    assert len(list(tmp_path.iterdir())) == 1
    explorer.close()
    del explorer
    gc.collect()
    assert list(tmp_path.iterdir()) == []

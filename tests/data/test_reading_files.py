"""read_array on files that are what they say."""

import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from qviz.data import list_arrays, read_array

NUMBERS = st.one_of(hnp.integer_dtypes(endianness="?"), hnp.floating_dtypes(endianness="?", sizes=(16, 32, 64)))
ARRAYS = hnp.arrays(NUMBERS, hnp.array_shapes(min_dims=0, min_side=0))
untimed = settings(deadline=None)  # disks are slow at times


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("files")


def same(out, array):
    np.testing.assert_array_equal(out, array)
    assert out.dtype == array.dtype.newbyteorder("=")
    assert out.flags.writeable


@untimed
@given(array=ARRAYS, is_fortran=st.booleans())
def test_npy_round_trip(folder, array, is_fortran):
    np.save(folder / "a.npy", np.asfortranarray(array) if is_fortran else array)
    same(read_array(folder / "a.npy"), np.load(folder / "a.npy"))
    same(read_array(str(folder / "a.npy")), array.reshape(np.load(folder / "a.npy").shape))


@untimed
@given(array=ARRAYS, other=ARRAYS, save=st.sampled_from([np.savez, np.savez_compressed]))
def test_npz_round_trip(folder, array, other, save):
    save(folder / "a.npz", array=array, other=other)
    same(read_array(folder / "a.npz", "array"), array)
    same(read_array(folder / "a.npz", "other"), other)


@untimed
@given(array=hnp.arrays(st.sampled_from("bhiqBHIQefd"), hnp.array_shapes(min_dims=0, min_side=0)))
def test_safetensors_round_trip(folder, array):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    save_file({"array": np.ascontiguousarray(array).reshape(array.shape), "z": np.ones(3)}, folder / "a.safetensors")
    same(read_array(folder / "a.safetensors", "array"), array)
    assert read_array(folder / "a.safetensors", "z").tolist() == [1, 1, 1]


def test_one_array_needs_no_key(folder, reference):
    np.savez(folder / "one.npz", only=np.arange(3))
    reference("safetensors.numpy").save_file({"only": np.arange(3)}, folder / "one.safetensors")
    assert read_array(folder / "one.npz").tolist() == [0, 1, 2]
    assert read_array(folder / "one.safetensors").tolist() == [0, 1, 2]


def test_several_arrays_need_a_key_and_the_error_lists_them(folder, reference):
    arrays = {f"w{i}": np.zeros(1) for i in range(3)}
    np.savez(folder / "many.npz", **arrays)
    reference("safetensors.numpy").save_file(arrays, folder / "many.safetensors")
    for name in ("many.npz", "many.safetensors"):
        with pytest.raises(ValueError, match=r"key must be given, .* choose from 'w0', 'w1', 'w2'$"):
            read_array(folder / name)
        with pytest.raises(ValueError, match=r"key 'w9' is not in .* choose from 'w0', 'w1', 'w2'$"):
            read_array(folder / name, "w9")


def test_long_lists_of_names_are_cut(folder):
    np.savez(folder / "long.npz", **{f"w{i:03}": np.zeros(1) for i in range(50)})
    with pytest.raises(ValueError, match=r"'w019' and 30 more$"):
        read_array(folder / "long.npz")


def test_bfloat16_becomes_float32_exactly(folder, reference):
    torch = reference("torch")
    values = torch.tensor([0.0, -0.0, 1.0, -2.5, 3.140625, 1e38, 1e-40, float("inf"), float("nan")])
    values = values.bfloat16().reshape(3, 3)
    reference("safetensors.torch").save_file({"x": values}, folder / "b.safetensors")
    out = read_array(folder / "b.safetensors")
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, values.float().numpy())
    np.testing.assert_array_equal(np.signbit(out), np.signbit(values.float().numpy()))


@pytest.mark.parametrize(("kind", "name"), [("float8_e4m3fn", "float8_e4m3"), ("float8_e5m2", "float8_e5m2")])
def test_every_code_of_float8_becomes_float32_exactly(kind, name, folder, reference):
    torch = reference("torch")
    values = torch.arange(256).to(torch.uint8).view(getattr(torch, kind)).reshape(16, 16)
    reference("safetensors.torch").save_file({"x": values, "y": values[:1].clone()}, folder / "f8.safetensors")
    assert repr(list_arrays(folder / "f8.safetensors")["x"]) == f"{name} (16, 16)"
    out = read_array(folder / "f8.safetensors", "x")
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, values.float().numpy())
    numbers = ~np.isnan(out)
    np.testing.assert_array_equal(np.signbit(out)[numbers], np.signbit(values.float().numpy())[numbers])


def test_types_that_are_no_plain_numbers_are_refused(folder, reference):
    torch = reference("torch")
    tensors = {"c": torch.zeros(2, dtype=torch.complex64), "yes": torch.zeros(2, dtype=torch.bool)}
    reference("safetensors.torch").save_file(tensors, folder / "t.safetensors")
    for key, name in {"c": "C64", "yes": "BOOL"}.items():
        with pytest.raises(TypeError, match=f"'{key}' is {name}; convert it to float32 and save again"):
            read_array(folder / "t.safetensors", key)


def test_a_checkpoint_in_several_files(folder, reference):
    """By its index, and by its folder; without an index, a folder gives all that its files hold."""
    save_file = reference("safetensors.numpy").save_file
    (folder / "shards").mkdir()
    parts = {"1.safetensors": {"a": np.arange(6.0).reshape(2, 3)}, "2.safetensors": {"b": np.ones(4, np.float16)}}
    for file, arrays in parts.items():
        save_file(arrays, folder / "shards" / file)
    index = folder / "shards" / "model.safetensors.index.json"
    for written in (False, True):
        if written:
            index.write_text(json.dumps({"weight_map": {name: f for f, arrays in parts.items() for name in arrays}}))
        for source in [folder / "shards", index][: 1 + written]:
            assert {name: repr(a) for name, a in list_arrays(source).items()} == {
                "a": "float64 (2, 3)",
                "b": "float16 (4,)",
            }
            same(read_array(source, "a"), parts["1.safetensors"]["a"])
            same(read_array(source, "b"), parts["2.safetensors"]["b"])


def test_names_that_are_nearly_right(folder):
    np.savez(folder / "near.npz", **{f"layers.{i}.weight": np.zeros(1) for i in range(30)}, Bias=np.zeros(1))
    with pytest.raises(ValueError, match=r"key 'bias' is not in .*near\.npz; did you mean 'Bias'\?$"):
        read_array(folder / "near.npz", "bias")
    with pytest.raises(ValueError, match=r"did you mean .*'layers\.7\.weight'"):
        read_array(folder / "near.npz", "layer.7.weight")


def test_only_the_wanted_tensor_is_read(folder, reference):
    """The other one is a hole of a gigabyte, which would take a while and its memory."""
    path = folder / "hole.safetensors"
    header = {"hole": {"dtype": "F32", "shape": [2**28], "data_offsets": [0, 2**30]}}
    header["x"] = {"dtype": "BF16", "shape": [2], "data_offsets": [2**30, 2**30 + 4]}
    text = json.dumps(header).encode()
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.seek(2**30, 1)
        stream.write(reference("torch").tensor([1.5, -2.0]).bfloat16().view(reference("torch").uint8).numpy().tobytes())
    tracemalloc.start()
    try:
        assert read_array(path, "x").tolist() == [1.5, -2.0]
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_small_tensor_of_a_large_file_is_read(folder, reference):
    arrays = {"large": np.zeros(1000), "small": np.ones(2)}
    np.savez(folder / "l.npz", **arrays)
    reference("safetensors.numpy").save_file(arrays, folder / "l.safetensors")
    for name in ("l.npz", "l.safetensors"):
        assert read_array(folder / name, "small", max_bytes=16).tolist() == [1, 1]
        with pytest.raises(ValueError, match="at most max_bytes = 7999 bytes: it takes 8000"):
            read_array(folder / name, "large", max_bytes=7999)


def test_home_and_capital_extensions(folder, monkeypatch):
    np.save(folder / "home.npy", np.arange(2))
    (folder / "home.npy").rename(folder / "HOME.NPY")
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert read_array("~/HOME.NPY").tolist() == [0, 1]

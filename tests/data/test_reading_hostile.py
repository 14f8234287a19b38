"""read_array on files that are damaged, too large or out to do harm: one clear sentence; nothing is run."""

import json
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qviz.data import read_array

untimed = settings(deadline=None)


def npy_bytes(shape=(3,), descr="<f4", data=b"\0" * 12, version=(1, 0), header=None):
    """A .npy file by hand."""
    if header is None:
        header = repr({"descr": descr, "fortran_order": False, "shape": shape}) + "\n"
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode("latin1") + data


def safetensors_bytes(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def put(tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


def peak_memory(path, reason="max_bytes"):
    """Return the most memory in bytes that was held while the file was refused."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=reason):
            read_array(path, max_bytes=2**28)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["QVIZ_TRAP"],))


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_pickles_are_refused_and_never_run(name, tmp_path, monkeypatch):
    monkeypatch.setenv("QVIZ_TRAP", str(tmp_path / "sprung"))
    save = np.save if name == "x.npy" else np.savez
    save(tmp_path / name, np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(
        TypeError, match="pickled objects, which are never read here, because a pickle can run any code when opened"
    ):
        read_array(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


def test_the_trap_works(tmp_path, monkeypatch):
    """The test above can fail: unpickling does spring it."""
    monkeypatch.setenv("QVIZ_TRAP", str(tmp_path / "sprung"))
    pickle.loads(pickle.dumps(Trap()))
    assert (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.safetensors"])
@pytest.mark.parametrize("content", [b"", b"\n", b"these are no numbers, but a text\n" * 9, pickle.dumps([1, 2])])
def test_other_files_renamed(name, content, put):
    with pytest.raises(ValueError, match=rf"{name} is damaged or not a \.\w+ file: .+; save or download it again$"):
        read_array(put(name, content))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (npy_bytes(data=b"\0" * 11), "promises 12 bytes of data, but there are 11"),
        (npy_bytes(data=b"\0" * 13), "promises 12 bytes of data, but there are 13"),
        (npy_bytes(shape=(-3,)), r"shape \(-3,\) has a negative length"),
        (npy_bytes(shape="x"), "shape is not valid"),
        (npy_bytes(descr="<q9"), "is not a valid dtype"),
        (npy_bytes(header="{'descr'"), "."),
        (npy_bytes(header="(" * 9000), "."),
        (npy_bytes(header="x" * 20000), "too large|large"),
        (npy_bytes(version=(3, 0)), r"version is \(3, 0\), but only 1.0 and 2.0"),
        (npy_bytes(version=(9, 9)), r"version is \(9, 9\)|only support format version"),
        (npy_bytes()[:9], "EOF"),
    ],
)
def test_broken_npy(content, text, put):
    with pytest.raises(ValueError, match=rf"(?s)x\.npy is damaged or not a \.npy file: .*({text})"):
        read_array(put("x.npy", content))


@pytest.mark.parametrize("descr", ["<c8", "|b1", "<U3", "<M8[s]", "|S4"])
def test_npy_of_other_types(descr, put):
    with pytest.raises(TypeError, match="must hold real numbers"):
        read_array(put("x.npy", npy_bytes(descr=descr)))


def test_huge_declared_shapes_are_refused_from_the_header(put):
    path = put("x.npy", npy_bytes(shape=(10**6, 10**6, 10**6)))
    assert peak_memory(path) < 2**20


def test_a_large_npy_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.npy"
    with path.open("wb") as stream:
        stream.write(npy_bytes(shape=(2**28,), data=b""))
        stream.truncate(2**30)  # sparse: takes no room on disk
    assert peak_memory(path) < 2**20


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_header_bomb_is_refused_before_it_is_read(name, tmp_path):
    """Version 2 headers may claim 4 GB; this one has 300 MB, which deflate to little."""
    path = tmp_path / name
    start = b"\x93NUMPY\x02\x00" + struct.pack("<I", 300 * 2**20)
    if name == "x.npy":
        with path.open("wb") as stream:
            stream.write(start)
            stream.truncate(301 * 2**20)
    else:
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("a.npy", "w") as stream,
        ):
            stream.write(start)
            for _ in range(301):
                stream.write(bytes(2**20))
    assert peak_memory(path, "is damaged") < 2**20


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as stream:
        stream.write(npy_bytes(shape=(300 * 2**20,), descr="|u1", data=b""))
        for _ in range(300):
            stream.write(bytes(2**20))
    assert path.stat().st_size < 2**20
    assert peak_memory(path) < 2**20


def test_a_zip_bomb_that_lies_about_its_size_is_cut_off(tmp_path):
    """The directory says 140 bytes, the header 12 of data, the stream holds 64 MB."""
    path = tmp_path / "liar.npz"
    head = npy_bytes(data=b"")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", head + bytes(64 * 2**20))
    true, lie = struct.pack("<I", len(head) + 64 * 2**20), struct.pack("<I", len(head) + 12)
    path.write_bytes(path.read_bytes().replace(true, lie))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"is damaged or not a \.npz file: .*(CRC-32|does not unpack)"):
            read_array(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_npz_members_that_are_no_arrays(tmp_path):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello, this is not an array")
    with pytest.raises(ValueError, match=r"x.npz is damaged or not a .npz file: the magic string is not correct"):
        read_array(path)


def test_an_empty_npz(tmp_path):
    np.savez(tmp_path / "x.npz")
    with pytest.raises(ValueError, match=r"x.npz holds no arrays"):
        read_array(tmp_path / "x.npz")


@pytest.mark.parametrize("length", [100, 10_000])  # in the first block with the header, and in a later one
def test_a_flipped_bit_in_an_npz_is_noticed(length, tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(length))
    content = bytearray(path.read_bytes())
    content[40 + 128 + 8 * length // 2] ^= 1  # in the data of the array
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"is damaged or not a \.npz file: .*(CRC-32|does not unpack)"):
        read_array(path)


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [3], "data_offsets": [4, 16]}},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}},
        {name: {"dtype": "F32", "shape": [2], "data_offsets": [4 * i, 4 * i + 8]} for i, name in enumerate("ab")},
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F32", "shape": [-3], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F33", "shape": [3], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 12]}},
        {"a": {"dtype": "F32"}},
        {"a": 1},
        [1, 2],
    ],
)
def test_broken_safetensors(header, put, reference):
    """The library refuses each of them too."""
    with pytest.raises(reference("safetensors").SafetensorError):
        reference("safetensors").safe_open(put("x.safetensors", safetensors_bytes(header, b"\0" * 12)), "numpy")
    with pytest.raises(ValueError, match=r"x.safetensors is damaged or not a .safetensors file: "):
        read_array(put("x.safetensors", safetensors_bytes(header, b"\0" * 12)))


def test_a_large_safetensors_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "x.safetensors"
    entry = {"dtype": "F32", "shape": [2**28], "data_offsets": [0, 2**30]}
    with path.open("wb") as stream:
        stream.write(safetensors_bytes({"a": entry}))
        stream.truncate(stream.tell() + 2**30)
    assert peak_memory(path) < 2**20


@untimed
@given(data=st.data(), name=st.sampled_from(["x.npy", "x.npz", "x.safetensors"]))
def test_any_cut_or_flip_gives_numbers_or_one_sentence(data, name, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"fuzz-{name}"
    good = path.with_name(f"good-{name}")
    if not good.exists():
        if name == "x.safetensors":
            pytest.importorskip("safetensors.numpy").save_file({"a": np.arange(20.0)}, good)
        else:
            (np.save if name == "x.npy" else np.savez_compressed)(good, np.arange(20.0))
    content = bytearray(good.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_array(path).dtype.kind in "iuf"
    except (TypeError, ValueError) as error:
        assert "\n" not in str(error)
        assert "; " in str(error)  # what to do comes after it


def test_files_that_are_not_there_or_no_files(tmp_path):
    with pytest.raises(ValueError, match=r"must be an existing file: there is no .*gone\.npy; check spelling"):
        read_array(tmp_path / "gone.npy")
    with pytest.raises(ValueError, match="must be a file: got the folder"):
        read_array(tmp_path)
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(ValueError, match="must be a file: got the folder"):
        read_array(tmp_path / "folder.npy")
    with pytest.raises(ValueError, match=r"source could not be read|there is no"):
        read_array("x" * 5000 + ".npy")
    with pytest.raises(ValueError, match="there is no"):
        read_array("\0.npy")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a Unix thing")
def test_a_pipe_does_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.npy")
    with pytest.raises(ValueError, match="is a device or pipe; copy it to a file"):
        read_array(tmp_path / "pipe.npy")


@pytest.mark.parametrize(("name", "advice"), [("w.csv", "save the array with np.save"), ("w.pt", "may hold a pickle")])
def test_wrong_extensions(name, advice, put):
    with pytest.raises(ValueError, match=rf"must end in .npy, .npz or .safetensors: got '{name}'; .*{advice}"):
        read_array(put(name, b"1,2"))


def test_npy_takes_no_key(put):
    with pytest.raises(ValueError, match=r"key is only for .npz and .safetensors files: got 'a' for x\.npy"):
        read_array(put("x.npy", npy_bytes()), "a")


def test_safetensors_needs_no_library(put, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    header = {"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}, "__metadata__": {"by": "hand"}}
    assert read_array(put("x.safetensors", safetensors_bytes(header, b"\0" * 12))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("index", "reason"),
    [
        ({"weight_map": {"a": "../x.safetensors"}}, "is damaged .* outside its folder"),
        ({"weight_map": {"a": "gone.safetensors"}}, "names gone.safetensors, which is not in its folder; download all"),
        ({"weight_map": {"b": "x.safetensors"}}, "is damaged .* x.safetensors does not hold 'b'"),
        ({"weight_map": ["a"]}, "is damaged .* no index of tensors"),
        ([], "is damaged .* no index of tensors"),
    ],
)
def test_broken_index(index, reason, put):
    put("x.safetensors", safetensors_bytes({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}, b"\0" * 12))
    with pytest.raises(ValueError, match=reason):
        read_array(put("model.safetensors.index.json", json.dumps(index).encode()))

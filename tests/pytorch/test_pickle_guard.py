"""Hostile files are refused before anything in them is carried out, or takes more memory than a network does."""

import io
import pickle
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import digits_model, engines, pickle_guard, saved_model
from qviz.pytorch.ptq import PTQConfig, quantize_model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "digits.pt"
    saved_model.save(quantize_model(digits_model.digits_cnn(), PTQConfig(4, 4), digits_model.digits_tensors()[0]), path)
    return path


def archive(instructions: bytes, **records: bytes) -> bytes:
    """Return a file as torch.save writes it, with these instructions in place of those of a network."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        for name, data in {"data.pkl": instructions, "version": b"3\n", **records}.items():
            zipped.writestr(f"archive/{name}", data)
    return file.getvalue()


class Bomb:
    """What a hostile file does when it is unpickled: here it only leaves a trace."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("place", ["whole", "inside"])
def test_a_pickle_bomb_does_not_go_off(place, content, refused, tmp_path):
    trace = tmp_path / "went off"
    bomb = Bomb(trace)
    text = refused(bomb if place == "whole" else content | {"config": bomb})
    assert "not safe to load" in text and not trace.exists()
    assert "not a file of" in refused(pickle.dumps(bomb)) and not trace.exists()
    pickle.loads(pickle.dumps(bomb))
    assert trace.exists()  # it would have


def test_a_whole_module_is_refused(refused):
    with engines.quiet():
        assert "not safe to load" in refused(torch.nn.Linear(2, 2))


def test_what_takes_memory_only_is_refused_before_it_does(refused, monkeypatch):
    asked = archive(b"\x80\x02cbuiltins\nbytearray\nJ\x00\x84\xd7\x17\x85R.")  # bytearray(400_000_000)
    assert len(asked) < 1000
    monkeypatch.setattr(torch, "load", None)
    assert "builtins bytearray is not among what a network is made of" in refused(asked)


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        (b"\x80\x02ctorch\nSize\n)R.", "torch Size is not among"),
        (b"\x80\x02ctorch._utils\n_rebuild_sparse_tensor\n)R.", "torch._utils _rebuild_sparse_tensor is not among"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ is not among"),
        (b"\x80\x02ccollections\nOrderedDict\n)R}b.", "BUILD is not among"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04evil\x93.", "SHORT_BINUNICODE is not among"),
        (b"\x80\x02]q\x00h\x00a.", "one list stands in two places"),
        (b"\x80\x02}q\x00(X\x01\x00\x00\x00ah\x00u.", "one list stands in two places"),
        (b"\x80\x02" + b")" + b"\x85" * 50_000 + b".", "lists stand in lists, more than 20 levels deep"),
        (b"\x80\x02" + b"X\xff\xff\x00\x00" + b"a" * 0xFFFF + b".", "bytes beside the tensors are more than"),
        (b"\x80\x02\x85.", "it takes more than there is"),
        (b"\x80\x02(\x85t.", "it takes more than there is"),
        (b"\x80\x02h\x05.", "is damaged"),
        (b"\x80\x02t.", "is damaged"),
        (b"\x80", "is damaged"),
        (b"", "is damaged"),
    ],
)
def test_instructions_that_no_network_has(instructions, words, refused, monkeypatch):
    monkeypatch.setattr(torch, "load", None)
    text = refused(archive(instructions))
    assert words in text and "not safe to load" in text


@pytest.mark.parametrize("place", ["version", "config", "state", "kind", "engine", "format"])
def test_lists_that_share_lists_have_no_text_and_are_refused_at_once(place, content, refused):
    shared = ["a"]
    for _ in range(60):
        shared = [shared, shared]
    assert "one list stands in two places" in refused(content | {place: shared})
    assert "one list stands in two places" in refused(content | {"config": content["config"] | {"method": shared}})


@pytest.mark.parametrize("place", ["version", "config", "kind", "engine", "state"])
def test_of_what_is_not_plain_only_the_kind_is_said(place, content, refused):
    wide = [["a" * 100] * 3] * 1  # a list within a list, as a tree
    text = refused(content | {place: [list(part) for part in wide]})
    assert "aaa" not in text
    assert "a" * 60 not in refused(content | {place: "a" * 10_000})


def test_a_key_that_is_a_deep_tuple_is_refused(refused):
    key = b")" + b"\x85" * 1000
    assert "levels deep" in refused(archive(b"\x80\x02}" + key + b"K\x01s."))


def test_what_a_network_holds_passes(saved):
    for config in (PTQConfig(), PTQConfig(flow="fx"), PTQConfig(dynamic=True)):
        file = io.BytesIO()
        saved_model.save(quantize_model(digits_model.digits_cnn(), config, digits_model.digits_tensors()[0]), file)
        loaded = pickle_guard.load_plain(file.getvalue())
        assert loaded.keys() == torch.load(saved, weights_only=True).keys()


def test_a_file_of_long_ago_is_not_taken_for_an_archive(saved):
    """torch.load reads one that does not begin as an archive in another way, whatever stands behind."""
    with pytest.raises(ValueError, match=r"does not begin as a file of torch\.save does"):
        pickle_guard.load_plain(pickle.dumps({}) + saved.read_bytes())


def test_two_records_of_one_name(refused):
    """zipfile reads the last one and torch another: what is checked is what torch reads."""
    file = io.BytesIO()
    good, bad = b"\x80\x02}.", b"\x80\x02cbuiltins\nbytearray\n)R."
    for first, second in ((good, bad), (bad, good)):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as zipped, pytest.warns(UserWarning, match="Duplicate name"):
            zipped.writestr("archive/data.pkl", first)
            zipped.writestr("archive/data.pkl", second)
            zipped.writestr("archive/version", b"3\n")
        text = refused(file.getvalue())
        assert "bytearray" in text or "is not a file of qviz.pytorch.saved_model.save" in text


def test_a_zip_of_something_else_is_refused(tmp_path, refused):
    with zipfile.ZipFile(tmp_path / "letters.zip", "w") as archive:
        archive.writestr("letter.txt", "Dear reader")
    assert "is damaged, or holds more than numbers" in refused((tmp_path / "letters.zip").read_bytes())


def test_a_zip_that_grows_is_refused_before_it_does(tmp_path, refused, monkeypatch):
    monkeypatch.setattr(pickle_guard, "LARGEST_BYTES", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * 100_000)
    monkeypatch.setattr(torch, "load", None)
    assert "100,000 bytes are more than any such network has" in refused((tmp_path / "bomb.zip").read_bytes())

"""Engines are put back, and only the expected warnings are silenced."""

import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from qviz.pytorch import engines


def with_engines(monkeypatch, *names):
    monkeypatch.setattr(torch.backends, "quantized", SimpleNamespace(supported_engines=list(names), engine="none"))


def test_the_engine_is_put_back():
    before = torch.backends.quantized.engine
    for name in engines.supported():
        with engines.using(name) as current:
            assert current == name == torch.backends.quantized.engine
        assert torch.backends.quantized.engine == before


def test_the_engine_is_put_back_after_an_error():
    before = torch.backends.quantized.engine
    other = next(name for name in engines.supported() if name != before)
    with pytest.raises(KeyError), engines.using(other):
        raise KeyError
    assert torch.backends.quantized.engine == before


def test_using_can_be_nested():
    before = torch.backends.quantized.engine
    first, *_, last = engines.supported()
    with engines.using(first), engines.using(last):
        assert torch.backends.quantized.engine == last
    assert torch.backends.quantized.engine == before


@pytest.mark.parametrize("name", ["none", "FBGEMM", "", 3])
def test_an_unknown_engine_is_refused(name):
    before = torch.backends.quantized.engine
    with pytest.raises(ValueError, match=r"engine must be one that this build of torch supports, '.*: got"):
        with engines.using(name):
            pass
    assert torch.backends.quantized.engine == before


@pytest.mark.parametrize(
    ("there", "first"),
    [
        (("qnnpack", "none", "onednn", "x86", "fbgemm"), "fbgemm"),
        (("qnnpack", "onednn", "x86"), "x86"),
        (("qnnpack", "onednn"), "onednn"),
        (("none", "qnnpack"), "qnnpack"),
        (("none",), None),
        (("none", "something new"), None),
    ],
)
def test_the_order_of_preference(monkeypatch, there, first):
    with_engines(monkeypatch, *there)
    assert engines.preferred() == first


def test_no_engine_at_all(monkeypatch):
    with_engines(monkeypatch, "none")
    assert engines.supported() == ()
    assert "Results are simulated" in engines.describe()
    for engine in (None, "fbgemm"):
        words = (
            f"engine cannot be chosen, because this build of torch has no engine: got {engine!r}; quantize_model and"
        )
        with pytest.raises(ValueError, match=words), engines.using(engine):
            pass


def test_what_needs_an_engine_says_so_in_a_line_where_there_is_none(monkeypatch, capsys):
    with pytest.raises(ZeroDivisionError), engines.needed():
        print(1 / 0)
    with_engines(monkeypatch, "none")
    with engines.needed():
        print("before")
        with engines.using():
            print("never")
    assert capsys.readouterr().out == (
        "before\nThis cannot run here: this build of torch has no engine for quantized networks.\n"
    )
    with pytest.raises(KeyboardInterrupt), engines.needed():
        raise KeyboardInterrupt


@pytest.mark.parametrize(("vnni", "words"), [(True, "has VNNI"), (False, "no VNNI"), (None, "is unknown")])
def test_describe_says_how_the_processor_adds(monkeypatch, vnni, words):
    monkeypatch.setattr(engines, "has_vnni", lambda: vnni)
    assert words in engines.describe()


def test_vnni_without_torchs_answer(monkeypatch, tmp_path):
    monkeypatch.delattr(torch.cpu, "_is_vnni_supported", raising=False)
    for text, expected in (("flags: avx512_vnni", True), ("flags: avx2", False)):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(engines, "Path", lambda _: tmp_path / "cpuinfo")
        assert engines.has_vnni() is expected
    monkeypatch.setattr(engines, "Path", lambda _: tmp_path / "missing")
    assert engines.has_vnni() is None


@pytest.mark.parametrize(("message", "category"), engines._EXPECTED)
def test_expected_messages_are_silenced(message, category):
    with engines.quiet():
        warnings.warn(message + " and what follows", category, stacklevel=1)
    with pytest.warns(category):
        warnings.warn(message, category, stacklevel=1)


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("must run observer before calling calculate_qparams. Returning default values.", UserWarning),
        ("something else is deprecated", DeprecationWarning),
        ("torch.ao.quantization is deprecated", RuntimeWarning),
        ("not at the beginning: torch.ao.quantization is deprecated", DeprecationWarning),
    ],
)
def test_other_messages_are_not(message, category):
    with pytest.warns(category), engines.quiet():
        warnings.warn(message, category, stacklevel=1)


def test_importing_the_room_says_nothing_and_changes_nothing():
    program = (
        "import warnings, torch; filters, engine = list(warnings.filters), torch.backends.quantized.engine;"
        "import qviz.pytorch.engines, qviz.pytorch.digits_model;"
        "assert list(warnings.filters) == filters and torch.backends.quantized.engine == engine"
    )
    assert subprocess.run([sys.executable, "-W", "error", "-c", program]).returncode == 0

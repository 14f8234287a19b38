"""PTQ and QAT run to their end where torch has no engine, or qnnpack alone, and say what cannot run there."""

import json
import re
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ipywidgets")

from qviz.pytorch import digits_model, engines

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
LESSONS = tuple(next(NOTEBOOKS.glob(f"*_{slug}.ipynb")).stem for slug in ("ptq_with_fbgemm", "qat_with_fbgemm"))
NOT_HERE = "This cannot run here: this build of torch has no engine for quantized networks.\n"


@pytest.fixture
def short_trainings(monkeypatch):
    """Let each training be one epoch on one batch: what is learned does not matter here."""
    whole, one = digits_model.train_by_epoch, digits_model._one_epoch
    monkeypatch.setattr(
        digits_model, "train_by_epoch", lambda m, epochs, **others: whole(m, epochs=min(epochs, 1), **others)
    )
    monkeypatch.setattr(digits_model, "_one_epoch", lambda m, o, batches, *rest: one(m, o, islice(batches, 1), *rest))


@pytest.fixture
def no_engine(monkeypatch):
    """Make torch one that was built without engines."""

    def fail(*arguments):
        raise RuntimeError("Didn't find engine for operation quantized::linear_prepack NoQEngine")

    monkeypatch.setattr(torch.backends, "quantized", SimpleNamespace(supported_engines=["none"], engine="none"))
    for operation in ("linear_prepack", "conv2d_prepack"):
        monkeypatch.setattr(torch.ops.quantized, operation, fail)


@pytest.fixture
def qnnpack_alone(monkeypatch):
    if "qnnpack" not in engines.supported():
        pytest.skip("qnnpack is not in this build of torch")
    with engines.using("qnnpack"):
        monkeypatch.setattr(engines, "supported", lambda: ("qnnpack",))
        yield


def said_by_cell(lesson: str, capsys) -> dict[str, str]:
    """Run the code cells of a lesson in this process, and return what each printed."""
    notebook, names, said = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8")), {}, {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            code = "".join(cell["source"])
            exec(compile(code, f"{lesson}, cell {cell['id']}", "exec"), names)
            said[code] = capsys.readouterr().out
    return said


@pytest.mark.parametrize(("lesson", "unable"), [(LESSONS[0], 5), (LESSONS[1], 3)])
def test_without_an_engine(lesson, unable, short_trainings, no_engine, capsys):
    said = said_by_cell(lesson, capsys)
    told = [code for code, text in said.items() if NOT_HERE in text]
    assert len(told) == unable and all("engines.needed()" in code for code in told)
    assert "nan" not in "".join(said.values())
    if lesson == LESSONS[0]:  # the other one prints accuracies alone, and trainings that were stored elsewhere
        assert "simulated" in "".join(said.values())


def without_sizes(text: str) -> str:
    """Blank the sizes of files: each engine packs weights in its own way."""
    return re.sub(r"[\d,]+ bytes", "bytes", text)


def printed(output: dict) -> str:
    """Return what an output of a stored page printed, folded until there is a guess or not."""
    words = "".join(output.get("data", {}).get("text/html", ""))
    folded = "<pre" in words and "qviz-stored" not in words  # the latter is a widget, whose kernel is gone
    return "".join(output["data"]["text/plain"] if folded else output.get("text", ""))


@pytest.mark.parametrize("lesson", LESSONS)
def test_with_qnnpack_alone(lesson, short_trainings, qnnpack_alone, capsys):
    """As on a Mac: pages print what fbgemm computes there too, but for layers whose ranges are found as they run."""
    said = said_by_cell(lesson, capsys)
    stored = json.loads((NOTEBOOKS / f"{lesson}.ipynb").read_text(encoding="utf-8"))["cells"]
    assert NOT_HERE not in "".join(said.values()) and "nan" not in "".join(said.values())
    if lesson == LESSONS[0]:  # no training whose epochs were cut
        for cell in stored:
            wanted = "".join(map(printed, cell.get("outputs", ())))
            code = "".join(cell["source"])
            if wanted and "dynamic" not in code:
                assert without_sizes(said[code]).rstrip() == without_sizes(wanted).rstrip(), code

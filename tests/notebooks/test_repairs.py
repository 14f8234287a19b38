"""The repairs of the page on failures: a cell edited as its text says is told to work; half edited it gets a hint."""

import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from qviz.pytorch import engines, failures

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import contents

import course

pytestmark = pytest.mark.skipif(engines.preferred() is None, reason="no engine for quantized models")

PREPARED = "    prepared = prepare("
REPAIRS = {  # case: what stands in the cell, what the reader writes
    "missing-stub": ("nn.Linear(10, 5)", "QuantStub(), nn.Linear(10, 5), DeQuantStub()"),
    "uncalibrated": ("    bench.model", "    prepared(failures.images())\n    bench.model"),
    "train-mode": (PREPARED, f"    model.eval()\n{PREPARED}"),
    "low-accuracy": (PREPARED, f"    model.fuse()\n{PREPARED}"),
    "wrong-dtype": (
        "torch.qint8),\n    weight=MinMaxObserver.with_args(dtype=torch.quint8)",
        "torch.quint8),\n    weight=MinMaxObserver.with_args(dtype=torch.qint8)",
    ),
    "engine": ('"qnnpack"', "bench.engine"),
    "symmetric": (", qscheme=torch.per_tensor_symmetric", ""),
    "percentile": ("0.01", "99.9"),
    "skip-connection": ("torch.add", "FloatFunctional()"),
}
HALF = {
    "missing-stub": ("nn.Linear(10, 5)", "QuantStub(), nn.Linear(10, 5)"),
    "uncalibrated": ("    bench.model", "    prepared(100 * failures.images())\n    bench.model"),
    "train-mode": ("convert(prepared)", "convert(prepared).eval()"),
    "wrong-dtype": ("dtype=torch.quint8", "dtype=torch.qint8"),
    "engine": ('"qnnpack"', '"none"'),
    "percentile": ("0.01", "50"),
}
PAGE = course.build(contents.page("when_it_goes_wrong").source).cells
FOLDED = re.compile(r"^\w+\.fold_output\(\).*\n", re.MULTILINE)  # what the build puts before a result
CELLS = [FOLDED.sub("", cell.source) for cell in PAGE if cell.cell_type == "code"]
PROSE = "\n".join(cell.source for cell in PAGE if cell.cell_type == "markdown")


def run(name, there="", written=""):
    """Run the imports and the cell of a case, with one thing in it changed; return the verdict."""
    (cell,) = (cell for cell in CELLS if f'failures.check_repair("{name}"' in cell)
    assert there in cell
    steps, check = cell.replace(there, written, 1).split("failures.check_repair(")
    space: dict[str, object] = {}
    exec(CELLS[0], space)
    exec("with failures.workbench() as bench: pass", space)  # each page has one by then
    exec(steps.removesuffix("skip = "), space)
    return eval(f"failures.check_repair({check.splitlines()[0]}", space)


def test_every_case_stands_in_the_lesson_one_of_them_in_a_line():
    found = {name for name in failures.FAILURES if any(f'failures.check_repair("{name}"' in cell for cell in CELLS)}
    assert found == set(failures.FAILURES) - {"double-input"} == {*REPAIRS, "slower"}
    assert 'failures.case("double-input")' in PROSE


def test_the_text_sends_nobody_to_an_engine_that_may_not_be_there():
    assert '"fbgemm"' not in PROSE
    assert run("engine").effect.endswith(f"converted for {engines.preferred()})")


@pytest.mark.parametrize("name", REPAIRS)
def test_mended_as_the_text_says(name):
    assert not run(name).attempted
    verdict = run(name, *REPAIRS[name])
    assert verdict.works, verdict


@pytest.mark.parametrize("name", HALF)
def test_half_mended(name):
    verdict = run(name, *HALF[name])
    assert verdict.attempted and verdict.hint, verdict


def test_a_slip_of_the_pen_is_told():
    verdict = run("uncalibrated", "convert(prepared)", "convert(prepard)")
    assert verdict.says == "NameError: name 'prepard' is not defined"
    assert verdict.hint == "The steps above stopped with this error."

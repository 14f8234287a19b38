"""What differs from machine to machine is shown, and never stored; a fault of the page is not taken for an answer."""

import ast
from pathlib import Path

import pytest

from qviz.lessons import LocalResult
from qviz.numerics.unavailable import Unavailable

COURSE = Path(__file__).resolve().parents[2] / "course"


def test_the_answer_is_shown_and_the_stored_text_has_the_question_alone():
    here = LocalResult("How long?", lambda: "3 < 4 ms")
    assert "3 &lt; 4 ms" in here.value and "How long?" in here.value
    bundle = here._repr_mimebundle_()
    assert bundle["text/plain"] == "How long? Run this page to see the result on your machine."
    assert "3" not in bundle["text/plain"] and "text/html" not in bundle
    here.close()


def raising(error):
    def answer():
        raise error

    return answer


@pytest.mark.parametrize(
    "error", [Unavailable("no such counter"), ModuleNotFoundError("no such counter", name="torchao")]
)
def test_what_a_machine_lacks_does_not_stop_the_page(error):
    here = LocalResult("How long?", raising(error))
    assert "No result on this machine: no such counter" in here.value
    here.close()


@pytest.mark.parametrize("error", [ZeroDivisionError, ImportError, NameError, OSError, ValueError, FileNotFoundError])
def test_a_fault_of_the_page_is_no_answer(error):
    with pytest.raises(error):
        LocalResult("How long?", raising(error("a slip")))


def cells(source):
    """Return the code cells of a page, each as a syntax tree."""
    parts = source.split("# %%")[1:]
    return [ast.parse("# %%" + part) for part in parts if not part.lstrip().startswith("[markdown]")]


def names(node, context):
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, context)}


def defined(statement):
    """Return the names that a statement gives a meaning to."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    return names(statement, ast.Store)


def what_it_needs(before, cell):
    """Return the statements of a page that a cell depends on, and the cell itself, as a module that runs."""
    kept, wanted = [], names(cell, ast.Load)
    for statement in reversed(before):
        if defined(statement) & wanted:
            kept.insert(0, statement)
            wanted |= names(statement, ast.Load)
    return ast.Module([*kept, *cell.body], [])


def answers():
    """Yield each cell with a LocalResult, of every page, with what it needs."""
    for path in sorted(COURSE.glob("*.py")):
        before = []
        for cell in cells(path.read_text(encoding="utf-8")):
            if "LocalResult" in names(cell, ast.Load):
                yield pytest.param(path.name, what_it_needs(before, cell), id=f"{path.stem}-{len(before)}")
            before += cell.body


def test_the_pages_with_an_answer_are_found():
    pages = [parameter.values[0] for parameter in answers()]
    assert {"when_it_goes_wrong.py", "benefits_and_trade_offs.py", "moving_on.py"} <= set(pages) and len(pages) >= 6


@pytest.mark.parametrize(("page", "module"), list(answers()))
def test_every_answer_of_every_page_is_one(page, module, monkeypatch):
    """Run as on a page: an error comes through, and so does a machine's "No result", which here is a fault too."""
    pytest.importorskip("torch")
    made = []

    class Kept(LocalResult):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append(self)

    monkeypatch.setattr("qviz.lessons.LocalResult", Kept)
    exec(compile(module, page, "exec"), {})
    assert made and not [f"{here.question}: {here.answer}" for here in made if "No result" in f"{here.answer}"]
    assert all(f"{here.answer}".strip() for here in made)
    for here in made:
        here.close()


def test_a_broken_cell_is_found():
    broken = cells(
        "# %%\nfrom qviz.lessons import LocalResult\ntable = {}\n# %%\nLocalResult('?', lambda: table['int8'])\n"
    )
    with pytest.raises(KeyError):
        exec(compile(what_it_needs(broken[0].body, broken[1]), "a page", "exec"), {})

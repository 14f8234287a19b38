"""Two builds of one source: the instructor's solutions pass every check, and no student's file holds one."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

from qviz.lessons import exercises

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import contents

import course

SOURCES = course.sources()
LESSONS = SOURCES[1:]
every_page = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
every_lesson = pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
FENCED = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)


def stored(source):
    return json.loads((course.STUDENT / f"{contents.page(source.stem).stem}.ipynb").read_text(encoding="utf-8"))


def graded(notebook):
    """Return the pairs of an answer's cell and the cell that checks it."""
    pairs = zip(notebook.cells, notebook.cells[1:], strict=False)
    return [(one, two) for one, two in pairs if two.metadata.get("nbgrader", {}).get("grade")]


def verdicts(source, solutions):
    """Run the imports of a lesson, its answers and its checks; return what each check says."""
    notebook = course.build(source, solutions)
    space: dict[str, object] = {}
    exec(next(cell.source for cell in notebook.cells if cell.cell_type == "code"), space)
    found = []
    for answer, check in graded(notebook):
        exec(answer.source, space)
        *before, last = check.source.splitlines()
        exec("\n".join(before), space)
        found.append(eval(last, space))
    return found


@every_page
def test_the_stored_notebook_is_built_from_its_source(source):
    """So whatever is edited in a notebook by hand, and not in its source, is found."""
    built = course.build(source)
    kept = [(c["id"], c["cell_type"], "".join(c["source"]), c["metadata"]) for c in stored(source)["cells"]]
    assert kept == [(c["id"], c.cell_type, c.source, dict(c.metadata)) for c in built.cells]


def test_no_notebook_is_without_a_source():
    assert sorted(path.stem for path in course.STUDENT.glob("*.ipynb")) == [page.stem for page in contents.pages()]


@every_lesson
def test_every_solution_passes(source):
    found = verdicts(source, solutions=True)
    assert [verdict for verdict in found if not verdict] == []
    assert len(found) >= 3


@every_lesson
def test_every_student_starts_with_nothing_attempted(source):
    assert {verdict.state for verdict in verdicts(source, solutions=False)} == {"not attempted yet"}


@every_lesson
def test_exercises_are_numbered_and_one_is_a_bug(source):
    notebook = course.build(source)
    found = [course.CHECK.match(check.source).groups()[:2] for _, check in graded(notebook)]
    assert found == [(source.stem, str(n)) for n in range(1, len(found) + 1)]
    told = [re.match(r"\*\*(\d+)\.(\d+)\.", cell.source) for cell in notebook.cells]
    page = str(contents.page(source.stem).number)
    assert [m.groups() for m in told if m] == [(page, n) for _, n in found]
    assert any("Spot the bug." in cell.source for cell in notebook.cells)


def test_every_check_is_asked_for():
    asked = re.findall(r'^check\("(\w+\.\d+)"', "".join(s.read_text(encoding="utf-8") for s in SOURCES), re.MULTILINE)
    assert sorted(asked) == exercises.numbers()


def secret_lines(source):
    """Return the lines that stand in solutions alone."""
    text = source.read_text(encoding="utf-8")
    fenced = [line.strip() for part in FENCED.findall(text) for line in part.splitlines()]
    return {line for line in fenced if len(line) > 12 and line not in FENCED.sub("", text)}


@every_lesson
def test_no_student_file_holds_a_solution(source):
    text = json.dumps(stored(source))  # sources, outputs and metadata
    secrets = secret_lines(source)
    assert secrets
    assert [line for line in secrets if json.dumps(line)[1:-1] in text] == []
    assert re.findall("(BEGIN|END) (SOLUTION|HIDDEN)", text) == []


@every_lesson
def test_the_instructors_file_folds_them_away(source):
    cells = course.build(source, solutions=True).cells
    holding = [cell for cell in cells if FENCED.search(cell.source)]
    assert len(holding) >= 3
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in holding)


@every_lesson
def test_nbgrader_makes_the_students_file_of_the_instructors(source):
    """The oracle for the markers is the program that they are for."""
    preprocessors = pytest.importorskip("nbgrader.preprocessors")
    notebook = course.build(source, solutions=True)
    for step in (
        preprocessors.ClearSolutions(code_stub={"python": course.STUB}),
        preprocessors.ClearHiddenTests(),
    ):
        notebook, _ = step.preprocess(notebook, {})
    nbformat.validate(notebook)
    student = course.build(source)
    assert [cell.source for cell in notebook.cells] == [cell.source for cell in student.cells]
    identities = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    assert len(set(identities)) == len(identities) == 2 * len(graded(student))

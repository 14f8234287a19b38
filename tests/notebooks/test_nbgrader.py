"""A lesson handed out, handed in and graded by nbgrader itself: all points for who solves it, none for who does not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import course

SOURCE = course.sources()[1]  # the quickest to run
SETTINGS = f"""
c.CourseDirectory.course_id = "qviz"
c.ClearSolutions.code_stub = {{"python": {course.STUB!r}}}
"""


def nbgrader(folder, *words):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # it calls alembic by its bare name
    command = [sys.executable, "-W", "ignore", "-m", "nbgrader", *words]
    done = subprocess.run(command, cwd=folder, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def hand_in(folder, student, notebook):
    path = folder / "submitted" / student / "qviz" / f"{SOURCE.stem}.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(notebook), encoding="utf-8")


def solved(notebook):
    """Return a released notebook with the solutions in the cells for answers, as a good student hands it in."""
    solutions = {c.metadata.nbgrader.grade_id: c.source for c in course.build(SOURCE, True).cells if answers(c)}
    for cell in notebook["cells"]:
        if answers(cell):
            cell["source"] = solutions[cell["metadata"]["nbgrader"]["grade_id"]]
    return notebook


def answers(cell):
    return cell["metadata"].get("nbgrader", {}).get("solution", False)


def test_a_lesson_is_handed_out_handed_in_and_graded(tmp_path):
    gradebook = pytest.importorskip("nbgrader.api").Gradebook
    (tmp_path / "nbgrader_config.py").write_text(SETTINGS, encoding="utf-8")
    written = tmp_path / "source" / "qviz" / f"{SOURCE.stem}.ipynb"
    written.parent.mkdir(parents=True)
    nbformat.write(course.build(SOURCE, solutions=True), written)
    nbgrader(tmp_path, "generate_assignment", "qviz", "--create")

    released = (tmp_path / "release" / "qviz" / written.name).read_text(encoding="utf-8")
    assert "SOLUTION" not in released and "HIDDEN" not in released
    hand_in(tmp_path, "solves-it", solved(json.loads(released)))
    hand_in(tmp_path, "leaves-it", json.loads(released))
    nbgrader(tmp_path, "autograde", "qviz")

    with gradebook(f"sqlite:///{tmp_path / 'gradebook.db'}") as book:
        scores = {s.student.id: (s.score, s.max_score) for s in book.assignment_submissions("qviz")}
    assert scores == {"solves-it": (3.0, 3.0), "leaves-it": (0.0, 3.0)}

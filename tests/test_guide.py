"""The instructor's guide keeps what it promises: plans add up, counts are those of the pages, headings exist."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import jupytext
import pytest
import yaml

from qviz.lessons import questions

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import minutes

import course

GUIDE = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")
PAGES = minutes.pages()
SERVER_NEEDS_MB = 600  # a student with one page open, as the guide's own measurement says


def section(title):
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", GUIDE, re.DOTALL | re.MULTILINE)[1]


@pytest.mark.parametrize("plan", [45, 90, 180])
def test_a_plan_adds_up(plan):
    rows = re.findall(r"^\| (\d+) \|", section(f"{plan} minutes"), re.MULTILINE)
    assert sum(map(int, rows)) == plan


def test_the_counts_are_those_of_the_pages():
    """After a lesson changed: .venv/bin/python tools/minutes.py --store"""
    assert minutes.TABLE.search(GUIDE)[0].splitlines()[1:-1] == minutes.table().splitlines()


def test_a_page_is_counted_by_hand(tmp_path):
    """Six words, one line of code, two printed; the exercise and the sources do not count."""
    page = tmp_path / "01_x.ipynb"
    page.write_text(
        """{"cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# One two\\n", "three [four](five)"]},
        {"cell_type": "code", "metadata": {}, "source": ["XExplorer()"], "outputs": [{"text": ["a\\n", "b"]}]},
        {"cell_type": "code", "metadata": {"tags": ["exercise"]}, "source": ["check(\\"01.1\\", a)"], "outputs": []},
        {"cell_type": "markdown", "metadata": {}, "source": ["five six\\n", "## Sources\\n", "seven"]}]}""",
        encoding="utf-8",
    )
    found = minutes.page(page)
    assert (found.title, found.words, found.lines, found.explorers, found.exercises) == ("One two", 6, 3, 1, 1)
    assert (found.reading, found.exercising) == (0, 5)  # 2.2 and 3 minutes, rounded to five


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_a_page_says_how_long_it_takes(page):
    first = jupytext.read(ROOT / "course" / f"{Path(page.link).stem}.py").cells[0].source
    assert minutes.told(page) in first
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if Path(page.link).name in line and line.startswith("|"))
    assert row.endswith(f"| {minutes.short(page)} |")


def test_every_idea_of_the_questions_has_a_cell_that_cures_it():
    believed = re.findall(r"^\| ([^|]+?) \|", section("What students believe"), re.MULTILINE)[1:]
    assert believed == [question.about for question in questions.BEFORE]


def test_every_heading_that_is_named_exists():
    named = re.findall(r"\]\(\.\./notebooks/(\w+)\.ipynb\), \*([^*]+)\*", GUIDE)
    assert len(named) > 10
    for stem, heading in named:
        headings = re.findall(
            r"^# ## (?:\d+\. )?(.*)$", (ROOT / "course" / f"{stem}.py").read_text("utf-8"), re.MULTILINE
        )
        assert heading in headings


def test_the_exercises_that_a_plan_names_exist():
    sources = "".join(source.read_text(encoding="utf-8") for source in course.sources())
    for number in re.findall(r"[Ee]xercise (\d+\.\d+)", GUIDE):
        assert f"**{number}." in sources


def test_the_hub_gives_each_student_enough():
    settings = yaml.safe_load((ROOT / "docs" / "tljh.yaml").read_text(encoding="utf-8"))
    # the sections that tljh-config knows: https://tljh.jupyter.org/en/latest/topic/tljh-config.html
    assert set(settings) <= {"users", "limits", "user_environment", "services", "https", "auth"}
    assert int(settings["limits"]["memory"].removesuffix("M")) >= 2 * SERVER_NEEDS_MB  # two pages open


def test_the_rows_of_the_hub_follow_from_the_measurement():
    rows = re.findall(r"^\| (\d+) GB \| (\d+) \| (\d+) \|$", section("JupyterHub"), re.MULTILINE)
    assert len(rows) == 5
    for memory, one, two in (map(int, row) for row in rows):
        assert one == int((memory - 2) / (SERVER_NEEDS_MB / 1000)) and two == int(memory - 2)


def test_the_archive_for_students_holds_no_solution(tmp_path):
    if subprocess.run(["git", "-C", ROOT, "rev-parse"], capture_output=True).returncode:
        pytest.skip("no git here")
    archive = tmp_path / "qviz.zip"
    subprocess.run(["git", "-C", ROOT, "archive", "--worktree-attributes", "-o", archive, "HEAD"], check=True)
    with zipfile.ZipFile(archive) as files:
        names = files.namelist()
        text = "".join(files.read(name).decode("utf-8", "ignore") for name in names)
    assert {"start.py", "requirements.lock", "notebooks/01_what_is_quantization.ipynb"} <= set(names)
    for source in course.sources():
        fenced = re.findall(r"### BEGIN SOLUTION\n(.*?)### END", source.read_text(encoding="utf-8"), re.DOTALL)
        outside = re.sub(r"### BEGIN SOLUTION\n.*?### END", "", source.read_text(encoding="utf-8"), flags=re.DOTALL)
        lines = {line.strip() for part in fenced for line in part.splitlines()}
        assert [line for line in lines if len(line) > 20 and line not in outside and line in text] == []

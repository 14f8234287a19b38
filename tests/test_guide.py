"""The instructor's guide keeps what it promises: plans add up, counts are those of the pages, headings exist."""

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from qviz.lessons import questions

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import contents
import minutes
import tables

import course

GUIDE = (ROOT / "docs" / "instructor.md").read_text(encoding="utf-8")
SERVER_NEEDS_MB = 600  # a student with one page open, as the guide's own measurement says


def section(title):
    return re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", GUIDE, re.DOTALL | re.MULTILINE)[1]


@pytest.mark.parametrize("plan", [45, 90, 180])
def test_a_plan_adds_up(plan):
    rows = re.findall(r"^\| (\d+) \|", section(f"{plan} minutes"), re.MULTILINE)
    assert sum(map(int, rows)) == plan


@pytest.mark.parametrize("plan", [45, 90, 180])
def test_a_plan_has_slack_benefits_and_what_to_drop(plan):
    text = section(f"{plan} minutes")
    (slack,) = re.findall(r"^\| (\d+) \| Slack", text, re.MULTILINE)
    assert int(slack) >= plan / 10
    assert re.search(r"^\| \d+ \| Benefits", text, re.MULTILINE)
    assert "If you are late, drop in this order: " in text


def test_the_key_answers_every_question():
    """Each question of each source stands there once, with one right choice."""
    rows = re.findall(r"^\| \[\d+\]\(\S+\) \| (.+?) \| (.+?) \| (.+) \|$", section("Answer key"), re.MULTILINE)
    asked = sum(page.source.read_text(encoding="utf-8").count(" = Prediction(") for page in contents.pages())
    assert len(rows) == asked > 40
    assert [choices for _, choices, _ in rows if choices.count("**") != 2 or "A " not in choices] == []


def test_the_key_is_read_off_a_notebook(tmp_path):
    """Of two choices that begin alike, the longer one that fits is the right one."""

    def cell(source, text):
        return {"cell_type": "code", "source": source, "outputs": [{"text": text}]}

    page = tmp_path / "page.ipynb"
    question = cell(
        'g = Prediction("How many (of 4)?", ["1", "16", "2"])\ng', "How many (of 4)? (16 / 1 / 2) not attempted yet"
    )
    reveal = cell('g.reveal(16, "Why.")', "Your guess: not attempted yet. Answer: 16 (15.9).\nIt is\nso.")
    page.write_text(json.dumps({"cells": [question, reveal]}), encoding="utf-8")
    assert list(tables.asked_and_answered(page)) == [("How many (of 4)?", ["16", "1", "2"], "16", "It is so.")]


@pytest.mark.parametrize("path", tables.FILES, ids=lambda path: path.name)
def test_tables_and_links_follow_the_table_of_contents(path):
    """After a page changed: python3 start.py notebooks"""
    text = path.read_text(encoding="utf-8")
    assert tables.renewed(text) == text


def test_a_page_is_counted_by_hand():
    """Six words, two lines of code that are shown; the exercise and the sources do not count."""
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# One two\nthree [four](five)"},
        {"cell_type": "code", "metadata": {}, "source": "XExplorer()\nprint()"},
        {"cell_type": "code", "metadata": {"jupyter": {"source_hidden": True}}, "source": "g = Prediction()\ng"},
        {"cell_type": "code", "metadata": {"tags": ["exercise"]}, "source": 'check("x.1", a)'},
        {"cell_type": "markdown", "metadata": {}, "source": "five six\n## Sources\nseven"},
    ]
    found = minutes.count(cells)
    assert (found.words, found.lines, found.explorers, found.questions, found.exercises) == (6, 2, 1, 1, 1)
    assert (found.reading, found.exercising) == (5, 5)  # 2.75 and 3 minutes, rounded to five


def test_every_idea_of_the_questions_has_a_cell_that_cures_it():
    believed = re.findall(r"^\| ([^|]+?) \|", section("What students believe"), re.MULTILINE)[1:]
    assert believed == [question.about for question in questions.BEFORE]


def test_every_heading_that_is_named_exists():
    named = re.findall(r"\]\(\.\./notebooks/\d\d_(\w+)\.ipynb\), \*([^*]+)\*", GUIDE)
    assert len(named) > 10
    for stem, heading in named:
        headings = re.findall(
            r"^# ## (?:\d+\. )?(.*)$", (ROOT / "course" / f"{stem}.py").read_text("utf-8"), re.MULTILINE
        )
        assert heading in headings


def test_the_exercises_that_a_plan_names_exist():
    named = re.findall(r"\[[Ee]xercise \d+\.(\d+)\]\(\.\./notebooks/\d\d_(\w+)\.ipynb\)", GUIDE)
    assert len(named) == len(re.findall(r"[Ee]xercise \d", GUIDE)) > 0
    for number, slug in named:
        assert f"\n# **{number}." in contents.page(slug).source.read_text(encoding="utf-8")


def test_the_hub_gives_each_student_enough():
    settings = yaml.safe_load((ROOT / "docs" / "tljh.yaml").read_text(encoding="utf-8"))
    # the sections that tljh-config knows: https://tljh.jupyter.org/en/latest/topic/tljh-config.html
    assert set(settings) <= {"users", "limits", "user_environment", "services", "https", "auth"}
    assert int(settings["limits"]["memory"].removesuffix("M")) >= 2 * SERVER_NEEDS_MB  # two pages open


def test_kubernetes_gives_each_student_enough():
    settings = yaml.safe_load((ROOT / "docs" / "z2jh.yaml").read_text(encoding="utf-8"))
    memory, cpu = settings["singleuser"]["memory"], settings["singleuser"]["cpu"]
    assert int(memory["guarantee"].removesuffix("M")) >= SERVER_NEEDS_MB
    assert int(memory["limit"].removesuffix("M")) >= 2 * SERVER_NEEDS_MB  # two pages open
    assert cpu["guarantee"] == 1 / 4  # a core for four students
    told = section("Kubernetes")
    per_node, node = (int(re.search(words, told)[1]) for words in (r"holds (\d+) students", r"a node of (\d+) GB"))
    assert per_node == int((node - 2) / (int(memory["guarantee"].removesuffix("M")) / 1000))


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

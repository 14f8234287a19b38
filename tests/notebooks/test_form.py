"""Each stored notebook has the form of a lesson: short cells, every cell run, nothing exempt from comparison."""

import ast
import json
import re
import statistics
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LESSONS = [path for path in NOTEBOOKS if not path.name.startswith("00")]

CLOSING = ("what you expected", "its record", "in five lines", "sources")

# (notebook, cell id): why nbval need not compare this cell
EXEMPT: dict[tuple[str, str], str] = {}
EXEMPTION = re.compile(r"nbval|raises-exception|PYTEST_VALIDATE", re.IGNORECASE)


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell):
    return "".join(cell["source"])


def code(path):
    return [cell for cell in read(path)["cells"] if cell["cell_type"] == "code"]


def body(path):
    """Return the cells that teach: all but the exercises, which have a form of their own (test_course)."""
    return [cell for cell in read(path)["cells"] if "exercise" not in cell["metadata"].get("tags", [])]


def prose(path):
    return [source(cell) for cell in read(path)["cells"] if cell["cell_type"] == "markdown"]


def outputs(path):
    return [output for cell in code(path) for output in cell["outputs"]]


def texts(output):
    """What nbval compares of an output: its stream, or its plain text."""
    return "".join(output.get("text", output.get("data", {}).get("text/plain", "")))


each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def test_they_are_numbered_in_order():
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name) for path in NOTEBOOKS)
    assert [int(path.name[:2]) for path in NOTEBOOKS] == list(range(len(NOTEBOOKS)))
    assert len(LESSONS) >= 3


@each
def test_every_cell_was_run_in_order(path):
    assert [cell["execution_count"] for cell in code(path)] == list(range(1, len(code(path)) + 1))


@each
def test_no_output_is_an_error_or_on_stderr(path):
    assert [o for o in outputs(path) if o["output_type"] == "error" or o.get("name") == "stderr"] == []


@each
def test_something_is_there_to_compare(path):
    assert any(texts(output).strip() for output in outputs(path))


def exemptions(name, cell):
    """Return what keeps nbval from comparing this cell, unless it is on the list above."""
    words = [*cell["metadata"].get("tags", []), *re.findall(r"#.*", source(cell))]
    return [] if (name, cell["id"]) in EXEMPT else [word for word in words if EXEMPTION.search(word)]


@each
def test_no_cell_is_exempt(path):
    assert [found for cell in code(path) if (found := exemptions(path.name, cell))] == []


def test_an_exemption_is_found():
    tagged = {"id": "a", "metadata": {"tags": ["nbval-skip"]}, "source": ["1"]}
    assert exemptions("x", tagged) == ["nbval-skip"]
    assert exemptions("x", {**tagged, "metadata": {}, "source": ["# NBVAL_IGNORE_OUTPUT\n", "1"]})
    assert exemptions("x", {**tagged, "metadata": {}}) == []


def test_the_list_of_exemptions_is_short_and_current():
    ids = {(path.name, cell["id"]) for path in NOTEBOOKS for cell in code(path)}
    assert set(EXEMPT) <= ids and len(EXEMPT) <= 3


@each
def test_nothing_of_another_session_is_stored(path):
    notebook = read(path)
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    kinds = {kind for output in outputs(path) for kind in output.get("data", {})}
    assert not [kind for kind in kinds if "widget" in kind]
    assert not re.search(r" at 0x[0-9a-f]+|/home/|/root/|/tmp/|/Users/", "".join(map(texts, outputs(path))))


@each
def test_it_is_short(path):
    own = [re.sub(r"^\w+\.fold_output\(\).*\n", "", source(cell)) for cell in body(path) if cell["cell_type"] == "code"]
    lines = [len(text.strip().splitlines()) for text in own]
    assert len(body(path)) <= 40 + len(CLOSING)
    assert max(lines) <= 10
    assert statistics.median(lines) <= 3


@each
def test_no_line_runs_off_the_edge(path):
    """JupyterLab shows about 150 characters in a window of 1,400 pixels; what is folded away needs none."""
    shown = [c for c in code(path) if not c["metadata"].get("jupyter", {}).get("source_hidden")]
    assert [line for cell in shown for line in source(cell).splitlines() if len(line) > 150] == []


def definitions(cell):
    """Return the functions and classes that this cell defines outside an exercise in building."""
    if "build-it" in cell["metadata"].get("tags", []):
        return []
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in ast.walk(ast.parse(source(cell))) if isinstance(node, kinds)]


@each
def test_it_holds_no_logic(path):
    assert [name for cell in body(path) if cell["cell_type"] == "code" for name in definitions(cell)] == []


def test_logic_is_found():
    cell = {"metadata": {}, "source": ["x = 1\n", "def f():\n", "    class A: pass"]}
    assert definitions(cell) == ["f", "A"]
    assert definitions({**cell, "metadata": {"tags": ["build-it"]}}) == []


@each
def test_it_begins_with_what_a_reader_asks(path):
    first = prose(path)[0]
    assert source(read(path)["cells"][0]) == first
    assert first.startswith("# ")
    assert "?" in first, "the one question that it answers"
    assert re.search(r"\bminutes?\b", first)
    at = NOTEBOOKS.index(path)
    for neighbour in NOTEBOOKS[max(0, at - 1) : at] + NOTEBOOKS[at + 1 : at + 2]:
        assert f"({neighbour.name})" in first, "the link to the one before and after"


@each_lesson
def test_it_ends_with_summary_exercises_and_sources(path):
    headings = [h.lower() for h in re.findall(r"^#+ (.*)$", "\n".join(prose(path)), re.MULTILINE)]
    assert headings[-3:] == ["in five lines", "exercises", "sources"]


@each
def test_its_links_lead_somewhere(path):
    links = re.findall(r"\]\(((?!https?:|#|attachment:)[^)\s#]+)", "\n".join(prose(path)))
    assert [link for link in links if not (FOLDER / link).exists()] == []


@each
def test_its_cells_have_ids_of_their_own(path):
    ids = [cell["id"] for cell in read(path)["cells"]]
    assert len(set(ids)) == len(ids)


def left_where_the_reader_left_it(cells):
    """Return the cells that read an explorer, or move it on, from wherever the reader's hand has left it."""
    shown, found = set(), []
    for cell in cells:
        text = source(cell)
        for name in shown:
            first = re.search(rf"\b{name}\.(\w+)", text)
            if first and first[1] not in ("reset", "train"):
                found.append((cell["id"], name))
        shown |= set(re.findall(r"^(\w+) = \w+Explorer\(", text, re.MULTILINE))
    return found


@each
def test_what_a_cell_says_does_not_depend_on_the_readers_hand(path):
    """Whoever runs cell by cell, and moves what is to be moved, still gets the numbers of the page."""
    assert left_where_the_reader_left_it(cell for cell in body(path) if cell["cell_type"] == "code") == []


def test_a_cell_that_depends_on_the_readers_hand_is_found():
    texts = ["e = XExplorer()\ne", "e.bits = 3", "e.reset(bits=3)\nprint(e.readout)", "print(e.result)"]
    cells = [{"id": str(n), "source": [text]} for n, text in enumerate(texts)]
    assert left_where_the_reader_left_it(cells) == [("1", "e"), ("3", "e")]

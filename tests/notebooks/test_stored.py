"""What is stored is what a run gives, without a network; and a digit changed by hand does not pass."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import notebooks

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
STORE = ROOT / "tools" / "notebooks.py"


def run_tool(*arguments):
    command = [sys.executable, STORE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_is_built_from_its_source(path):
    """Cells, ids, tags and slides. nbval runs the page and compares what it puts out, so it need not run here too."""
    built = notebooks.course.build(notebooks.course.source_of(path))
    notebooks.clean(built)
    stored = nbformat.read(path, as_version=4)
    for mine, theirs in zip(built.cells, stored.cells, strict=True):
        for part in ("id", "cell_type", "source", "metadata"):
            assert mine[part] == theirs[part], mine.id
    assert {o.get("name") for c in stored.cells for o in c.get("outputs", ())} <= {None, "stdout"}


def test_a_second_run_changes_no_byte_of_the_text():
    """The tool cuts the network off by itself, refuses stderr, and compares all but the bytes of pictures."""
    done = run_tool("--check", NOTEBOOKS[1])
    assert done.returncode == 0, done.stderr


def write(path, *sources):
    """Write a notebook of these cells, not yet run."""
    cells = [new_markdown_cell("# Größe", id="title")]
    cells += [new_code_cell(text, id=f"cell-{n}") for n, text in enumerate(sources)]
    path.write_text(nbformat.writes(new_notebook(cells=cells)), encoding="utf-8")
    return path


TINY = (
    "print('scale', 0.5)\nprint('zero', 3)",
    "[1, 2]",
    "from IPython.display import display\ndisplay({'bits': 8})",
    "import ipywidgets\nipywidgets.IntSlider(3)",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a notebook with an output of each kind, stored by the tool."""
    path = write(tmp_path_factory.mktemp("tiny") / "tiny.ipynb", *TINY)
    done = run_tool(path)
    assert done.returncode == 0, done.stderr
    return path


def test_the_tool_stores_only_what_a_reader_can_use(tiny):
    text = tiny.read_text(encoding="utf-8")
    assert text.endswith("}\n") and "Größe" in text and '\n "cells"' in text
    notebook = json.loads(text)
    assert notebook["metadata"]["language_info"] == {"name": "python"} and "widgets" not in notebook["metadata"]
    assert [c.get("execution_count") for c in notebook["cells"]] == [None, 1, 2, 3, 4]
    assert [c["id"] for c in notebook["cells"]] == ["title", "cell-0", "cell-1", "cell-2", "cell-3"]
    assert notebook["cells"][1]["outputs"][0]["text"] == ["scale 0.5\n", "zero 3\n"]
    assert list(notebook["cells"][4]["outputs"][0]["data"]) == ["text/plain"]


def test_storing_twice_changes_no_byte(tiny, tmp_path):
    copy = tmp_path / tiny.name
    copy.write_bytes(tiny.read_bytes())
    assert run_tool(copy).returncode == 0
    assert copy.read_bytes() == tiny.read_bytes()


REFUSED = {
    "raises": ("1 / 0", "ZeroDivisionError"),
    "warns": ("import warnings\nwarnings.warn('odd')", "writes to stderr"),
    "downloads": ("import urllib.request\nurllib.request.urlopen('http://example.com')", "the network is cut off here"),
    "dies": ("import os\nos._exit(1)", "FAILED"),
    "empty": (" ", "is empty"),
}


def test_the_tool_refuses_and_leaves_the_notebook_alone(tmp_path):
    paths = [write(tmp_path / f"{name}.ipynb", source) for name, (source, _) in REFUSED.items()]
    before = [path.read_bytes() for path in paths]
    done = run_tool(*paths)
    assert done.returncode == 1 and done.stdout == ""
    for name, said in re.findall(
        r"^(\w+)\.ipynb: FAILED(.*?)(?=^\w+\.ipynb: |\Z)", done.stderr, re.DOTALL | re.MULTILINE
    ):
        assert REFUSED[name][1] in f"FAILED{said}"
    assert done.stderr.count(".ipynb: FAILED") == len(REFUSED)
    assert [path.read_bytes() for path in paths] == before
    assert sorted(tmp_path.iterdir()) == sorted(paths)  # and no half of a new one beside it


def test_the_check_fails_where_a_run_differs(tiny, tmp_path):
    changed = tmp_path / "changed.ipynb"
    assert tamper(tiny, changed)
    done = run_tool("--check", changed)
    assert done.returncode == 1 and "the stored text differs" in done.stderr


def test_a_cell_without_an_id_is_refused(tmp_path):
    path = tmp_path / "no_id.ipynb"
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "text"}]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(notebook), encoding="utf-8")
    done = run_tool(path)
    assert done.returncode == 1 and "has no id" in done.stderr


def text_of(output):
    """Return the list of lines that nbval compares, to be changed in place."""
    return output.get("text") or output.get("data", {}).get("text/plain") or []


def tamper(path, target, kind=None):
    """Copy the notebook with one digit changed in its first output of this kind; return whether there is one."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for output in (o for c in notebook["cells"] for o in c.get("outputs", []) if kind in (None, o["output_type"])):
        for n, line in enumerate(text_of(output)):
            if digit := re.search(r"\d", line):
                new = str((int(digit[0]) + 1) % 10)
                text_of(output)[n] = line[: digit.start()] + new + line[digit.end() :]
                target.write_text(json.dumps(notebook), encoding="utf-8")
                return True
    return False


def nbval(folder, *more):
    """Run nbval as the suite does, and return the outcome of each notebook: its passed and failed cells."""
    options = [*more, "--nbval", "--nbval-current-env", "-rA", "-q", "-p", "no:cacheprovider"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, *options, folder]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    outcome = {path.name: {"PASSED": 0, "FAILED": 0} for path in folder.glob("*.ipynb")}
    for word, name in re.findall(r"^(PASSED|FAILED) \S*?(\w+\.ipynb)::", done.stdout, re.MULTILINE):
        outcome[name][word] += 1
    return outcome


def test_one_changed_digit_makes_nbval_fail(tiny, tmp_path):
    real = next(path for path in NOTEBOOKS if path.stem.endswith("scale_and_zero_point"))  # one that runs for a second
    assert tamper(real, tmp_path / "real_changed.ipynb")
    (tmp_path / "real.ipynb").write_bytes(real.read_bytes())
    (tmp_path / "tiny.ipynb").write_bytes(tiny.read_bytes())
    kinds = ["stream", "execute_result", "display_data"]
    for kind in kinds:
        assert tamper(tiny, tmp_path / f"{kind}.ipynb", kind)
    outcome = nbval(tmp_path, "-n2", "--dist=loadfile")
    assert outcome["tiny.ipynb"] == {"PASSED": 4, "FAILED": 0}
    assert [outcome[f"{kind}.ipynb"] for kind in kinds] == [{"PASSED": 3, "FAILED": 1}] * 3
    real, changed = outcome["real.ipynb"], outcome["real_changed.ipynb"]
    assert real["FAILED"] == 0 and real["PASSED"] > 0
    assert changed["FAILED"] == 1


def test_the_kernels_of_the_suite_have_no_network(tmp_path):
    """nbval's kernels are children of the suite: they inherit what conftest.py sets."""
    source = "import socket\ntry:\n    socket.gethostbyname('example.com')\nexcept OSError as error:\n    print(error)"
    output = nbformat.v4.new_output(
        "stream", name="stdout", text="the network is cut off here: socket.gethostbyname 'example.com'\n"
    )
    cells = [new_code_cell(source, execution_count=1, outputs=[output], id="a")]
    (tmp_path / "cut.ipynb").write_text(nbformat.writes(new_notebook(cells=cells)), encoding="utf-8")
    assert nbval(tmp_path) == {"cut.ipynb": {"PASSED": 1, "FAILED": 0}}


def test_outputs_are_kept_where_no_code_has_changed(tiny):
    new, stored = nbformat.read(tiny, as_version=4), nbformat.read(tiny, as_version=4)
    for cell in new.cells[1:]:
        cell.outputs, cell.execution_count = [], None
    new.cells[0].source = "# Other text"
    assert notebooks.keep_outputs(new, tiny)
    assert new.cells[0].source == "# Other text" and new.cells[1:] == stored.cells[1:]
    new.cells[2].source += " "
    assert not notebooks.keep_outputs(new, tiny)
    assert not notebooks.keep_outputs(new, tiny.with_name("not_there.ipynb"))

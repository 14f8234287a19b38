"""The check of the environment finds what is there, and says how to get what is not."""

import ast
import sys
from pathlib import Path

import pytest

from qviz.lessons import environment
from qviz.lessons.environment import Finding, Report, check_environment

ROOT = Path(__file__).resolve().parents[2]


def test_what_this_test_runs_with_is_found():
    found = {f.name: f.ok for f in check_environment().findings}
    assert found["numpy"] and found["ipywidgets"] and found["Python 3.11 or later"]


def test_a_missing_package_is_named_with_its_fix(monkeypatch):
    monkeypatch.setitem(environment.NEEDED, "no-such-package", "nothing")
    report = check_environment()
    assert not report.ok
    assert "no-such-package      MISSING: needed by nothing; run `python3 start.py lab`" in repr(report)


def test_everything_that_a_page_imports_is_looked_for():
    """Libraries that qviz, a page or a lesson's function loads, where they are not part of another one on the list."""
    trees = [
        ast.parse(p.read_text(encoding="utf-8")) for folder in ("qviz", "course") for p in (ROOT / folder).rglob("*.py")
    ]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    libraries = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"qviz"}
    brought_along = {"PIL", "traitlets", "IPython"}  # by matplotlib and by ipywidgets
    assert libraries - brought_along <= set(environment.NEEDED)


@pytest.mark.parametrize(("printed", "ok"), [("qnnpack fbgemm", True), ("qnnpack", False), ("", False)])
def test_the_int8_kernels_are_asked_of_torch_itself(monkeypatch, printed, ok):
    monkeypatch.setattr(environment, "_ENGINES", f"print({printed!r})")
    assert environment._int8_kernels().ok is ok


def test_a_clean_report_reads_the_same_everywhere():
    assert repr(Report((Finding("numpy", True, ""),))) == "numpy                ok\nEverything is installed."


def test_in_a_browser_no_process_is_started_and_torch_is_not_missed(monkeypatch):
    monkeypatch.setattr(environment, "IN_BROWSER", True)
    monkeypatch.setattr(environment, "_int8_kernels", lambda: pytest.fail("a browser cannot start a process"))
    report = check_environment()
    assert [f.name for f in report.findings] == ["Python 3.11 or later", "numpy", "matplotlib", "ipywidgets"]
    assert report.ok

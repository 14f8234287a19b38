"""The check of the environment finds what is there, and says how to get what is not."""

import pytest

from qviz.lessons import environment
from qviz.lessons.environment import Finding, Report, check_environment


def test_what_this_test_runs_with_is_found():
    found = {f.name: f.ok for f in check_environment().findings}
    assert found["numpy"] and found["ipywidgets"] and found["Python 3.11 or later"]


def test_a_missing_package_is_named_with_its_cure(monkeypatch):
    monkeypatch.setitem(environment.NEEDED, "no-such-package", "nothing")
    report = check_environment()
    assert not report.ok
    assert "no-such-package      MISSING: needed by nothing; run `python3 start.py lab`" in repr(report)


@pytest.mark.parametrize(("printed", "ok"), [("qnnpack fbgemm", True), ("qnnpack", False), ("", False)])
def test_the_int8_kernels_are_asked_of_torch_itself(monkeypatch, printed, ok):
    monkeypatch.setattr(environment, "_ENGINES", f"print({printed!r})")
    assert environment._int8_kernels().ok is ok


def test_a_clean_report_reads_the_same_everywhere():
    assert repr(Report((Finding("numpy", True, ""),))) == "numpy                ok\nAll is there."

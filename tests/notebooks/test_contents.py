"""The table of contents: what follows from it, worked by hand, and a page put in between."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import contents
import tables

import notebooks

A = contents.Page(0, "a", "Ah", "Why?", "core")
B = contents.Page(1, "b_c", "Bee", "How?", "core")
D = contents.Page(2, "d", "Dee", "When?", "further")


@pytest.fixture
def three(monkeypatch):
    """Make the course one of three pages."""
    monkeypatch.setattr(contents, "pages", lambda: (A, B, D))


def test_every_page_is_listed_once_and_has_a_source():
    listed = contents.pages()
    assert sorted(p.source for p in listed) == sorted(contents.COURSE.glob("*.py"))
    assert {p.part for p in listed} <= set(contents.PARTS)
    assert listed[0].slug == "start_here"  # start.py and Binder open it
    for p in listed:
        assert re.fullmatch(r"[a-z0-9_]+", p.slug) and p.question.endswith("?")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("on [page](page:d).", "on [page 2](02_d.ipynb)."),
        ("[Page](page:b_c) says", "[Page 1](01_b_c.ipynb) says"),
        ("pages [#](page:a) to [#](page:d)", "pages [0](00_a.ipynb) to [2](02_d.ipynb)"),
        ("[](page:b_c)", "[1. Bee](01_b_c.ipynb)"),
        ("[](page:a)", "[Ah](00_a.ipynb)"),
        ("[as before](page:b_c)", "[as before](01_b_c.ipynb)"),
        ("[exercise 9.4](page:d)", "[exercise 2.4](02_d.ipynb)"),
        ("[a site](https://a.b/page:d)", "[a site](https://a.b/page:d)"),
    ],
)
def test_links_of_a_source(written, read, three):
    assert contents.expand_links(written) == read


def test_an_unknown_page_is_told(three):
    with pytest.raises(KeyError, match=r"no page 'e' in course/contents\.toml: there are a, b_c, d"):
        contents.expand_links("[](page:e)")


def test_the_head_of_a_page(three):
    assert contents.head(B, "Time: 5 minutes.") == (
        "# 1. Bee\n\n**The question on this page:** How?\n\n"
        "*Previous: [](page:a). Time: 5 minutes. Next: [](page:d).*\n\n"
    )


def test_a_page_put_in_between_moves_every_number_of_the_guide(three):
    """These links were written when b_c was page 3, and d page 7."""
    old = "[page 3](../notebooks/03_b_c.ipynb), *X*, [7](notebooks/07_d.ipynb), [7. Old](notebooks/07_d.ipynb)"
    assert tables.renewed(old) == (
        "[page 1](../notebooks/01_b_c.ipynb), *X*, [2](notebooks/02_d.ipynb), [2. Dee](notebooks/02_d.ipynb)"
    )
    assert tables.renewed("lab/tree/notebooks/04_a.ipynb and `x`") == "lab/tree/notebooks/00_a.ipynb and `x`"


def test_stored_notebooks_get_their_new_numbers(three, tmp_path):
    """Two change places, one stays, one has left the course; what is no page of the course is left alone."""
    for name in ("00_a", "01_d", "02_b_c", "03_gone", "own"):
        (tmp_path / f"{name}.ipynb").write_text(name)
    notebooks.rename(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "00_a.ipynb": "00_a", "01_b_c.ipynb": "02_b_c", "02_d.ipynb": "01_d", "own.ipynb": "own",
    }  # fmt: skip


def test_a_notebook_is_found_by_number_and_by_name(three, tmp_path):
    assert notebooks.find(["b"], tmp_path) == notebooks.find(["01"], tmp_path) == [tmp_path / "01_b_c.ipynb"]
    with pytest.raises(notebooks.NotebookError, match="no such notebook: e; there are 00_a, 01_b_c, 02_d"):
        notebooks.find(["e"], tmp_path)


def test_the_package_names_pages_by_their_titles():
    """It has no table of contents, so it may not know a number."""
    titles, named = {p.title for p in contents.pages()}, []
    for path in (ROOT / "qviz").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        named += re.findall(r"""\bpages? ["']([A-Z][^"']+)["']""", text)
        assert re.findall(r"\b(?:lesson|page) \d", text) == [], path
    assert len(named) > 5 and set(named) <= titles


def test_no_source_names_a_page_by_its_number():
    for p in contents.pages():
        assert re.findall(r"\b[Ll]essons? \d|\b[Pp]ages? \d|\d\d_\w+\.ipynb", p.source.read_text("utf-8")) == [], p.slug

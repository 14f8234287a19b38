"""Readouts: the text that is stored, and the HTML that is seen."""

import re
from html.parser import HTMLParser

import pytest

from qviz.widgets._readout import Readout, Table, html_of, html_of_figures


class Grid(HTMLParser):
    """Read a table as a browser does: the tag, scope and text of each cell."""

    def __init__(self, text):
        super().__init__()
        self.rows, self._cell = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self._cell = [tag, dict(attributes).get("scope"), ""]
            self.rows[-1].append(self._cell)

    def handle_data(self, text):
        if self._cell:
            self._cell[2] += text

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self._cell = None


@pytest.fixture
def table():
    return Table(("name", "a < b"), [("x", "1"), ("y", "22")], (-5, 6), marked=1, mark=">")


def test_a_table_as_text(table):
    assert str(table).splitlines() == [
        "  name  a < b",
        "  x         1",
        "> y        22",
    ]
    assert str(Table(("n", "v"), [("x", "1")], (-3, 3))).splitlines() == ["n    v", "x    1"]  # nothing to mark


def test_a_table_has_heads_of_columns_and_of_rows(table):
    assert Grid(table.html).rows == [
        [["th", "col", "name"], ["th", "col", "a < b"]],
        [["th", "row", "x"], ["td", None, "1"]],
        [["th", "row", "> y"], ["td", None, "22"]],
    ]


def test_a_row_with_too_few_cells_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="longer"):
        str(Table(("a", "b"), [("x",)], (1, 1)))


def test_a_readout_is_a_string_of_its_parts(table):
    said = Readout.of("<first>", table)
    assert isinstance(said, str) and said == f"<first>\n{table}"
    assert said.html == f"<pre>&lt;first&gt;</pre>\n{table.html}"
    assert table.html in html_of(said) and "<table>" not in html_of(str(said))


def test_a_note_stands_first(table):
    assert re.findall("<pre>(.*?)</pre>", html_of("text", "note")) == ["note", "text"]


def test_words_are_not_broken_at_hyphens():
    assert "<span>(min-max),</span> -4.5 and <span>a/b</span>" in html_of("(min-max), -4.5 and a/b")


def test_figures_are_escaped_and_named():
    assert "<span>a &amp; b <b>&lt;1</b></span>" in html_of_figures({"a & b": "<1"})

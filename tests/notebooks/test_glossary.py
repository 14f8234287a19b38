"""Every term that a page uses is in the glossary, linked where it is used first, and every link leads somewhere."""

import re
import sys
from pathlib import Path

import jupytext
import pytest

from qviz.widgets.controls import controls_of
from qviz.widgets.gallery import all_explorers

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))  # tools are scripts, not a package
import glossary
import minutes

import course

SOURCES = course.sources()
every_page = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)

# Bold, and no term: menus, what is moved, and what is said with emphasis.
MENUS = {"Run", "Run All Cells", "Restart Kernel and Run All Cells"}
EMPHASIS = {
    "Notice",
    "arena",
    "divide, round, clip, store, multiply",
    "affine for activations",
    "symmetric for weights",
    "workbench",
    "walk",
    "four terms",
    "symmetric weights",
    "Time",
}
# Capital letters, and no term: licences, publishers, what the code itself explains.
CAPITALS = {"CC0", "NVIDIA", "ONNX", "UCI"}
LABELS = {control.label for kind in all_explorers() for control, _ in controls_of(kind.State).values()}
NAMES = {name for kind in all_explorers() for name in controls_of(kind.State)} | {"More", "Reset", "Train", "Stop"}


def prose(source):
    """Return the text of a page: no code, no sources of literature."""
    cells = [cell.source for cell in jupytext.read(source).cells if cell.cell_type == "markdown"]
    text = "\n\n".join(cells).split("## Sources")[0]
    return re.sub(r"`[^`]*`|\$[^$]*\$|\]\([^)]*\)", "", text)


def unknown(text):
    """Return the bold words and the abbreviations that the glossary does not know."""
    text = re.sub(r"\bW\d+(A\d+)?\b", "", text)  # the notation of the glossary: W4A8, and W4 for weights alone
    known = glossary.terms()
    bold = {match[1] for match in glossary.BOLD.finditer(text) if not match[2]}
    bold = {word for word in bold if not word.endswith(("?", "!"))} - MENUS - EMPHASIS - LABELS - NAMES
    capitals = set(re.findall(r"\b[A-Z][A-Z0-9]+\b", text)) - CAPITALS
    return sorted(word for word in bold | capitals if word.lower() not in known)


@every_page
def test_every_term_is_in_the_glossary(source):
    assert unknown(prose(source)) == []


def test_an_unknown_term_is_found():
    assert unknown("A **frobnicator** is a **scale**. See XYZ. **Notice:** **Bits**") == ["XYZ", "frobnicator"]


@every_page
def test_a_term_is_linked_once_where_it_is_used_first(source):
    text = "\n".join(cell.source for cell in course.build(source).cells if cell.cell_type == "markdown")
    known, seen = glossary.terms(), set()
    for match in re.finditer(r"(\[?)\*\*([^*\n]+?)[.:]?\*\*(?:\]\(\.\./docs/glossary\.md#([\w-]+) )?", text):
        name = known.get(match[2].lower())
        if name:
            assert bool(match[3]) == (name not in seen), match[0]
            assert match[3] in (None, glossary.anchor(name))
            seen.add(name)


def entries():
    """Return what the glossary says of each anchor: its text as it stands there, without its other names."""
    text = glossary.GLOSSARY.read_text(encoding="utf-8").split("## Terms")[1].split("## Sources")[0]
    found = [entry.partition("\n\n") for entry in text.split("\n### ")[1:]]
    return {glossary.anchor(name): re.sub(r"^\*Also: .*?\.\* ", "", words.strip()) for name, _, words in found}


@every_page
def test_every_link_to_the_glossary_shows_its_definition(source):
    """As a tooltip: the beginning of what the glossary says, in whole sentences, short enough for a glance."""
    text = "\n".join(cell.source for cell in course.build(source).cells if cell.cell_type == "markdown")
    links = re.findall(r'\(\.\./docs/glossary\.md#([\w-]+) "([^"]*)"\)', text)
    assert len(links) == text.count("docs/glossary.md#") > 0
    for mark, shown in links:
        words = entries()[mark].replace("`", "")
        assert words.startswith(shown) and shown.endswith((".", ".)")), mark
        assert len(shown) <= glossary.TOOLTIP or ". " not in shown, mark


def test_a_definition_is_plain_text_where_it_is_a_tooltip(tmp_path, monkeypatch):
    assert [told for told in glossary.tooltips().values() if re.search(r'["`*$<&|\\\[\]]|\d{4}\.$', told)] == []
    entries = {
        "A": ("*Also: a1, a2.* A rule, as in `Q4_0`. Author et al., 2019.", "A rule, as in Q4_0."),
        "C": ("A routine. (Elsewhere, a process.)", "A routine. (Elsewhere, a process.)"),
        "D": (f"Short. {'X' * 200} is too long.", "Short."),
    }
    text = "\n\n".join(f"### {name}\n\n{words}" for name, (words, _) in entries.items())
    monkeypatch.setattr(glossary, "GLOSSARY", tmp_path / "glossary.md")
    glossary.GLOSSARY.write_text(text, encoding="utf-8")
    assert glossary.tooltips() == {name: told for name, (_, told) in entries.items()}


def test_a_tooltip_takes_no_time_to_read():
    cells = [{"cell_type": "markdown", "metadata": {}, "source": 'A [**b**](c.md#d "One (two) three.") e.'}]
    assert minutes.count(cells).words == 3


def test_the_glossary_is_in_order_and_says_each_word_once():
    names = [name for name, *_ in glossary.ENTRY.findall(glossary.GLOSSARY.read_text(encoding="utf-8"))]
    assert names == sorted(names, key=str.lower)
    assert len({glossary.anchor(name) for name in names}) == len(names)
    glossary.terms()  # refuses a word for two terms


def test_every_entry_is_a_sentence():
    for name, words in entries().items():
        assert words.endswith(".") or words.endswith(".)"), name
        assert 20 < len(words) < 400, name


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *sorted(p.name for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_of_the_pages_beside_the_course_lead_somewhere(page):
    path = next(p for p in (ROOT / page, ROOT / "docs" / page) if p.exists())
    for link, mark in re.findall(r"\]\((?!https?:)([^)\s#]*)(#[\w-]+)?\)", path.read_text(encoding="utf-8")):
        target = path if not link else (path.parent / link)
        assert target.exists(), link
        if mark:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert mark[1:] in map(glossary.anchor, headings), mark

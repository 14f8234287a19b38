"""The terms of docs/glossary.md, and links to them from their first use on a page."""

import re
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
ENTRY = re.compile(r"^### (.+)\n\n(?:\*Also: (.+?)\.\* )?(.+)", re.MULTILINE)
SENTENCE = re.compile(r"(?<=[.)]) (?=[A-Z(])")
PAPER = re.compile(r", \d{4}\.$")  # where a method was published: for the glossary, not for a tooltip
TOOLTIP = 200  # characters that are read at a glance
BOLD = re.compile(r"(?<![\[*])\*\*([^*\n]+?)([.:]?)\*\*(?![\]*])")


def terms():
    """Return the glossary entry for each term and synonym, by its lower-case form."""
    found = {}
    for name, also, _ in ENTRY.findall(GLOSSARY.read_text(encoding="utf-8")):
        for word in [name, *filter(None, also.split(", "))]:
            if found.setdefault(word.lower(), name) != name:
                raise ValueError(f"{word!r} stands for both {found[word.lower()]!r} and {name!r} in the glossary")
    return found


def tooltips():
    """Return the definition of each name in plain text: its first sentences, as many as are read at a glance."""
    found = {}
    for name, _, words in ENTRY.findall(GLOSSARY.read_text(encoding="utf-8")):
        first, *more = SENTENCE.split(words.replace("`", ""))
        for sentence in more:
            if PAPER.search(sentence) or len(first) + len(sentence) >= TOOLTIP:
                break
            first += f" {sentence}"
        found[name] = first
    return found


def anchor(name):
    """Return the anchor of a heading, as GitHub and Sphinx generate it."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def link_first_uses(cells):
    """Link the first bold use of each term on a page, in place, with its definition as a tooltip."""
    known, told, linked = terms(), tooltips(), set()

    def link(match):
        name = known.get(match[1].lower())
        if name is None or name in linked:
            return match[0]
        linked.add(name)
        return f'[{match[0]}](../docs/glossary.md#{anchor(name)} "{told[name]}")'

    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = BOLD.sub(link, cell.source)

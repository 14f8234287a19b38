"""The terms of docs/glossary.md, and the links to them from where a page first uses one."""

import re
from pathlib import Path

GLOSSARY = Path(__file__).resolve().parent.parent / "docs" / "glossary.md"
ENTRY = re.compile(r"^### (.+)\n\n(?:\*Also: (.+?)\.\*)?", re.MULTILINE)
BOLD = re.compile(r"(?<![\[*])\*\*([^*\n]+?)([.:]?)\*\*(?![\]*])")


def terms():
    """Return the name in the glossary of each word for a term, in lower case."""
    found = {}
    for name, also in ENTRY.findall(GLOSSARY.read_text(encoding="utf-8")):
        for word in [name, *filter(None, also.split(", "))]:
            if found.setdefault(word.lower(), name) != name:
                raise ValueError(f"{word!r} stands for both {found[word.lower()]!r} and {name!r} in the glossary")
    return found


def anchor(name):
    """Return the anchor of a heading, as GitHub and Sphinx make it."""
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def link_first_uses(cells):
    """Link each term where it stands in bold for the first time on a page, in place."""
    known, linked = terms(), set()

    def link(match):
        name = known.get(match[1].lower())
        if name is None or name in linked:
            return match[0]
        linked.add(name)
        return f"[{match[0]}](../docs/glossary.md#{anchor(name)})"

    for cell in cells:
        if cell.cell_type == "markdown":
            cell.source = BOLD.sub(link, cell.source)

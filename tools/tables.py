"""Keep README, instructor's guide and site in step with the table of contents: tables, and links to notebooks.

Between `<!-- made: NAME -->` and `<!-- end -->` stands a table that is made here. In a link to a notebook, the number
in the file's name follows the table of contents, and so do "page 3", "exercise 2.3", "3" and "3. Calibration" as the
words of the link. `python3 start.py notebooks` calls this.
"""

import re

import contents

import course

ROOT = contents.ROOT
FILES = tuple(ROOT / name for name in ("README.md", "docs/instructor.md", "docs/site/index.md"))
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
NOTEBOOK = re.compile(r"(?:\[([^\]]*)\]\()?([\w./]*notebooks/)\d\d_(\w+)\.ipynb")

COUNTED = ("words", "lines", "hands_on", "questions", "reading", "exercises", "exercising")
HEAD = ("words", "lines", "hands-on", "questions", "**minutes**", "exercises", "**more**")


def counts():
    """Return the instructor's table: what is counted on each page."""
    found = [(page, course.counted(page.source)) for page in contents.pages()]
    lines = [["page", "path", *HEAD], ["---", "---", *["---:"] * len(HEAD)]]
    for page, count in found:
        link = f"[{page.number}. {page.title}](../notebooks/{page.stem}.ipynb)"
        lines.append([link, page.part, *(f"{getattr(count, key):,}" for key in COUNTED)])
    lines.append(["all", "", *(f"{sum(getattr(count, key) for _, count in found):,}" for key in COUNTED)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {"overview": lambda: course.overview("notebooks/"), "counts": counts}


def follow(match):
    """Return a link to a notebook as the table of contents has it now."""
    text, folder, page = match[1], match[2], contents.page(match[3])
    before = "" if text is None else f"[{contents.words(text, page)}]("
    return f"{before}{folder}{page.stem}.ipynb"


def renewed(text):
    """Return a text with its tables and its links as they must be."""
    return NOTEBOOK.sub(follow, MADE.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n", text))


def write():
    """Store what has changed."""
    for path in FILES:
        old = path.read_text(encoding="utf-8")
        if (new := renewed(old)) != old:
            path.write_text(new, encoding="utf-8")

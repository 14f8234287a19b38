"""The table of contents, course/contents.toml, and what is derived from it: numbers, file names, headings, links.

A source links to another page by its slug. `[page](page:calibration)` becomes "page 3", `[#](page:calibration)` "3" and
`[](page:calibration)` "3. Calibration"; any other link text is unchanged. Exercises are numbered within a page, and the
number of the page is put before theirs.
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "course"
PARTS = ("core", "further", "appendix")
LINK = re.compile(r"\[([^\]]*)\]\(page:(\w+)\)")
EXERCISE = re.compile(r"^\*\*(\d+)\.", re.MULTILINE)


@dataclass(frozen=True)
class Page:
    """One page of the course."""

    number: int
    slug: str
    title: str
    question: str
    part: str

    @property
    def stem(self) -> str:
        """The name of its notebook, without the extension."""
        return f"{self.number:02d}_{self.slug}"

    @property
    def source(self) -> Path:
        """The file of its source."""
        return COURSE / f"{self.slug}.py"

    @property
    def label(self) -> str:
        """Number and title; the first page has no number in its heading."""
        return f"{self.number}. {self.title}" if self.number else self.title


@cache
def pages() -> tuple[Page, ...]:
    """Return every page, in order."""
    listed = tomllib.loads((COURSE / "contents.toml").read_text(encoding="utf-8"))["page"]
    return tuple(Page(number, **entry) for number, entry in enumerate(listed))


def page(slug: str) -> Page:
    """Return the page with this slug."""
    for found in pages():
        if found.slug == slug:
            return found
    raise KeyError(f"no page {slug!r} in course/contents.toml: there are {', '.join(p.slug for p in pages())}")


def words(text: str, of: Page) -> str:
    """Return the text of a link to a page, with the page's number or label filled in."""
    if text == "":
        return of.label
    if re.match(r"\d+\. ", text):
        return f"{of.number}. {of.title}"
    if text == "#" or text.isdecimal():
        return str(of.number)
    if said := re.fullmatch(r"(\w*page)(?: \d+)?", text, re.IGNORECASE):
        return f"{said[1]} {of.number}"
    return re.sub(r"(exercises?) \d+\.(\d+)", rf"\1 {of.number}.\2", text, flags=re.IGNORECASE)


def expand_links(text: str) -> str:
    """Replace links to slugs by links to notebooks."""
    return LINK.sub(lambda m: f"[{words(m[1], page(m[2]))}]({page(m[2]).stem}.ipynb)", text)


def head(of: Page, time: str) -> str:
    """Return the head of a page: its heading, its question, its time, and links to the pages before and after."""
    before, after = pages()[: of.number][-1:], pages()[of.number + 1 :][:1]
    line = [f"Previous: [](page:{p.slug})." for p in before] + [time]
    line += [f"Next: [](page:{p.slug})." for p in after] or ["This is the last page: back to [](page:start_here)."]
    return f"# {of.label}\n\n**The question on this page:** {of.question}\n\n*{' '.join(line)}*\n\n"


def overview(minutes: Mapping[str, tuple[int, int]], folder: str = "") -> str:
    """Return the course as a table; `minutes` holds (reading, exercises) by slug."""
    rows = ["| page | its question | path | minutes |", "|---|---|---|---|"]
    for p in pages():
        reading, exercises = minutes[p.slug]
        time = f"{reading} + {exercises}" if exercises else f"{reading}"
        rows.append(f"| [{p.number}. {p.title}]({folder}{p.stem}.ipynb) | {p.question} | {p.part} | {time} |")
    return "\n".join([*rows, "", *_legend(minutes)])


def _legend(minutes: Mapping[str, tuple[int, int]]) -> Iterable[str]:
    reading, exercises = (sum(minutes[p.slug][kind] for p in pages() if p.part == "core") for kind in (0, 1))
    yield (
        "You can read the pages in order, or read the *core* pages first and then choose what you need. Reading the "
        f"core pages takes about {reading} minutes, and their exercises {exercises} more. The times are estimated from "
        "the length of the pages: minutes for reading, plus minutes for the exercises."
    )

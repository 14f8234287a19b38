"""How long each page takes: what is counted in the stored notebooks, and what is assumed about a reader.

    .venv/bin/python tools/minutes.py            print the table
    .venv/bin/python tools/minutes.py --store    write the minutes wherever they are told: guide, README, pages

Words, lines, explorers, questions and exercises are counted. The pace is assumed: silent reading of English
non-fiction goes at 238 words a minute (M. Brysbaert, 2019, https://doi.org/10.1016/j.jml.2019.104047); here half of
that, since every sentence is about a picture or a number beside it. No class has been timed yet.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE, README = ROOT / "docs" / "instructor.md", ROOT / "README.md"
TABLE = re.compile(r"(<!-- made by tools/minutes.py -->\n).*?(<!-- end -->)", re.DOTALL)
TIME = re.compile(r"Time: [^.]*\.")  # in the first cell of a page

WORDS_A_MINUTE = 120
SECONDS_A_LINE = 3  # of code, or printed
MINUTES_AN_EXPLORER = 2
MINUTES_A_REPAIR = 1.5  # of a cell that fails on purpose: read, mend, run again
MINUTES_A_QUESTION = 0.5
MINUTES_FIRST_EXERCISE = 3  # and a minute more for each one after it: they rise in difficulty


@dataclass(frozen=True)
class Page:
    """What one page holds, its exercises apart."""

    title: str
    link: str
    words: int
    lines: int
    explorers: int
    repairs: int
    questions: int
    exercises: int

    @property
    def hands_on(self):
        """Explorers to move and cells to repair."""
        return self.explorers + self.repairs

    @property
    def reading(self):
        """Minutes to read the page and to move what is there."""
        read = self.words / WORDS_A_MINUTE + self.lines * SECONDS_A_LINE / 60
        done = self.explorers * MINUTES_AN_EXPLORER + self.repairs * MINUTES_A_REPAIR
        return rounded(read + done + self.questions * MINUTES_A_QUESTION)

    @property
    def exercising(self):
        """Minutes for the exercises."""
        return rounded(sum(MINUTES_FIRST_EXERCISE + n for n in range(self.exercises)))


def rounded(minutes):
    """Round to five minutes: nobody knows it better."""
    return 5 * round(minutes / 5)


def page(path):
    """Count what a stored notebook holds."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    source = {id(cell): "".join(cell["source"]) for cell in cells}
    body = [cell for cell in cells if "exercise" not in cell["metadata"].get("tags", [])]
    prose = " ".join(source[id(cell)] for cell in body if cell["cell_type"] == "markdown").split("## Sources")[0]
    code = [source[id(cell)] for cell in body if cell["cell_type"] == "code"]
    folded = [source[id(cell)] for cell in body if cell["metadata"].get("jupyter", {}).get("source_hidden")]
    printed = [output for cell in body for output in cell.get("outputs", [])]
    texts = ["".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in printed]
    return Page(
        title=re.match("# (.*?)(?: with fbgemm)?\n", source[id(cells[0])])[1],
        link=f"../notebooks/{path.name}",
        words=len(re.findall(r"\w[\w'-]*", re.sub(r"\]\([^)]*\)", "]", prose))),
        lines=sum(len(text.splitlines()) for text in [*code, *texts]) - sum(len(text.splitlines()) for text in folded),
        explorers=sum(len(re.findall(r"\b\w+Explorer\(", text)) for text in code),
        repairs=sum(text.count("failures.check_repair(") for text in code),
        questions=sum(text.count("Prediction(") for text in code) + 9 * sum("_the_course()" in text for text in code),
        exercises=sum(text.startswith("check(") for text in source.values()),
    )


def pages():
    """Return every page, in order."""
    return [page(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


COUNTED = ("words", "lines", "hands_on", "questions", "reading", "exercises", "exercising")
HEAD = ("words", "lines", "hands-on", "questions", "**minutes**", "exercises", "**more**")


def table():
    """Return the table of the guide; lines are those of code and output."""
    found = pages()
    rows = [[f"[{p.title}]({p.link})", *(f"{getattr(p, key):,}" for key in COUNTED)] for p in found]
    rows.append(["all", *(f"{sum(getattr(p, key) for p in found):,}" for key in COUNTED)])
    lines = ["page", *HEAD], ["---", *["---:"] * len(HEAD)], *rows
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(page):
    """Return what a page says of its own time."""
    return f"Time: {page.reading} minutes{f', exercises {page.exercising} more' if page.exercises else ''}."


def short(page):
    """Return the same for the map in the README."""
    return f"{page.reading} + {page.exercising}" if page.exercises else f"{page.reading}"


def rewrite(path, change):
    """Store what `change` makes of a text."""
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def store():
    """Write the table into the guide, and each page's minutes into its source and into the README."""
    rewrite(GUIDE, lambda text: TABLE.sub(lambda m: f"{m[1]}{table()}\n{m[2]}", text))
    for page in pages():
        name = Path(page.link).stem
        row = re.compile(rf"^(\| .*{name}\.ipynb.*\|) [^|]+ \|$", re.MULTILINE)
        rewrite(ROOT / "course" / f"{name}.py", lambda text, page=page: TIME.sub(told(page), text, count=1))
        rewrite(README, lambda text, page=page, row=row: row.sub(rf"\1 {short(page)} |", text))


if __name__ == "__main__":
    store() if "--store" in sys.argv[1:] else print(table())

"""How long each page takes: what is counted in the stored notebooks, and what is assumed about a reader.

    .venv/bin/python tools/minutes.py            print the table
    .venv/bin/python tools/minutes.py --store    write it into docs/instructor.md

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
GUIDE = ROOT / "docs" / "instructor.md"
TABLE = re.compile(r"(<!-- made by tools/minutes.py -->\n).*?(\n<!-- end -->)", re.DOTALL)

WORDS_A_MINUTE = 120
SECONDS_A_LINE = 3  # of code, or printed
MINUTES_AN_EXPLORER = 2
MINUTES_A_QUESTION = 0.5
MINUTES_FIRST_EXERCISE = 3  # and a minute more for each one after it: they rise in difficulty


@dataclass(frozen=True)
class Page:
    """What one page holds, its exercises apart."""

    name: str
    words: int
    lines: int
    explorers: int
    questions: int
    exercises: int

    @property
    def reading(self):
        """Minutes to read the page and to move what is there."""
        counted = self.words / WORDS_A_MINUTE + self.lines * SECONDS_A_LINE / 60
        return rounded(counted + self.explorers * MINUTES_AN_EXPLORER + self.questions * MINUTES_A_QUESTION)

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
    printed = [output for cell in body for output in cell.get("outputs", [])]
    texts = ["".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in printed]
    return Page(
        name=path.stem,
        words=len(re.findall(r"\w[\w'-]*", re.sub(r"\]\([^)]*\)", "]", prose))),
        lines=sum(len(text.splitlines()) for text in [*code, *texts]),
        explorers=sum(len(re.findall(r"\b\w+Explorer\(", text)) for text in code),
        questions=sum(text.count("Prediction(") for text in code) + 9 * sum("_the_course()" in text for text in code),
        exercises=sum(text.startswith("check(") for text in source.values()),
    )


def pages():
    """Return every page, in order."""
    return [page(path) for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def table():
    """Return the table of the guide."""
    rows = ["| page | words | lines of code and output | explorers | questions | minutes | exercises | their minutes |"]
    rows.append("|---|" + "---:|" * 7)
    found = pages()
    for p in found:
        link = f"[{int(p.name[:2])}. {p.name[3:].replace('_', ' ')}](../notebooks/{p.name}.ipynb)"
        cells = (link, p.words, p.lines, p.explorers, p.questions, p.reading, p.exercises, p.exercising)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    totals = [sum(getattr(p, key) for p in found) for key in ("words", "lines", "explorers", "questions", "reading")]
    totals += [sum(p.exercises for p in found), sum(p.exercising for p in found)]
    rows.append(f"| **all** | {' | '.join(f'{n:,}' for n in totals)} |")
    return "\n".join(rows)


def main(arguments):
    """Print the table, or store it."""
    if "--store" not in arguments:
        print(table())
        return
    text = GUIDE.read_text(encoding="utf-8")
    GUIDE.write_text(TABLE.sub(lambda m: m[1] + table() + m[2], text), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

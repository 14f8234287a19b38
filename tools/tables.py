"""Update the tables and the links to notebooks in README, instructor's guide and site from the table of contents.

Tables between `<!-- made: NAME -->` and `<!-- end -->` are generated here. In a link to a notebook, the number in the
file name is updated, and so are "page 3", "exercise 2.3", "3" and "3. Calibration" in the text of the link.
`python3 start.py notebooks` calls this.
"""

import json
import re

import contents
from site_guesses import ANSWERED, ASKED, QUESTION

import course

ROOT = contents.ROOT
FILES = tuple(ROOT / name for name in ("README.md", "docs/instructor.md", "docs/site/index.md"))
MADE = re.compile(r"(<!-- made: (\w+) -->\n).*?(?=<!-- end -->)", re.DOTALL)
NOTEBOOK = re.compile(r"(?:\[([^\]]*)\]\()?([\w./]*notebooks/)\d\d_(\w+)\.ipynb")

COUNTED = ("words", "lines", "hands_on", "questions", "reading", "exercises", "exercising")
HEAD = ("words", "lines", "hands-on", "questions", "**minutes**", "exercises", "**more**")


def counts():
    """Return the instructor's table with the counts of each page."""
    found = [(page, course.counted(page.source)) for page in contents.pages()]
    lines = [["page", "path", *HEAD], ["---", "---", *["---:"] * len(HEAD)]]
    for page, count in found:
        link = f"[{page.number}. {page.title}](../notebooks/{page.stem}.ipynb)"
        lines.append([link, page.part, *(f"{getattr(count, key):,}" for key in COUNTED)])
    lines.append(["all", "", *(f"{sum(getattr(count, key) for _, count in found):,}" for key in COUNTED)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(output):
    """Return the plain text of a notebook's output."""
    return "".join(output.get("text", output.get("data", {}).get("text/plain", "")))


def asked_and_answered(path):
    """Yield (question, choices in the displayed order, right choice, explanation) from the outputs of a notebook."""
    waiting = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source, texts = "".join(cell["source"]), [plain(output) for output in cell.get("outputs", ())]
        for name in ASKED.findall(source):
            waiting[name] = QUESTION.fullmatch(next(text for text in texts if QUESTION.fullmatch(text))).groups()
        for name in ANSWERED.findall(source):
            answer, why = next(text for text in texts if "Answer: " in text).split("Answer: ")[1].split("\n", 1)
            question, listed = waiting.pop(name)
            choices = listed.split(" / ")
            right = max((choice for choice in choices if answer.startswith(choice)), key=len)
            yield question, choices, right, " ".join(why.split())


def answers():
    """Return the instructor's key: all questions, their choices with the right one in bold, and the explanations."""
    lines = [["page", "question", "choices", "why"], ["---"] * 4]
    for page in contents.pages():
        stored = course.STUDENT / f"{page.stem}.ipynb"
        for question, choices, right, why in asked_and_answered(stored) if stored.exists() else ():
            letters = [f"{letter} {choice}" for letter, choice in zip("ABCDEFG", choices, strict=False)]
            told = "; ".join(f"**{text}**" if text[2:] == right else text for text in letters)
            lines.append([f"[{page.number}](../notebooks/{page.stem}.ipynb)", question, told, why])
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


TABLES = {"answers": answers, "overview": lambda: course.overview("notebooks/"), "counts": counts}


def follow(match):
    """Return a link to a notebook with its current number."""
    text, folder, page = match[1], match[2], contents.page(match[3])
    before = "" if text is None else f"[{contents.words(text, page)}]("
    return f"{before}{folder}{page.stem}.ipynb"


def renewed(text):
    """Return a text with updated tables and links."""
    return NOTEBOOK.sub(follow, MADE.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}\n", text))


def write():
    """Write the files that have changed."""
    for path in FILES:
        old = path.read_text(encoding="utf-8")
        if (new := renewed(old)) != old:
            path.write_text(new, encoding="utf-8")

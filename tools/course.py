"""Build notebooks from their sources, course/*.py: the student's version, or the instructor's with solutions.

A source is a notebook as text (jupytext's percent format). Code between `### BEGIN SOLUTION` and `### END SOLUTION`
appears only in the instructor's version; a cell that begins with `check("calibration.3"` checks the answer of the cell
before it. Both versions get the metadata that nbgrader needs to distribute, collect and grade them. The pages and their
order are listed in course/contents.toml (see contents.py).
"""

import ast
import re
from functools import cache
from pathlib import Path

import contents
import glossary
import jupytext
import minutes
import nbformat
from site_guesses import ASKED

ROOT = Path(__file__).resolve().parent.parent
STUDENT, INSTRUCTOR = ROOT / "notebooks", ROOT / "instructor"
STUB = "# your code here"
SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION$", re.DOTALL | re.MULTILINE)
CHECK = re.compile(r'check\("(\w+)\.(\d+)", (\w+)\)')
OVERVIEW = "<!-- contents -->"  # placeholder for the table of contents
# A cell that only asks a question or reveals an answer; its code is folded, so that the reader sees only the output.
RESET = r"\w+\.reset\(.*\)"
STAGING = re.compile(rf"(?:{RESET}\n)?(?:(?P<question>\w+ = Prediction\(.*\)\n\w+)|\w+\.reveal\(.*\))(?:\n{RESET})?")
QUESTION, ANSWER = "Question (unfold to see the code)", "Answer (unfold to see the code)"
UNTIL = "# until you have answered"
LONG = 300  # characters; a longer text leaves no room for an explorer on the same slide
AUTHORS = ("tags",)  # the metadata that a source may set


def sources():
    """Return the source of each page, in order."""
    return [page.source for page in contents.pages()]


def source_of(path):
    """Return the source of a notebook, or None."""
    here = path.parent in (STUDENT, INSTRUCTOR)
    return next((page.source for page in contents.pages() if here and page.stem == path.stem), None)


def build(source, solutions=False):
    """Build the notebook of a source without running it: the student's, or the instructor's with solutions."""
    page = contents.page(source.stem)
    notebook = _tagged(source)
    cells = notebook.cells
    _fold_results(cells)
    cells[0].source = contents.head(page, counted(source).told) + cells[0].source
    for index, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            cell.source = contents.expand_links(cell.source)
            if OVERVIEW in cell.source:
                cell.source = cell.source.replace(OVERVIEW, overview())
            if "exercise" in cell.metadata.get("tags", []):
                cell.source = contents.EXERCISE.sub(rf"**{page.number}.\1.", cell.source)
        if found := CHECK.match(cell.source):
            _for_nbgrader(cells[index - 1], cell, "-".join(found.groups()[:2]))
            if solutions:
                cell.source = f"### BEGIN HIDDEN TESTS\nassert {found[0]}\n### END HIDDEN TESTS\n{cell.source}"
    glossary.link_first_uses(cells)
    for cell in cells:
        if solutions and SOLUTION.search(cell.source):
            cell.metadata["jupyter"] = {"source_hidden": True}  # folded until it is clicked
        elif cell.cell_type == "code":
            cell.source = SOLUTION.sub(rf"\1{STUB}", cell.source)
    return notebook


def _fold_results(cells):
    """Make each cell between a question and its answer fold its output, except for explorers."""
    asked = []
    for cell in cells:
        if cell.cell_type != "code":
            continue
        staged = cell.metadata.get("jupyter", {}).get("source_hidden")
        if asked and not staged and _puts_out(cell.source) and "Explorer(" not in cell.source:
            cell.source = f"{asked[-1]}.fold_output()  {UNTIL}\n{cell.source}"
        asked += ASKED.findall(cell.source)
        asked = [name for name in asked if f"{name}.reveal(" not in cell.source]


def _puts_out(source):
    """Return whether a cell has an output that must be folded; answers fold themselves."""
    last = ast.parse(source).body[-1]
    quiet = not isinstance(last, ast.Expr) or re.match(r"\w+\.(reset|reveal)\(", ast.unparse(last))
    return "print(" in source or not quiet


@cache
def counted(source):
    """Return the counts of words, code lines, explorers and so on in the source of a page."""
    return minutes.count(_tagged(source).cells)


def overview(folder=""):
    """Return the table of contents with the minutes of each page."""
    counts = {page.slug: counted(page.source) for page in contents.pages()}
    return contents.overview({slug: (c.reading, c.exercising) for slug, c in counts.items()}, folder)


def _tagged(source):
    """Return the notebook of a source with the metadata of each cell: exercise, folded, slide."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict({})
    cells, exercises = notebook.cells, False
    for index, cell in enumerate(cells):
        cell["id"] = f"{source.stem}-{index:02d}"
        cell.metadata = nbformat.from_dict({key: cell.metadata[key] for key in AUTHORS if key in cell.metadata})
        heading = re.search(r"^## (.*)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else None
        exercises = heading[1] == "Exercises" if heading else exercises
        if found := STAGING.fullmatch(cell.source) if cell.cell_type == "code" else None:
            cell.metadata["jupyter"] = {"source_hidden": True}  # folded, because the code gives the answer away
            label = QUESTION if found["question"] else ANSWER  # the visible line of a folded cell
            cell.source = f"# {label}\n{cell.source}"
        cell.metadata["slideshow"] = {"slide_type": _slide(cells, index, exercises)}
        if exercises:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), "exercise"]
    return notebook


def _slide(cells, index, exercises):
    """Return the slide type: a slide begins at a heading, a claim, a further call, or an explorer below a long text.

    An answer stands below the result that it explains. Further code that shows nothing needs no slide.
    """
    cell, before = cells[index], cells[max(0, index - 1)]
    if exercises or cell.source.startswith("## Sources"):
        return "skip"
    if index == 0 or (re.search("^## ", cell.source, re.MULTILINE) and cell.cell_type == "markdown"):
        return "slide"
    if cell.cell_type == before.cell_type == "code" and not _puts_out(cell.source):
        answered = _puts_out(before.source) and "Explorer(" not in before.source
        return "skip" if ".reveal(" not in cell.source else "-" if answered else "subslide"
    explained = (before.cell_type, cell.cell_type) == ("markdown", "code")
    crowded = "Explorer(" in cell.source and len(before.source) > LONG
    return "-" if explained and not crowded else "subslide"


def _for_nbgrader(answer, check, name):
    """Mark the cell with the answer and the cell that grades it, for nbgrader."""
    common = {"schema_version": 3, "task": False}
    for cell, grade in ((answer, False), (check, True)):
        kind = {"grade_id": f"{'check' if grade else 'answer'}-{name}", "grade": grade, "solution": not grade}
        cell.metadata["nbgrader"] = common | kind | {"locked": grade} | ({"points": 1} if grade else {})

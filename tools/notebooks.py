"""Build the course's notebooks from course/, run them and store them; the same source always gives the same text.

    python3 start.py notebooks                build, run and store all
    python3 start.py notebooks 02 calib       only those whose number or name begins like this
    python3 start.py notebooks my.ipynb       any notebook by its path, not built
    python3 start.py notebooks --text         run only those whose code has changed, and keep all other outputs
    python3 start.py notebooks --check        store nothing; fail where the stored text differs
    python3 start.py notebooks --instructor   with the worked solutions, folded away, into instructor/

A notebook is stored only if every cell ran, wrote nothing to stderr and needed no network. If the table of contents has
changed, notebooks are renamed first, and tables and links in README, guide and site are updated.
"""

import argparse
import difflib
import json
import os
import re
import sys
import tempfile
from pathlib import Path

import contents
import nbformat
import tables
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

import course

ROOT = Path(__file__).resolve().parent.parent
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
# Keys set by an author or the build; all other metadata is removed.
CELL_METADATA = {"tags", "jupyter", "nbgrader", "slideshow"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # useless without the kernel that created it
CELL_TIMEOUT = 300  # seconds; the longest cell takes a few


class NotebookError(Exception):
    """A notebook cannot be stored; the message tells its author why."""


def load(path):
    """Read a notebook, and reject cells without an id or content."""
    text = path.read_text(encoding="utf-8")
    for index, cell in enumerate(json.loads(text)["cells"]):
        source = "".join(cell["source"])
        if not cell.get("id"):  # nbformat would generate a new one each time
            raise NotebookError(f"cell {index} has no id:\n{source}")
        if not source.strip():
            raise NotebookError(f"cell {index} is empty: remove it")
    return nbformat.reads(text, as_version=4)


def kernel_environment(scratch):
    """Return an environment without network, without the author's guesses and without their IPython profile."""
    paths = [str(ROOT / "tools" / "offline"), os.environ.get("PYTHONPATH", "")]
    own = {"IPYTHONDIR": scratch, "QVIZ_GUESSES": ""}  # do not read the author's guesses
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), **own}


def execute(notebook, folder):
    """Run every cell in a fresh kernel, in the notebook's folder."""
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    with tempfile.TemporaryDirectory() as scratch:
        try:
            client.execute(env=kernel_environment(scratch))
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            raise NotebookError(re.sub(r"\x1b\[[\d;]*m", "", str(error))) from None


def clean(notebook):
    """Remove all metadata except that of author and build, and reject output on stderr."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNELSPEC, "language_info": {"name": "python"}})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA}
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise NotebookError(f"this cell writes to stderr:\n{cell.source}\n\n{output.text}")
            output.get("data", {}).pop(WIDGET_VIEW, None)
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("data", True)]


def keep_outputs(notebook, path):
    """Copy the outputs of the stored notebook if its code is the same; return whether it is."""
    if not path.exists():
        return False
    new, old = ([c for c in n.cells if c.cell_type == "code"] for n in (notebook, load(path)))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        return False
    for cell, stored in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = stored.outputs, stored.execution_count
    return True


def render(path, keep=False):
    """Build the notebook at `path` from its source, if it has one, run it, and return the text to store.

    With `keep`, a notebook whose code has not changed is not run.
    """
    source = course.source_of(path)
    notebook = course.build(source, solutions=path.parent == course.INSTRUCTOR) if source else load(path)
    if not (keep and source and keep_outputs(notebook, path)):
        execute(notebook, path.parent)
    clean(notebook)
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"  # indent 1, sorted keys, no \u escapes


def without_pictures(text):
    """Remove the pictures, because their bytes may differ between machines."""
    return re.sub(r'("image/(?:png|jpeg)": ")[^"]*"', r'\1"', text)


def compare(path, text):
    """Raise NotebookError unless the stored notebook has the same text."""
    old, new = (without_pictures(t).splitlines() for t in (path.read_text(encoding="utf-8"), text))
    changes = list(difflib.unified_diff(old, new, "stored", "run again", lineterm="", n=1))
    if changes:
        raise NotebookError("the stored text differs from a new run:\n" + "\n".join(changes[:40]))


def store(path, text):
    """Replace the notebook atomically, so that an interruption leaves the old one intact."""
    new = path.with_name(path.name + ".new")
    new.write_text(text, encoding="utf-8", newline="\n")
    os.replace(new, path)


def find(names, folder):
    """Return the notebooks with these names, each a path or the beginning of a number or name; no names means all."""
    pages = contents.pages()
    found = []
    for name in names or [""]:
        meant = [page for page in pages if page.stem.startswith(name) or page.slug.startswith(name)]
        matches = [Path(name)] if Path(name).is_file() else [folder / f"{page.stem}.ipynb" for page in meant]
        if not matches:
            raise NotebookError(f"no such notebook: {name}; there are {', '.join(page.stem for page in pages)}")
        found += [match.resolve() for match in matches if match.resolve() not in found]
    return found


def rename(folder):
    """Rename stored notebooks to the current numbers of their pages, and delete those without a page."""
    stems = {page.slug: page.stem for page in contents.pages()}
    old = [path for path in folder.glob("[0-9][0-9]_*.ipynb") if path.stem not in stems.values()]
    aside = [path.rename(path.with_suffix(".moving")) for path in old]  # two pages may swap places
    for path in aside:
        stem = stems.get(path.stem[3:])
        path.rename(path.with_name(f"{stem}.ipynb")) if stem else path.unlink()


def main(arguments=None):
    """Return the exit code: 1 if any notebook failed."""
    parser = argparse.ArgumentParser(prog="start.py notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="numbers, beginnings of names, or paths; default: all")
    parser.add_argument("--text", action="store_true", help="run only those whose code has changed")
    parser.add_argument("--check", action="store_true", help="compare instead of storing")
    parser.add_argument("--instructor", action="store_true", help="with the worked solutions, into instructor/")
    options = parser.parse_args(arguments)
    failed = 0
    try:
        paths = find(options.names, course.INSTRUCTOR if options.instructor else course.STUDENT)
    except NotebookError as error:
        sys.exit(str(error))
    if not options.check:
        rename(course.INSTRUCTOR if options.instructor else course.STUDENT)
        tables.write()
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        try:
            (compare if options.check else store)(path, render(path, options.text))
            print(f"{path.name}: {'same' if options.check else 'stored'}", flush=True)
        except NotebookError as error:
            failed = 1
            print(f"{path.name}: FAILED, and left as it was\n{error}", file=sys.stderr, flush=True)
    if not options.check:
        tables.write()  # the answer key follows from what is stored now
    return failed


if __name__ == "__main__":
    sys.exit(main())

